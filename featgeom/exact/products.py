"""Exact inner products at the speed of float64 arithmetic.

A row of floats is an integer row times a power of two. Cut into slices of so few bits that a product of two
slices, summed over the whole dimension, stays below 2^53, the integers can be multiplied in float64 without
any rounding; the slices' products are then added up in Python integers. (Ozaki, Ogita, Oishi, Rump 2012,
*Error-free transformations of matrix multiplication*.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[np.floating[Any]]
Integers = NDArray[np.object_]  # Python integers of any size
Exponents = NDArray[np.int64]

MOST_SLICES = 8  # rows that need more (a range of more than about 2^160) go to plain integers
ROWS_AT_ONCE = 1 << 20  # entries of the blocks in which long lists of rows are multiplied


@dataclass(frozen=True)
class Slices:
    """Rows (m, d) as Σ_k parts[k] · 2^(top − width·(k+1)), each part holding small integers in float64."""

    parts: list[NDArray[np.float64]]
    top: Exponents
    width: int


def slice_width(d: int) -> int:
    """How many bits a slice may have so that sums of d products of slices are exact in float64."""
    return (53 - max(1, d).bit_length()) // 2


def cut(rows: Floating) -> Slices | None:
    """The slices of each row, or None if some row's range of magnitudes is too wide."""
    rest = rows.astype(np.float64)
    width = slice_width(rest.shape[1])
    top = np.frexp(np.abs(rest).max(axis=1, initial=0.0))[1].astype(np.int64)
    parts: list[NDArray[np.float64]] = []
    while rest.any():
        if len(parts) == MOST_SLICES:
            return None
        unit = (top - width * (len(parts) + 1)).astype(np.int32)[:, None]
        part = np.trunc(np.ldexp(rest, -unit))
        rest = rest - np.ldexp(part, unit)
        parts.append(part)
    return Slices(parts, top, width)


def integers(array: Floating) -> tuple[Integers, int]:
    """Integers and one exponent such that array = integers · 2^exponent, exactly.

    >>> values, exponent = integers(np.array([0.5, -3.0]))
    >>> values, exponent
    (array([1, -6], dtype=object), -1)
    """
    mantissa, exponent = np.frexp(array.astype(np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    power = exponent.astype(np.int64) - 53
    # Powers of two are taken out, so that 0.5 does not become 2^52 · 2^-53.
    low = whole & -whole
    trailing = np.where(whole == 0, 0, np.frexp(low.astype(np.float64))[1] - 1).astype(np.int64)
    whole, power = whole >> trailing, power + trailing
    if not whole.any():
        return np.zeros(array.shape, dtype=np.int64).astype(object), 0
    smallest = int(power[whole != 0].min())
    shift = np.where(whole == 0, 0, power - smallest)
    return whole.astype(object) << shift.astype(object), smallest


def dots(left: Floating, right: Floating) -> tuple[Integers, Exponents]:
    """The exact inner products of corresponding rows of (m, d) and (m, d), as integers times powers of two.

    >>> values, exponents = dots(np.array([[0.1, 0.2]]), np.array([[1.0, -0.5]]))
    >>> int(values[0]) * 2.0 ** int(exponents[0]) == 0.1 - 0.2 / 2
    True
    """
    m, d = left.shape
    step = max(1, ROWS_AT_ONCE // max(1, d))
    values = np.empty(m, dtype=object)
    exponents = np.zeros(m, dtype=np.int64)
    for start in range(0, m, step):
        block = slice(start, start + step)
        values[block], exponents[block] = _dots_of_block(left[block], right[block])
    return values, exponents


def _dots_of_block(left: Floating, right: Floating) -> tuple[Integers, Exponents]:
    cut_left, cut_right = cut(left), cut(right)
    if cut_left is None or cut_right is None:
        if len(left) == 1:
            return _plain_dot(left[0], right[0])
        half = len(left) // 2
        first, second = _dots_of_block(left[:half], right[:half]), _dots_of_block(left[half:], right[half:])
        return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
    width = cut_left.width
    levels = len(cut_left.parts) + len(cut_right.parts)
    # sums[k + l] collects the products of the slices k and l: fewer than 2^10 terms below 2^53 each.
    sums = np.zeros((max(1, levels - 1), len(left)), dtype=np.int64)
    for k, a in enumerate(cut_left.parts):
        for m, b in enumerate(cut_right.parts):
            sums[k + m] += np.einsum("ij,ij->i", a, b).astype(np.int64)
    total = np.zeros(len(left), dtype=np.int64).astype(object)
    for row in sums:
        total = (total << width) + row.astype(object)
    return total, cut_left.top + cut_right.top - width * (len(sums) + 1)


def _plain_dot(left: Floating, right: Floating) -> tuple[Integers, Exponents]:
    (a, power_a), (b, power_b) = integers(left), integers(right)
    value = np.empty(1, dtype=object)
    value[0] = sum(int(x) * int(y) for x, y in zip(a, b, strict=True))
    return value, np.array([power_a + power_b], dtype=np.int64)


def to_common_exponent(values: Integers, exponents: Exponents) -> tuple[Integers, int]:
    """The same numbers with one exponent for all."""
    if len(values) == 0:
        return values, 0
    smallest = int(exponents.min())
    return values << (exponents - smallest).astype(object), smallest
