"""A screen in float64 decides which of many points can be the lowest along a direction; integers decide the
rest.

The bound on rounding is `product_error`: for rows a, b of dimension d, summed in any order, with or without
fused multiply-add, |fl(a·b) − a·b| ≤ γ_d ‖a‖ ‖b‖ + d·t, where t is the least normal number, more than an
underflow loses (Higham 2002, section 3.1, and Cauchy-Schwarz).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from featgeom.arrays import Float64, Floats, Ints, blocks, file_map, release
from featgeom.exact.numbers import integers, scaled
from featgeom.exact.rounding import TINY, gamma, lengths_above, product_error

TILE_ENTRIES = 1 << 20  # of the products that are screened at once
DIRECTIONS, DIRECTION_ENTRIES = (1 << 10, 1 << 13), 1 << 24  # that one look at all points is for


def lowest(points: Floats, directions: Float64) -> list[Fraction]:
    """The exact minimum over points (n, d) of ⟨point, direction⟩, for each direction (q, d).

    It costs about one float64 product of the two matrices; ``points`` may be a memory map.

    >>> lowest(np.array([[0.1, 0.0], [0.2, 1.0]]), np.array([[1.0, 0.0], [-1.0, -1.0]]))[0] == Fraction(0.1)
    True
    """
    found = lowest_under(points, directions, np.full(len(directions), np.inf))
    if len(points) == 0 and found:
        raise ValueError("the minimum over no points")
    return [value for value in found if value is not None]


def lowest_under(
    points: Floats, directions: Float64, ceiling: Float64, left_out: Ints | None = None
) -> list[Fraction | None]:
    """`lowest`, where it is at most the direction's ``ceiling`` (q,); None where every product is above it.

    Where ``left_out`` (q,) names a row for a direction, the minimum is over all other points.

    >>> points, directions = np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> lowest_under(points, directions, np.array([1.5, 1.5]), np.array([-1, 0]))
    [Fraction(1, 1), None]
    """
    result: list[Fraction | None] = [None] * len(directions)
    asked = np.flatnonzero(ceiling > -np.inf)
    step = int(np.clip(DIRECTION_ENTRIES // max(1, points.shape[1]), *DIRECTIONS))
    factor = -int(np.frexp(_largest(points))[1]) if len(asked) else 0
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        out = np.full(len(some), -1) if left_out is None else left_out[some]
        along = directions[some].astype(np.float64, copy=False)
        rows, columns = _candidates(points, factor, along, ceiling[some], out)
        for i, value in zip(some, _least(points, along, ceiling[some], rows, columns), strict=True):
            result[i] = value
        release(file_map(points))
    return result


def lowest_above(points: Floats, direction: Float64, centre: Float64) -> float:
    """A number no greater than any ⟨point − centre, direction⟩ over points (n, d), tight to rounding.

    Subtracting the centre is one rounding more of every term of the product, which γ_{d+1} counts.

    >>> 0.09999 < lowest_above(np.array([[0.1], [0.2]]), np.array([1.0]), np.zeros(1)) <= 0.1
    True
    """
    least = np.inf
    step = max(1, TILE_ENTRIES // points.shape[1])
    for start in range(0, len(points), step):
        with np.errstate(over="ignore", invalid="ignore"):
            some = points[start : start + step].astype(np.float64) - centre
            low = some @ direction - 1.001 * product_error(some, direction[None], np.float64)[:, 0]
        least = min(least, float(np.where(np.isnan(low), -np.inf, low).min()))
    return float(np.nextafter(least, -np.inf))


def heights_above(points: Floats, directions: Float64) -> Float64:
    """Upper bounds on ⟨point, direction⟩ row by row, tight to rounding, (m,).

    >>> bool(heights_above(np.array([[0.1, 0.2]]), np.array([[1.0, 1.0]]))[0] >= 0.1 + 0.2)
    True
    """
    d = points.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.einsum("ij,ij->i", points, directions, dtype=np.float64)
        error = gamma(d + 1, np.float64) * lengths_above(points) * lengths_above(directions) + d * TINY
        result = np.nextafter(value + 1.001 * error, np.inf)
    return np.where(np.isnan(result), np.inf, result)


def _candidates(
    points: Floats, factor: int, directions: Float64, ceiling: Float64, out: Ints
) -> tuple[Ints, Ints]:
    """Pairs (point, direction) that hold, for every direction, all points of least product up to its ceiling.

    2^factor brings all entries of the points below 1. A product may be off by ``error``. So the least is at
    most ``best``, the least of product + error, and a point whose product − error is above that, or above the
    ceiling, is neither the lowest nor under the ceiling.
    """
    # Powers of two bring all entries below 1, which rounds none that is not below t.
    power = -np.frexp(np.abs(directions).max(axis=1, initial=0.0))[1]
    right = np.ldexp(directions, power[:, None])
    with np.errstate(over="ignore"):
        best = np.nextafter(np.ldexp(ceiling, factor + power), np.inf)
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    step, stop = max(1, TILE_ENTRIES // max(len(right), points.shape[1])), 0
    for block in blocks(points, step * points[:1].nbytes):
        start, stop = stop, stop + len(block)
        left = np.ldexp(block.astype(np.float64), factor)
        longest = left[[int(np.einsum("ij,ij->i", left, left).argmax())]]
        error = 1.001 * product_error(longest, right, np.float64)[0] + 2 * left.shape[1] * TINY
        products = left @ right.T
        here = np.flatnonzero((out >= start) & (out < start + len(left)))
        products[out[here] - start, here] = np.inf
        least = products.min(axis=0)
        best = np.minimum(best, least + error)
        open_columns = np.flatnonzero(least - error <= best)
        row, column = np.nonzero(products[:, open_columns] - error[open_columns] <= best[open_columns])
        column = open_columns[column]
        kept.append((row + start, column, products[row, column] - error[column]))
    rows, columns, bounds = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    still = (bounds <= best[columns]) & (bounds < np.inf)
    return rows[still], columns[still]


def _largest(points: Floats) -> float:
    return max(
        (float(np.abs(block).max()) for block in blocks(points, TILE_ENTRIES * points.itemsize)), default=0.0
    )


def _least(
    points: Floats, directions: Float64, ceiling: Float64, rows: Ints, columns: Ints
) -> list[Fraction | None]:
    """The exact least product of every direction with its candidates, if it is under the ceiling."""
    order = np.argsort(columns, kind="stable")
    used, place = np.unique(rows[order], return_inverse=True)
    ends = np.searchsorted(columns[order], np.arange(len(directions) + 1))
    whole, exponent = integers(points[used])
    result: list[Fraction | None] = []
    for i, (first, last) in enumerate(pairwise(ends)):
        if first == last:
            result.append(None)
            continue
        along, power = integers(directions[i])
        value = scaled(min(np.dot(whole[place[first:last]], along)), exponent + power)
        result.append(value if not value > ceiling[i] else None)
    return result
