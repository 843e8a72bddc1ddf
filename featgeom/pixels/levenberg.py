"""The second search behind inversion: damped steps that never let the residual rise."""

from __future__ import annotations

import torch
from torch import Tensor

from featgeom.pixels.box import nearest_in_box
from featgeom.pixels.gaps import Gaps

DAMPING = 1e-2  # of the mean squared row of the Jacobian, at first
CHANGE = 4.0  # by which damping rises where a step failed, and falls where one did well
SHARE = 0.5  # of what a step promised: so much is well
LOOK_BACK, FALL = 12, 0.98  # a row is given up that so many steps have not brought to that share


def settle(gaps: Gaps, start: Tensor, goal: float, steps: int) -> Tensor:
    """From start (n, m) to vectors in the box whose residual is at most ``goal``, or least nearby.

    Levenberg-Marquardt steps: each is the nearest vector of the box at which the linearised network meets the
    goals, at a price of distance that rises where the step fails. The ends of the box that are active are so
    part of each step. On a network of ReLUs the residual falls to a crease or to a minimum, and stays there.
    """
    rows = torch.arange(len(start), device=start.device)
    blocks = rows.split(gaps.f.jacobian_rows(gaps.goals.shape[1]))
    return torch.cat([_block(gaps.at(block), start[block], goal, steps) for block in blocks])


def _block(gaps: Gaps, start: Tensor, goal: float, steps: int) -> Tensor:
    """The same, for so few rows that memory holds their Jacobians."""
    f, x = gaps.f, start.clone()
    missing, linear = gaps.linear(x)
    damping = DAMPING * linear.square().sum(2).mean(1) + torch.finfo(x.dtype).tiny
    now = missing.norm(dim=1)
    past = [now.clone()]
    live = torch.nonzero(now > goal * gaps.scale)[:, 0]
    for _ in range(steps):
        if not len(live):
            break
        mine, rows = gaps.at(live), linear[live]
        met = (rows @ x[live][..., None])[..., 0] + missing[live]
        step = f.rounded(nearest_in_box(x[live], rows, met, f.low, f.high, damping[live]))
        reached = mine.missing(f(step)).norm(dim=1)
        promised = (met - (rows @ step[..., None])[..., 0]).norm(dim=1)
        better = reached < now[live]
        well = now[live] - reached > SHARE * (now[live] - promised)
        damping[live] *= torch.where(better, torch.where(well, 1 / CHANGE, 1.0), CHANGE)
        moved = live[better]
        if len(moved):
            x[moved], now[moved] = step[better], reached[better]
            missing[moved], linear[moved] = gaps.at(moved).linear(x[moved])
        past.append(now.clone())
        live = live[now[live] > goal * gaps.scale[live]]
        if len(past) > LOOK_BACK:
            live = live[now[live] <= FALL * past[-1 - LOOK_BACK][live]]
    return x
