"""Feature domains: the sets in which a feature is taken to lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Floats, as_numpy, as_points
from featgeom.errors import BadArgument, nearest_name
from featgeom.head import AffineHead
from featgeom.hulls.combination import combination

if TYPE_CHECKING:
    from cvxpy import Constraint, Expression


@dataclass(frozen=True, eq=False, repr=False)
class Box:
    """The points z with lo ≤ z ≤ hi, coordinate by coordinate; bounds may be infinite.

    Space (no bounds) and the orthant z ≥ 0 (features after ReLU) are boxes, too. Raises BadArgument where
    the bounds leave no point or are NaN.

    >>> Box([0.0, 0.0], [1.0, np.inf]).contains([[0.5, 7.0], [2.0, 0.0]])
    array([ True, False])
    >>> Box.orthant(3).name
    'orthant'
    """

    lo: Float64
    hi: Float64

    def __init__(self, lo: ArrayLike, hi: ArrayLike) -> None:
        low, high = (as_numpy(side, name).astype(np.float64) for side, name in ((lo, "lo"), (hi, "hi")))
        if low.ndim != 1 or low.shape != high.shape or len(low) == 0:
            raise BadArgument(f"box: lo and hi must both have shape (d,), got {low.shape} and {high.shape}")
        if not (low <= high).all() or (low == np.inf).any() or (high == -np.inf).any():
            raise BadArgument("box: every lo must be at most its hi (and neither NaN)")
        low.setflags(write=False)
        high.setflags(write=False)
        object.__setattr__(self, "lo", low)
        object.__setattr__(self, "hi", high)

    def __repr__(self) -> str:
        bounds = "" if self.name != "box" else f", {self.lo.min():.4g} to {self.hi.max():.4g}"
        return f"<Box: {self.name} in dimension {self.dimension:,}{bounds}>"

    @classmethod
    def space(cls, d: int) -> Box:
        """All of R^d.

        >>> Box.space(2).name
        'space'
        """
        return cls(np.full(d, -np.inf), np.full(d, np.inf))

    @classmethod
    def orthant(cls, d: int) -> Box:
        """The points of R^d without a negative coordinate.

        >>> Box.orthant(2).lo
        array([0., 0.])
        """
        return cls(np.zeros(d), np.full(d, np.inf))

    @classmethod
    def around(cls, points: ArrayLike) -> Box:
        """The smallest box that holds all of ``points`` (n, d): the observed bounds.

        >>> Box.around([[0.0, 2.0], [1.0, -1.0]]).lo
        array([ 0., -1.])
        """
        array = as_points(points)
        return cls(array.min(axis=0), array.max(axis=0))

    @property
    def dimension(self) -> int:
        """The dimension of feature space, d."""
        return len(self.lo)

    def constraints(self, z: Expression) -> list[Constraint]:
        """That the cvxpy expression z (d,) lies in it, for convex programs of your own.

        >>> import cvxpy as cp
        >>> z, box = cp.Variable(2), Box([1.0, 0.0], [2.0, 9.0])
        >>> round(float(cp.Problem(cp.Minimize(cp.sum(z)), box.constraints(z)).solve()), 6)
        1.0
        """
        if z.shape != self.lo.shape:
            raise BadArgument(f"domain: expected an expression of shape {self.lo.shape}, got {z.shape}")
        low, high = np.flatnonzero(np.isfinite(self.lo)), np.flatnonzero(np.isfinite(self.hi))
        below, above = (
            ([z[low] >= self.lo[low]] if len(low) else []),
            ([z[high] <= self.hi[high]] if len(high) else []),
        )
        return [*below, *above]

    @property
    def vertices(self) -> Float64:
        """A box is given by its bounds, not by vertices: (0, d)."""
        return np.zeros((0, self.dimension))

    @property
    def bounded(self) -> bool:
        """Whether every coordinate has two finite bounds."""
        return bool(np.isfinite(self.lo).all() and np.isfinite(self.hi).all())

    @property
    def name(self) -> str:
        """What to call it in print."""
        if np.isneginf(self.lo).all() and np.isposinf(self.hi).all():
            return "space"
        if not self.lo.any() and np.isposinf(self.hi).all():
            return "orthant"
        return "box"

    def contains(self, points: ArrayLike) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of ``points`` (n, d) lie in it, (n,).

        >>> Box.orthant(1).contains([[0.0], [-1e-300]])
        array([ True, False])
        """
        array = as_points(points, dimension=self.dimension, allow_empty=True)
        return np.all((array >= self.lo) & (array <= self.hi), axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class Hull:
    """The convex hull of points (n, d), as a domain."""

    points: Floats

    name = "hull"
    bounded = True

    def __repr__(self) -> str:
        return f"<Hull: {len(self.points):,} points in dimension {self.dimension:,}>"

    @property
    def dimension(self) -> int:
        """The dimension of feature space, d."""
        return self.points.shape[1]

    def constraints(self, z: Expression, name: str = "weights") -> list[Constraint]:
        """That the cvxpy expression z (d,) lies in it; the weights of its points are the variable ``name``.

        >>> import cvxpy as cp
        >>> z, hull = cp.Variable(1), Hull(np.array([[2.0], [3.0]]))
        >>> round(float(cp.Problem(cp.Minimize(z[0]), hull.constraints(z)).solve()), 6)
        2.0
        """
        return combination(self.points, z, name)

    @property
    def vertices(self) -> Floats:
        """The points."""
        return self.points

    @property
    def lo(self) -> Float64:
        """No coordinate has a bound of its own."""
        return np.full(self.dimension, -np.inf)

    @property
    def hi(self) -> Float64:
        """No coordinate has a bound of its own."""
        return np.full(self.dimension, np.inf)


Domain = Box | Hull


def ground(head: AffineHead, domain: Domain) -> dict[str, Any]:
    """Head and domain as the fields that claims about cells begin with.

    >>> sorted(ground(AffineHead([[1.0], [0.0]]), Box.orthant(1)))
    ['bias', 'hi', 'lo', 'vertices', 'weight']
    """
    return {
        "weight": head.weight,
        "bias": head.bias,
        "lo": domain.lo,
        "hi": domain.hi,
        "vertices": domain.vertices,
    }


def as_domain(value: object, dimension: int) -> Domain:
    """The domain meant by "space", "orthant", a `Box`, or anything that has ``points`` (a hull).

    >>> as_domain("orthant", 5).dimension
    5
    """
    domain: Domain
    if isinstance(value, str):
        if value not in ("space", "orthant"):
            raise BadArgument(f"domain {value!r}{nearest_name(value, ['space', 'orthant'])}")
        return Box.space(dimension) if value == "space" else Box.orthant(dimension)
    if isinstance(value, Box | Hull):
        domain = value
    elif hasattr(value, "points"):
        domain = Hull(as_points(value.points, "domain points"))
    else:
        raise BadArgument("domain: expected 'space', 'orthant', a Box or a hull")
    if domain.dimension != dimension:
        raise BadArgument(f"domain: expected dimension {dimension}, got {domain.dimension}")
    return domain
