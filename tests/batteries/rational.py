"""Judges in fractions: what is true of small inputs, by enumeration and by the simplex method.

They share nothing with the package; all are exact and slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations, pairwise, product

Row = list[Fraction]


def exact(values: Iterable[float]) -> Row:
    """Floats as they are."""
    return [Fraction(float(value)) for value in values]


def dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    """An inner product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def solve(rows: list[Row], right: Row) -> Row | None:
    """The one solution of a square system; None if it is singular."""
    n = len(rows)
    table = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for column in range(n):
        pivot = next((i for i in range(column, n) if table[i][column] != 0), None)
        if pivot is None:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        lead = table[column]
        for i in range(n):
            if i != column and table[i][column] != 0:
                factor = table[i][column] / lead[column]
                table[i] = [a - factor * b for a, b in zip(table[i], lead, strict=True)]
    return [table[i][n] / table[i][i] for i in range(n)]


def distance2(points: Iterable[Iterable[float]], query: Iterable[float]) -> Fraction:
    """The squared distance of a query from the hull of points: the least over all their simplices.

    The nearest point lies inside the hull of some affinely independent points, and is the nearest point of
    their affine span.
    """
    q = exact(query)
    atoms = sorted({tuple(a - b for a, b in zip(exact(p), q, strict=True)) for p in points})
    best = min(dot(p, p) for p in atoms)
    for size in range(2, min(len(atoms), len(q) + 1) + 1):
        for few in combinations(atoms, size):
            gram = [[dot(a, b) for b in few] + [Fraction(1)] for a in few]
            gram.append([Fraction(1)] * size + [Fraction(0)])
            shares = solve(gram, [Fraction(0)] * size + [Fraction(1)])
            if shares is not None and min(shares[:size]) >= 0:
                best = min(best, -shares[size])  # G λ = −μ 1, so λᵀ G λ = −μ
    return best


def highest(rows: list[Row], right: Row, aim: Row) -> Fraction | None:
    """The maximum of ⟨aim, x⟩ over x ≥ 0 with rows · x = right, which must be bounded; None if there is no x.

    The simplex method with Bland's rule, in two phases.
    """
    m, n = len(rows), len(aim)
    signs = [-1 if value < 0 else 1 for value in right]
    table = [
        [s * a for a in row] + [Fraction(int(i == k)) for k in range(m)] + [s * value]
        for i, (s, row, value) in enumerate(zip(signs, rows, right, strict=True))
    ]
    basis = list(range(n, n + m))
    _climb(table, basis, [Fraction(0)] * n + [Fraction(-1)] * m, n)
    if any(table[i][-1] != 0 for i in range(m) if basis[i] >= n):
        return None
    for i in range(m):  # artificial variables at zero leave, where a row still has another
        if basis[i] >= n:
            j = next((j for j in range(n) if table[i][j] != 0), None)
            if j is not None:
                _pivot(table, basis, i, j)
    _climb(table, basis, [*aim, *[Fraction(0)] * m], n)
    return sum((aim[j] * table[i][-1] for i, j in enumerate(basis) if j < n), Fraction(0))


def _climb(table: list[Row], basis: list[int], aim: Row, allowed: int) -> None:
    while True:
        for j in range(allowed):
            gain = aim[j] - sum((aim[k] * table[i][j] for i, k in enumerate(basis)), Fraction(0))
            if gain > 0:
                break
        else:
            return
        ratios = [(table[i][-1] / table[i][j], basis[i], i) for i in range(len(table)) if table[i][j] > 0]
        assert ratios, "there is no bound"
        _pivot(table, basis, min(ratios)[2], j)


def _pivot(table: list[Row], basis: list[int], i: int, j: int) -> None:
    lead = [a / table[i][j] for a in table[i]]
    for k, row in enumerate(table):
        if k != i and row[j] != 0:
            table[k] = [a - row[j] * b for a, b in zip(row, lead, strict=True)]
    table[i], basis[i] = lead, j


class Head:
    """Logits in fractions."""

    def __init__(self, weight: Iterable[Iterable[float]], bias: Iterable[float]) -> None:
        self.weight, self.bias = [exact(row) for row in weight], exact(bias)

    def logits(self, z: Sequence[Fraction]) -> Row:
        """W z + b."""
        return [dot(w, z) + b for w, b in zip(self.weight, self.bias, strict=True)]

    def classify(self, z: Sequence[Fraction]) -> int:
        """The class of largest logit, the lowest index where several tie."""
        values = self.logits(z)
        return values.index(max(values))

    def lead(self, c: int, k: int) -> tuple[Row, Fraction]:
        """l_c − l_k as slope and offset."""
        return [a - b for a, b in zip(self.weight[c], self.weight[k], strict=True)], self.bias[c] - self.bias[
            k
        ]


Box = list[tuple[Fraction | None, Fraction | None]]  # None: no bound


def best_lead(head: Head, box: Box, c: int, tied: int | None) -> Fraction | None:
    """How far class c, tied with another if named, can stand above all others in the box, 1 at most.

    None where the two tie nowhere.
    """
    d, k = len(box), len(head.bias)
    others = [j for j in range(k) if j not in (c, tied)]
    columns: list[tuple[int, int]] = []  # coordinate and sign of each variable
    base = []
    for j, (low, high) in enumerate(box):
        base.append(low if low is not None else high if high is not None else Fraction(0))
        columns.append((j, 1 if low is not None or high is None else -1))
        if low is None and high is None:
            columns.append((j, -1))
    wide = [(j, low, high) for j, (low, high) in enumerate(box) if low is not None and high is not None]
    n, slacks = len(columns), len(others) + len(wide) + 1
    rows, right = [], []

    def add(slope: Row, lead: int, value: Fraction, slack: int | None) -> None:
        """slope · z − lead · t − slack = value, where t = 1 − its own slack may be negative: t = u − v."""
        row = [slope[j] * sign for j, sign in columns] + [Fraction(-lead), Fraction(lead)]
        row += [Fraction(-int(s == slack)) for s in range(slacks)]
        rows.append(row)
        right.append(value - dot(slope, base))

    for at, j in enumerate(others):
        slope, offset = head.lead(c, j)
        add(slope, 1, -offset, at)
    for at, (j, _, high) in enumerate(wide):
        add([-Fraction(int(i == j)) for i in range(d)], 0, -high, len(others) + at)
    if tied is not None:
        slope, offset = head.lead(c, tied)
        add(slope, 0, -offset, None)
    add([Fraction(0)] * d, 1, Fraction(-1), slacks - 1)  # −t − slack = −1
    aim = [Fraction(0)] * n + [Fraction(1), Fraction(-1)] + [Fraction(0)] * slacks
    return highest(rows, right, aim)


def tie_distance2(head: Head, box: Box, z: Row, own: int, rival: int) -> Fraction | None:
    """The squared distance from z to the nearest point of a box where two classes tie and none beats them.

    Every choice of classes that tie and of coordinates at a bound is tried; None where there is none.
    """
    others = [k for k in range(len(head.bias)) if k != own]
    sides = [[None, *(side for side in pair if side is not None)] for pair in box]
    best: Fraction | None = None
    for fixed in product(*sides):
        free = [j for j, side in enumerate(fixed) if side is None]
        q = [z[j] if side is None else side for j, side in enumerate(fixed)]
        for size in range(min(len(free), len(others)) + 1):
            for tying in combinations(others, size):
                p = _nearest(head, q, free, own, tying)
                if p is None or not _is_tie(head, box, p, own, rival):
                    continue
                apart = dot([a - b for a, b in zip(p, z)], [a - b for a, b in zip(p, z)])
                best = apart if best is None else min(best, apart)
    return best


def _nearest(head: Head, q: Row, free: list[int], own: int, tying: tuple[int, ...]) -> Row | None:
    """The point nearest to q at which classes tie with ``own``, moving only the free coordinates."""
    if not tying:
        return q
    leads = [head.lead(own, k) for k in tying]
    rows = [[slope[j] for j in free] for slope, _ in leads]
    gram = [[dot(a, b) for b in rows] for a in rows]
    shares = solve(gram, [dot(slope, q) + offset for slope, offset in leads])
    if shares is None:
        return None
    p = list(q)
    for share, row in zip(shares, rows, strict=True):
        for j, a in zip(free, row, strict=True):
            p[j] -= share * a
    return p


def _is_tie(head: Head, box: Box, p: Row, own: int, rival: int) -> bool:
    inside = all(
        (low is None or x >= low) and (high is None or x <= high)
        for x, (low, high) in zip(p, box, strict=True)
    )
    values = head.logits(p) if inside else []
    return inside and values[own] == values[rival] == max(values)


def cells_along(head: Head, start: Row, end: Row) -> tuple[list[int], Row]:
    """The classes along a segment, and the parameters at which each but the first is entered."""
    at, to = head.logits(start), head.logits(end)
    changes = {Fraction(0), Fraction(1)}
    for i, j in combinations(range(len(at)), 2):
        before, after = at[i] - at[j], to[i] - to[j]
        if before != after and 0 < before / (before - after) < 1:
            changes.add(before / (before - after))
    cells, enter = [], []
    places = sorted(changes)
    for s, t in pairwise(places):
        middle = (s + t) / 2
        values = [(1 - middle) * a + middle * b for a, b in zip(at, to, strict=True)]
        winner = values.index(max(values))
        if not cells or values[cells[-1]] != max(values):
            cells.append(winner)
            enter.append(s)
    return cells, enter[1:]
