"""Ties that rounding leaves in doubt, settled in rational numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import any_solution, fraction, scaled

ROUNDS = 24
LARGEST = Fraction(2) ** 1000  # coordinates and distances that float64 holds


@dataclass(frozen=True)
class ExactTie:
    """A point of the box at which the classes tie and no other beats them, with what determines it exactly.

    ``point`` (d,) and ``distance`` are rounded, the latter up; ``active`` are classes, ``fixed`` coordinates.
    """

    point: Float64
    distance: float
    active: Ints
    fixed: dict[int, int]


def settle(
    head: ExactHead, z: Float64, tied: Ints, active: Ints, fixed: dict[int, int], lo: Float64, hi: Float64
) -> ExactTie | None:
    """The closest point to z (d,) at which the tied and active classes tie on the fixed sides of the box.

    A class that beats them there becomes active, and a coordinate that leaves the box is fixed, until there
    is none. None where the conditions contradict each other, or the point is beyond float64.

    >>> head = ExactHead(np.eye(2), np.zeros(2))
    >>> settle(head, np.array([2.0, 1.0]), np.array([0, 1]), np.array([1]), {},
    ...        np.full(2, -np.inf), np.full(2, np.inf)).point
    array([1.5, 1.5])
    """
    own, unit, none = int(tied[0]), scaled(1, head.exponent), np.array(Fraction(0), dtype=object)
    others = list(dict.fromkeys(int(k) for k in (*tied, *active) if k != own))
    fixed, start = dict(fixed), np.array([fraction(x) for x in z], dtype=object)
    gains = (head.weight[own] - head.weight) * unit
    offsets = (head.bias[own] - head.bias) * unit
    for _ in range(ROUNDS):
        q = start.copy()
        for j, side in fixed.items():
            q[j] = fraction(lo[j] if side < 0 else hi[j])
        free = np.array([j not in fixed for j in range(len(q))])
        rows = np.where(free, gains[others], none)
        rest = [np.dot(gains[k], q) + offsets[k] for k in others]
        shares = _solved(np.dot(rows, rows.T), rest)
        if shares is None:
            return None
        p = q - np.dot(np.array(shares, dtype=object), rows)
        out = {j: -1 if x < lo[j] else 1 for j, x in enumerate(p) if not lo[j] <= x <= hi[j]}
        if out:
            fixed |= out
            continue
        leads = np.dot(gains, p) + offsets
        worst = int(np.argmin(leads))
        if leads[worst] < 0:
            others.append(worst)
            continue
        far2 = sum((x - y) ** 2 for x, y in zip(p, start, strict=True))
        if far2 >= LARGEST**2 or max(abs(x) for x in p) >= LARGEST:
            return None
        point = np.clip(np.array([float(x) for x in p]), lo, hi)
        return ExactTie(point, root_above(Fraction(far2)), np.array(others), fixed)
    return None


def _solved(rows: object, right: list[Fraction]) -> list[Fraction] | None:
    """Some solution of a rational system, or None."""
    table = [[*row, value] for row, value in zip(np.asarray(rows), right, strict=True)]
    common = int(np.lcm.reduce([Fraction(x).denominator for row in table for x in row], dtype=object))
    return any_solution(
        [[x * common for x in row[:-1]] for row in table], [row[-1] * common for row in table]
    )


def root_above(squared: Fraction) -> float:
    """A float64 number not below √squared, and next to it.

    >>> root_above(Fraction(2)) ** 2 >= 2
    True
    """
    shift = 1 << 200
    root = Fraction(isqrt(squared.numerator * shift * shift // squared.denominator) + 1, shift)
    if squared == 0:
        return 0.0
    nearest = float(root)
    return nearest if fraction(nearest) >= root else float(np.nextafter(nearest, np.inf))
