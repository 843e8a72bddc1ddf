"""Readable inversion: features and total variation, by first-order steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from featgeom.errors import BadArgument
from featgeom.pixels.derivatives import BACKWARD_ROWS, PixelFunction

Prior = Callable[[Tensor], Tensor]  # images (n, c, h, w) to a loss for each (n,)

STEPS = 300
RATE = 0.02  # of the box's width


@dataclass(frozen=True)
class Natural:
    """What makes an image readable: ``smoothness`` · total variation, and a ``prior``.

    The prior is any function from images (n, c, h, w), a tensor in the bounds, to a loss for each (n,) that
    torch can differentiate: a perceptual distance, say, or the score of a generative model.
    """

    smoothness: float = 1.0
    prior: Prior | None = None


def draw_near(f: PixelFunction, goals: Tensor, start: Tensor, natural: Natural) -> Tensor:
    """min ‖f(x) − goals‖² / ‖goals‖² + smoothness · TV(x) + prior(x) over the box, from (n, m), by Adam.

    TV is the mean absolute difference of neighbouring pixels, in units of the box's width; the prior of
    Mahendran and Vedaldi, *Understanding deep image representations by inverting them* (2015).
    """
    scale = goals.square().sum(1)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    x = start.clone().requires_grad_(True)
    width = f.high - f.low
    optimiser = torch.optim.Adam([x], lr=RATE * width)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        roughness = natural.smoothness * total_variation(x.view(-1, *f.shape)).sum() / width
        (x.grad,) = torch.autograd.grad(roughness, x)
        if natural.prior is not None:
            x.grad += _prior_gradient(f, x, natural.prior)
        for rows in torch.arange(len(x)).split(BACKWARD_ROWS):
            x.grad[rows] += _misfit_gradient(f, x.detach()[rows], goals[rows], scale[rows])
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            x.clamp_(f.low, f.high)
    return f.rounded(x.detach())


def _prior_gradient(f: PixelFunction, x: Tensor, prior: Prior) -> Tensor:
    """The gradient of the sum of the prior's losses."""
    loss = prior(x.to(f.dtype).view(-1, *f.shape))
    if not isinstance(loss, Tensor) or loss.shape != (len(x),) or not loss.requires_grad:
        raise BadArgument(
            f"prior: expected a loss of shape ({len(x)},) that depends on the images, got "
            f"{tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__}"
        )
    return torch.autograd.grad(loss.sum(), x)[0]


def _misfit_gradient(f: PixelFunction, x: Tensor, goals: Tensor, scale: Tensor) -> Tensor:
    """The gradient of ‖f(x) − goals‖² / scale."""
    return f.pull_back(x, lambda values: 2 * (values - goals) / scale[:, None])[1]


def total_variation(images: Tensor) -> Tensor:
    """The mean absolute difference between neighbours down and across, of each image: (n,).

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor([1.])
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs()
    across = (images[..., :, 1:] - images[..., :, :-1]).abs()
    return down.flatten(1).mean(1) + across.flatten(1).mean(1)
