"""The search behind pixel flips: down to the boundary, along it, and exactly onto it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from featgeom.pixels.box import nearest_in_box
from featgeom.pixels.derivatives import BACKWARD_ROWS, PixelFunction

FIRST, LAST = 0.5, 0.02  # the share of a step that is taken, at first and at last
GAIN = 0.5  # how much of a shortfall is added to what the next step aims at
OVERSHOOTS = (1e-4, 1e-3, 1e-2, 0.1, 0.5)
HALVINGS = 60


def lead(logits: Tensor, ahead: Tensor) -> Tensor:
    """Weights (n, C) whose product with the logits is l_ahead − max of the others.

    >>> lead(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([1]))
    tensor([[-1.,  1.,  0.]])
    """
    others = logits.scatter(1, ahead[:, None], -math.inf)
    weights = torch.zeros_like(logits).scatter_(1, others.argmax(1, keepdim=True), -1.0)
    return weights.scatter_(1, ahead[:, None], 1.0)


def advantage(logits: Tensor, ahead: Tensor) -> Tensor:
    """By how much class ``ahead`` (n,) beats the best of the others; negative where it does not."""
    return (logits * lead(logits, ahead)).sum(1)


def promising(f: PixelFunction, x: Tensor, source: Tensor, look_at: int, keep: int) -> Tensor:
    """Of the ``look_at`` best ranked rivals the ``keep`` whose linearised boundaries are nearest."""
    logits = f(x)
    ranked = logits.scatter(1, source[:, None], -math.inf).argsort(1, descending=True)
    ranked = ranked[:, : min(look_at, logits.shape[1] - 1)]
    if ranked.shape[1] <= keep:
        return ranked
    distances = []
    for j in ranked.T:
        gap = (logits.gather(1, source[:, None]) - logits.gather(1, j[:, None]))[:, 0]
        length = torch.cat([_pair_gradient(f, x, source, j, rows) for rows in _blocks(x)])
        distances.append(gap / length.clamp_min(torch.finfo(gap.dtype).tiny))
    nearest = torch.stack(distances, 1).argsort(1)[:, :keep]
    return ranked.gather(1, nearest)


def search(
    f: PixelFunction, start: Tensor, target: Tensor, steps: int, margin: float
) -> tuple[Tensor, Tensor]:
    """Vectors (n, m) as near to the start as was found where ``target`` leads, and whether any was.

    It leads where its logit is ``margin`` above all others.

    Each step goes a share of the way to the point of the linearised boundary that is nearest to the start
    in the box, and then along the ray from the start back to that boundary. The falling shares average the
    normals of the many linear pieces that a ReLU network has near one point. The pieces bulge away from the
    start, so each row aims beyond its boundary by what it last fell short.
    """
    x, beyond = start.clone(), torch.zeros(len(start), dtype=start.dtype, device=start.device)
    best = torch.full_like(beyond, math.inf)
    best_x = start.clone()
    damping = torch.full_like(beyond, 1e-12)
    for step in range(steps):
        share = LAST + (FIRST - LAST) * (1 + math.cos(math.pi * step / steps)) / 2
        parts = [_value_and_gradient(f, x, target, rows) for rows in _blocks(x)]
        value, gradient = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
        distance = (x - start).norm(dim=1)
        closer = (value >= margin) & (distance < best)
        best[closer], best_x[closer] = distance[closer], x[closer]
        if step > 3:
            beyond = (beyond - GAIN * share * value).clamp_min(0.0)
        aim = (gradient * x).sum(1) - value + beyond
        nearest = nearest_in_box(start, gradient[:, None], aim[:, None], f.low, f.high, damping, rtol=1e-4)
        moved = x + share * (nearest - x)
        if step:
            moved = _back_along_ray(start, moved, gradient, aim)
        x = f.rounded(moved)
    for further in OVERSHOOTS:  # the last vectors may lie short of the boundary by next to nothing
        end = f.rounded(x + further * (x - start))
        distance = (end - start).norm(dim=1)
        closer = (distance < best) & (advantage(f(end), target) >= margin)
        best[closer], best_x[closer] = distance[closer], end[closer]
    return best_x, torch.isfinite(best)


def onto(f: PixelFunction, start: Tensor, end: Tensor, ahead: Tensor, sign: float, level: float) -> Tensor:
    """Between start and end, where sign · (l_ahead − best of the others) rises through ``level``.

    Bisection on the segment, which ends on the upper side, within half of |level|, or where the network's
    type can halve no more.
    """
    low = torch.zeros(len(start), dtype=start.dtype, device=start.device)
    high = torch.ones_like(low)
    live = torch.arange(len(start), device=start.device)
    for _ in range(HALVINGS):
        if not len(live):
            break
        middle = (low[live] + high[live]) / 2
        x = f.rounded(start[live] + middle[:, None] * (end[live] - start[live]))
        value = sign * advantage(f(x), ahead[live])
        above = value >= level
        high[live[above]] = middle[above]
        low[live[~above]] = middle[~above]
        live = live[~(above & (value <= level + abs(level) / 2))]
    return f.rounded(start + high[:, None] * (end - start))


def _back_along_ray(start: Tensor, x: Tensor, gradient: Tensor, aim: Tensor) -> Tensor:
    """x moved along its ray from the start to where gradient · x = aim, by a fifth of its length at most."""
    ray = x - start
    slope = (gradient * ray).sum(1)
    safe = torch.where(slope > 0, slope, torch.ones_like(slope))
    change = ((aim - (gradient * x).sum(1)) / safe).clamp(-0.2, 0.2)
    return x + torch.where(slope > 0, change, torch.zeros_like(change))[:, None] * ray


def _value_and_gradient(f: PixelFunction, x: Tensor, target: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    logits, gradient = f.pull_back(x[rows], lambda values: lead(values, target[rows]))
    return advantage(logits, target[rows]), gradient


def _pair_gradient(f: PixelFunction, x: Tensor, source: Tensor, rival: Tensor, rows: Tensor) -> Tensor:
    """The length of the gradient of l_source − l_rival."""

    def weights(values: Tensor) -> Tensor:
        chosen = torch.zeros_like(values).scatter_(1, rival[rows, None], -1.0)
        return chosen.scatter_(1, source[rows, None], 1.0)

    return f.pull_back(x[rows], weights)[1].norm(dim=1)


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    return torch.arange(len(x), device=x.device).split(BACKWARD_ROWS)
