"""The nearest points of two hulls of few atoms that have many coordinates, from their inner products alone.

An atom is a point of the first hull, or minus one of the second, so that the difference of two points is the
sum of one combination of each side. The method is that of `minimum_norm`, with weights that sum to one on
each side: the columns of a side are lifted along an axis of its own, and of the two solutions that the axes
have those multiples are taken whose weights sum to one. As in `gram` the triangle is a Cholesky factor, here
of s² [same side] + ⟨a_i, a_j⟩, which is for those who then look at the answer in all coordinates.
"""

from __future__ import annotations

import numpy as np

from featgeom.hulls.gram import DEPENDENT
from featgeom.hulls.minimum_norm import DROPPED, UNIT, compiled, dot, take_out


@compiled
def _append(gram, side, active, new, lift, axis, triangle, count):  # type: ignore[no-untyped-def]
    """Add atom ``new`` to the factorisation; False where it depends on the others."""
    column = triangle[count]
    square = lift * lift
    start = square + gram[new, new]
    for j in range(count):
        known = triangle[j]
        value = gram[new, active[j]] - dot(known[:j], column[:j])
        if side[active[j]] == side[new]:
            value += square
        column[j] = value / known[j]
    after = start - dot(column[:count], column[:count])
    if not after > DEPENDENT * start:
        return False
    column[count] = np.sqrt(after)
    for k in range(2):
        along = lift if side[new] == k else 0.0
        for j in range(count):
            along -= column[j] * axis[j, k]
        axis[count, k] = along / column[count]
    return True


@compiled
def _solved(axis, triangle, side, active, count, weights, other):  # type: ignore[no-untyped-def]
    """Weights, summing to one on each side, of the least-norm sum in the affine hulls of the active atoms."""
    sums = np.zeros((2, 2))
    for k in range(2):
        into = weights if k == 0 else other
        for j in range(count):
            into[j] = axis[j, k]
        for j in range(count - 1, -1, -1):
            column = triangle[j]
            into[j] /= column[j]
            along = into[j]
            for i in range(j):
                into[i] -= along * column[i]
            sums[side[active[j]], k] += along
    across = sums[0, 0] * sums[1, 1] - sums[0, 1] * sums[1, 0]
    first = (sums[1, 1] - sums[0, 1]) / across
    second = (sums[0, 0] - sums[1, 0]) / across
    for j in range(count):
        weights[j] = first * weights[j] + second * other[j]


@compiled
def _inside(axis, triangle, side, active, weights, wanted, other, count):  # type: ignore[no-untyped-def]
    """Move towards the affine optimum, dropping the atoms whose weight reaches zero; the new count."""
    held = np.zeros(2, dtype=np.int64)
    for j in range(count):
        held[side[active[j]]] += 1
    while True:
        _solved(axis, triangle, side, active, count, wanted, other)
        step = 1.0
        for j in range(count):
            if wanted[j] <= DROPPED and weights[j] < step * (weights[j] - wanted[j]):
                step = weights[j] / (weights[j] - wanted[j])
        lowest = -1
        for j in range(count):
            weights[j] += step * (wanted[j] - weights[j])
            if held[side[active[j]]] > 1 and (lowest < 0 or weights[j] < weights[lowest]):
                lowest = j
        if lowest < 0:
            return count
        if weights[lowest] > DROPPED:
            if step == 1.0:
                return count
            weights[lowest] = 0.0
        for j in range(count - 1, -1, -1):
            if weights[j] <= DROPPED and held[side[active[j]]] > 1:
                held[side[active[j]]] -= 1
                count = take_out(axis, triangle, active, weights, count, j)


@compiled
def _heights(gram, side, m, active, weights, count, heights, levels):  # type: ignore[no-untyped-def]
    """Normalise the weights; write ⟨a_j, p⟩ of all atoms for their sum p, its mean of each side, and ‖p‖²."""
    totals = np.zeros(2)
    for i in range(count):
        totals[side[active[i]]] += weights[i]
    heights[:] = 0.0
    for i in range(count):
        weights[i] /= totals[side[active[i]]]
        row, along = gram[active[i]], weights[i]
        for j in range(m):
            heights[j] += along * row[j]
    levels[:] = 0.0
    for i in range(count):
        levels[side[active[i]]] += weights[i] * heights[active[i]]
    return levels[0] + levels[1]


@compiled
def least_between(gram, side, m, active, weights, count, rtol, limit, axis, triangle):  # type: ignore[no-untyped-def]
    """The least-norm sum of a point of each side's hull, of m atoms with inner products ``gram[:m, :m]``.

    ``side`` (m,) is 0 or 1. Starts from ``count`` active atoms, of each side one at least, with weights;
    ``axis`` (m + 1, 2) and ``triangle`` (m + 1, m + 1) are room to work in. Returns the number of active
    atoms, whose weights sum to one on each side, and of steps taken.
    """
    wanted, other, heights, levels = np.empty(m + 1), np.empty(m + 1), np.empty(m), np.zeros(2)
    blocked = np.zeros(m, dtype=np.bool_)
    largest = 0.0
    for j in range(m):
        largest = max(largest, gram[j, j])
    if largest == 0.0:
        return count, 0
    lift = np.sqrt(largest)
    noise = 16 * UNIT * largest

    kept = np.int64(0)  # a literal 0 would compile _append once more
    for j in range(count):
        if _append(gram, side, active, active[j], lift, axis, triangle, kept):
            active[kept], weights[kept] = active[j], weights[j]
            kept += 1
    count = _inside(axis, triangle, side, active, weights, wanted, other, kept)
    square = _heights(gram, side, m, active, weights, count, heights, levels)

    steps = 0
    while steps < limit:
        best, lowest = -1, -rtol * square - noise
        for j in range(m):
            beyond = heights[j] - levels[side[j]]
            if beyond < lowest and not blocked[j]:
                best, lowest = j, beyond
        if best < 0:
            break
        steps += 1
        if not _append(gram, side, active, best, lift, axis, triangle, count):
            blocked[best] = True
            continue
        active[count], weights[count] = best, 0.0
        count = _inside(axis, triangle, side, active, weights, wanted, other, count + 1)
        before, square = square, _heights(gram, side, m, active, weights, count, heights, levels)
        if not square < before:
            blocked[best] = True
    return count, steps
