"""What rounding left open about a query and a hull, settled by the same method in rational numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.exact.numbers import Integers, any_solution, dot, integers
from featgeom.exact.screens import heights_above, lowest_under

LARGEST = 100  # points of a support beyond which fractions take too long
STEPS = 60


@dataclass(frozen=True)
class Settled:
    """Rows whose hull holds the query, or the normal of a plane between it and all points."""

    inside: bool
    rows: Ints
    normal: Float64


def settle(points: Floats, query: Float64, start: Ints, left_out: int = -1) -> Settled | None:
    """Decide whether the query (d,) lies in the hull of points (n, d), from a support that is nearly right.

    Wolfe's method on the few points of the support, in fractions; a plane is the one at right angles to the
    exact residual, rounded, and is examined against all points exactly. Where ``left_out`` is a row, that one
    is left out. None where the support is large, or where no plane of float64 numbers was found between.

    >>> cube = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> settle(cube, np.array([0.5, 0.5 + 2**-53]), np.array([1, 2])).inside
    False
    """
    rows = [int(row) for row in start if row != left_out]
    shares = [Fraction(1, max(1, len(rows)))] * len(rows)
    for _ in range(STEPS):
        if not 0 < len(rows) <= LARGEST:
            return None
        atoms, _ = integers(np.vstack([points[rows], query[None]]).astype(np.float64))
        rows, shares = _least(atoms[:-1] - atoms[-1], rows, shares)
        atoms, _ = integers(np.vstack([points[rows], query[None]]).astype(np.float64))
        residual = np.dot(np.array(shares, dtype=object), atoms[:-1] - atoms[-1])
        largest = max(abs(x) for x in residual)
        if largest == 0:
            return Settled(True, np.array(sorted(rows)), np.zeros(len(query)))
        normal = np.array([float(x / largest) for x in residual])
        deepest = _beyond(points, query, normal, left_out)
        if deepest is None:
            return Settled(False, np.zeros(0, dtype=np.int64), normal)
        if deepest in rows:
            return None  # no rounded normal shows what the exact one does
        rows, shares = [*rows, deepest], [*shares, Fraction(0)]
    return None


def _least(atoms: Integers, rows: list[int], shares: list[Fraction]) -> tuple[list[int], list[Fraction]]:
    """The point of least norm in the hull of the atoms (k, d): the rows that carry it, and their shares."""
    while True:
        k = len(rows)
        bordered = np.ones((k + 1, k + 1), dtype=object)
        bordered[:k, :k], bordered[k, k] = np.dot(atoms, atoms.T), 0
        found = any_solution(bordered, [0] * k + [1])
        assert found is not None  # a least square always exists
        wanted = found[:k]
        if min(wanted) >= 0:
            kept = [i for i in range(k) if wanted[i] > 0]
            return [rows[i] for i in kept], [wanted[i] for i in kept]
        way = min(s / (s - w) for s, w in zip(shares, wanted, strict=True) if w < 0)
        shares = [s + way * (w - s) for s, w in zip(shares, wanted, strict=True)]
        kept = [i for i in range(k) if shares[i] > 0]
        atoms, rows, shares = atoms[kept], [rows[i] for i in kept], [shares[i] for i in kept]


def _beyond(points: Floats, query: Float64, normal: Float64, left_out: int) -> int | None:
    """The row of the deepest point that does not lie strictly beyond the query along the normal, or None."""
    ceiling = heights_above(query[None], normal[None])
    (low,) = lowest_under(points, normal[None], ceiling, np.array([left_out]))
    if low is None or low > dot(query, normal):
        return None
    products = points.astype(np.float64) @ normal
    if left_out >= 0:
        products[left_out] = np.inf
    return int(products.argmin())
