"""Planes that claims speak of: through which points they lie, and what a partition of one looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64
from featgeom.certificates.slices import SliceCells
from featgeom.proofs.proof import Found, Must, Unproved

NEAR = 1e-12  # relative: more than rounding leaves where a plane is made of its corners
FLAT = 5e-11  # sine of the angle at a corner below which three points do not tell a plane


def through(found: Found, name: str, corners: NDArray[Any]) -> None:
    """Say that the plane of a declared claim is the one through three points (3, d), the first its origin.

    Where it is the partition of a window, the window holds them. Raises Unproved for points on a line.
    """
    points = np.asarray(corners, np.float64)
    if len(points) != 3:
        raise Unproved(f"'{name}' has {len(points)} corners, not 3")
    sides = points[1:] - points[0]
    ways = np.array([_way(side) for side in sides])
    rest = ways[1] - (ways[0] @ ways[1]) * ways[0]
    if not np.linalg.norm(rest - (ways[0] @ rest) * ways[0]) > FLAT:
        raise Unproved(f"the corners of '{name}' lie on a line")

    def along(basis: Any) -> bool:
        far = np.linalg.norm(ways - ways @ basis.T @ basis, axis=1)
        square = np.abs(basis @ basis.T - np.eye(len(basis))).max()
        return bool(square <= NEAR and (far <= NEAR).all())

    def around(window: Any) -> bool:
        places = np.vstack([np.zeros(2), sides @ found[name].basis.T])
        return bool((places >= window[:2]).all() and (places <= window[2:]).all())

    axes = Must("be two axes at right angles, of length 1, in the plane through its corners", along)
    found.meant(name, origin=points[0], basis=axes)
    if SliceCells in found.declared[name]:
        found.meant(name, window=Must("hold its corners", around))


def _way(side: Float64) -> Float64:
    """The side (d,) scaled to length 1, however long it is; zero where it is."""
    scaled = side / (np.abs(side).max() or 1.0)
    return np.asarray(scaled / (np.linalg.norm(scaled) or 1.0))


def drawn(claim: SliceCells, closed: bool = False) -> dict[str, Any]:
    """The window and the polygons of a partition, by class, as a record has them; a ring may be closed."""
    rings = [claim.points[a:b] for a, b in zip(claim.first[:-1], claim.first[1:], strict=True)]
    ends: Sequence[NDArray[Any]] = [ring[:1] if closed else ring[:0] for ring in rings]
    polygons = {
        str(int(c)): np.concatenate(pair).tolist()
        for c, pair in zip(claim.classes, zip(rings, ends, strict=True), strict=True)
    }
    return {"window": claim.window.tolist(), "polygons": polygons}
