"""The nearest points of two hulls of few atoms that have many coordinates, from their inner products alone.

An atom is a point of the first hull, or minus one of the second, so that the difference of two points is the
sum of one combination of each side. The method is that of `minimum_norm`, with weights that sum to one on
each side: the columns of a side are lifted along an axis of its own, and of the two solutions that the axes
have those multiples are taken whose weights sum to one. As in `gram` the triangle is a Cholesky factor, here
of s² [same side] + ⟨a_i, a_j⟩, which is for those who then look at the answer in all coordinates.
"""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.hulls.gram import DEPENDENT
from featgeom.hulls.minimum_norm import DROPPED, UNIT, compiled, dot, take_out

FINE, MANY = 1e-15, 100  # of the square, a gain that ends the steps; how many for each atom end them, too
CHOSEN = 8  # atoms that one look at all chooses
FIRST = 256  # atoms that there is room for at first


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
    for j in range(count):
        weights[j], other[j] = axis[j, 0], axis[j, 1]
    for j in range(count - 1, -1, -1):
        column = triangle[j]
        weights[j] /= column[j]
        other[j] /= column[j]
        along, beside = weights[j], other[j]
        for i in range(j):
            weights[i] -= along * column[i]
            other[i] -= beside * column[i]
        sums[side[active[j]], 0] += along
        sums[side[active[j]], 1] += beside
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
def _height(gram, active, weights, count, atom):  # type: ignore[no-untyped-def]
    """⟨a, p⟩ of one atom, for the sum p of the active atoms."""
    row, height = gram[atom], 0.0
    for i in range(count):
        height += weights[i] * row[active[i]]
    return height


@compiled
def _lowest(heights, levels, side, m, blocked, floor, chosen):  # type: ignore[no-untyped-def]
    """Write the atoms farthest beyond the level of their side, farthest first; how many, all by ``floor``."""
    found = 0
    for j in range(m):
        beyond = heights[j] - levels[side[j]]
        if blocked[j] or not beyond < floor:
            continue
        place = min(found, len(chosen) - 1)
        if place < found and not beyond < heights[chosen[place]] - levels[side[chosen[place]]]:
            continue
        while place > 0 and beyond < heights[chosen[place - 1]] - levels[side[chosen[place - 1]]]:
            chosen[place] = chosen[place - 1]
            place -= 1
        chosen[place] = j
        found = min(found + 1, len(chosen))
    return found


@compiled
def _still_beyond(gram, side, active, weights, count, atom, floor):  # type: ignore[no-untyped-def]
    """Whether an atom lies beyond the level that the active atoms of its side have by now."""
    for j in range(count):
        if side[active[j]] == side[atom]:
            level = _height(gram, active, weights, count, active[j])
            return _height(gram, active, weights, count, atom) - level < floor
    return True


@compiled
def least_between(gram, side, m, active, weights, count, ready, lift, axis, triangle):  # type: ignore[no-untyped-def]
    """The least-norm sum of a point of each side's hull, of m atoms with inner products ``gram[:m, :m]``.

    ``side`` (m,) is 0 or 1. Starts from ``count`` active atoms, of each side one at least, with weights, of
    which the first ``ready`` are factored in ``axis`` (m + 1, 2) and ``triangle`` (m + 1, m + 1). Returns the
    number of active atoms, all factored, whose weights sum to one on each side, and of steps taken. A look at
    all atoms chooses a few, which then enter one by one where they still improve the sum.
    """
    wanted, other, heights, levels = np.empty(m + 1), np.empty(m + 1), np.empty(m), np.zeros(2)
    blocked, chosen = np.zeros(m, dtype=np.bool_), np.empty(CHOSEN, dtype=np.int64)
    largest = 0.0
    for j in range(m):
        largest = max(largest, gram[j, j])
    if lift == 0.0:  # and so are all atoms
        return count, 0
    noise = 16 * UNIT * largest

    kept = np.int64(ready)  # one type, or _append would be compiled once more
    for j in range(ready, count):
        if _append(gram, side, active, active[j], lift, axis, triangle, kept):
            active[kept], weights[kept] = active[j], weights[j]
            kept += 1
    count = _inside(axis, triangle, side, active, weights, wanted, other, kept)
    square = _heights(gram, side, m, active, weights, count, heights, levels)

    steps = 0
    while steps < MANY * (m + 10):
        floor = -FINE * square - noise
        found = _lowest(heights, levels, side, m, blocked, floor, chosen)
        if found == 0:
            break
        for k in range(found):
            atom = chosen[k]
            if k > 0 and not _still_beyond(gram, side, active, weights, count, atom, floor):
                chosen[k] = chosen[0]
                continue
            steps += 1
            if not _append(gram, side, active, atom, lift, axis, triangle, count):
                blocked[atom] = True
                continue
            active[count], weights[count] = atom, 0.0
            count = _inside(axis, triangle, side, active, weights, wanted, other, count + 1)
        before, square = square, _heights(gram, side, m, active, weights, count, heights, levels)
        if not square < before:
            for k in range(found):
                blocked[chosen[k]] = True
    return count, steps


class Between:
    """The atoms of two sides that were proposed so far, and the nearest points of their hulls.

    ``rows`` and ``side`` (m,) tell which point of which side an atom is; ``lift`` is a length like theirs.
    """

    def __init__(self, dimension: int, lift: float) -> None:
        self.lift = lift
        self.rows, self.side = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._atoms, self._gram = np.empty((0, dimension)), np.empty((0, 0))
        self._active, self._weights = np.zeros(1, dtype=np.int64), np.zeros(1)
        self._axis, self._triangle = np.empty((1, 2)), np.empty((1, 1))
        self._count = self._ready = 0

    def add(self, rows: Ints, side: Ints, atoms: Float64, weights: Float64 | None = None) -> None:
        """More atoms (k, d), with weights (k,) to begin with if any."""
        m, end = len(self.rows), len(self.rows) + len(rows)
        if end > len(self._atoms):
            self._reserve(max(FIRST, 2 * end))
        self._atoms[m:end] = atoms
        self._gram[:end, m:end] = self._atoms[:end] @ atoms.T
        self._gram[m:end, :m] = self._gram[:m, m:end].T
        self.rows, self.side = np.concatenate([self.rows, rows]), np.concatenate([self.side, side])
        if weights is not None:
            some = slice(self._count, self._count + len(rows))
            self._active[some], self._weights[some] = np.arange(m, end), weights
            self._count += len(rows)

    def solve(self) -> Float64:
        """The least-norm sum (d,) of a point of each side's hull."""
        m = len(self.rows)
        self._count, _ = least_between(
            self._gram, self.side, m, self._active, self._weights, self._count, self._ready, self.lift,
            self._axis, self._triangle,
        )  # fmt: skip
        self._ready = self._count
        shares = np.zeros(m)
        shares[self.active] = self.weights
        point: Float64 = shares @ self._atoms[:m]
        return point

    @property
    def active(self) -> Ints:
        """The atoms that carry it."""
        return self._active[: self._count]

    @property
    def weights(self) -> Float64:
        """Their weights, which sum to one on each side."""
        return self._weights[: self._count]

    @property
    def longest(self) -> float:
        """The length of the longest atom."""
        return float(np.sqrt(self._gram.diagonal()[: len(self.rows)].max()))

    def factor_anew(self) -> None:
        """Let the next solution begin with a factor that no step has rounded."""
        self._ready = 0

    def forget(self) -> None:
        """Forget all atoms but those that carry the solution."""
        kept = self.active.copy()
        self.rows, self.side, many = self.rows[kept], self.side[kept], len(kept)
        self._atoms[:many] = self._atoms[kept]
        self._gram[:many, :many] = self._gram[np.ix_(kept, kept)]
        self._active[:many] = np.arange(many)

    def _reserve(self, room: int) -> None:
        """Room for so many atoms."""
        m, count = len(self.rows), self._count
        wider = np.empty((room, self._atoms.shape[1])), np.empty((room, room))
        wider[0][:m], wider[1][:m, :m] = self._atoms[:m], self._gram[:m, :m]
        self._atoms, self._gram = wider
        known = np.zeros(room + 1, dtype=np.int64), np.zeros(room + 1)
        known[0][:count], known[1][:count] = self.active, self.weights
        self._active, self._weights = known
        factor = np.empty((room + 1, 2)), np.empty((room + 1, room + 1))
        factor[0][:count], factor[1][:count, :count] = self._axis[:count], self._triangle[:count, :count]
        self._axis, self._triangle = factor
