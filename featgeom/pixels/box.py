"""The nearest point of a box at which some affine functions take given values."""

from __future__ import annotations

import torch
from torch import Tensor

NEWTON_STEPS = 12
HALVINGS = 12
RIDGE = 1e-9  # of the mean diagonal: keeps a matrix with dependent rows invertible


def nearest_in_box(
    centre: Tensor,
    rows: Tensor,
    values: Tensor,
    low: float,
    high: float,
    damping: Tensor,
    rtol: float = 1e-3,
) -> Tensor:
    """min ½‖y − centre‖² + ½‖rows·y − values‖²/damping over low ≤ y ≤ high, for a batch.

    Shapes: centre (n, m), rows (n, k, m) with k much smaller than m, values (n, k), damping (n,), result
    (n, m), all float64. With damping → 0 the values are met exactly where the box allows it.

    The solution is y = clip(centre + rowsᵀλ) for the k multipliers λ that maximise the concave dual, found
    by a semismooth Newton method: each step solves with rows_F rows_Fᵀ, F the pixels off their bounds. It
    stops when the dual gradient has fallen by ``rtol``, or after a dozen steps (an unreachable value has
    unbounded multipliers): the caller, who re-runs the network, needs no more.

    >>> c, rows = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 1, 2, dtype=torch.float64)
    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> nearest_in_box(c, rows, one, 0.0, 1.0, 1e-12 * one[0])
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    k = rows.shape[1]
    columns = rows.transpose(1, 2)
    eye = torch.eye(k, dtype=rows.dtype, device=rows.device)

    def state(multipliers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        free = centre + (columns @ multipliers[..., None])[..., 0]
        point = free.clamp(low, high)
        gap = values - (rows @ point[..., None])[..., 0]
        dual = 0.5 * ((point - centre) ** 2).sum(1) + (multipliers * gap).sum(1)
        dual = dual - 0.5 * damping * (multipliers**2).sum(1)
        return free, gap - damping[:, None] * multipliers, dual

    multipliers = torch.zeros_like(values)
    free, gradient, dual = state(multipliers)
    goal = rtol * gradient.norm(dim=1)
    for _ in range(NEWTON_STEPS):
        open_ = gradient.norm(dim=1) > goal
        if not open_.any():
            break
        inside = ((free >= low) & (free <= high)).to(rows.dtype)
        matrix = (rows * inside[:, None]) @ columns
        scale = matrix.diagonal(dim1=1, dim2=2).mean(1) + torch.finfo(rows.dtype).tiny
        matrix = matrix + (damping + RIDGE * scale)[:, None, None] * eye
        step = torch.linalg.solve(matrix, gradient)
        slope = (gradient * step).sum(1)
        length = torch.ones_like(slope)
        for _ in range(HALVINGS):
            tried = state(multipliers + length[:, None] * step)
            short = open_ & (tried[2] < dual + 1e-4 * length * slope - 1e-12 * dual.abs())
            if not short.any():
                break
            length = torch.where(short, length / 2, length)
        multipliers = torch.where(open_[:, None], multipliers + length[:, None] * step, multipliers)
        free, gradient, dual = state(multipliers)
    return free.clamp(low, high)
