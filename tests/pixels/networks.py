"""Small seeded networks and images for the tests of what needs derivatives."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import featgeom as fg

SHAPE = (2, 6, 6)
PIXELS = fg.PixelSpec(SHAPE, mean=(0.4, 0.5), std=(0.25, 0.3))


def conv_classifier(classes: int = 4, seed: int = 0, extra: nn.Module | None = None) -> fg.Classifier:
    """Two convolutions, batch normalisation and ReLU; 8 features, which are all non-negative."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        extra or nn.Identity(),
        nn.Conv2d(12, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )
    with torch.no_grad():
        net[8].weight.mul_(8.0)
    return fg.load_classifier(net, pixels=PIXELS)


def images(n: int, seed: int = 1) -> np.ndarray:
    """Seeded images that use the whole box, bounds included."""
    noise = np.random.default_rng(seed).normal(0.5, 0.4, (n, *SHAPE))
    return noise.clip(0, 1).astype(np.float32)


def smooth_classifier(classes: int = 4, seed: int = 0) -> fg.Classifier:
    """One hidden layer with tanh: every feature has a derivative everywhere, so inversion is easy."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, classes))
    return fg.load_classifier(net, pixels=PIXELS)


def sampled(x: Tensor, radius: float, norm: float, count: int = 160) -> Tensor:
    """Images in the ball and the box, half of them as far out as can be: (count, ...)."""
    generator = torch.Generator().manual_seed(1)
    step = torch.randn(count, *x.shape, generator=generator, dtype=x.dtype)
    step[: count // 4] = step[: count // 4].sign()
    step[count // 4 : count // 2] *= torch.rand(count // 4, *x.shape, generator=generator) < 0.2
    flat = step.flatten(1)
    length = flat.norm(dim=1) if norm == 2 else flat.abs().amax(1)
    share = torch.rand(count, generator=generator, dtype=x.dtype) ** (1 / 16)
    scale = radius * share / length.clamp_min(1e-12)
    return (x + step * scale.view(-1, 1, 1, 1)).clamp(0, 1)
