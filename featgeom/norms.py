"""Norms by which a displacement in feature space is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, as_float64
from featgeom.errors import BadArgument

ORDERS = {1: "L1", 2: "L2", np.inf: "Linf"}


@dataclass(frozen=True, eq=False)
class Norm:
    """The norm ‖δ‖ = min ‖y‖_p over all y with F y = δ, p the ``order`` (1, 2 or inf).

    ``factor`` F (d, d), invertible; None is the identity.

    >>> Norm(1).length(np.array([[3.0, -4.0]])), Norm(np.inf).dual_length(np.array([[3.0, -4.0]]))
    (array([7.]), array([7.]))
    """

    order: float = 2
    factor: Float64 | None = None

    @property
    def name(self) -> str:
        """What to call it in print."""
        return ORDERS[self.order] if self.factor is None else "Mahalanobis"

    @property
    def plain(self) -> bool:
        """Whether it is the Euclidean norm."""
        return self.order == 2 and self.factor is None

    def moves(self, delta: Float64) -> Float64:
        """The y (n, d) with F y = δ, for each row of δ (n, d)."""
        return (
            delta if self.factor is None else np.asarray(np.linalg.solve(self.factor, delta.T).T, np.float64)
        )

    def length(self, delta: Float64) -> Float64:
        """The norm of each row of (n, d)."""
        return np.asarray(np.linalg.norm(self.moves(delta), self.order, axis=1))

    def size(self, moves: Float64) -> Float64:
        """The p-norm of each row of moves y (n, d)."""
        return np.asarray(np.linalg.norm(moves, self.order, axis=1))

    def dual_length(self, slope: Float64) -> Float64:
        """The dual norm max ⟨slope, δ⟩ over ‖δ‖ ≤ 1 = ‖Fᵀ slope‖_q of each row of (n, d), 1/p + 1/q = 1."""
        across = slope if self.factor is None else slope @ self.factor
        return np.asarray(np.linalg.norm(across, self._dual_order, axis=1))

    def dual_length_of_error(self, error: Float64) -> Float64:
        """How much the dual norm of a row may grow where its entries are off by up to ``error`` (n, d)."""
        across = error if self.factor is None else error @ np.abs(self.factor)
        return np.asarray(np.linalg.norm(across, self._dual_order, axis=1)) * (1 + 1e-9)

    @property
    def _dual_order(self) -> float:
        return {1: np.inf, 2: 2, np.inf: 1}[self.order]


def mahalanobis(covariance: ArrayLike) -> Norm:
    """The norm ‖δ‖ = √(δᵀ S⁻¹ δ) of a covariance S (d, d): one unit is a standard deviation in any direction.

    It is F, the Cholesky factor of S in float64, that defines the norm. Raises BadArgument for a matrix that
    is not symmetric and positive definite: where its rank is not full, add a multiple of the identity.

    >>> mahalanobis([[4.0, 0.0], [0.0, 1.0]]).length(np.array([[2.0, 0.0], [0.0, 2.0]]))
    array([1., 2.])
    """
    matrix = as_float64(covariance, "covariance")
    if matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T):
        raise BadArgument(f"covariance: expected a symmetric matrix (d, d), got {matrix.shape}")
    try:
        return Norm(2, np.asarray(np.linalg.cholesky(matrix), np.float64))
    except np.linalg.LinAlgError:
        raise BadArgument(
            "covariance: it has directions without any variance; add a multiple of the identity"
        ) from None


def as_norm(value: object, dimension: int) -> Norm:
    """The norm meant by 1, 2, inf ("1", "2" and "inf", too) or a `Norm`.

    >>> as_norm("inf", 3).name
    'Linf'
    """
    if isinstance(value, Norm):
        if value.factor is not None and len(value.factor) != dimension:
            raise BadArgument(f"norm: expected one of dimension {dimension}, got {len(value.factor)}")
        return value
    try:
        order = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        order = 0.0
    if order not in ORDERS:
        raise BadArgument(f"norm {value!r}: expected 1, 2, inf, or fg.mahalanobis(covariance)")
    return Norm(order)
