"""Claims about how far sets of points extend: along directions, across, and within a ball."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted, undecided
from featgeom.decimals import between
from featgeom.exact.fields import floats, sparse, stored, whole
from featgeom.exact.numbers import apart2, at_most, fraction, integers, scaled
from featgeom.exact.rounding import TINY, U, gamma, lengths_above
from featgeom.exact.screens import lowest

BLOCK = 1 << 20  # numbers looked at in one step
SIDE = 1 << 10  # points on either side of the pairs compared at once
MOST_PAIRS = 1 << 33  # more pairs than this are not compared again


@dataclass(frozen=True, eq=False)
class _OfPoints(Claim):
    subjects: ClassVar = {"points": ("points",)}

    points: Floats = stored("n", "d", some=True)

    def _whose(self) -> str:
        return self.called("points", f"{len(self.points):,} points")


@dataclass(frozen=True, eq=False)
class HullSupport(_OfPoints):
    """The greatest ⟨x, u⟩ over points x (n, d) lies in [lower, upper] (q,), for directions u (q, d)."""

    counted: ClassVar[str] = "q"

    directions: Float64 = floats("q", "d")
    lower: Float64 = floats("q")
    upper: Float64 = floats("q")

    def statement(self, i: int) -> str:
        """The interval, in words."""
        bounds = between(self.lower[i], self.upper[i], 9)
        return f"along direction {i} the hull of {self._whose()} reaches {bounds}"

    @cached_property
    def _highest(self) -> list[Fraction]:
        return [-least for least in lowest(self.points, -self.directions)]

    def decide(self, i: int) -> Verdict:
        """The maximum, exactly."""
        fine = fraction(self.lower[i]) <= self._highest[i] <= fraction(self.upper[i])
        return proved_if(fine, "the points reach elsewhere")


@dataclass(frozen=True, eq=False)
class EnclosingBall(_OfPoints):
    """All points (n, d) lie within ``upper`` of ``centre`` (d,); no ball narrower than ``lower`` holds them.

    ``lower`` is proved by ``weights`` (1, n): the mean square distance from their weighted mean.
    """

    centre: Float64 = floats("d")
    lower: float = floats(low=0)
    upper: float = floats(low=0)
    weights: csr_array = sparse(1, "n", low=0)

    def statement(self, i: int) -> str:
        """The interval, in words."""
        bounds = between(self.lower, self.upper, 9)
        return f"the smallest ball around {self._whose()} has a radius {bounds}"

    def decide(self, i: int) -> Verdict:
        """Every point against the ball, and the spread of the weighted points."""
        if not all_within(self.points, self.centre, self.upper):
            return refuted("a point lies outside the ball")
        if self.lower == 0:
            return PROVED
        if not self.weights.data.any():
            return refuted("the weights are all zero")
        spread = mean_square_spread(self.weights.data, self.points[self.weights.indices])
        fine = fraction(self.lower) ** 2 <= spread
        return proved_if(fine, "the weighted points would fit into a smaller ball")


@dataclass(frozen=True, eq=False)
class HullDiameter(_OfPoints):
    """The greatest distance between two of the points (n, d) lies in [lower, upper].

    ``rows`` (2,) are two points at least ``lower`` apart. ``upper`` is proved by a ball about ``centre``
    (d,) where it is as wide as that, and by comparing all pairs otherwise.
    """

    rows: Ints = whole(2, below="n")
    centre: Float64 = floats("d")
    lower: float = floats(low=0)
    upper: float = floats(low=0)

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"the diameter of {self._whose()} is {between(self.lower, self.upper, 9)}"

    def decide(self, i: int) -> Verdict:
        """The two points, and all pairs."""
        if apart2(*self.points[self.rows]) < fraction(self.lower) ** 2:
            return refuted("the two points are nearer to each other than the lower bound")
        if all_within(self.points, self.centre, self.upper / 2):
            return PROVED
        if len(self.points) ** 2 > MOST_PAIRS:
            return undecided("too many pairs to compare again")
        fine = all_pairs_within(self.points, self.centre, self.upper)
        return proved_if(fine, "two points are farther apart than the upper bound")


def mean_square_spread(weights: Float64, points: Floats) -> Fraction:
    """The exact mean square distance of points (n, d) from their mean, both under weights (n,) of sum > 0.

    It is Σ w ‖x‖² / Σ w − ‖Σ w x / Σ w‖², in integers.

    >>> mean_square_spread(np.array([1.0, 3.0]), np.array([[0.0], [4.0]]))
    Fraction(3, 1)
    """
    (shares, _), (whole, exponent) = integers(weights), integers(points)
    total, middle = int(shares.sum()), np.dot(shares, whole)
    squares = int(np.dot(shares, (whole * whole).sum(axis=1)))
    return scaled(squares * total - int(np.dot(middle, middle)), 2 * exponent) / total**2


def _about(points: Floats, centre: Float64, rows: Ints | None = None) -> Iterator[tuple[int, Float64]]:
    """Blocks of points, or of some of their rows, about the centre in float64, each with where it begins."""
    step = max(1, BLOCK // points.shape[1])
    step, count = (step, len(points)) if rows is None else (min(SIDE, step), len(rows))
    with np.errstate(over="ignore"):
        for start in range(0, count, step):
            part = slice(start, start + step)
            yield start, points[part if rows is None else rows[part]].astype(np.float64) - centre


def all_within(points: Floats, centre: Float64, radius: float) -> bool:
    """Whether every point is within ``radius`` of ``centre``: in float64 where that decides, else exactly.

    A difference is off by u, its length by what `lengths_above` allows.
    """
    for first, apart in _about(points, centre):
        doubtful = np.flatnonzero(~(lengths_above(apart) * (1 + 4 * U) < radius))
        if any(
            not at_most(apart2(row.astype(np.float64), centre), radius) for row in points[first + doubtful]
        ):
            return False
    return True


def all_pairs_within(points: Floats, centre: Float64, bound: float) -> bool:
    """Whether all pairs are within ``bound``: by their distances from the centre, a product, or exactly.

    Let ℓ be the greatest length about the centre, of which each point is off by u ℓ. Then ‖a‖² + ‖b‖² − 2 a·b
    is off by 4 γ_{d+4} ℓ², by 9 u ℓ² for the points, and by underflow: less than ``error``.
    """
    lengths = np.concatenate([lengths_above(part) for _, part in _about(points, centre)]) * (1 + 4 * U)
    d, most = points.shape[1], lengths.max()
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.flatnonzero(~((lengths + most) * (1 + 4 * U) < bound))
        error = 8 * gamma(d + 8, np.float64) * most**2 + 8 * d * TINY
        limit = np.nextafter(bound * bound, 0.0)
        for first, left in _about(points, centre, far):
            for other, right in _about(points, centre, far[first:]):
                squares = (np.einsum("ij,ij->i", rows, rows) for rows in (left, right))
                found = np.add.outer(*squares) - 2 * (left @ right.T)
                for i, j in np.argwhere(~(found + error < limit)):
                    two = far[[first + i, first + other + j]]
                    if not at_most(apart2(*points[two].astype(np.float64)), bound):
                        return False
    return True
