"""A hull as constraints of a convex program: its points are the convex combinations of the given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featgeom.arrays import Float64, Floats
from featgeom.errors import BadArgument

if TYPE_CHECKING:
    from cvxpy import Constraint, Expression


def combination(points: Floats, z: Expression, name: str = "weights") -> list[Constraint]:
    """z = Σ λ_i x_i with λ ≥ 0 and Σ λ_i = 1, for a cvxpy expression z (d,); ``name`` is that of λ (n,).

    Raises BadArgument for an expression of another shape.

    >>> import cvxpy as cp
    >>> len(combination([[0.0], [1.0]], cp.Variable(1)))
    2
    """
    import cvxpy as cp
    import numpy as np

    x: Float64 = np.asarray(points, np.float64)
    if z.shape != x.shape[1:]:
        raise BadArgument(f"hull: expected an expression of shape {x.shape[1:]}, got {z.shape}")
    weights = cp.Variable(len(x), nonneg=True, name=name)
    return [z == x.T @ weights, cp.sum(weights) == 1]
