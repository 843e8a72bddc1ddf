"""What claims about hulls share: weights that are well formed, and the points that they weigh, exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from featgeom.exact.rationals import combination, fraction, norm2, root_at_most
from featgeom.status import Status

Proof = tuple[Status, str]
PROVED: Proof = (Status.PROVED, "")


def no(reason: str) -> Proof:
    """A refutation."""
    return (Status.REFUTED, reason)


def are_weights(value: Any, shape: tuple[int, int]) -> bool:
    """Whether ``value`` is a well-formed sparse matrix of that shape with finite entries."""
    if not isinstance(value, csr_array) or value.shape != shape:
        return False
    inner, start = value.indices, value.indptr
    return bool(
        value.data.dtype.kind in "fiu"
        and np.isfinite(value.data).all()
        and len(start) == shape[0] + 1
        and start[0] == 0
        and start[-1] == len(inner) == len(value.data)
        and (np.diff(start) >= 0).all()
        and (len(inner) == 0 or (inner.min() >= 0 and inner.max() < shape[1]))
    )


def row_of(weights: Any, i: int) -> tuple[Any, Any]:
    """The columns and values of row ``i`` of a sparse matrix."""
    start, stop = weights.indptr[i], weights.indptr[i + 1]
    return weights.indices[start:stop], weights.data[start:stop]


def are_shares(weights: Any) -> bool:
    """Whether these are weights of something: none negative, not all zero."""
    return len(weights) > 0 and bool((weights >= 0).all() and (weights > 0).any())


def weighted_point(weights: Any, points: Any) -> list[Fraction]:
    """The exact hull point of a single row of weights (1, n), taken at their exact sum."""
    shares = [fraction(w) for w in weights.data]
    total = sum(shares, Fraction(0))
    return combination([share / total for share in shares], points[weights.indices])


def square(vector: list[Fraction]) -> Fraction:
    """The exact squared length."""
    return sum((x * x for x in vector), Fraction(0))


def at_most(square: Fraction, bound: float) -> bool:
    """Whether √square ≤ bound, exactly; infinity bounds everything."""
    return bool(np.isposinf(bound)) or (bool(np.isfinite(bound)) and root_at_most(square, fraction(bound)))


def gap_at_least(gap: Fraction, normal: Any, bound: float) -> bool:
    """Whether bound · ‖normal‖ ≤ gap, exactly; a bound that is not positive claims nothing."""
    if not np.isfinite(bound):
        return False
    if bound <= 0:
        return True
    length2 = norm2(normal)
    return gap > 0 and length2 > 0 and fraction(bound) ** 2 * length2 <= gap * gap


def shares_of_zero(left: Any, right: Any) -> list[Fraction] | None:
    """The w with Σ w_i (left_i − right_i) = 0 and Σ w = 1, exactly, where the rows determine it.

    >>> shares_of_zero(np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]]))
    [Fraction(3, 4), Fraction(1, 4)]
    """
    import flint

    k = len(left)
    table: list[list[Any]] = [[1] * k + [1]]
    for column_a, column_b in zip(left.T, right.T):
        apart = [fraction(x) - fraction(y) for x, y in zip(column_a, column_b)]
        table.append([flint.fmpq(a.numerator, a.denominator) for a in apart] + [0])
    reduced, rank = flint.fmpq_mat(table).rref()
    if rank != k or any(reduced[i, i] == 0 for i in range(k)):
        return None
    return [Fraction(int(reduced[i, k].p), int(reduced[i, k].q)) for i in range(k)]


def holds_zero(left: Any, right: Any) -> Proof:
    """Whether 0 = Σ w_i (left_i − right_i) has a solution w ≥ 0, Σ w = 1: solved in rationals."""
    weights = shares_of_zero(left, right)
    if weights is None:
        return no("the supporting points do not determine the point claimed")
    if min(weights) < 0:
        return no("a weight of the combination is negative")
    return PROVED
