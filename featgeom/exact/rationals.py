"""Exact arithmetic on floating-point arrays: every float32 and float64 is an integer times a power of two.

What is asked of many points is first screened in float64 with a rigorous bound on its rounding; what the
bound leaves open is computed in integers. The answers are exact whatever the magnitudes.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.exact.products import dots, integers, to_common_exponent
from featgeom.exact.rounding import product_error

Floating = NDArray[np.floating[Any]]

TILE_ENTRIES = 1 << 20  # of the tiles of products that are screened at once
QUERIES_AT_ONCE = 1024


def fraction(value: float) -> Fraction:
    """The exact value of one float."""
    return Fraction(float(value))


def scaled(value: int, exponent: int) -> Fraction:
    """The number value · 2^exponent.

    >>> scaled(3, -1)
    Fraction(3, 2)
    """
    return Fraction(value << exponent) if exponent >= 0 else Fraction(value, 1 << -exponent)


def dot(left: Floating, right: Floating) -> Fraction:
    """The exact inner product of two vectors.

    >>> dot(np.array([0.1, 0.2]), np.array([1.0, 1.0])) == Fraction(0.1) + Fraction(0.2)
    True
    """
    return row_dots(left[None, :], right[None, :])[0]


def row_dots(left: Floating, right: Floating) -> list[Fraction]:
    """The exact inner products of the rows of two matrices (n, d), each with its counterpart.

    >>> row_dots(np.array([[0.5, 1.0]]), np.array([[1.0, 0.25]]))
    [Fraction(3, 4)]
    """
    step = max(1, TILE_ENTRIES // max(1, left.shape[1]))
    result: list[Fraction] = []
    for start in range(0, len(left), step):
        values, exponents = dots(left[start : start + step], right[start : start + step])
        result.extend(scaled(int(value), int(exponent)) for value, exponent in zip(values, exponents))
    return result


def norm2(vector: Floating) -> Fraction:
    """The exact squared length of a vector."""
    return dot(vector, vector)


def lowest(
    points: Floating, directions: Floating, left_out: NDArray[np.integer[Any]] | None = None
) -> list[Fraction]:
    """The exact minimum over points (n, d) of ⟨point, direction⟩, for each direction (q, d).

    Where ``left_out`` (q,) names a row for a direction, the minimum is over all other points. It costs about
    one float64 product of the two matrices; ``points`` may be a memory map.

    >>> lowest(np.array([[0.1, 0.0], [0.2, 1.0]]), np.array([[1.0, 0.0], [-1.0, -1.0]]))[0] == Fraction(0.1)
    True
    """
    out = np.full(len(directions), -1) if left_out is None else left_out
    if len(points) == 0 or (len(points) == 1 and (out == 0).any()):
        raise ValueError("the minimum over no points")
    if directions.shape[1] != points.shape[1]:
        raise ValueError(f"points of dimension {points.shape[1]}, directions of {directions.shape[1]}")
    result: list[Fraction] = []
    for start in range(0, len(directions), QUERIES_AT_ONCE):
        some = directions[start : start + QUERIES_AT_ONCE].astype(np.float64)
        rows, columns = _screened(points, some, out[start : start + QUERIES_AT_ONCE])
        result.extend(_lowest_of(points, some, rows, columns))
    return result


def _screened(
    points: Floating, directions: Floating, left_out: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (point, direction) among which is, for every direction, a point of least inner product."""
    factor = -int(np.frexp(_largest(points))[1])
    right = _unit_range(directions)
    best = np.full(len(right), np.inf)
    kept: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    step = max(1, TILE_ENTRIES // len(right))
    for start in range(0, len(points), step):
        left = np.ldexp(points[start : start + step].astype(np.float64), factor)
        products = left @ right.T
        here = np.flatnonzero((left_out >= start) & (left_out < start + len(left)))
        products[left_out[here] - start, here] = np.inf
        # One bound a tile and direction. What scaling lost to underflow is within the bound's absolute term.
        error = 2 * product_error(left, right, np.float64).max(axis=0)
        least = products.min(axis=0)
        best = np.minimum(best, least + error)
        open_columns = np.flatnonzero(least - error <= best)
        inside = products[:, open_columns] - error[open_columns] <= best[open_columns]
        row, column = np.nonzero(inside)
        column = open_columns[column]
        kept.append((row + start, column, products[row, column] - error[column]))
    rows, columns, bounds = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    still = bounds <= best[columns]
    return rows[still], columns[still]


def _largest(points: Floating) -> float:
    step = max(1, TILE_ENTRIES // points.shape[1])
    return max(float(np.abs(points[i : i + step]).max(initial=0.0)) for i in range(0, len(points), step))


def _unit_range(rows: Floating) -> Floating:
    """Each row times a power of two that brings its largest entry to between 1/2 and 1."""
    power = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1]
    return np.ldexp(rows, -power[:, None])


def _lowest_of(
    points: Floating,
    directions: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> list[Fraction]:
    order = np.argsort(columns, kind="stable")
    rows, columns = rows[order], columns[order]
    ends = np.searchsorted(columns, np.arange(len(directions) + 1))
    step = max(1, TILE_ENTRIES // points.shape[1])
    parts = [
        dots(points[rows[i : i + step]].astype(np.float64), directions[columns[i : i + step]])
        for i in range(0, len(rows), step)
    ]
    values = np.concatenate([part[0] for part in parts])
    exponents = np.concatenate([part[1] for part in parts])
    result = []
    for first, last in pairwise(ends):
        same, exponent = to_common_exponent(values[first:last], exponents[first:last])
        result.append(scaled(int(same.min()), exponent))
    return result


def combination(weights: list[Fraction], points: Floating) -> list[Fraction]:
    """The exact point Σ weights_i points_i.

    >>> combination([Fraction(1, 3), Fraction(2, 3)], np.array([[3.0], [6.0]]))
    [Fraction(5, 1)]
    """
    if len(weights) != len(points):
        raise ValueError(f"{len(weights)} weights for {len(points)} points")
    common = lcm(*(w.denominator for w in weights)) if weights else 1
    whole = np.array([w.numerator * (common // w.denominator) for w in weights], dtype=object)
    coordinates, exponent = integers(points)
    unit = scaled(1, exponent) / common
    return [int(value) * unit for value in _weighted_sum(whole, coordinates)]


def _weighted_sum(weights: NDArray[np.object_], rows: NDArray[np.object_]) -> list[int]:
    return list(np.dot(weights, rows)) if len(weights) else [0] * rows.shape[1]


def distance2(weights: Floating, points: Floating, query: Floating) -> Fraction:
    """The exact squared distance of ``query`` from Σ w_i points_i / Σ w_i.

    Dividing by the sum makes floating-point weights true barycentric ones. Raises ValueError if it is zero.

    >>> distance2(np.array([1.0, 2.0]), np.array([[0.0], [3.0]]), np.array([0.5]))
    Fraction(9, 4)
    """
    whole, _ = integers(weights)
    total = sum(int(w) for w in whole)
    if total == 0:
        raise ValueError("weights that sum to zero")
    both, exponent = integers(np.vstack([points, query[None, :]]).astype(np.float64))
    sums = _weighted_sum(whole, both[:-1])
    square = sum((s - total * int(q)) ** 2 for s, q in zip(sums, both[-1], strict=True))
    return scaled(square, 2 * exponent) / (total * total)


def barycentric(points: Floating, query: Floating) -> list[Fraction] | None:
    """The exact weights, of sum 1, with which affinely independent points (k, d) combine to ``query`` (d,).

    None if the points are affinely dependent or the query is not in their affine hull. The query lies in
    their simplex if and only if no weight is negative.

    >>> barycentric(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), np.array([1.0, 1.0]))
    [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)]
    """
    k = len(points)
    whole, _ = integers(np.vstack([points, query[None, :]]).astype(np.float64))
    one = np.full((1, k), 1, dtype=object)
    return solve(np.vstack([whole[:k].T, one]).tolist(), [*whole[k].tolist(), 1])


def solve(rows: list[list[int]], right_side: list[int]) -> list[Fraction] | None:
    """The one exact solution x of rows · x = right_side, in integers; None if there is none or many.

    >>> solve([[1, 1], [1, -1], [2, 0]], [3, 1, 4])
    [Fraction(2, 1), Fraction(1, 1)]
    """
    from flint import fmpq_mat, fmpz_mat

    k = len(rows[0])
    if k > len(rows):
        return None
    matrix = fmpz_mat(rows)
    right = fmpz_mat([[value] for value in right_side])
    try:
        if k == len(rows):
            return _column(matrix.solve(right))
        normal = matrix.transpose()
        solution: Any = (normal * matrix).solve(normal * right)
    except ZeroDivisionError:
        return None
    # The normal equations always have an answer; it must also solve the equations themselves.
    product: Any = fmpq_mat(matrix)
    return _column(solution) if product * solution == fmpq_mat(right) else None


def _column(solution: Any) -> list[Fraction]:
    return [Fraction(int(entry.p), int(entry.q)) for entry in solution.entries()]


def at_most_root(value: Fraction, square: Fraction) -> bool:
    """Whether value ≤ √square, exactly.

    >>> at_most_root(Fraction(3), Fraction(9)), at_most_root(Fraction(4), Fraction(9))
    (True, False)
    """
    return value <= 0 or value * value <= square


def root_at_most(square: Fraction, value: Fraction) -> bool:
    """Whether √square ≤ value, exactly.

    >>> root_at_most(Fraction(9), Fraction(3)), root_at_most(Fraction(9), Fraction(-3))
    (True, False)
    """
    return value >= 0 and square <= value * value
