"""Networks that put entries in several places, compute on the side, or change: no image breaks a bound."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import Unsupported
from featgeom.pixels.balls import Balls
from featgeom.pixels.branching import Prover
from featgeom.pixels.loose import Loose

from .networks import sampled

SHAPE, RADIUS = (1, 2, 3), 0.2


class Network(nn.Module):
    """What ``made`` does with the image and some layers, a ReLU, and two logits of many like entries."""

    def __init__(self, made: Callable[[Network, Tensor], Tensor], width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.made = made
        self.one, self.other, self.last = nn.Linear(6, 1), nn.Linear(6, width), nn.Linear(width, 8)
        self.head = nn.Linear(8, 2)
        for weight in (self.one.weight, self.last.weight):
            nn.init.ones_(weight)
        nn.init.constant_(self.other.weight, 1e-3)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.last(self.made(self, x)).relu())
        return logits


def _unwatched(net: Network, x: Tensor) -> Tensor:
    with torch.no_grad():
        net.seen = net.other(x.flatten(1)).relu()
    return net.other(x.flatten(1) * 1000).relu()


def _detached(net: Network, x: Tensor) -> Tensor:
    net.seen = net.other(x.detach().flatten(1)).relu()
    return net.other(x.flatten(1) * 1000).relu()


NETWORKS: dict[str, tuple[Callable[[Network, Tensor], Tensor], int]] = {
    "replicated": (lambda net, x: functional.pad(x[:, 0, :, :1], (9, 9), "replicate").flatten(1), 38),
    "reflected": (lambda net, x: functional.pad(x[:, 0], (2, 2), "reflect").flatten(1), 14),
    "circular": (lambda net, x: functional.pad(x[:, 0], (3, 3), "circular").flatten(1), 18),
    "indexed": (lambda net, x: net.one(x.flatten(1))[:, [0] * 64], 64),
    "indexed pixels": (lambda net, x: x.flatten(1)[:, [0] * 64], 64),
    "broadcast": (lambda net, x: net.one(x.flatten(1)) + net.other(x.flatten(1)), 64),
    "broadcast back": (lambda net, x: net.other(x.flatten(1)) - net.one(x.flatten(1)), 64),
    "on the side": (_unwatched, 16),
    "on the side, detached": (_detached, 16),
}


@pytest.mark.parametrize("norm", [2, torch.inf])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_image_breaks_a_bound(name: str, norm: float) -> None:
    made, width = NETWORKS[name]
    net, x = Network(made, width), torch.full((1, *SHAPE), 0.5).double()
    sign = 1.0 if net(x)[0, 0] > net(x)[0, 1] else -1.0
    balls = Balls(x, torch.tensor([RADIUS]).double(), (0.0, 1.0), norm)
    (lower, upper), bent = balls.intervals(net)
    ((value, change),) = balls.below(
        net, torch.tensor([0]), list(map(Loose.of, bent)), [lambda v: sign * (v[:, 0] - v[:, 1])]
    )
    reach = RADIUS / 6**0.5 if norm == 2 else RADIUS
    images = torch.cat([sampled(x[0], RADIUS, norm), x + 0.999 * reach, x - 0.999 * reach])
    with torch.no_grad():
        values = net(images)
        last = _what_goes_into_last(net, images)
    assert ((lower <= values) & (values <= upper)).all()
    assert (value + change <= sign * (values[:, 0] - values[:, 1])).all()
    assert ((bent[-1].lower <= last) & (last <= bent[-1].upper)).all()
    centre = _what_goes_into_last(net, x)
    assert ((last - centre).norm(dim=1) <= bent[-1].energy).all()


def _what_goes_into_last(net: Network, images: Tensor) -> Tensor:
    met: list[Tensor] = []
    hook = net.last.register_forward_hook(lambda _module, _args, result: met.append(result.clone()))
    try:
        with torch.no_grad():
            net(images)
    finally:
        hook.remove()
    return met[0]


def test_a_side_path_takes_no_ends_from_what_leads_to_a_logit() -> None:
    """The ReLUs of both have one shape; were those of one given to the other, this ball would hold."""
    torch.manual_seed(3)
    net = Network(_unwatched, 8)
    x = torch.full((1, *SHAPE), 0.5).double()
    with torch.no_grad():
        net.head.weight.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, 8))
        net.head.bias.copy_(-net.head.weight @ net.last(_unwatched(net, x))[0].relu())
        net.head.bias[0] += 0.05
    prover = Prover(net, x, torch.tensor([0]), torch.tensor([1]), (0.0, 1.0), 2)
    images = sampled(x[0], 0.1, 2)
    assert (net(images).argmax(1) == 1).any()
    assert not prover.holds(0.1, 64, torch.inf, True)


def test_weights_may_be_changed_between_calls() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    x = torch.full((1, *SHAPE), 0.5).double()
    balls = Balls(x, torch.tensor([RADIUS]).double(), (0.0, 1.0), 2)
    balls.intervals(net)
    with torch.no_grad():
        net[2].weight.mul_(1000)  # type: ignore[operator]
    (lower, upper), _ = balls.intervals(net)
    with torch.no_grad():
        values = net(sampled(x[0], RADIUS, 2))
    assert ((lower <= values) & (values <= upper)).all()


class Fickle(nn.Module):
    """Does not do the same twice."""

    def __init__(self) -> None:
        super().__init__()
        self.runs, self.layer, self.head = 0, nn.Linear(6, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        t = self.layer(x.flatten(1)).relu()
        result: Tensor = self.head(t if self.runs % 2 else t + 1)
        return result if self.runs % 2 else result.relu() + result


def test_a_network_that_does_not_do_the_same_twice_is_refused() -> None:
    net, x = Fickle().double(), torch.full((1, *SHAPE), 0.5).double()
    balls = Balls(x, torch.tensor([RADIUS]).double(), (0.0, 1.0), 2)
    _, bent = balls.intervals(net)
    net.runs = 1
    with pytest.raises(Unsupported, match="the same for every image"):
        balls.below(net, torch.tensor([0]), [Loose.of(bent[0])] * 2, [lambda v: v[:, 0]])


def test_negative_averages_are_refused() -> None:
    net = nn.Sequential(nn.AvgPool2d(2, divisor_override=-1), nn.Flatten(), nn.Linear(1, 2)).double()
    balls = Balls(torch.full((1, 1, 2, 2), 0.5).double(), torch.tensor([0.1]).double(), (0.0, 1.0), 2)
    with pytest.raises(Unsupported, match="avg_pool2d"):
        balls.intervals(net)


def test_channels_in_the_reverse_order_are_the_same_network() -> None:
    """Bounds and segments of a network that reverses its channels are those of its first layer reversed."""
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(24, 4), nn.Linear(4, 3)
    ).double()
    turned = copy.deepcopy(net)
    with torch.no_grad():
        turned[0].weight.copy_(net[0].weight.flip(1))
    shape = (3, 4, 4)
    plain = fg.load_classifier(turned, pixels=fg.PixelSpec(shape))
    reverse = fg.load_classifier(net, pixels=fg.PixelSpec(shape, reversed_channels=True))
    x = np.random.default_rng(0).random((4, *shape))
    bounds = [fg.pixel_lower_bounds(clf, x, units=64).lower_bound for clf in (plain, reverse)]
    np.testing.assert_allclose(*bounds, rtol=1e-6)
    assert (bounds[0] > 0).all()
    ways = [fg.pixel_crossings(clf, x[:2], x[2:]) for clf in (plain, reverse)]
    for one, other in zip(ways[0].bends, ways[1].bends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
        assert len(one) > 3
