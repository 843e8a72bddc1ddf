"""Rounding as part of a proof: bounds on what floating-point arithmetic may have done.

The bounds are those of Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 3.1. They
hold for any order of summation and with fused multiply-add, so for whatever BLAS does on any device that
rounds to nearest in the stated type (TF32 and other reduced modes must be off).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from featgeom.arrays import Float64, Floats
from featgeom.errors import BadArgument

U = 2.0**-53  # the largest relative error of one operation in float64
TINY = float(np.finfo(np.float64).tiny)  # more than an underflow loses, even to zero


def unit_roundoff(dtype: DTypeLike) -> float:
    """The largest relative error of one rounded operation: 2^-24 for float32, 2^-53 for float64."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2


UNIT = unit_roundoff(np.float64)


def gamma(n: int, dtype: DTypeLike) -> float:
    """The factor γ_n = n·u / (1 − n·u) that bounds n successive roundings.

    >>> gamma(64, "float64") < 7.2e-15
    True
    """
    nu = n * unit_roundoff(dtype)
    if nu >= 0.5:
        raise BadArgument(f"{n} operations in {np.dtype(dtype)} leave no significant digit")
    return nu / (1 - nu)


def rounded_up(lengths: Float64, terms: int) -> Float64:
    """Lengths of vectors of so many entries, computed in float64, made no less than the true ones.

    >>> bool(rounded_up(np.array([1.0]), 3)[0] > 1)
    True
    """
    return np.asarray(lengths * (1 + 4 * gamma(terms + 8, "float64")))


def over(value: float) -> float:
    """No less than what a number ≥ 0 of two or three operations in float64 would be without rounding.

    >>> over(1 / np.sqrt(2 * 3.0)) ** 2 > 1 / 6
    True
    """
    return float(value) * (1 + 2**-50)


def under(value: float) -> float:
    """No more than what a number ≥ 0 of two or three operations in float64 would be without rounding.

    >>> under(1 / np.sqrt(2 * 3.0)) ** 2 < 1 / 6
    True
    """
    return float(value) * (1 - 2**-50)


def lengths_above(rows: Floats) -> Float64:
    """Upper bounds on the lengths of rows (n, d), whatever squaring rounds or loses to underflow, (n,).

    >>> bool(lengths_above(np.array([[1e-200, 0.0]]))[0] >= 1e-200)
    True
    """
    d = rows.shape[1]
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        return np.sqrt(squares) * (1 + gamma(d + 4, np.float64)) + np.sqrt(d * TINY)


def product_error(left: Floats, right: Floats, dtype: DTypeLike, lengths: Float64 | None = None) -> Float64:
    """A bound on |fl(left @ right.T) − left @ right.T| when the product is computed in ``dtype``.

    Shapes: left (n, d), right (m, d), result (n, 1) * (1, m) broadcast to (n, m). By Cauchy-Schwarz the
    bound is γ_d ‖left_i‖ ‖right_j‖, which costs no second product. Underflow is covered by an absolute term.
    ``lengths`` (m,) are `lengths_above` of ``right``, for who has many products with it.

    >>> a = np.full((1, 4), 0.1); b = np.full((1, 4), 3.0)
    >>> bool(abs((a @ b.T)[0, 0] - 1.2) <= product_error(a, b, "float64")[0, 0] + 1e-16)
    True
    """
    d = left.shape[1]
    with np.errstate(over="ignore"):
        others = lengths_above(right) if lengths is None else lengths
        sizes = lengths_above(left)[:, None] * others[None, :]
        return gamma(d + 1, dtype) * sizes + d * float(np.finfo(np.dtype(dtype)).tiny)
