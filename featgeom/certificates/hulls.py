"""Claims about convex hulls, each with the numbers that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array

from featgeom.certificates.claim import Claim, Verdicts, is_array_of, refuted
from featgeom.certificates.exact import (
    combination,
    distance2,
    dot,
    fraction,
    lowest,
    norm2,
    root_at_most,
    row_dots,
)
from featgeom.rounding import product_error
from featgeom.status import Status

Proof = tuple[Status, str]
PROVED: Proof = (Status.PROVED, "")


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
        interval = f"between {self.lower[i]:.9g} and {self.upper[i]:.9g}"
        return f"query {i} is {interval} from the hull of {_hull_name(self.left_out[i])}"

    def check(self) -> Verdicts:
        """Both bounds, exactly."""
        q = len(self.lower)
        fits = _queries_fit(self.points, self.queries, self.normal, self.left_out, self.weights, q)
        if not (fits and is_array_of(self.lower, (q,)) and np.shape(self.upper) == (q,)):
            return refuted(q, "the arrays do not fit together")
        gaps = _gaps(self.points, self.queries, self.normal, self.left_out, np.flatnonzero(self.lower > 0))
        return Verdicts.collect([self._decide(i, gaps.get(i)) for i in range(q)])

    def _decide(self, i: int, gap: Fraction | None) -> Proof:
        query = self.queries[i].astype(np.float64)
        if self.lower[i] > 0:
            if gap is None:
                return no("there is no hull to be distant from")
            if not gap_at_least(gap, self.normal[i], self.lower[i]):
                return no("a point lies nearer than the lower bound along the normal")
        if np.isposinf(self.upper[i]):
            return PROVED
        if self.left_out[i] >= 0 and self.left_out[i] in row_of(self.weights, i)[0]:
            return no("the point left out carries weight")
        rows, shares = row_of(self.weights, i)
        if not are_shares(shares):
            return no("the weights are negative or empty")
        if not at_most(distance2(shares, self.points[rows], query), self.upper[i]):
            return no("the weighted point is farther than the upper bound")
        return PROVED


@dataclass(frozen=True, eq=False)
class HullMembership(Claim):
    """Each query (q, d) lies in the hull of points (n, d) (``inside`` true), or does not.

    Inside: ``support`` (q, n) marks points whose hull holds the query, by a rational linear system. Outside:
    all points lie strictly beyond the query along ``normal`` (q, d). Where ``left_out`` (q,) is not −1, that
    one row is left out of the hull; where ``decided`` (q,) is false nothing is claimed.
    """

    kind: ClassVar[str] = "hull-membership"
    subjects: ClassVar[tuple[str, ...]] = ("points", "queries")

    points: Any
    queries: Any
    decided: Any
    inside: Any
    support: Any
    normal: Any
    left_out: Any

    def __len__(self) -> int:
        return len(self.decided)

    def statement(self, i: int) -> str:
        """Inside or outside, in words."""
        if not self.decided[i]:
            return f"nothing is claimed of query {i}"
        where = "in" if self.inside[i] else "outside"
        return f"query {i} lies {where} the hull of {_hull_name(self.left_out[i])}"

    def check(self) -> Verdicts:
        """Inside by rational weights, outside by the exact minimum over all points."""
        q = len(self.decided)
        fits = _queries_fit(self.points, self.queries, self.normal, self.left_out, self.support, q)
        if not (fits and is_array_of(self.inside, (q,)) and is_array_of(self.decided, (q,))):
            return refuted(q, "the arrays do not fit together")
        outside = np.flatnonzero(self.decided.astype(bool) & ~self.inside.astype(bool))
        beyond = _all_beyond(self.points, self.queries, self.normal, self.left_out, outside)
        return Verdicts.collect([self._decide(i, beyond) for i in range(q)])

    def _decide(self, i: int, beyond: set[int]) -> Proof:
        if not self.decided[i]:
            return (Status.UNDECIDED, "nothing is claimed")
        if not self.inside[i]:
            if i in beyond:
                return PROVED
            return no("the normal does not separate the query from the points")
        rows, _ = row_of(self.support, i)
        if len(rows) == 0:
            return no("no point supports the query")
        if self.left_out[i] >= 0 and self.left_out[i] in rows:
            return no("the point left out is used as support")
        return holds_zero(self.points[rows], np.repeat(self.queries[i : i + 1], len(rows), axis=0))


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


def no(reason: str) -> Proof:
    """A refutation."""
    return (Status.REFUTED, reason)


def are_weights(value: Any, shape: tuple[int, int]) -> bool:
    """Whether ``value`` is a well-formed sparse matrix of that shape with finite entries."""
    if not isinstance(value, csr_array) or value.shape != shape:
        return False
    inner, start = value.indices, value.indptr
    return bool(
        value.data.dtype.kind in "fiu"
        and np.isfinite(value.data).all()
        and len(start) == shape[0] + 1
        and start[0] == 0
        and start[-1] == len(inner) == len(value.data)
        and (np.diff(start) >= 0).all()
        and (len(inner) == 0 or (inner.min() >= 0 and inner.max() < shape[1]))
    )


def row_of(weights: Any, i: int) -> tuple[Any, Any]:
    """The columns and values of row ``i`` of a sparse matrix."""
    start, stop = weights.indptr[i], weights.indptr[i + 1]
    return weights.indices[start:stop], weights.data[start:stop]


def are_shares(weights: Any) -> bool:
    """Whether these are weights of something: none negative, not all zero."""
    return len(weights) > 0 and bool((weights >= 0).all() and (weights > 0).any())


def weighted_point(weights: Any, points: Any) -> list[Fraction]:
    """The exact hull point of a single row of weights (1, n), taken at their exact sum."""
    shares = [fraction(w) for w in weights.data]
    total = sum(shares, Fraction(0))
    return combination([share / total for share in shares], points[weights.indices])


def square(vector: list[Fraction]) -> Fraction:
    """The exact squared length."""
    return sum((x * x for x in vector), Fraction(0))


def at_most(square: Fraction, bound: float) -> bool:
    """Whether √square ≤ bound, exactly; infinity bounds everything."""
    return bool(np.isposinf(bound)) or (bool(np.isfinite(bound)) and root_at_most(square, fraction(bound)))


def gap_at_least(gap: Fraction, normal: Any, bound: float) -> bool:
    """Whether bound · ‖normal‖ ≤ gap, exactly; a bound that is not positive claims nothing."""
    if not np.isfinite(bound):
        return False
    if bound <= 0:
        return True
    length2 = norm2(normal)
    return gap > 0 and length2 > 0 and fraction(bound) ** 2 * length2 <= gap * gap


def shares_of_zero(left: Any, right: Any) -> list[Fraction] | None:
    """The w with Σ w_i (left_i − right_i) = 0 and Σ w = 1, exactly, where the rows determine it.

    >>> shares_of_zero(np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]]))
    [Fraction(3, 4), Fraction(1, 4)]
    """
    import flint

    k = len(left)
    table: list[list[Any]] = [[1] * k + [1]]
    for column_a, column_b in zip(left.T, right.T):
        apart = [fraction(x) - fraction(y) for x, y in zip(column_a, column_b)]
        table.append([flint.fmpq(a.numerator, a.denominator) for a in apart] + [0])
    reduced, rank = flint.fmpq_mat(table).rref()
    if rank != k or any(reduced[i, i] == 0 for i in range(k)):
        return None
    return [Fraction(int(reduced[i, k].p), int(reduced[i, k].q)) for i in range(k)]


def holds_zero(left: Any, right: Any) -> Proof:
    """Whether 0 = Σ w_i (left_i − right_i) has a solution w ≥ 0, Σ w = 1: solved in rationals."""
    weights = shares_of_zero(left, right)
    if weights is None:
        return no("the supporting points do not determine the point claimed")
    if min(weights) < 0:
        return no("a weight of the combination is negative")
    return PROVED


def _hull_name(left_out: int) -> str:
    return "all points" if left_out < 0 else f"all points but number {left_out}"


def _queries_fit(points: Any, queries: Any, normal: Any, left_out: Any, weights: Any, q: int) -> bool:
    """Whether the arrays of a claim about queries have shapes that belong together."""
    if not is_array_of(points, (None, None)) or len(points) == 0:
        return False
    n, d = points.shape
    return (
        is_array_of(queries, (q, d))
        and is_array_of(normal, (q, d))
        and is_array_of(left_out, (q,))
        and left_out.dtype.kind == "i"
        and are_weights(weights, (q, n))
    )


def _gaps(points: Any, queries: Any, normals: Any, left_out: Any, which: Any) -> dict[int, Fraction]:
    """The exact least ⟨point − query, normal⟩ for those queries, each without its row left out."""
    if len(points) == 1:
        which = which[left_out[which] != 0]
    least = lowest(points, normals[which], left_out[which])
    heights = row_dots(queries[which].astype(np.float64), normals[which].astype(np.float64))
    return {int(i): low - height for i, low, height in zip(which, least, heights)}


def _all_beyond(points: Any, queries: Any, normals: Any, left_out: Any, which: Any) -> set[int]:
    """Those queries beyond which all points lie along the normal, save the row left out.

    In float64 where the bound on its rounding decides, exactly elsewhere.
    """
    found = set()
    step = max(1, (1 << 22) // len(points))
    wide = points.astype(np.float64)
    longest = wide[[int(np.einsum("ij,ij->i", wide, wide).argmax())]]
    for start in range(0, len(which), step):
        some = which[start : start + step]
        normal, query = normals[some].astype(np.float64), queries[some].astype(np.float64)
        level = np.einsum("ij,ij->i", normal, query)
        error = 1.01 * product_error(normal, longest, np.float64)[:, 0]
        error += np.diagonal(product_error(normal, query, np.float64))
        products, out = (
            normal @ wide.T,
            np.flatnonzero((left_out[some] >= 0) & (left_out[some] < len(points))),
        )
        products[out, left_out[some[out]]] = np.inf
        clear = level + 2 * error
        for row, i in enumerate(some):
            if products[row].min() > clear[row]:
                found.add(int(i))
                continue
            near = np.flatnonzero(~(products[row] > clear[row]))
            heights = row_dots(wide[near], np.broadcast_to(normal[row], (len(near), len(normal[row]))))
            if min(heights) > dot(query[row], normal[row]):
                found.add(int(i))
    return found


def _share_a_space(a: Any, b: Any) -> bool:
    if not (is_array_of(a, (None, None)) and len(a)):
        return False
    return is_array_of(b, (None, a.shape[1])) and len(b) > 0


def _are_rows(value: Any, n: int) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        return False
    return len(value) == 0 or bool(value.min() >= 0 and value.max() < n)
