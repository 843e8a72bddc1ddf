"""The search behind inversion: damped Gauss-Newton steps in the features, inside the box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from featgeom.pixels.box import nearest_in_box
from featgeom.pixels.gaps import Gaps

LONGEST = 0.036  # the longest step, in diagonals of the box
DAMPING = 2e-3  # of the mean squared row of the Jacobian, where the relative residual is 1
PATIENCE = 15  # steps without progress after which a row is given up
PULL, PULL_STEPS = 0.5, 30  # how the minimal search draws towards the start: at first, and until when
MARGIN = 0.3  # of the tolerance: where a row rests, so that another order of summation stays within it


@dataclass(frozen=True)
class Descent:
    """The best vectors (n, m) found, their relative residuals (n,), and the steps taken."""

    x: Tensor
    residual: Tensor
    iterations: int


def descend(gaps: Gaps, start: Tensor, tolerance: float, steps: int, minimal: bool = False) -> Descent:
    """Steps towards goals (n, k) from start (n, m), keeping the best vectors seen.

    The residual is allowed to rise: in the creases of a piecewise linear network a monotone search stalls
    at a residual of a few per cent, where free steps of limited length pass (100 % of pairs of CIFAR-10
    images on a ResNet-20, against 20 %).
    """
    x = start.clone()
    best_x, best = x.clone(), gaps.residual(x)
    progress = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    live = torch.nonzero(best > MARGIN * tolerance)[:, 0]
    block = gaps.f.jacobian_rows(gaps.goals.shape[1])
    steps_taken = 0
    for step in range(steps):
        if not len(live):
            break
        steps_taken += 1
        pull = PULL * max(0.0, 1 - step / PULL_STEPS) if minimal else 0.0
        for rows in live.split(block):
            x[rows] = _step(gaps.at(rows), x[rows], start[rows], pull)
        residual = gaps.at(live).residual(x[live])
        progress[live[residual < 0.99 * best[live]]] = step
        better = residual < best[live]
        best[live[better]] = residual[better]
        best_x[live[better]] = x[live[better]]
        since = progress[live].clamp_min(PULL_STEPS if minimal else 0)
        given_up = step - since >= PATIENCE
        live = live[(best[live] > MARGIN * tolerance) & ~given_up]
    return Descent(best_x, best, steps_taken)


def _step(gaps: Gaps, x: Tensor, start: Tensor, pull: float) -> Tensor:
    """One step of a block: where the linearised network meets the goals nearest to the centre."""
    f = gaps.f
    gap, rows = gaps.linear(x)
    relative = (gap.norm(dim=1) / gaps.scale).clamp(max=1.0)
    damping = DAMPING * (rows**2).sum(2).mean(1) * relative**2 + torch.finfo(rows.dtype).tiny
    met = (rows @ x[..., None])[..., 0] + gap
    step = nearest_in_box(x + pull * (start - x), rows, met, f.low, f.high, damping) - x
    length = step.norm(dim=1)
    share = (LONGEST * f.diameter / length.clamp_min(torch.finfo(x.dtype).tiny)).clamp(max=1.0)
    return f.rounded(x + share[:, None] * step)
