"""Claims about convex hulls, each with the numbers that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array

from featgeom.certificates.claim import Claim, Verdicts, is_array_of, refuted
from featgeom.certificates.exact import at_most_root, combination, dot, fraction, lowest, norm2
from featgeom.status import Status

Proof = tuple[Status, str]
PROVED: Proof = (Status.PROVED, "")


def _no(reason: str) -> Proof:
    return (Status.REFUTED, reason)


def _are_weights(value: Any, shape: tuple[int, int]) -> bool:
    """Whether ``value`` is a well-formed sparse matrix of that shape with finite entries."""
    if not isinstance(value, csr_array) or value.shape != shape:
        return False
    inner = value.indices
    return bool(
        value.data.dtype.kind in "fiu"
        and np.isfinite(value.data).all()
        and len(value.indptr) == shape[0] + 1
        and value.indptr[0] == 0
        and value.indptr[-1] == len(inner) == len(value.data)
        and (np.diff(value.indptr) >= 0).all()
        and (len(inner) == 0 or (inner.min() >= 0 and inner.max() < shape[1]))
    )


def _point(weights: Any, i: int, points: Any) -> list[Fraction] | None:
    """The exact hull point of row ``i`` of the weights at their exact sum; None if they are no weights."""
    rows, shares = _row(weights, i)
    if any(share < 0 for share in shares) or not sum(shares) > 0:
        return None
    total = sum(shares, Fraction(0))
    return combination([share / total for share in shares], points[rows])


def _row(weights: Any, i: int) -> tuple[Any, list[Fraction]]:
    start, stop = weights.indptr[i], weights.indptr[i + 1]
    return weights.indices[start:stop], [fraction(w) for w in weights.data[start:stop]]


def _square(vector: list[Fraction]) -> Fraction:
    return sum((x * x for x in vector), Fraction(0))


def _root_at_most(square: Fraction, value: float) -> bool:
    """Whether √square ≤ value, exactly; infinity bounds everything."""
    if np.isposinf(value):
        return True
    return bool(np.isfinite(value)) and value >= 0 and square <= fraction(value) ** 2


def _gap_at_least(gap: Fraction, normal: Any, value: float) -> bool:
    """Whether value · ‖normal‖ ≤ gap, exactly; every gap allows a bound of zero."""
    if not np.isfinite(value):
        return False
    bound = fraction(value)
    if bound <= 0:
        return True
    return gap > 0 and at_most_root(bound, gap * gap / norm2(normal)) if any(normal) else False


@dataclass(frozen=True, eq=False)
class HullDistance(Claim):
    """The distance of queries (q, d) from the hull of points (n, d) lies in [lower, upper].

    ``upper`` is proved by the hull point of ``weights`` (q, n), taken at their exact sum; ``lower`` by all
    points lying beyond a plane of that ``normal`` (q, d). Where ``left_out`` (q,) is not −1, that one row is
    left out of the hull. ``lower`` ≤ 0 and ``upper`` = inf claim nothing.
    """

    kind: ClassVar[str] = "hull-distance"
    subjects: ClassVar[tuple[str, ...]] = ("points", "queries")

    points: Any
    queries: Any
    lower: Any
    upper: Any
    weights: Any
    normal: Any
    left_out: Any

    def __len__(self) -> int:
        return len(self.lower)

    def statement(self, i: int) -> str:
        """The interval, in words."""
        which = "all points" if self.left_out[i] < 0 else f"all points but number {self.left_out[i]}"
        return f"query {i} is between {self.lower[i]:.9g} and {self.upper[i]:.9g} from the hull of {which}"

    def check(self) -> Verdicts:
        """Both bounds, exactly."""
        q = len(self.lower)
        if not is_array_of(self.points, (None, None)) or len(self.points) == 0:
            return refuted(q, "the points are not an array of numbers")
        n, d = self.points.shape
        fits = (
            is_array_of(self.queries, (q, d))
            and is_array_of(self.normal, (q, d))
            and is_array_of(self.left_out, (q,))
            and np.shape(self.upper) == (q,)
            and _are_weights(self.weights, (q, n))
        )
        if not fits:
            return refuted(q, "the arrays do not fit together")
        claimed = np.flatnonzero(np.asarray(self.lower) > 0)
        least: dict[int, Fraction] = {}
        whole = [i for i in claimed if self.left_out[i] < 0]
        if whole:
            least.update(zip(map(int, whole), lowest(self.points, self.normal[whole])))
        for i in claimed:
            if self.left_out[i] >= 0:
                others = (
                    np.delete(self.points, int(self.left_out[i]), axis=0) if self.left_out[i] < n else None
                )
                if others is not None and len(others):
                    least[int(i)] = lowest(others, self.normal[i : i + 1])[0]
        return Verdicts.collect([self._decide(i, least.get(i)) for i in range(q)])

    def _decide(self, i: int, least: Fraction | None) -> Proof:
        query = self.queries[i]
        if self.lower[i] > 0:
            if least is None:
                return _no("there is no hull to be distant from")
            if not _gap_at_least(least - dot(query, self.normal[i]), self.normal[i], float(self.lower[i])):
                return _no("a point lies nearer than the lower bound along the normal")
        if np.isposinf(self.upper[i]):
            return PROVED
        if self.left_out[i] >= 0 and self.left_out[i] in _row(self.weights, i)[0]:
            return _no("the point left out carries weight")
        nearest = _point(self.weights, i, self.points)
        if nearest is None:
            return _no("the weights are negative or empty")
        apart = _square([p - fraction(x) for p, x in zip(nearest, query)])
        if not _root_at_most(apart, float(self.upper[i])):
            return _no("the weighted point is farther than the upper bound")
        return PROVED


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
            return _no("the points are not two arrays of one dimension")
        (n, d), m = self.points_a.shape, len(self.points_b)
        fits = is_array_of(self.normal, (d,))
        if not (fits and _are_weights(self.weights_a, (1, n)) and _are_weights(self.weights_b, (1, m))):
            return _no("the arrays do not fit together")
        if self.lower > 0:
            low = lowest(self.points_a, self.normal[None])[0]
            gap = low + lowest(self.points_b, -self.normal[None])[0]
            if not _gap_at_least(gap, self.normal, float(self.lower)):
                return _no("the gap along the normal is narrower than the lower bound")
        if np.isposinf(self.upper):
            return PROVED
        a = _point(self.weights_a, 0, self.points_a)
        b = _point(self.weights_b, 0, self.points_b)
        if a is None or b is None:
            return _no("the weights are negative or empty")
        if not _root_at_most(_square([x - y for x, y in zip(a, b)]), float(self.upper)):
            return _no("the weighted points are farther apart than the upper bound")
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
            return _no("the points are not two arrays of one dimension")
        if not (_are_rows(self.rows_a, len(self.points_a)) and _are_rows(self.rows_b, len(self.points_b))):
            return _no("a row is not one of the points")
        if len(self.rows_a) != len(self.rows_b) or len(self.rows_a) == 0:
            return _no("the pairs do not fit together")
        return _holds_zero(self.points_a[self.rows_a], self.points_b[self.rows_b])


@dataclass(frozen=True, eq=False)
class HullMembership(Claim):
    """Each query (q, d) lies in the hull of points (n, d) (``inside`` true), or does not.

    Inside: ``support`` (q, n) marks points whose hull holds the query, by a rational linear system. Outside:
    all points lie strictly beyond the query along ``normal`` (q, d). Where ``decided`` is false nothing is
    claimed.
    """

    kind: ClassVar[str] = "hull-membership"
    subjects: ClassVar[tuple[str, ...]] = ("points", "queries")

    points: Any
    queries: Any
    decided: Any
    inside: Any
    support: Any
    normal: Any

    def __len__(self) -> int:
        return len(self.decided)

    def statement(self, i: int) -> str:
        """Inside or outside, in words."""
        if not self.decided[i]:
            return f"nothing is claimed of query {i}"
        return f"query {i} lies {'in' if self.inside[i] else 'outside'} the hull"

    def check(self) -> Verdicts:
        """Inside by rational weights, outside by the exact minimum over all points."""
        q = len(self.decided)
        if not is_array_of(self.points, (None, None)) or len(self.points) == 0:
            return refuted(q, "the points are not an array of numbers")
        n, d = self.points.shape
        fits = (
            is_array_of(self.queries, (q, d))
            and is_array_of(self.normal, (q, d))
            and is_array_of(self.inside, (q,))
            and _are_weights(self.support, (q, n))
        )
        if not fits:
            return refuted(q, "the arrays do not fit together")
        outside = np.flatnonzero(np.asarray(self.decided, bool) & ~np.asarray(self.inside, bool))
        least = (
            dict(zip(map(int, outside), lowest(self.points, self.normal[outside]))) if len(outside) else {}
        )
        return Verdicts.collect([self._decide(i, least) for i in range(q)])

    def _decide(self, i: int, least: dict[int, Fraction]) -> Proof:
        if not self.decided[i]:
            return (Status.UNDECIDED, "nothing is claimed")
        if not self.inside[i]:
            if least[i] > dot(self.queries[i], self.normal[i]):
                return PROVED
            return _no("the normal does not separate the query from the points")
        rows, _ = _row(self.support, i)
        if len(rows) == 0:
            return _no("no point supports the query")
        return _holds_zero(self.points[rows], np.repeat(self.queries[i : i + 1], len(rows), axis=0))


def _share_a_space(a: Any, b: Any) -> bool:
    if not (is_array_of(a, (None, None)) and len(a)):
        return False
    return is_array_of(b, (None, a.shape[1])) and len(b) > 0


def _are_rows(value: Any, n: int) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        return False
    return len(value) == 0 or bool(value.min() >= 0 and value.max() < n)


def _holds_zero(left: Any, right: Any) -> Proof:
    """Whether 0 = Σ w_i (left_i − right_i) has a solution w ≥ 0, Σ w = 1: solved in rationals."""
    weights = barycentric(left, right)
    if weights is None:
        return _no("no combination of the supporting points is the point claimed")
    if min(weights) < 0:
        return _no("a weight of the combination is negative")
    return PROVED


def barycentric(left: Any, right: Any) -> list[Fraction] | None:
    """The w with Σ w_i (left_i − right_i) = 0 and Σ w = 1, exactly, where the rows determine it.

    >>> barycentric(np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]]))
    [Fraction(3, 4), Fraction(1, 4)]
    """
    import flint

    k = len(left)
    table: list[list[Any]] = [[1] * k + [1]]
    for column_a, column_b in zip(left.T, right.T):
        apart = [fraction(x) - fraction(y) for x, y in zip(column_a, column_b)]
        table.append([flint.fmpq(a.numerator, a.denominator) for a in apart] + [0])
    reduced, rank = flint.fmpq_mat(table).rref()
    if rank < k or any(reduced[i, i] == 0 for i in range(k)):
        return None
    if rank > k:
        return None
    return [Fraction(int(reduced[i, k].p), int(reduced[i, k].q)) for i in range(k)]
