"""Claims about how far sets of points extend: along directions, across, and within a ball."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from featgeom.arrays import Float64
from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.certificates.weights import (
    PROVED,
    Proof,
    are_shares,
    are_weights,
    at_most,
    no,
    square,
    weighted_point,
)
from featgeom.exact.fields import is_array_of
from featgeom.exact.rationals import fraction, lowest
from featgeom.exact.rounding import gamma
from featgeom.status import Status

BLOCK = 1 << 22  # numbers looked at in one step
MOST_PAIRS = 1 << 33  # more pairs than this are not compared again


@dataclass(frozen=True, eq=False)
class HullSupport(Claim):
    """The greatest ⟨x, u⟩ over points x (n, d) lies in [lower, upper] (q,), for directions u (q, d)."""

    kind: ClassVar[str] = "hull-support"
    subjects: ClassVar[tuple[str, ...]] = ("points",)

    points: Any
    directions: Any
    lower: Any
    upper: Any

    def __len__(self) -> int:
        return len(self.lower)

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"along direction {i} the points reach between {self.lower[i]:.9g} and {self.upper[i]:.9g}"

    def check(self) -> Verdicts:
        """The maximum, exactly."""
        q = len(self.lower)
        if not is_array_of(self.points, (None, None)) or len(self.points) == 0:
            return refuted(q, "the points are not an array of numbers")
        fits = is_array_of(self.directions, (q, self.points.shape[1]))
        if not (fits and is_array_of(self.lower, (q,)) and is_array_of(self.upper, (q,))):
            return refuted(q, "the arrays do not fit together")
        rows: list[Proof] = []
        for i, least in enumerate(lowest(self.points, -self.directions)):
            holds = fraction(self.lower[i]) <= -least <= fraction(self.upper[i])
            rows.append(PROVED if holds else no("the points reach elsewhere"))
        return Verdicts.collect(rows)


@dataclass(frozen=True, eq=False)
class EnclosingBall(Claim):
    """All points (n, d) lie within ``upper`` of ``centre`` (d,); no ball narrower than ``lower`` holds them.

    ``lower`` is proved by ``weights`` (1, n): the mean square distance from their weighted mean.
    """

    kind: ClassVar[str] = "enclosing-ball"
    subjects: ClassVar[tuple[str, ...]] = ("points",)

    points: Any
    centre: Any
    lower: float
    upper: float
    weights: Any

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"the smallest ball has a radius between {self.lower:.9g} and {self.upper:.9g}"

    def check(self) -> Verdicts:
        """Both bounds, exactly."""
        return Verdicts.collect([self._decide()])

    def _decide(self) -> Proof:
        if not is_array_of(self.points, (None, None)) or len(self.points) == 0:
            return no("the points are not an array of numbers")
        n, d = self.points.shape
        if not (is_array_of(self.centre, (d,)) and are_weights(self.weights, (1, n))):
            return no("the arrays do not fit together")
        if not all_within(self.points, self.centre, self.upper):
            return no("a point lies outside the ball")
        if self.lower <= 0:
            return PROVED
        if not are_shares(self.weights.data):
            return no("the weights are negative or empty")
        mean = weighted_point(self.weights, self.points)
        shares = [fraction(w) for w in self.weights.data]
        spread = Fraction(0)
        for share, row in zip(shares, self.points[self.weights.indices]):
            spread += share * square([fraction(x) - m for x, m in zip(row, mean)])
        if not np.isfinite(self.lower) or fraction(self.lower) ** 2 > spread / sum(shares):
            return no("the weighted points would fit into a smaller ball")
        return PROVED


@dataclass(frozen=True, eq=False)
class HullDiameter(Claim):
    """The greatest distance between two of the points (n, d) lies in [lower, upper].

    ``rows`` (2,) are two points at least ``lower`` apart. ``upper`` is proved by a ball about ``centre``
    (d,) where it is as wide as that, and by comparing all pairs otherwise.
    """

    kind: ClassVar[str] = "hull-diameter"
    subjects: ClassVar[tuple[str, ...]] = ("points",)

    points: Any
    rows: Any
    centre: Any
    lower: float
    upper: float

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return f"the diameter is between {self.lower:.9g} and {self.upper:.9g}"

    def check(self) -> Verdicts:
        """Both bounds, exactly."""
        return Verdicts.collect([self._decide()])

    def _decide(self) -> Proof:
        if not is_array_of(self.points, (None, None)) or len(self.points) == 0:
            return no("the points are not an array of numbers")
        n, d = self.points.shape
        pair = is_array_of(self.rows, (2,)) and self.rows.dtype.kind in "iu"
        if not (pair and self.rows.min() >= 0 and self.rows.max() < n and is_array_of(self.centre, (d,))):
            return no("the arrays do not fit together")
        a, b = self.points[self.rows]
        if self.lower > 0:
            apart = square([fraction(x) - fraction(y) for x, y in zip(a, b)])
            if not np.isfinite(self.lower) or fraction(self.lower) ** 2 > apart:
                return no("the two points are nearer to each other than the lower bound")
        if all_within(self.points, self.centre, self.upper / 2):
            return PROVED
        if n * n > MOST_PAIRS:
            return (Status.UNDECIDED, "too many pairs to compare again")
        if not _all_pairs_within(self.points, self.centre, self.upper):
            return no("two points are farther apart than the upper bound")
        return PROVED


def all_within(points: Any, centre: Any, radius: float) -> bool:
    """Whether every point is within ``radius`` of ``centre``: in float64 where that decides, else exactly."""
    if np.isposinf(radius):
        return True
    if not np.isfinite(radius) or radius < 0:
        return False
    middle = [fraction(c) for c in centre]
    for first, part in _about(points, centre):
        size = np.einsum("ij,ij->i", part, part)
        doubtful = ~(size * (1 + 4 * gamma(part.shape[1] + 4, np.float64)) + 1e-300 < radius * radius)
        for row in points[first + np.flatnonzero(doubtful)]:
            if not at_most(square([fraction(x) - m for x, m in zip(row, middle)]), radius):
                return False
    return True


def _about(points: Any, centre: Any) -> Iterator[tuple[int, Float64]]:
    """Blocks of points about the centre in float64, each with the number of its first row."""
    step = max(1, BLOCK // points.shape[1])
    for start in range(0, len(points), step):
        yield start, points[start : start + step].astype(np.float64) - np.asarray(centre, dtype=np.float64)


def _all_pairs_within(points: Any, centre: Any, bound: float) -> bool:
    """Whether all pairs are within ``bound``: a product with its rounding bound, doubtful pairs exactly."""
    if not np.isfinite(bound) or bound < 0:
        return False
    apart = points.astype(np.float64) - np.asarray(centre, dtype=np.float64)
    sizes = np.einsum("ij,ij->i", apart, apart)
    error = 8 * gamma(points.shape[1] + 8, np.float64) * float(sizes.max()) + 1e-300
    # A pair is no farther apart than its two distances from the centre together.
    radii = np.sqrt(sizes + error)
    far = ~((radii + radii.max()) * (1 + 1e-15) < bound)
    points, apart, sizes = points[far], apart[far], sizes[far]
    if len(points) == 0:
        return True
    step = max(1, BLOCK // len(points))
    for start in range(0, len(points), step):
        part = apart[start : start + step]
        squares = sizes[start : start + step, None] + sizes[None, start:] - 2 * (part @ apart[start:].T)
        for i, j in np.argwhere(~(squares + error < bound * bound * (1 - 1e-15))):
            a, b = points[start + i], points[start + j]
            if not at_most(square([fraction(x) - fraction(y) for x, y in zip(a, b)]), bound):
                return False
    return True
