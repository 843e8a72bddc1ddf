"""Exact numbers: every float32 and float64 is an integer times a power of two, so nothing here is rounded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Floats

Integers = NDArray[np.object_]  # Python integers of any size

ENTRIES_AT_ONCE = 1 << 18  # of the blocks that are turned into integers at once


def fraction(value: float) -> Fraction:
    """The exact value of one float."""
    return Fraction(float(value))


def scaled(value: int, exponent: int) -> Fraction:
    """The number value · 2^exponent.

    >>> scaled(3, -1)
    Fraction(3, 2)
    """
    return Fraction(int(value) << exponent) if exponent >= 0 else Fraction(int(value), 1 << -exponent)


def integers(array: Floats) -> tuple[Integers, int]:
    """Integers and one exponent such that array = integers · 2^exponent, exactly.

    >>> integers(np.array([0.5, -3.0]))
    (array([1, -6], dtype=object), -1)
    """
    mantissa, power = np.frexp(np.asarray(array, dtype=np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64)  # exact: |mantissa| < 1 has 53 bits
    exponent = power.astype(np.int64) - 53
    if not whole.any():
        return np.zeros(whole.shape, dtype=np.int64).astype(object), 0
    # Powers of two are taken out, so that 0.5 does not become 2^52 · 2^-53.
    trailing = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    smallest = int((exponent + trailing)[whole != 0].min())
    up = exponent - smallest
    down = np.where(up < 0, -up, 0)  # these bits are zero, but for entries that are
    left = np.where((whole != 0) & (up > 0), up, 0)
    return (whole >> np.minimum(down, 63)).astype(object) << left.astype(object), smallest


def dots(left: Floats, right: Floats) -> list[Fraction]:
    """The exact inner products of the rows of two matrices (m, d), each with its counterpart.

    >>> dots(np.array([[0.5, 1.0]]), np.array([[1.0, 0.25]]))
    [Fraction(3, 4)]
    """
    step = max(1, ENTRIES_AT_ONCE // max(1, left.shape[1]))
    result: list[Fraction] = []
    for start in range(0, len(left), step):
        (a, e), (b, f) = integers(left[start : start + step]), integers(right[start : start + step])
        result += [scaled(value, e + f) for value in (a * b).sum(axis=1)]
    return result


def dot(left: Floats, right: Floats) -> Fraction:
    """The exact inner product of two vectors.

    >>> dot(np.array([0.1, 0.2]), np.array([1.0, 1.0])) == Fraction(0.1) + Fraction(0.2)
    True
    """
    return dots(left[None], right[None])[0]


def norm2(vector: Floats) -> Fraction:
    """The exact squared length of a vector."""
    return dot(vector, vector)


def apart2(left: Floats, right: Floats) -> Fraction:
    """The exact squared distance of two vectors.

    >>> apart2(np.array([1e30, 1.0]), np.array([1e30, 3.0]))
    Fraction(4, 1)
    """
    both, exponent = integers(np.stack([left, right]))
    return scaled(int(((both[0] - both[1]) ** 2).sum()), 2 * exponent)


def mean(weights: Floats, points: Floats) -> list[Fraction]:
    """The exact point Σ w_i points_i / Σ w_i, which makes floating-point weights true barycentric ones.

    Raises ZeroDivisionError where the weights sum to zero.

    >>> mean(np.array([1.0, 2.0]), np.array([[3.0], [6.0]]))
    [Fraction(5, 1)]
    """
    (shares, _), (whole, exponent) = integers(weights), integers(points)
    total = int(shares.sum())
    return [scaled(value, exponent) / total for value in np.dot(shares, whole)]


def column_sums(array: Floats) -> list[Fraction]:
    """The exact sum of each column of an array (n, d), (d,).

    A float of p digits whose size is in [2^(e−1), 2^e) is a multiple of 2^(e−p). So a column of numbers that
    are all multiples of one power of two, and less than 2^62 / n of it, is summed in whole numbers of 64
    bits; the others in Python's.

    >>> column_sums(np.array([[0.1, 1e300], [0.2, 1.0]], np.float64)) == [
    ...     Fraction(0.1) + Fraction(0.2),
    ...     Fraction(10.0**300) + 1,
    ... ]
    True
    """
    n, d = array.shape
    step = max(1, ENTRIES_AT_ONCE // max(1, d))
    parts = [slice(start, start + step) for start in range(0, n, step)]
    largest, least = np.zeros(d), np.full(d, np.inf)
    for part in parts:
        size = np.abs(array[part].astype(np.float64))
        largest = np.maximum(largest, size.max(axis=0))
        least = np.minimum(least, np.where(size > 0, size, np.inf).min(axis=0))
    digits = np.finfo(array.dtype).nmant + 1
    least[np.isinf(least)] = 1.0  # a column of zeros
    unit = np.frexp(least)[1].astype(np.int64) - digits
    narrow = np.frexp(largest)[1] - unit + n.bit_length() <= 62
    totals = np.zeros(d, dtype=np.int64)
    for part in parts:
        whole = np.ldexp(array[part][:, narrow].astype(np.float64), -unit[narrow])
        totals[narrow] += whole.astype(np.int64).sum(axis=0)
    found = [scaled(total, power) for total, power in zip(totals.tolist(), unit.tolist(), strict=True)]
    for j in np.flatnonzero(~narrow).tolist():
        column, power = integers(array[:, j])
        found[j] = scaled(int(column.sum()), power)
    return found


def square(vector: list[Fraction]) -> Fraction:
    """The exact squared length of a vector of fractions."""
    return sum((x * x for x in vector), Fraction(0))


def at_most(squared: Fraction, bound: float) -> bool:
    """Whether √squared ≤ bound, exactly; infinity bounds everything.

    >>> at_most(Fraction(2), 1.5), at_most(Fraction(2), 1.4), at_most(Fraction(0), -1.0)
    (True, False, False)
    """
    return bound == np.inf or (bound >= 0 and squared <= fraction(bound) ** 2)


def at_least(value: Fraction, bound: float, squared: Fraction) -> bool:
    """Whether value ≥ bound · √squared, exactly, for a bound that is finite.

    >>> at_least(Fraction(3), 1.0, Fraction(9)), at_least(Fraction(-4), -1.5, Fraction(9))
    (True, True)
    """
    side = fraction(bound) ** 2 * squared
    if bound < 0:
        return value >= 0 or value * value <= side
    return value >= 0 and value * value >= side


def root_below(squared: Fraction) -> Fraction:
    """A rational number not above √squared, and close to it.

    >>> root_below(Fraction(9, 4))
    Fraction(3, 2)
    """
    from math import isqrt

    shift = 1 << 128
    return Fraction(isqrt(squared.numerator * shift * shift // squared.denominator), shift)


def solve(rows: Any, right_side: Any) -> list[Fraction] | None:
    """The one exact solution x of rows · x = right_side, in integers; None if there is none or many.

    >>> solve([[1, 1], [1, -1], [2, 0]], [3, 1, 4])
    [Fraction(2, 1), Fraction(1, 1)]
    """
    from flint import fmpq_mat, fmpz_mat

    matrix: Any = fmpz_mat([[int(value) for value in row] for row in rows])
    right: Any = fmpz_mat([[int(value)] for value in right_side])
    if matrix.ncols() > matrix.nrows():
        return None
    try:
        if matrix.ncols() == matrix.nrows():
            solution: Any = matrix.solve(right)
        else:
            normal = matrix.transpose()
            solution = (normal * matrix).solve(normal * right)
            # The normal equations always have an answer; it must also solve the equations themselves.
            if fmpq_mat(matrix) * solution != fmpq_mat(right):
                return None
    except ZeroDivisionError:
        return None
    return [Fraction(int(entry.p), int(entry.q)) for entry in solution.entries()]


def any_solution(rows: Any, right_side: Any) -> list[Fraction] | None:
    """Some exact solution x of rows · x = right_side, in integers; None if there is none.

    >>> any_solution([[1, 1], [2, 2]], [3, 6])
    [Fraction(3, 1), Fraction(0, 1)]
    """
    from flint import fmpz_mat

    table: Any = fmpz_mat([[*map(int, row), int(value)] for row, value in zip(rows, right_side, strict=True)])
    reduced, share, rank = table.rref()
    last = reduced.ncols() - 1
    result = [Fraction(0)] * last
    for i in range(rank):
        pivot = next(j for j in range(last + 1) if reduced[i, j] != 0)
        if pivot == last:
            return None
        result[pivot] = Fraction(int(reduced[i, last]), int(share))
    return result


def shares_of_zero(left: Floats, right: Floats) -> list[Fraction] | None:
    """The w with Σ w_i (left_i − right_i) = 0 and Σ w = 1, exactly, where the rows (k, d) determine it.

    Zero is in the hull of the differences that they carry if and only if none is negative.

    >>> shares_of_zero(np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]]))
    [Fraction(3, 4), Fraction(1, 4)]
    """
    k = len(left)
    whole, _ = integers(np.vstack([left, right]))
    equations = [*(whole[:k] - whole[k:]).T.tolist(), [1] * k]
    return solve(equations, [0] * left.shape[1] + [1])
