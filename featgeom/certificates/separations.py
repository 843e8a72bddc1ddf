"""Claims about two hulls: how far they are apart, or that they share a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from featgeom.certificates.claim import Claim, Verdicts
from featgeom.certificates.weights import (
    PROVED,
    Proof,
    are_shares,
    are_weights,
    at_most,
    gap_at_least,
    holds_zero,
    no,
    square,
    weighted_point,
)
from featgeom.exact.fields import is_array_of
from featgeom.exact.rationals import lowest


@dataclass(frozen=True, eq=False)
class HullSeparation(Claim):
    """The distance between the hulls of two sets of points, (n, d) and (m, d), lies in [lower, upper].

    ``upper`` is proved by a weighted point of each, (1, n) and (1, m); ``lower`` by the width of the gap
    between the two along ``normal`` (d,), which points from the second to the first.
    """

    kind: ClassVar[str] = "hull-separation"
    subjects: ClassVar[tuple[str, ...]] = ("points_a", "points_b")

    points_a: Any
    points_b: Any
    lower: float
    upper: float
    weights_a: Any
    weights_b: Any
    normal: Any

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"the two hulls are between {self.lower:.9g} and {self.upper:.9g} apart"

    def check(self) -> Verdicts:
        """Both bounds, exactly."""
        return Verdicts.collect([self._decide()])

    def _decide(self) -> Proof:
        if not _share_a_space(self.points_a, self.points_b):
            return no("the points are not two arrays of one dimension")
        (n, d), m = self.points_a.shape, len(self.points_b)
        fits = is_array_of(self.normal, (d,))
        if not (fits and are_weights(self.weights_a, (1, n)) and are_weights(self.weights_b, (1, m))):
            return no("the arrays do not fit together")
        if self.lower > 0:
            low = lowest(self.points_a, self.normal[None])[0]
            gap = low + lowest(self.points_b, -self.normal[None])[0]
            if not gap_at_least(gap, self.normal, self.lower):
                return no("the gap along the normal is narrower than the lower bound")
        if np.isposinf(self.upper):
            return PROVED
        if not (are_shares(self.weights_a.data) and are_shares(self.weights_b.data)):
            return no("the weights are negative or empty")
        a, b = weighted_point(self.weights_a, self.points_a), weighted_point(self.weights_b, self.points_b)
        if not at_most(square([x - y for x, y in zip(a, b)]), self.upper):
            return no("the weighted points are farther apart than the upper bound")
        return PROVED


@dataclass(frozen=True, eq=False)
class HullOverlap(Claim):
    """The hulls of two sets of points, (n, d) and (m, d), share a point.

    The evidence is a list of pairs, ``rows_a`` (k,) and ``rows_b`` (k,), whose differences hold zero in their
    hull; the weights that show it are the solution of a rational linear system.
    """

    kind: ClassVar[str] = "hull-overlap"
    subjects: ClassVar[tuple[str, ...]] = ("points_a", "points_b")

    points_a: Any
    points_b: Any
    rows_a: Any
    rows_b: Any

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The overlap, in words."""
        return f"the two hulls share a point, carried by {len(self.rows_a)} pairs of points"

    def check(self) -> Verdicts:
        """Solve for the common point in rational numbers."""
        return Verdicts.collect([self._decide()])

    def _decide(self) -> Proof:
        if not _share_a_space(self.points_a, self.points_b):
            return no("the points are not two arrays of one dimension")
        if not (_are_rows(self.rows_a, len(self.points_a)) and _are_rows(self.rows_b, len(self.points_b))):
            return no("a row is not one of the points")
        if len(self.rows_a) != len(self.rows_b) or len(self.rows_a) == 0:
            return no("the pairs do not fit together")
        return holds_zero(self.points_a[self.rows_a], self.points_b[self.rows_b])


def _share_a_space(a: Any, b: Any) -> bool:
    if not (is_array_of(a, (None, None)) and len(a)):
        return False
    return is_array_of(b, (None, a.shape[1])) and len(b) > 0


def _are_rows(value: Any, n: int) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        return False
    return len(value) == 0 or bool(value.min() >= 0 and value.max() < n)
