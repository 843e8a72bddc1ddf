"""Planes in feature space: affine subspaces of two or three dimensions with orthonormal axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, as_float64, as_vector
from featgeom.boundaries.bounds import logit_error
from featgeom.errors import BadArgument, Unsupported
from featgeom.head import AffineHead

FLAT = 1e-10  # sine below which directions count as dependent
Window = tuple[float, ...]  # (umin, vmin, umax, vmax); six numbers in three dimensions


@dataclass(frozen=True, eq=False, repr=False)
class Plane:
    """The points origin + Σ_i t_i basis_i: origin (d,), basis (k, d) with orthonormal rows, k = 2 or 3.

    Coordinates are distances in feature space. The plane is the set spanned by the stored numbers, so what is
    proved on it is exact although the rows are orthonormal only to rounding.

    >>> plane = Plane.through([0, 0, 1], [2, 0, 1], [1, 3, 1])
    >>> plane.drop([[1.0, 3.0, 1.0]])
    array([[1., 3.]])
    >>> plane.lift([[1.0, 3.0]])
    array([[1., 3., 1.]])
    """

    origin: Float64
    basis: Float64

    def __repr__(self) -> str:
        return f"<Plane: {len(self.basis)} axes in dimension {len(self.origin):,}>"

    @classmethod
    def through(cls, *points: ArrayLike) -> Plane:
        """The plane through three points, or the 3-D subspace through four; the first is its origin.

        The first axis points to the second point, and each later point has a positive last coordinate.
        Raises BadArgument where the points lie on a line (four: on a plane).
        """
        if len(points) not in (3, 4):
            raise BadArgument(f"Plane.through: expected three points (or four for 3-D), got {len(points)}")
        first = as_vector(points[0], "point 0")
        others = [as_vector(p, f"point {i + 1}", len(first)) for i, p in enumerate(points[1:])]
        sides = np.array(others) - first
        basis = _orthonormal(sides)
        if basis is None:
            shape = "a line (or coincide)" if len(points) == 3 else "a plane"
            raise BadArgument(
                f"Plane.through: the {len(points)} points lie on {shape}, so they fix no subspace"
            )
        return cls(first, basis)

    @classmethod
    def from_directions(cls, point: ArrayLike, *directions: ArrayLike) -> Plane:
        """The plane through a point along two directions, or the 3-D subspace along three.

        >>> Plane.from_directions([0, 0, 0], [0, 2, 0], [0, 1, 1]).basis
        array([[0., 1., 0.],
               [0., 0., 1.]])
        """
        if len(directions) not in (2, 3):
            raise BadArgument(
                f"Plane.from_directions: expected two directions (or three), got {len(directions)}"
            )
        origin = as_vector(point, "point")
        given = np.array([as_vector(v, f"direction {i}", len(origin)) for i, v in enumerate(directions)])
        basis = _orthonormal(given)
        if basis is None:
            raise BadArgument("Plane.from_directions: the directions are zero or depend on each other")
        return cls(origin, basis)

    @property
    def dimension(self) -> int:
        """The number of axes, 2 or 3."""
        return len(self.basis)

    def lift(self, coordinates: ArrayLike) -> Float64:
        """Points (n, d) of feature space from coordinates (n, k) on the plane."""
        return self.origin + as_float64(coordinates, "coordinates", self.dimension, True) @ self.basis

    def drop(self, z: ArrayLike) -> Float64:
        """Coordinates (n, k) of the points of the plane closest to z (n, d): a projection."""
        return (as_float64(z, "z", len(self.origin), True) - self.origin) @ self.basis.T

    def distance(self, z: ArrayLike) -> Float64:
        """How far points z (n, d) are from the plane, (n,), in feature space.

        >>> Plane(np.zeros(3), np.eye(3)[:2]).distance([[1.0, 1.0, 2.0]])
        array([2.])
        """
        points = as_float64(z, "z", len(self.origin), True)
        return np.linalg.norm(points - self.lift(self.drop(points)), axis=1)

    def window(self, z: ArrayLike, margin: float = 0.3) -> Window:
        """A window around the projections of z (n, d), wider on every side by ``margin`` times its size.

        >>> Plane(np.zeros(2), np.eye(2)).window([[0.0, 0.0], [1.0, 2.0]], margin=0.5)
        (-1.0, -1.0, 2.0, 3.0)
        """
        at = self.drop(z)
        pad = margin * max(float(np.ptp(at, axis=0).max(initial=0.0)), 1e-12)
        return (*(at.min(axis=0) - pad).tolist(), *(at.max(axis=0) + pad).tolist())

    def restrict(self, head: AffineHead, centre: Float64) -> tuple[Float64, Float64]:
        """The logits on the plane around ``centre`` (k,): slopes (C, k) and values (C,) at the centre."""
        return head.weight @ self.basis.T, head.logits(self.lift(centre[None]))[0]

    def rounding(self, head: AffineHead, window: Window) -> float:
        """A bound on the rounding of logits computed from `restrict` inside a window."""
        k = self.dimension
        reach = np.abs(np.array(window).reshape(2, k)).max(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.abs(self.origin) + 2 * reach @ np.abs(self.basis)
            bound = 4 * float(logit_error(head.weight, head.bias, size[None]).max())
        if not np.isfinite(bound):
            raise Unsupported("the logits on this window are beyond float64: rescale the head and the window")
        return bound


def _orthonormal(rows: Float64) -> Float64 | None:
    """The rows orthonormalised in order, or None where one depends on those before it."""
    basis = np.zeros_like(rows)
    for i, row in enumerate(rows):
        scale = np.abs(row).max()
        if scale == 0:
            return None
        rest = row / scale
        length = np.linalg.norm(rest)
        for _ in range(2):
            rest = rest - (basis[:i] @ rest) @ basis[:i]
        if np.linalg.norm(rest) <= FLAT * length:
            return None
        basis[i] = rest / np.linalg.norm(rest)
    return basis


def as_window(window: ArrayLike, dimension: int) -> Window:
    """A checked window: the lower corner, then the upper.

    >>> as_window([0, 0, 1, 2], 2)
    (0.0, 0.0, 1.0, 2.0)
    """
    values = as_vector(window, "window", 2 * dimension)
    if not (values[:dimension] < values[dimension:]).all():
        raise BadArgument(f"window: expected lower corner, then upper corner, got {tuple(values.tolist())}")
    return tuple(values.tolist())
