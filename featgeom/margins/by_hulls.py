"""The hard-margin machine of two classes as a question about hulls, where features have many dimensions.

With a free bias it is the least distance between the hulls of the two classes; with one that is regularised,
or none, it is that of the origin from the hull of y (x, 1), or y x. Where many dimensions make the systems of
an interior point large, the active sets of hulls take a fraction of the time.
"""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.errors import BadArgument
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import nearest
from featgeom.margins.working_set import WorkingSolution

RTOL = 1e-10  # of the distances


def machine_by_hulls(x: Floats, y: Ints, bias: str) -> WorkingSolution | None:
    """The hard machine of x (n, d) with labels y, 0 or 1, of both of which there are some.

    None where the hulls are not found apart, so that nothing is known. The caller judges the result.
    """
    try:
        return _between(x, y) if bias == "standard" else _from_origin(x, y, bias == "augmented")
    except BadArgument:  # lengths whose squares leave float64
        return None


def _between(x: Floats, y: Ints) -> WorkingSolution | None:
    """With a free bias."""
    rows = [np.flatnonzero(y == c) for c in (1, 0)]
    second, first = (ConvexHull(x[some]) for some in rows)
    _, _, found = nearest(second, first, RTOL)
    if not found.lower_bound > 0:
        return None
    many = len(rows[1])
    held = np.zeros(len(x))
    np.add.at(held, rows[0][found.ids // many], found.weights)
    np.add.at(held, rows[1][found.ids % many], found.weights)
    low = float((second.points @ found.point).min())
    high = float((first.points @ found.point).max())
    return _solution(found.point, -(low + high) / 2, held, y, found.norm, found.passes)


def _from_origin(x: Floats, y: Ints, augmented: bool) -> WorkingSolution | None:
    """With a bias that is regularised with the weights, or with none."""
    sides = (2 * y - 1).astype(x.dtype)[:, None]
    points = sides * (np.hstack([x, np.ones((len(x), 1), x.dtype)]) if augmented else x)
    found = ConvexHull(points).project(np.zeros((1, points.shape[1])), RTOL)
    if not found.lower_bound[0] > 0:
        return None
    held, d = found.weights.toarray()[0], x.shape[1]
    used = np.flatnonzero(held)
    point = held[used] @ points[used].astype(np.float64)
    offset = float(point[d]) if augmented else 0.0
    return _solution(
        point[:d], offset, held, y, float(found.distance[0]), found.stats.passes, found.stats.iterations
    )


def _solution(
    normal: Float64, offset: float, held: Float64, y: Ints, norm: float, passes: int, steps: int = 0
) -> WorkingSolution:
    """The machine along a normal, one row a class, and what each sample holds against the other class."""
    rows = np.flatnonzero(held)
    multipliers = np.zeros((len(rows), 2))
    multipliers[np.arange(len(rows)), 1 - y[rows]] = held[rows]
    half, shift = normal / norm**2, offset / norm**2
    return WorkingSolution(
        np.stack([-half, half]), np.array([-shift, shift]), rows, multipliers, True, steps or passes, passes
    )
