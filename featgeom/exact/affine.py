"""Logit margins for the checks: screened in float64 with a rigorous bound, exact in integers where needed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.exact import rationals
from featgeom.exact.products import dots
from featgeom.exact.rounding import product_error, unit_roundoff

Floating = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]

BLOCK_ENTRIES = 1 << 22


def row_blocks(n: int, width: int) -> list[slice]:
    """Consecutive slices of range(n) that hold about ``BLOCK_ENTRIES`` numbers in rows of ``width``."""
    step = max(1, BLOCK_ENTRIES // max(1, width))
    return [slice(start, min(n, start + step)) for start in range(0, n, step)]


def margin_screen(
    points: Floating, weight: Float64, bias: Float64, own: NDArray[np.integer[Any]]
) -> tuple[Float64, Float64]:
    """Margins l_own(z) − l_k(z) of every row and class (n, C), and a bound on what rounding did to each.

    Where float64 overflows, the bound is infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        z = points.astype(np.float64)
        logits = z @ weight.T + bias
        error = product_error(z, weight, np.float64) + unit_roundoff(np.float64) * np.abs(logits)
        rows = np.arange(len(z))
        margins = logits[rows, own][:, None] - logits
        error = error[rows, own][:, None] + error + unit_roundoff(np.float64) * np.abs(margins)
        margins[rows, own] = 0.0
        error = np.where(np.isfinite(error) & np.isfinite(margins), 1.001 * error, np.inf)
        error[rows, own] = 0.0
    return np.nan_to_num(margins, nan=0.0), error


def exact_logits(points: Floating, weight: Float64, bias: Float64, k: NDArray[Any]) -> list[Fraction]:
    """The exact logits l_k(z) of corresponding rows: points (m, d), classes (m,)."""
    left = np.hstack([points.astype(np.float64), np.ones((len(points), 1))])
    right = np.hstack([weight[k], bias[k][:, None]])
    values, exponents = dots(left, right)
    return [rationals.scaled(int(v), int(e)) for v, e in zip(values, exponents, strict=True)]


def exact_margins(
    points: Floating, weight: Float64, bias: Float64, own: NDArray[Any], rivals: NDArray[Any]
) -> list[Fraction]:
    """The exact margins l_own(z) − l_rival(z) of corresponding rows."""
    first = exact_logits(points, weight, bias, own)
    second = exact_logits(points, weight, bias, rivals)
    return [a - b for a, b in zip(first, second, strict=True)]


def least_margins(points: Floating, weight: Float64, bias: Float64, own: int) -> list[Fraction]:
    """For every class k the exact minimum over points of l_own − l_k, (C,); zero for ``own`` itself.

    >>> least_margins(np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]]), np.array([0.0, 0.5]), 0)
    [Fraction(0, 1), Fraction(1, 2)]
    """
    # (z, −z, 1, −1)·(w_own, w_k, b_own, b_k) needs no difference of rows, which would be rounded.
    classes = len(weight)
    mine = np.broadcast_to(np.append(weight[own], bias[own]), (classes, weight.shape[1] + 1))
    directions = np.hstack([mine, weight, bias[:, None]])
    best: list[Fraction] | None = None
    for block in row_blocks(len(points), directions.shape[1]):
        z = np.hstack([points[block].astype(np.float64), np.ones((block.stop - block.start, 1))])
        found = rationals.lowest(np.hstack([z, -z]), directions)
        best = found if best is None else [min(a, b) for a, b in zip(best, found, strict=True)]
    if best is None:
        raise ValueError("the minimum over no points")
    return best


def difference_norm2(weight: Float64, own: int, rival: int) -> Fraction:
    """The exact squared length of w_own − w_rival."""
    a, b = weight[own], weight[rival]
    return rationals.norm2(a) - 2 * rationals.dot(a, b) + rationals.norm2(b)


def difference_norms(weight: Float64, own: int) -> Float64:
    """Upper bounds on ‖w_own − w_k‖ for every class k, (C,)."""
    difference = np.abs(weight[own] - weight)
    squares = np.einsum("ij,ij->i", difference, difference)
    d = weight.shape[1]
    factor = 1 + (d + 8) * unit_roundoff(np.float64)
    lost = np.sqrt(d * float(np.finfo(np.float64).tiny))
    return np.where((difference == 0).all(axis=1), 0.0, np.sqrt(squares) * factor + lost)
