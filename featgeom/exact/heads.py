"""A head in exact arithmetic, and its margins in float64 with a proved bound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from featgeom.arrays import Float64, Floats, Ints, file_map, release
from featgeom.exact.numbers import Integers, integers, scaled
from featgeom.exact.rounding import TINY, U, gamma, lengths_above, product_error

BLOCK_ENTRIES = 1 << 18  # so few that a block stays in the cache of a core


class ExactHead:
    """Logits, boundaries and combinations of a head, in integers that share one power of two.

    >>> head = ExactHead(np.array([[0.5, 1.0], [2.0, 0.0]]), np.array([0.0, 1.0]))
    >>> values, exponent = head.logits(np.array([[3.0, 0.25]]))
    >>> [scaled(v, exponent) for v in values[0]]
    [Fraction(7, 4), Fraction(7, 1)]
    """

    def __init__(self, weight: Float64, bias: Float64) -> None:
        rows, self.exponent = integers(np.hstack([weight, bias[:, None]]))
        self.weight, self.bias = rows[:, :-1], rows[:, -1]
        self._gaps: dict[tuple[int, int], Fraction] = {}

    def logits(self, points: Floats) -> tuple[Integers, int]:
        """Wz + b for points (m, d): integers (m, C) and their exponent."""
        whole, power = integers(points)
        low = min(power, 0)
        values = np.dot(whole << (power - low), self.weight.T) + (self.bias << -low)
        return values, self.exponent + low

    def leads(self, point: Floats, own: int) -> list[Fraction]:
        """l_own − l_k at one point (d,), for every class k."""
        (values,), exponent = self.logits(np.asarray(point)[None])
        return [scaled(value, exponent) for value in values[own] - values]

    def lead(self, point: Floats, a: int, b: int) -> Fraction:
        """l_a − l_b at one point (d,)."""
        whole, power = integers(point)
        low = min(power, 0)
        value = np.dot(self.weight[a] - self.weight[b], whole << (power - low)) + (
            self.bias[a] - self.bias[b] << -low
        )
        return scaled(value, self.exponent + low)

    def gap2(self, a: int, b: int) -> Fraction:
        """‖w_a − w_b‖²."""
        if (a, b) not in self._gaps:
            row = self.weight[a] - self.weight[b]
            self._gaps[a, b] = scaled(int(np.dot(row, row)), 2 * self.exponent)
        return self._gaps[a, b]

    def combination(self, own: int, multipliers: dict[int, Fraction]) -> tuple[list[Fraction], Fraction]:
        """Slope (d,) and offset of Σ_k multipliers_k (l_own − l_k)."""
        from math import lcm

        common = lcm(*(value.denominator for value in multipliers.values()))
        factors = np.array([int(value * common) for value in multipliers.values()], dtype=object)
        chosen = list(multipliers)
        slope = np.dot(factors, self.weight[own] - self.weight[chosen])
        offset = np.dot(factors, self.bias[own] - self.bias[chosen])
        unit = scaled(1, self.exponent) / common
        return [int(value) * unit for value in slope], int(offset) * unit


def row_blocks(n: int, width: int, of: Floats | None = None) -> Iterator[slice]:
    """Consecutive slices of range(n) that hold about ``BLOCK_ENTRIES`` numbers in rows of ``width``.

    After each, what ``of`` (n, ...) is a view of gives its pages back, if that is a memory-mapped file.
    """
    step, mapped = max(1, BLOCK_ENTRIES // max(1, width)), file_map(of)
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))
        release(mapped)


def screened_logits(
    points: Floats, weight: Float64, bias: Float64, lengths: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Logits (n, C), and a bound on what rounding did to each, not finite where float64 overflows.

    ``lengths`` (C,) are `lengths_above` of the head's rows, where they are known.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        z = points.astype(np.float64)
        logits = z @ weight.T + bias
        return logits, product_error(z, weight, np.float64, lengths) + U * np.abs(logits)


def screened_leads(logits: Float64, error: Float64, own: Ints) -> tuple[Float64, Float64]:
    """The margins of `screened_margins`, of logits whose errors are bounded."""
    rows = np.arange(len(logits))
    with np.errstate(over="ignore", invalid="ignore"):
        margins = logits[rows, own][:, None] - logits
        error = error[rows, own][:, None] + error + U * np.abs(margins)
        error = np.where(np.isfinite(error) & np.isfinite(margins), 1.001 * error, np.inf)
    margins = np.where(np.isfinite(margins), margins, 0.0)
    margins[rows, own] = error[rows, own] = 0.0
    return margins, error


def screened_margins(
    points: Floats, weight: Float64, bias: Float64, own: Ints, lengths: Float64 | None = None
) -> tuple[Float64, Float64]:
    """Margins l_own(z) − l_k(z) of every row and class (n, C), and a bound on what rounding did to each.

    A logit is off by `product_error` and by u times its size for the bias, a margin by both logits' errors
    and u times its own size; these bounds are themselves rounded, by less than the factor 1.001 allows. Where
    float64 overflows, the bound is infinite. ``lengths`` are as in `screened_logits`.
    """
    return screened_leads(*screened_logits(points, weight, bias, lengths), own)


def exact_classes(points: Floats, weight: Float64, bias: Float64) -> Ints:
    """The class of largest logit of each point (n, d), in exact arithmetic; the lowest where several tie.

    >>> exact_classes(np.array([[3.0, 1.0], [2.0, 2.0]]), np.eye(2)[::-1], np.zeros(2))
    array([1, 0])
    """
    head, lengths = None, lengths_above(weight)
    found = np.zeros(len(points), dtype=np.int64)
    for block in row_blocks(len(points), max(weight.shape), points):
        some = points[block]
        logits, error = screened_logits(some, weight, bias, lengths)
        own = np.nan_to_num(logits).argmax(axis=1)
        margins, error = screened_leads(logits, error, own)
        clear = margins - error > 0
        clear[np.arange(len(own)), own] = True
        for i in np.flatnonzero(~clear.all(axis=1)):
            head = head or ExactHead(weight, bias)
            behind = head.leads(some[i], 0)
            own[i] = behind.index(min(behind))
        found[block] = own
    return found


def gaps_above(weight: Float64, own: int) -> Float64:
    """Upper bounds on ‖w_own − w_k‖ for every class k, (C,); zero where the rows are equal."""
    with np.errstate(over="ignore"):
        lengths = lengths_above(weight[own] - weight) * (1 + 2 * U)  # the difference is rounded as well
    return np.where((weight == weight[own]).all(axis=1), 0.0, lengths)


def nearest_rows(weight: Float64, count: int) -> Ints:
    """For each row the ``count`` other rows nearest to it, in rising order, (C, count), in exact arithmetic.

    Of rows equally near those of lowest number are taken. Float64 decides by ‖w_k‖² − 2⟨w_a, w_k⟩ wherever
    its bound on rounding allows: a difference of sums of d terms, and a rounding more.

    >>> nearest_rows(np.array([[0.0], [1.0], [3.0], [7.0]]), 2).tolist()
    [[1, 2], [0, 2], [0, 1], [1, 2]]
    """
    same, lengths = np.unique(weight, axis=0, return_inverse=True)[1].ravel(), lengths_above(weight)
    first = np.unique(same, return_index=True)[1][same]  # equal rows are equally far from all others
    exact, found = ExactHead(weight, np.zeros(len(weight))), np.zeros((len(weight), count), np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", weight, weight)
        squares_error = gamma(weight.shape[1] + 1, np.float64) * lengths**2 + weight.shape[1] * TINY
    for block in row_blocks(len(weight), max(weight.shape)):
        with np.errstate(over="ignore", invalid="ignore"):
            apart = squares - 2 * (weight[block] @ weight.T)
            error = squares_error + 2 * product_error(weight[block], weight, np.float64, lengths)
            error = 1.001 * (error + 2 * U * np.abs(apart))
            low, high = apart - error, apart + error
        unknown = ~(np.isfinite(low) & np.isfinite(high))
        low[unknown], high[unknown] = -np.inf, np.inf
        for i, a in enumerate(range(block.start, block.stop)):
            low[i, a] = high[i, a] = np.inf
            open_ = np.flatnonzero(low[i] <= np.partition(high[i], count - 1)[count - 1])
            open_ = open_[open_ != a]
            if len(open_) > count:
                gaps = [(exact.gap2(int(first[a]), int(first[k])), k) for k in open_.tolist()]
                open_ = np.sort([k for _, k in sorted(gaps)[:count]])
            found[a] = open_
    return found


def least_margin_bounds(
    points: Floats,
    weight: Float64,
    bias: Float64,
    own: int,
    times: float = 1.0,
    lengths: Float64 | None = None,
) -> tuple[Float64, Float64]:
    """Bounds below and above on the least of l_own − l_k over points, for every class k, (C,) each.

    They come from `screened_margins`, block by block, and cost one float64 product of points and head; what
    that may be off by is taken off ``times`` over, at least once. ``lengths`` are as in `screened_logits`.

    >>> low, high = least_margin_bounds(np.array([[1.0], [3.0]]), np.eye(2)[:, :1], np.array([0.0, 0.5]), 1)
    >>> bool(low[0] <= -2.5 <= high[0] < -2.49)
    True
    """
    low, high = np.full(len(weight), np.inf), np.full(len(weight), np.inf)
    known = lengths_above(weight) if lengths is None else lengths
    for block in row_blocks(len(points), max(weight.shape), points):
        some = points[block]
        margins, error = screened_margins(some, weight, bias, np.full(len(some), own), known)
        low = np.minimum(low, (margins - times * error).min(axis=0))
        high = np.minimum(high, (margins + times * error).min(axis=0))
    low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    low[own] = high[own] = 0.0
    return low, high


def least_margins(
    points: Floats, weight: Float64, bias: Float64, own: int, rivals: Ints | None = None
) -> list[Fraction]:
    """For every class k, or those of ``rivals`` alone, the exact minimum over points of l_own − l_k.

    It is zero for ``own`` itself.

    >>> least_margins(np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]]), np.array([0.0, 0.5]), 0)
    [Fraction(0, 1), Fraction(1, 2)]
    """
    asked = np.arange(len(weight)) if rivals is None else np.asarray(rivals)
    chosen = [own, *asked[asked != own].tolist()]
    exact = ExactHead(weight[chosen], bias[chosen])
    rows, columns = _may_be_least(points, weight[chosen], bias[chosen])
    used, place = np.unique(rows, return_inverse=True)
    whole, power = integers(points[used])
    low = min(power, 0)
    least = {own: Fraction(0)}
    for i, k in enumerate(chosen[1:], 1):
        slope, offset = exact.weight[0] - exact.weight[i], exact.bias[0] - exact.bias[i]
        lead = min(np.dot(whole[place[columns == i]], slope))
        least[k] = scaled((int(lead) << (power - low)) + (int(offset) << -low), exact.exponent + low)
    return [least[k] for k in asked.tolist()]


def _may_be_least(points: Floats, weight: Float64, bias: Float64) -> tuple[Ints, Ints]:
    """The points at which float64 does not exclude that l_0 − l_k is least, by k: rows and columns."""
    best, lengths, kept = np.full(len(weight), np.inf), lengths_above(weight), []
    for block in row_blocks(len(points), max(weight.shape), points):
        own = np.zeros(block.stop - block.start, np.int64)
        margins, error = screened_margins(points[block], weight, bias, own, lengths)
        with np.errstate(over="ignore"):
            low, high = np.nextafter(margins - error, -np.inf), np.nextafter(margins + error, np.inf)
        low[:, 0] = np.inf  # a class is no rival of itself
        best = np.minimum(best, high.min(axis=0))
        row, column = np.nonzero(low <= best)
        kept.append((row + block.start, column, low[row, column]))
    rows, columns, bounds = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    still = (bounds <= best[columns]) & (columns > 0)
    return rows[still], columns[still]
