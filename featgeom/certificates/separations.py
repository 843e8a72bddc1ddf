"""Claims about two hulls: how far they are apart, or that they share a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted
from featgeom.certificates.hulls import holds_zero, means_near
from featgeom.decimals import between
from featgeom.exact.fields import floats, sparse, stored, whole
from featgeom.exact.numbers import at_least, at_most, mean, norm2, square
from featgeom.exact.rounding import U, lengths_above
from featgeom.exact.screens import lowest, lowest_above


@dataclass(frozen=True, eq=False)
class _TwoHulls(Claim):
    subjects: ClassVar = {"points_a": ("points_a",), "points_b": ("points_b",)}

    points_a: Floats = stored("n", "d", some=True)
    points_b: Floats = stored("m", "d", some=True)

    def _names(self) -> str:
        a, b = (
            self.called(name, f"{len(points):,} points")
            for name, points in (("points_a", self.points_a), ("points_b", self.points_b))
        )
        return f"the hulls of {a} and of {b}"


@dataclass(frozen=True, eq=False)
class HullSeparation(_TwoHulls):
    """The distance between the hulls of two sets of points, (n, d) and (m, d), lies in [lower, upper].

    ``upper`` is proved by a weighted point of each, (1, n) and (1, m); ``lower`` by the width of the gap
    between the two along ``normal`` (d,), which points from the second to the first.
    """

    lower: float = floats(low=0)
    upper: float = floats(low=0, infinite="+")
    weights_a: csr_array = sparse(1, "n", low=0)
    weights_b: csr_array = sparse(1, "m", low=0)
    normal: Float64 = floats("d")

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"{self._names()} are {between(self.lower, self.upper, 9)} apart"

    def screened(self) -> NDArray[np.bool_]:
        """Both bounds, as far as float64 can tell.

        8u of the gap is more than the sum of both reaches and the two products round; what these lose to
        underflow is in the reaches. The second half of the doubt, γ_8 of the lengths at least, is more than
        the difference of the points and the sum of its length with the doubt round.
        """
        sides = (self.weights_a, self.points_a), (self.weights_b, self.points_b)
        centre = self.points_a[0].astype(np.float64)  # any will do: neither bound depends on it
        near, doubt = zip(*(means_near(weights, points, centre) for weights, points in sides), strict=True)
        with np.errstate(all="ignore"):
            centre = centre + np.nan_to_num((near[0] + near[1])[0] / 2)
            first, other = (
                lowest_above(points, along, centre)
                for (_, points), along in zip(sides, (self.normal, -self.normal), strict=True)
            )
            wide = (first + other) * (1 - 8 * U) > self.lower * lengths_above(self.normal[None])[0]
            apart = lengths_above(near[0] - near[1])[0] + 2 * (doubt[0] + doubt[1])[0]
            close = apart <= self.upper
        return np.array([(wide or self.lower == 0) and (close or self.upper == np.inf)])

    def decide(self, i: int) -> Verdict:
        """The gap along the normal, then the distance of the weighted points."""
        if self.lower > 0:
            gap = lowest(self.points_a, self.normal[None])[0] + lowest(self.points_b, -self.normal[None])[0]
            if not self.normal.any():
                return refuted("the normal is zero")
            if not at_least(gap, self.lower, norm2(self.normal)):
                return refuted("the gap along the normal is narrower than the lower bound")
        if self.upper == np.inf:
            return PROVED
        if not (self.weights_a.data.any() and self.weights_b.data.any()):
            return refuted("the weights are all zero")
        a, b = (
            mean(w.data, x[w.indices])
            for w, x in ((self.weights_a, self.points_a), (self.weights_b, self.points_b))
        )
        apart = square([x - y for x, y in zip(a, b, strict=True)])
        return proved_if(
            at_most(apart, self.upper), "the weighted points are farther apart than the upper bound"
        )


@dataclass(frozen=True, eq=False)
class HullOverlap(_TwoHulls):
    """The hulls of two sets of points, (n, d) and (m, d), share a point.

    The evidence is a list of pairs, ``rows_a`` (k,) and ``rows_b`` (k,), whose differences hold zero in their
    hull; the weights that show it are the solution of a rational linear system.
    """

    rows_a: Ints = whole("k", below="n")
    rows_b: Ints = whole("k", below="m")

    def statement(self, i: int) -> str:
        """The overlap, in words."""
        return f"{self._names()} share a point"

    def decide(self, i: int) -> Verdict:
        """Solve for the common point in rational numbers."""
        return holds_zero(self.points_a[self.rows_a], self.points_b[self.rows_b])
