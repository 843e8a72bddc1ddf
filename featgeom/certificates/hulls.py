"""Claims about one hull and points: how far they are from it, which lie in it, which are its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints, read_rows
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted
from featgeom.decimals import between
from featgeom.exact.fields import floats, sparse, stored, truths, whole
from featgeom.exact.numbers import at_least, at_most, dot, fraction, mean, norm2, shares_of_zero, square
from featgeom.exact.rounding import U, gamma, lengths_above
from featgeom.exact.screens import heights_above, lowest_under

TOGETHER = 1024  # queries that are looked at in one step
GATHERED = 1 << 25  # entries of points that are weighted in one step


def row_of(matrix: Any, i: int) -> tuple[Ints, Float64]:
    """The columns and values of row ``i`` of a sparse matrix."""
    start, stop = matrix.indptr[i], matrix.indptr[i + 1]
    return matrix.indices[start:stop], matrix.data[start:stop]


def holds_zero(left: Floats, right: Floats) -> Verdict:
    """Whether 0 = Σ w_i (left_i − right_i) has a solution w ≥ 0, Σ w = 1: solved in rationals."""
    shares = shares_of_zero(left, right) if len(left) else None
    if shares is None:
        return refuted("the supporting points do not determine the point claimed")
    return proved_if(min(shares) >= 0, "a weight of the combination is negative")


@dataclass(frozen=True, eq=False)
class HullDistance(Claim):
    """The distance of queries (q, d) from the hull of points (n, d) lies in [lower, upper].

    ``upper`` is proved by the hull point of ``weights`` (q, n), taken at their exact sum; ``lower`` by all
    points lying beyond a plane of that ``normal`` (q, d). A lower of 0 and an upper of inf claim nothing.
    """

    counted: ClassVar[str] = "q"
    subjects: ClassVar = {"points": ("points",), "queries": ("queries",)}
    unsaid: ClassVar = ("weights", "normal")

    points: Floats = stored("n", "d", some=True)
    queries: Floats = stored("q", "d")
    lower: Float64 = floats("q", low=0)
    upper: Float64 = floats("q", low=0, infinite="+")
    weights: csr_array = sparse("q", "n", low=0)
    normal: Float64 = floats("q", "d")

    def statement(self, i: int) -> str:
        """The interval, in words."""
        return (
            f"number {i} of {self.called('queries', 'the queries')} is "
            f"{between(self.lower[i], self.upper[i], 9)} from the hull of "
            f"{self.called('points', f'{len(self.points):,} points')}"
        )

    @cached_property
    def _lowest(self) -> list[Fraction | None]:
        """How low the points reach along each normal; None where that is surely beyond the lower bound."""
        reach = np.nextafter(self.lower * lengths_above(self.normal), np.inf)
        ceiling = np.nextafter(heights_above(self.queries, self.normal) + reach, np.inf)
        return lowest_under(self.points, self.normal, np.where(self.lower > 0, ceiling, -np.inf))

    def screened(self) -> NDArray[np.bool_]:
        """Both bounds, as far as float64 can tell."""
        near = distances_above(self.weights, self.points, self.queries) <= self.upper
        beyond = np.array([low is None for low in self._lowest], dtype=bool)
        return (near | np.isinf(self.upper)) & beyond

    def decide(self, i: int) -> Verdict:
        """The gap along the normal, then the distance of the weighted point."""
        low = self._lowest[i]
        if low is not None:
            gap = low - dot(self.queries[i], self.normal[i])
            if not self.normal[i].any():
                return refuted("the normal is zero")
            if not at_least(gap, self.lower[i], norm2(self.normal[i])):
                return refuted("a point lies nearer than the lower bound along the normal")
        if self.upper[i] == np.inf:
            return PROVED
        rows, shares = row_of(self.weights, i)
        if not shares.any():
            return refuted("the weights are all zero")
        apart = [
            x - fraction(y) for x, y in zip(mean(shares, self.points[rows]), self.queries[i], strict=True)
        ]
        return proved_if(
            at_most(square(apart), self.upper[i]), "the weighted point is farther than the upper bound"
        )


def distances_above(weights: csr_array, points: Floats, queries: Floats) -> Float64:
    """Upper bounds on the distance of each query from its weighted mean of points, (q,); inf where unknown.

    Subtracting the query is off by u, beside the doubt of `means_near`.
    """
    d, result = points.shape[1], np.full(len(queries), np.inf)
    step = max(1, GATHERED // (max(1, d) * max(1, int(np.diff(weights.indptr).max(initial=0)))))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        near, doubt = means_near(weights[part], points, np.zeros(d))
        with np.errstate(all="ignore"):
            found = (lengths_above(near - queries[part]) * (1 + 4 * U) + 1.001 * doubt) * (1 + 4 * U)
        result[part] = np.where(np.isnan(found), np.inf, found)
    return result


def means_near(weights: csr_array, points: Floats, centre: Float64) -> tuple[Float64, Float64]:
    """Weighted means of points about a centre (q, d), and how far each is off at most, (q,); inf if unknown.

    With m weights, the sum Σ w x and its division by the sum of weights are off by γ_{2m+4} times the mean
    length of the points, and by m underflows, which are less than that, as no length is given below √(d t);
    subtracting the centre is off by u of each length. Weights whose sum is far from 1 could underflow and are
    left to exact arithmetic.
    """
    used, place = np.unique(weights.indices, return_inverse=True)
    shares = csr_array((weights.data, place, weights.indptr), shape=(weights.shape[0], len(used)))
    with np.errstate(over="ignore"):
        x = read_rows(points, used.astype(np.int64)).astype(np.float64) - centre
    total, most = shares.sum(axis=1), int(np.diff(shares.indptr).max(initial=0))
    with np.errstate(all="ignore"):
        near = (shares @ x) / total[:, None]
        doubt = gamma(2 * most + 6, np.float64) * (shares @ lengths_above(x)) / total
    return near, np.where((total > 0.5) & (total < 2) & ~np.isnan(doubt), doubt, np.inf)


@dataclass(frozen=True, eq=False)
class _InOrOut(Claim):
    """For some queries by number whether they lie in a hull; a support or a plane between is the proof."""

    counted: ClassVar[str] = "m"
    unsaid: ClassVar = ("support", "normal")

    points: Floats = stored("n", "d", some=True)
    rows: Ints = whole("m", below="n", rising=True)
    inside: NDArray[np.bool_] = truths("m")
    support: csr_array = sparse("m", "n")
    normal: Float64 = floats("m", "d")

    def _asked(self) -> tuple[Floats, Floats, Ints, Ints | None]:
        """Points, queries, the numbers asked about, and the row that is left out of the hull for each."""
        raise NotImplementedError

    @cached_property
    def _lowest(self) -> list[Fraction | None]:
        """How low the points reach along each normal; None where that is surely beyond the query."""
        points, queries, rows, out = self._asked()
        parts = [slice(start, start + TOGETHER) for start in range(0, len(rows), TOGETHER)]
        heights = [heights_above(queries[rows[part]], self.normal[part]) for part in parts]
        ceiling = np.where(self.inside, -np.inf, np.concatenate([np.zeros(0), *heights]))
        return lowest_under(points, self.normal, ceiling, out)

    def screened(self) -> NDArray[np.bool_]:
        """Those outside, as far as float64 can tell."""
        return np.array([low is None for low in self._lowest], dtype=bool) & ~self.inside

    def decide(self, i: int) -> Verdict:
        """Outside by the exact minimum over all points, inside by a linear system in rationals."""
        points, queries, rows, out = self._asked()
        query = queries[rows[i]]
        if not self.inside[i]:
            low = self._lowest[i]
            beyond = low is None or low > dot(query, self.normal[i])
            return proved_if(beyond, "the normal does not separate the query from the points")
        support, _ = row_of(self.support, i)
        if out is not None and out[i] in support:
            return refuted("the point itself is used as support")
        return holds_zero(points[support], np.repeat(query[None], len(support), axis=0))


@dataclass(frozen=True, eq=False)
class HullMembership(_InOrOut):
    """Of the queries (q, d), those numbered ``rows`` (m,) lie in the hull of points (n, d), or do not.

    ``inside`` (m,) is true: ``support`` (m, n) marks points whose hull holds the query, by a rational linear
    system. It is false: all points lie strictly beyond the query along ``normal`` (m, d).
    """

    subjects: ClassVar = {"points": ("points",), "queries": ("queries",)}

    rows: Ints = whole("m", below="q", rising=True)
    queries: Floats = stored("q", "d")

    def statement(self, i: int) -> str:
        """Inside or outside, in words."""
        return (
            f"number {self.rows[i]} of {self.called('queries', 'the queries')} lies "
            f"{'in' if self.inside[i] else 'outside'} the hull of "
            f"{self.called('points', f'{len(self.points):,} points')}"
        )

    def _asked(self) -> tuple[Floats, Floats, Ints, Ints | None]:
        return self.points, self.queries, self.rows, None


@dataclass(frozen=True, eq=False)
class HullVertices(_InOrOut):
    """The points (n, d) numbered ``rows`` (m,) lie in the hull of all the others (``inside``), or are
    vertices.

    The evidence is as in `HullMembership`, where the query is the point itself and its row is left out.
    """

    subjects: ClassVar = {"points": ("points",)}

    def statement(self, i: int) -> str:
        """A vertex or not, in words."""
        whose = f"the hull of {self.called('points', f'{len(self.points):,} points')}"
        number = f"number {self.rows[i]} of its points"
        return (
            f"{number} lies in {whose} without it" if self.inside[i] else f"{number} is a vertex of {whose}"
        )

    def _asked(self) -> tuple[Floats, Floats, Ints, Ints | None]:
        return self.points, self.points, self.rows, self.rows
