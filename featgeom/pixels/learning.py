"""Slopes and prices of lines, learned by gradient (Xu et al., arXiv 2011.13824)."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import thread_time

import torch
from torch import Tensor

from featgeom.pixels.parts import copied, doubled, update
from featgeom.pixels.relaxation import Line

RATE, PRICE_RATE = 0.1, 0.2
LAST = 0.1  # of the rates, at the last step
STALE = 8  # steps without gain after which learning ends
GAIN = 1e-3  # of the distance to 0: what counts as one


@torch.enable_grad()
def learned(
    lines: list[Line], bound: Callable[[], Tensor], steps: int, until: float, enough: float = math.inf
) -> list[Line]:
    """The lines (float64) at which ``bound()`` (rows,), a function of these (float32 leaves), was greatest.

    Ends early when all rows have more than ``enough``, or the clock of `thread_time` says ``until``.
    """
    slopes = [t for line in lines for t in (line.slope, line.more) if t is not None]
    prices = [line.price for line in lines if line.price is not None]
    kept = [copied(line) for line in lines]
    if not slopes:
        return [doubled(line) for line in kept]
    groups = [{"params": slopes, "lr": RATE}, {"params": prices, "lr": PRICE_RATE}]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
    best, stale = torch.tensor(-math.inf), 0
    for step in range(steps):
        for group, rate in zip(adam.param_groups, (RATE, PRICE_RATE), strict=True):
            group["lr"] = rate * LAST ** (step / steps)
        total = bound()
        now = total.detach()
        stale = 0 if (now > best + GAIN * best.abs().clamp_max(1e30)).any() else stale + 1
        better = now > best
        best = torch.maximum(now, best)
        for line, good in zip(lines, kept, strict=True):
            update(good, line, better)
        if stale >= STALE or (best > enough).all() or thread_time() > until:
            break
        gradients = torch.autograd.grad(
            -total.sum(), [*slopes, *prices], retain_graph=True, allow_unused=True
        )
        for parameter, gradient in zip([*slopes, *prices], gradients, strict=True):
            parameter.grad = gradient
        adam.step()
    return [doubled(line) for line in kept]
