"""Bounds are on the network as a function of real numbers, also where float64 rounds what it computes."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg

PIXEL = fg.PixelSpec((1, 1, 1))
THIRD = float(np.float32(1 / 3))


def cancelling(large: float, level: float, normed: bool = False) -> nn.Module:
    """Of one pixel x, logits x / 3 + 1 and ``level``, by way of a large number, whose digits are lost.

    With ``normed`` the large terms are the mean and the bias of a batch normalisation.
    """
    shift = nn.BatchNorm1d(2, eps=0.0) if normed else nn.Linear(2, 2)
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), shift, nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2)
    ).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0 if normed else THIRD], [0.0]]))
        net[1].bias.copy_(torch.tensor([0.0 if normed else large, 1.0]))
        for layer in (net[3], net[5], net[6]):
            layer.bias.zero_()
            if isinstance(layer, nn.Linear):
                layer.weight.copy_(torch.eye(2))
        net[3].bias[0] = 1 - large
        if isinstance(shift, nn.BatchNorm1d):
            shift.running_mean[0], shift.running_var[0] = 0.7 * large, 9.1
            shift.bias[0] = 0.7 * large / 9.1**0.5 + 1
        net[6].weight[1, 1] = level
    return net.eval()


def as_reals(net: nn.Module) -> tuple[Fraction, Fraction]:
    """The slope of the network's first logit, which is affine, and its value at 0, both without rounding."""
    bias = Fraction(net[3].bias[0].item())
    if not isinstance(net[3], nn.BatchNorm1d):
        return Fraction(THIRD), Fraction(net[1].bias[0].item()) + bias
    with localcontext(prec=80):
        slope = Fraction(1 / Decimal(net[3].running_var[0].item()).sqrt())
    return slope, bias - slope * Fraction(net[3].running_mean[0].item())


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("large", [2.0**20, 2.0**40, 2.0**49])
@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_no_flip_is_nearer_than_the_bound(normed: bool, large: float, seconds: float) -> None:
    for x in np.float32(np.random.default_rng(0).random(5)):
        start = cancelling(large, 0.0, normed)
        with torch.no_grad():
            computed = float(start[:6](torch.full((1, 1), x, dtype=torch.float64))[0, 0])
        slope, nought = as_reals(start)
        true = nought + slope * Fraction(float(x))
        level = float(true + (Fraction(computed) - true) / 20)
        clf = fg.load_classifier(cancelling(large, level, normed), pixels=PIXEL).to(dtype=torch.float64)
        image = np.full((1, 1, 1, 1), x)
        found = fg.pixel_lower_bounds(clf, image, seconds=seconds)
        first = int(found.classes[0, 0]) == 0  # the class that is called the image's own
        if first != (true > Fraction(level)):
            assert found.lower_bound[0] == 0
        else:
            flip = abs(Fraction(level) - true) / slope
            assert Fraction(found.lower_bound[0]) <= flip or found.lower_bound[0] == np.inf


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("large", [2.0**20, 2.0**40, 2.0**49])
def test_what_real_arithmetic_reaches_is_not_called_out_of_reach(normed: bool, large: float) -> None:
    net = cancelling(large, 0.5, normed)
    clf = fg.load_classifier(net, pixels=PIXEL).to(dtype=torch.float64)
    slope, nought = as_reals(net)
    ends = np.array([[float(nought + x * slope), 1.0] for x in (0, 1)])
    for seconds in (0.0, 0.05):
        found = fg.reachable(clf, ends, seconds=seconds)
        assert (found.lower_bound < 1e-9).all()
        assert not (found.status == fg.Status.UNREACHABLE).any()
