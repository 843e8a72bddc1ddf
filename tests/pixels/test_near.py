"""Small balls, in which the network is its own linear function but for a few bends: no image breaks one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featgeom as fg
from featgeom.pixels.near import Near
from featgeom.pixels.operators import find_bend

from .networks import sampled

SHAPE = (2, 6, 6)


class Residual(nn.Module):
    """Blocks with shortcuts, one that takes every other pixel and pads channels; ReLUs in place."""

    def __init__(self, bend: nn.Module, depth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(depth))
        self.last, self.head, self.bend = nn.Conv2d(4, 6, 3, 2, 1), nn.Linear(6, 3), bend
        self.inplace = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inplace(self.first((x - 0.5) / 0.25))
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = self.inplace(x + norm(self.bend(block(x))))
        short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        x = nn.functional.max_pool2d(self.bend(self.last(x) + short), 2, 1)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


BENDS = {
    "relu": nn.ReLU(),
    "leaky": nn.LeakyReLU(0.2),
    "gelu": nn.GELU(),
    "tanh": nn.Tanh(),
    "silu": nn.SiLU(),
}


def ready(bend: str, depth: int, seed: int) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    net = Residual(BENDS[bend], depth).double().eval()
    x = (torch.rand(1, *SHAPE, dtype=torch.float64) * 1.6 - 0.3).clamp(0, 1)
    order = net(x)[0].argsort(descending=True)
    return net, x, order[0], order[1:]


@pytest.mark.parametrize("norm", [2, math.inf])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bend", BENDS)
def test_no_image_breaks_a_small_radius(bend: str, seed: int, norm: float) -> None:
    net, x, source, rivals = ready(bend, 2, seed)
    near = Near(net, x, source, rivals, norm)
    radius = near.largest(math.inf)
    assert 0 < radius <= float((near.lead / near.slope).min())
    images = sampled(x[0], radius, norm)
    for _ in range(6):
        with torch.no_grad():
            assert (net(images).argmax(1) == source).all()
        leaf = images.clone().requires_grad_(True)
        values = net(leaf)
        (slope,) = torch.autograd.grad((values[:, rivals].amax(1) - values[:, source]).sum(), leaf)
        flat = slope.flatten(1)
        step = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12) if norm == 2 else flat.sign()
        away = (images - x).flatten(1) + radius / 2 * step
        length = away.norm(dim=1, keepdim=True) if norm == 2 else away.abs().amax(1, keepdim=True)
        images = (x + (away * (radius / length.clamp_min(radius))).view_as(images)).clamp(0, 1)


@pytest.mark.parametrize("norm", [2, math.inf])
def test_where_nothing_bends_it_is_the_linear_function(norm: float) -> None:
    """Each entry's reach, and the lead, are those of the gradients."""
    net, x, source, rivals = ready("relu", 2, 0)
    near = Near(net, x, source, rivals, norm)
    assert near.prepare(math.inf)
    leaf = x.clone().requires_grad_(True)
    logits = net(leaf)[0]
    for rival, found in zip(rivals, near.slope, strict=True):
        (slope,) = torch.autograd.grad(logits[source] - logits[rival], leaf, retain_graph=True)
        torch.testing.assert_close(found, slope.norm() if norm == 2 else slope.abs().sum())
    inner = nn.functional.relu(net.first((leaf - 0.5) / 0.25))
    entries = net.blocks[0](inner).flatten()
    for i in range(0, len(entries), 13):
        (slope,) = torch.autograd.grad(entries[i], leaf, retain_graph=True)
        torch.testing.assert_close(near.lengths[1][i], slope.norm() if norm == 2 else slope.abs().sum())


class OnePixel(nn.Module):
    """Two classes, whose lead falls with the pixel and, beyond the image, with what ``bent`` makes of it."""

    def __init__(self, bent: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.bent = bent

    def forward(self, x: Tensor) -> Tensor:
        t = x.flatten(1)
        lead = 1.5 - t - self.bent(t)
        return torch.cat([lead, 0 * lead], 1)


def _pooled(t: Tensor) -> Tensor:
    return 10 * nn.functional.max_pool2d(torch.cat([t - 0.6, 0 * t], 1)[:, None, None], (1, 2)).flatten(1)


BEYOND: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {  # with the share of the distance to be proved
    "kink ahead": (lambda t: 10 * (t - 0.6).relu(), 0.9),
    "kink behind": (lambda t: 10 * ((0.6 - t).relu() - (0.6 - t)), 0.9),
    "kink that another reaches": (lambda t: 2 * (10 * (t - 0.6).relu() - 0.5).relu(), 0.9),
    "pool": (_pooled, 0.9),
    "smooth, rising": (lambda t: 1 + (20 * (t - 0.6)).tanh(), 0.4),
    "smooth, falling": (lambda t: 1 - (20 * (0.6 - t)).tanh(), 0.4),
}


@pytest.mark.parametrize("norm", [2, math.inf])
@pytest.mark.parametrize("name", BEYOND)
def test_what_the_linear_function_does_not_see_is_counted(name: str, norm: float) -> None:
    """At the image nothing tells of the bend that makes the other class win: all pixels are asked."""
    bent, share = BEYOND[name]
    net, x = OnePixel(bent), torch.full((1, 1, 1, 1), 0.5).double()
    pixels = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    distance = (pixels[net(pixels.view(-1, 1, 1, 1)).argmax(1) == 1] - 0.5).abs().min()
    near = Near(net, x, torch.tensor(0), torch.tensor([1]), norm)
    assert share * distance <= near.largest(math.inf) <= distance
    assert (near.lead / near.slope).min() > 2 * distance


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "max_pool2d"])
def test_no_movement_leaves_more_over_than_is_counted(name: str) -> None:
    bend = find_bend(name, (3, 2, 1) if name == "max_pool2d" else (), {})
    assert bend is not None
    torch.manual_seed(0)
    z = torch.randn(1, 3, 6, 7, dtype=torch.float64)
    z[:, 0, :3] = 0.0
    down, up = torch.rand_like(z), torch.rand_like(z)
    counted, slope, greatest = bend.leftover(z, down, up), bend.slope(bend.windows(z)), torch.tensor(0.0)
    for step in range(300):
        move = torch.where(torch.rand_like(z) < 0.5, -down, up)
        move *= torch.rand_like(z) if step % 2 else 1.0
        line = slope * bend.windows(move).nan_to_num(neginf=0.0)
        line = line.sum(1) if bend.windowed else line
        left = (bend.value(z + move) - bend.value(z)).flatten(1) - line
        greatest = torch.maximum(greatest, left.abs())
        assert (left.abs() <= counted + 1e-12).all()
        assert not bend.convex or (left >= -1e-12).all()
    if bend.kinks:  # some movement leaves that much
        torch.testing.assert_close(greatest, counted)


def test_a_deep_network_has_a_radius_where_intervals_have_none() -> None:
    net, x, _, _ = ready("relu", 30, 1)
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE))
    images = x.numpy()
    assert fg.pixel_lower_bounds(clf, images).lower_bound[0] < 1e-6
    found = fg.pixel_lower_bounds(clf, images, seconds=2.0)
    flip = fg.pixel_flips(clf, images)
    assert 0 < found.lower_bound[0] <= flip.distance[0]
    np.testing.assert_array_equal(found.status, [fg.Status.SOLVED])


def test_no_time_is_no_radius() -> None:
    net, x, source, rivals = ready("relu", 2, 0)
    assert Near(net, x, source, rivals, 2).largest(-math.inf) == 0
