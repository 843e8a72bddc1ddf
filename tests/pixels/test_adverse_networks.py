"""Networks built against the arithmetic of bounds: distances are known in fractions, no bound is beyond."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import Unsupported
from featgeom.pixels.near import Near

PIXEL = fg.PixelSpec((1, 1, 1))
NORMS = [2, np.inf]


def linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    """A layer in float64 with these weights."""
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        layer.bias.copy_(torch.tensor(bias or [0.0] * len(weight), dtype=torch.float64))
    return layer


class Plus(nn.Module):
    """A constant is added, which rounds by no more than what comes out."""

    def __init__(self, constant: float | list[float]) -> None:
        super().__init__()
        self.register_buffer("constant", torch.tensor(constant, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.constant


class Times(Plus):
    """Each entry is multiplied by a constant."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.constant


def classifier(net: nn.Module, pixels: fg.PixelSpec = PIXEL) -> fg.Classifier:
    return fg.load_classifier(net.double().eval(), pixels=pixels).to(dtype=torch.float64)


def at(value: float, shape: tuple[int, ...] = (1, 1, 1)) -> np.ndarray:
    return np.full((1, *shape), value, np.float64)


def products(seed: int, size: float) -> tuple[list[float], list[float], Fraction]:
    """Two vectors of length 2 whose products, of that size, all but cancel; and their exact sum."""
    rng = np.random.default_rng(seed)
    a, b, c = (size**0.5 * (1 + rng.random(3))).tolist()
    d = a * c / b
    return [a, b], [c, -d], Fraction(a) * Fraction(c) - Fraction(b) * Fraction(d)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize("size", [1e10, 1e14])
def test_coefficients_that_cancel(
    size: float, bent: bool, norm: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the image everything is 0, so that nothing there tells of what the slopes round.

    Elsewhere they round by so much, on some machines otherwise in other batches, that the network would be
    refused when it is opened.
    """
    monkeypatch.setattr("featgeom.models.find_head._require_function", lambda *_: None)
    for seed in range(6):
        one, other, slope = products(seed, size)
        if not slope:
            continue
        layers: list[nn.Module] = [linear([[one[0]], [one[1]]]), linear([[other[0], other[1]], [0.0, 0.0]])]
        if bent:  # the same function near the image, seen through ReLUs that the ball reaches or not
            layers = [
                linear([[one[0]], [one[1]], [-one[0]], [-one[1]]]), nn.ReLU(),
                linear([[*other, -other[0], -other[1]], [0.0] * 4]),
            ]  # fmt: skip
        lead = 0.25 * abs(float(slope))
        layers.append(linear([[1.0, 0.0], [0.0, 1.0]], [lead, 0.0]))
        clf = classifier(
            nn.Sequential(nn.Flatten(), *layers), fg.PixelSpec((1, 1, 1), mean=(0.5,), std=(1.0,))
        )
        distance = Fraction(lead) / abs(slope)
        for options in ({}, {"units": 8}, {"seconds": 0.05}):
            found = fg.pixel_lower_bounds(clf, at(0.5), norm=norm, **options)
            assert Fraction(min(float(found.lower_bound[0]), 1e9)) <= distance, (seed, options)


@pytest.mark.parametrize("norm", NORMS)
def test_slopes_that_cancel_in_small_balls(norm: float) -> None:
    """`Near` alone, which intervals elsewhere keep from being asked."""
    for seed in range(6):
        one, other, slope = products(seed, 1e14)
        lead = 0.25 * abs(float(slope))
        if not lead:
            continue
        net = nn.Sequential(
            nn.Flatten(), linear([[1.0]], [-0.5]), linear([[one[0]], [one[1]]]),
            linear([[*other], [0.0, 0.0]], [lead, 0.0]),
        )  # fmt: skip
        near = Near(net, torch.full((1, 1, 1, 1), 0.5).double(), torch.tensor(0), torch.tensor([1]), norm)
        assert Fraction(min(near.largest(np.inf), 1e9)) <= Fraction(lead) / abs(slope), seed


def test_what_is_rounded_and_then_enlarged_can_open_a_kink() -> None:
    """The ReLU is shut as float64 computes it, and open in real arithmetic, where the other class wins."""
    met = 0
    for x in np.random.default_rng(0).random(40):
        scale, third = 2.0**40, 1 / 3
        shift = -float(np.float64(third) * np.float64(x))  # the product as it is rounded
        true = (Fraction(third) * Fraction(x) + Fraction(shift)) * Fraction(scale)
        if true <= 0:
            continue
        met += 1
        net = nn.Sequential(
            nn.Flatten(), linear([[third], [1.0]]), Plus([shift, 0.0]), Times([scale, 1.0]),
            nn.ReLU(), linear([[-1.0, -1.0], [0.0, 0.0]], [float(true) / 2 + x, 0.0]),
        )  # fmt: skip
        image = torch.from_numpy(at(x))
        assert Near(net, image, torch.tensor(0), torch.tensor([1]), 2).largest(np.inf) == 0
        found = fg.pixel_lower_bounds(classifier(net), at(x), seconds=0.05)
        assert found.lower_bound[0] == 0
    assert met > 5


@pytest.mark.parametrize("norm", NORMS)
def test_balls_as_small_as_the_spacing_of_numbers(norm: float) -> None:
    """Where an image has hardly any digits left for the radius, its ends are rounded outward."""
    for x in np.random.default_rng(0).uniform(0.6, 1.0, 12):
        lead = 2e-9 * (1 + x)
        net = nn.Sequential(
            nn.Flatten(), linear([[1.0], [0.0]], [0.0, 0.0]), linear([[-1.0, 0.0], [0.0, 1.0]], [lead, 0.0])
        )
        clf = classifier(net, fg.PixelSpec((1, 1, 1), bounds=(0.0, 1.5), mean=(x,), std=(1.0,)))
        mean = float(clf.tapped.normalise.mean) if hasattr(clf.tapped, "normalise") else x
        found = fg.pixel_lower_bounds(clf, at(mean), norm=norm, steps=30)
        assert Fraction(float(found.lower_bound[0])) <= Fraction(lead), x


@pytest.mark.parametrize("name", ["tanh", "leaky_relu"])
def test_what_bends_is_rounded_too(name: str) -> None:
    bend = {"tanh": nn.Tanh(), "leaky_relu": nn.LeakyReLU(0.1)}[name]
    for x in np.random.default_rng(1).uniform(-0.9, -0.1, 40):
        with localcontext(prec=60):
            if name == "tanh":
                power = (2 * Decimal(x)).exp()
                exact = Fraction((power - 1) / (power + 1))
            else:
                exact = Fraction(x) * Fraction(0.1)
        computed = float(bend(torch.tensor(x)))
        large = 1e15
        gap = (exact - Fraction(computed)) * Fraction(large)
        if not gap:
            continue
        sign = 1.0 if gap < 0 else -1.0  # the lead is computed as 1/2 of what rounding takes from it
        net = nn.Sequential(
            nn.Flatten(), bend, Plus(-computed),
            linear([[sign * large], [0.0]], [abs(float(gap)) / 2, 0.0]),
        )  # fmt: skip
        clf = classifier(net, fg.PixelSpec((1, 1, 1), bounds=(-1.0, 1.0)))
        for seconds in (0.0, 0.02):
            found = fg.pixel_lower_bounds(clf, at(x), seconds=seconds)
            assert found.classes[0, 0] == 0
            assert found.lower_bound[0] == 0, (x, seconds)


class Average(nn.Module):
    """The average of all pixels by pooling, whose sum takes as many roundings as there are pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, x.shape[-1]).flatten(1)


def test_averages_of_many_pixels() -> None:
    size, large = 256, 1e6
    images = at(0.9, (1, size, size))
    with torch.no_grad():
        computed = float(Average()(torch.from_numpy(images)))
    exact = sum(map(Fraction, images.ravel().tolist())) / size**2
    gap = (exact - Fraction(computed)) * Fraction(large)
    assert gap
    sign = 1.0 if gap < 0 else -1.0
    net = nn.Sequential(
        Average(), Plus(-computed), linear([[sign * large], [0.0]], [0.9 * abs(float(gap)), 0.0])
    )
    clf = classifier(net, fg.PixelSpec((1, size, size), bounds=(0.9 - 1e-6, 0.9 + 1e-6)))
    found = fg.pixel_lower_bounds(clf, images, steps=2)
    assert found.lower_bound[0] == 0


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bend", [nn.Identity(), nn.ReLU()])
def test_products_too_small_for_float64(bend: nn.Module, norm: float) -> None:
    """The lead is (0.75 − x) 1e-40, by way of what underflows to 0."""
    scales = [1e-170, 1e-170, 1e150, 1e150]
    layers = [linear([[w], [0.0]] if not i else [[w, 0.0], [0.0, w]]) for i, w in enumerate(scales)]
    net = nn.Sequential(
        nn.Flatten(), *layers[:2], bend, *layers[2:], linear([[-1.0, 0.0], [0.0, 1.0]], [0.75e-40, 0.0])
    )
    for x, most in ((0.5, 0.25), (0.8, 0.0)):
        for seconds in (0.0, 0.05):
            found = fg.pixel_lower_bounds(classifier(net), at(x), norm=norm, seconds=seconds)
            assert found.lower_bound[0] <= most


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_images_and_bounds_are_not_rounded_to_the_network_s_type(dtype: torch.dtype) -> None:
    """Balls lie around the image as it was given, in all of the box that was named."""
    for x in np.random.default_rng(0).uniform(0.2, 0.4, 20):
        net = nn.Sequential(nn.Flatten(), linear([[-1.0], [0.0]], [0.5, 0.0]))
        clf = fg.load_classifier(net.float().eval(), pixels=PIXEL).to(dtype=dtype)
        found = fg.pixel_lower_bounds(clf, at(x), steps=30)
        assert Fraction(float(found.lower_bound[0])) <= Fraction(0.5) - Fraction(x)
    for end in (0.1, 0.3, 0.6, 0.7, 0.9):
        level = float(torch.tensor(end, dtype=torch.float64)) * (1 - 1e-9)
        near = torch.tensor(level).to(dtype).item()
        net = nn.Sequential(nn.Flatten(), linear([[-1.0], [0.0]], [near, 0.0]))
        clf = fg.load_classifier(net.float().eval(), pixels=fg.PixelSpec((1, 1, 1), bounds=(0.0, end))).to(
            dtype=dtype
        )
        found = fg.pixel_lower_bounds(clf, at(0.05), steps=30)
        if near < end:  # the bias is what the type holds, and below the end
            assert found.lower_bound[0] < np.inf


class Reversed(torch.autograd.Function):
    """As it is; backward, turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return 0 * gradients[0]


class Own(nn.Module):
    """A network with a derivative of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.head = linear([[-1.0], [0.0]], [0.5, 0.0])

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(Reversed.apply(x.flatten(1)))
        return logits


def test_derivatives_of_the_network_s_own_making_are_not_believed() -> None:
    clf = classifier(Own())
    for call in (fg.pixel_lower_bounds, lambda clf, x: fg.reachable(clf, np.zeros((1, 1)), seconds=0.0)):
        with pytest.raises(Unsupported, match="derivative of its own making"):
            call(clf, at(0.25))


class Counts(nn.Module):
    """Another network for a batch of another size."""

    def __init__(self, odd: bool, head: nn.Module) -> None:
        super().__init__()
        self.odd, self.head = odd, head

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x.flatten(1))
        other = len(x) % 2 == 1 if self.odd else len(x) == 1
        return logits + 1 if other else logits - torch.tensor([0.2, 0.0], dtype=logits.dtype)


@pytest.mark.parametrize("odd", [False, True])
def test_networks_that_count_their_images_are_refused(odd: bool) -> None:
    shape = (1, 1, 2)
    clf = classifier(
        nn.Sequential(nn.Flatten(), linear([[-1.0, 0.0], [0.0, 0.0]], [0.5, 0.0])), fg.PixelSpec(shape)
    )
    head = linear([[-1.0, 0.0], [0.0, 0.0]], [0.5, 0.0])
    net = Counts(odd, head)
    clf.tapped.module[1].forward = lambda x: net(x)  # changed after it was loaded
    corner = at(0.0, shape)[0]
    corner[..., 1] = 1.0
    for call in (
        lambda: fg.pixel_lower_bounds(clf, at(0.25, shape)),
        lambda: fg.pixel_crossings(clf, at(0.0, shape), at(1.0, shape)),
        lambda: fg.slice_pixels(clf, at(0.0, shape)[0], corner, at(1.0, shape)[0], exact=True, across=8),
    ):
        with pytest.raises(Unsupported, match="batch"):
            call()
