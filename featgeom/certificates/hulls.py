"""Claims about one hull and queries: how far they are from it, and which lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.certificates.weights import (
    PROVED,
    Proof,
    are_shares,
    are_weights,
    at_most,
    gap_at_least,
    holds_zero,
    no,
    row_of,
)
from featgeom.exact.fields import is_array_of
from featgeom.exact.rationals import distance2, dot, lowest, row_dots
from featgeom.exact.rounding import product_error
from featgeom.status import Status


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
