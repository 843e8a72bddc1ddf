"""Certified radii on many small networks: no image breaks one, and exact distances are met."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor, nn

import featgeom as fg
from featgeom.pixels.balls import Balls, lead
from featgeom.pixels.bends import Bend
from featgeom.pixels.branching import Prover
from featgeom.pixels.energy import convolution_norm, matrix_norm
from featgeom.pixels.loose import Loose
from featgeom.pixels.lower_bounds import _Search
from featgeom.pixels.near import Near
from featgeom.pixels.operators import REGISTRY, find_bend, register
from featgeom.pixels.relaxation import Line, Pass

from .networks import sampled

SHAPE = (1, 4, 4)
BENDS: dict[str, type[nn.Module] | tuple[type[nn.Module], tuple[object, ...]]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}  # fmt: skip
KINDS = ["plain", "dead", "ties", "zero"]


def bend_module(name: str) -> nn.Module:
    return BENDS[name]()  # type: ignore[operator]


def network(name: str, kind: str, seed: int = 0) -> nn.Module:
    """A convolution, the bend, overlapping max pooling, two layers; degenerate as ``kind`` says."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), bend_module(name), nn.MaxPool2d(2, 1, 1), nn.Conv2d(3, 4, 2),
        bend_module(name), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 6), bend_module(name),
        nn.Linear(6, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        if kind == "dead":
            net[0].bias[0] = -100.0
            net[7].bias[:3] = -50.0
        if kind == "ties":
            net[0].weight[1] = net[0].weight[0]
            net[0].bias[:2] = 0.0
            net[3].weight.copy_(net[3].weight.sign() / 4)
        if kind == "zero":
            net[0].weight[2] = 0.0
            net[0].bias[2] = 0.0
            net[7].weight[0] = 0.0
            net[7].bias[0] = 0.0
    return net.eval()


def some_images(n: int, seed: int = 0) -> Tensor:
    """Many pixels at the ends of the box, and an image that is constant."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *SHAPE, generator=generator, dtype=torch.float64) * 2 - 0.5
    x[0] = 0.0
    return x.clamp(0, 1)


@pytest.mark.parametrize("norm", [2, np.inf])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BENDS)
def test_no_image_breaks_a_bound(name: str, kind: str, norm: float) -> None:
    """Ends, energies, chosen lines and lines at random: each holds at every image that is sampled."""
    net, x = network(name, kind), some_images(2)
    for radius in (0.03, 0.6):
        balls = Balls(x, torch.full((2,), radius, dtype=torch.float64), (0.0, 1.0), norm)
        (lower, upper), bent = balls.intervals(net)
        rows = torch.arange(2)
        first = Pass(net, x, list(map(Loose.of, bent)), balls.room, balls.euclid)
        pick = lambda v: lead(torch.tensor([0, 0]), torch.tensor([1, 2]), v)  # noqa: E731
        with torch.no_grad():
            bounds = [sum(first.below(pick))]
            for seed in range(3):
                first.mode.lines = [_any_line(line, seed) for line in first.mode.lines]
                bounds.append(sum(first.below(pick)))
        for i in rows:
            images = sampled(x[i], radius, norm)
            met = _inputs(net, images)
            with torch.no_grad():
                values = net(images)
            assert ((lower[i] <= values) & (values <= upper[i])).all()
            for bound in bounds:
                assert (bound[i] <= values[:, 0] - values[:, 1 + i]).all()
            for here, z, at in zip(bent, met, _inputs(net, x[i : i + 1]), strict=True):
                assert ((here.lower[i] <= z) & (z <= here.upper[i])).all()
                assert ((z - at).flatten(1).norm(dim=1) <= here.energy[i]).all()


def _any_line(line: Line, seed: int) -> Line:
    torch.manual_seed(seed)
    if line.slope is None or line.price is None:  # nothing bends
        return line
    return Line(torch.randn_like(line.slope), torch.randn_like(line.slope) / 4, torch.randn_like(line.price))


def _inputs(net: nn.Module, x: Tensor) -> list[Tensor]:
    """What goes into each bend and pooling."""
    met = []
    with torch.no_grad():
        for layer in net:  # type: ignore[union-attr]
            if isinstance(layer, (nn.MaxPool2d, *BENDS.values())):  # type: ignore[arg-type]
                met.append(x)
            x = layer(x)
    return met


@pytest.mark.parametrize("norm", [2, np.inf])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_no_image_breaks_a_radius(name: str, kind: str, norm: float) -> None:
    """Sampled, and searched for by gradient from many starts."""
    net, x = network(name, kind), some_images(3)
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE))
    found = fg.pixel_lower_bounds(clf, x.numpy(), norm=norm, seconds=0.3, steps=4)
    for i, (radius, classes) in enumerate(zip(found.lower_bound, found.classes, strict=True)):
        assert radius > 0
        images = sampled(x[i], min(radius, 4.0), norm)
        for _ in range(8):
            with torch.no_grad():
                assert (net(images).argmax(1) == classes[0]).all()
            leaf = images.clone().requires_grad_(True)
            values = net(leaf)
            rest = values.clone()
            rest[:, classes[0]] = -np.inf
            (slope,) = torch.autograd.grad((rest.amax(1) - values[:, classes[0]]).sum(), leaf)
            images = _into(images + min(radius, 4.0) / 4 * _unit(slope, norm), x[i], min(radius, 4.0), norm)


def _unit(slope: Tensor, norm: float) -> Tensor:
    if norm != 2:
        return slope.sign()
    return slope / slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)


def _into(images: Tensor, x: Tensor, radius: float, norm: float) -> Tensor:
    step = images.clamp(0, 1) - x
    if norm == 2:
        step = step * (radius / step.flatten(1).norm(dim=1).clamp_min(radius)).view(-1, 1, 1, 1)
    return x + step.clamp(-radius, radius)


def test_ends_that_overflow_decide_nothing() -> None:
    """inf − inf is no number, and no comparison with it proves anything."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1e200, -1e200], [-1e200, 1e200]]))
        net[3].weight.copy_(torch.tensor([[1e200, -1e200], [0, 0]]))
        net[1].bias.zero_()
        net[3].bias.copy_(torch.tensor([1.0, 0.0]))
    x, own, rivals = torch.full((1, 1, 1, 2), 0.5).double(), torch.tensor([0]), torch.tensor([1])
    prover = Prover(net, x, own, rivals, (0.0, 1.0), 2)
    assert not prover.holds(0.1, 64, np.inf, True)
    search = _Search(net, x, own, rivals[None], (0.0, 1.0), 2)
    holds, _, _ = search.hold(search.every, torch.tensor([0.1], dtype=torch.float64), 64)
    assert not holds.any()


def test_a_kink_between_ends_that_are_no_numbers_is_not_settled() -> None:
    """The network has numbers at the image, and another class next to it, but its ends are inf − inf."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)
    ).double()
    rows = [[1e160, -1e160]] * 2, [[1e160] * 2] * 2, [[1e-310] * 2] * 2, [[-1e10, 0.0], [0.0, 0.0]]
    biases = [0.0, 0.0], [0.0, 0.0], [-1.0, -1.0], [1.0, 0.0]
    with torch.no_grad():
        for i, weight, bias in zip((1, 2, 3, 5), rows, biases, strict=True):
            net[i].weight.copy_(torch.tensor(weight, dtype=torch.float64))
            net[i].bias.copy_(torch.tensor(bias, dtype=torch.float64))
    x, own, rivals = torch.full((1, 1, 1, 2), 0.5).double(), torch.tensor([0]), torch.tensor([1])
    assert net(x).tolist() == [[1.0, 0.0]]
    for norm in (2, np.inf):
        assert not Prover(net, x, own, rivals, (0.0, 1.0), norm).holds(0.1, 64, np.inf, True)
        search = _Search(net, x, own, rivals[None], (0.0, 1.0), norm)
        holds, _, _ = search.hold(search.every, torch.tensor([0.1], dtype=torch.float64), 0)
        assert not holds.any()


@pytest.mark.parametrize("seed", [1, 4, 5])
def test_no_radius_rests_on_what_cancels(seed: int) -> None:
    """Weights of 1e8 that both classes share: the lead is rounded by more than what is left of it."""
    torch.manual_seed(seed)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double(), torch.rand(1, 1, 8, 8).double()
    shared = torch.randn(64).double() * 1e8
    with torch.no_grad():
        net[1].weight.copy_(torch.stack([shared + torch.randn(64) / 10, shared]))
        net[1].bias.copy_(torch.tensor([1e-7, 0.0]) - net[1].weight @ x.flatten())
    gap = [Fraction(a) - Fraction(b) for a, b in zip(*net[1].weight.tolist(), strict=True)]
    lead = sum(g * Fraction(v) for g, v in zip(gap, x.flatten().tolist(), strict=True))
    one, other = net[1].bias.tolist()
    lead += Fraction(one) - Fraction(other)
    distance = max(float(lead) / math.hypot(*map(float, gap)), 0.0)  # 0 where class 1 leads at the image
    own, rivals, beyond = torch.tensor([0]), torch.tensor([1]), 1.1 * distance + 1e-12
    assert Near(net, x, own[0], rivals, 2).largest(np.inf) <= distance
    assert not Prover(net, x, own, rivals, (0.0, 1.0), 2).holds(beyond, 0, np.inf, False)
    search = _Search(net, x, own, rivals[None], (0.0, 1.0), 2)
    holds, _, _ = search.hold(search.every, torch.tensor([beyond], dtype=torch.float64), 0)
    assert not holds.any()


def perceptron(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3)
    ).double()


def exact_linf(net: nn.Module, x: np.ndarray, own: int, top: float) -> float:
    """The least largest change of a pixel that changes the class, by mixed-integer programming."""
    best = top
    for rival in range(3):
        if rival != own:
            best = min(best, _milp(net, x, own, rival, best))
    return best


def _milp(net: nn.Module, x: np.ndarray, own: int, rival: int, top: float) -> float:
    """Variables: the radius, the pixels, and for each ReLU its value and whether it is on."""
    linear = [part for part in net if isinstance(part, nn.Linear)]  # type: ignore[union-attr]
    hidden = sum(part.out_features for part in linear[:-1])
    count = 1 + len(x) + 2 * hidden
    low, high, whole = np.zeros(count), np.ones(count), np.zeros(count)
    high[0] = top
    rows, least = [], []

    def at_least(row: np.ndarray, value: float) -> None:
        rows.append(row)
        least.append(value)

    eye = np.eye(count)
    for i, pixel in enumerate(x, 1):
        low[i], high[i] = max(0.0, pixel - top), min(1.0, pixel + top)
        at_least(eye[0] - eye[i], -pixel)
        at_least(eye[0] + eye[i], pixel)
    at = 1 + len(x)
    matrix, constant, ends = eye[1:at], np.zeros(len(x)), (low[1:at], high[1:at])
    for part in linear:
        w, b = part.weight.detach().numpy(), part.bias.detach().numpy()
        matrix, constant = w @ matrix, w @ constant + b
        middle, reach = w @ (ends[0] + ends[1]) / 2 + b, np.abs(w) @ (ends[1] - ends[0]) / 2
        ends = (middle - reach, middle + reach)
        if part is linear[-1]:
            break
        n = len(w)
        for i in range(n):
            y, on = eye[at + i], eye[at + n + i]
            under, over = min(0.0, ends[0][i]), max(0.0, ends[1][i])
            high[at + i], whole[at + n + i] = over, 1
            at_least(y - matrix[i], constant[i])
            at_least(matrix[i] - y + under * on, under - constant[i])
            at_least(over * on - y, 0.0)
        matrix, constant = eye[at : at + n], np.zeros(n)
        ends, at = (np.maximum(ends[0], 0), np.maximum(ends[1], 0)), at + 2 * n
    at_least(matrix[rival] - matrix[own], constant[own] - constant[rival])
    found = milp(
        eye[0],
        integrality=whole,
        bounds=Bounds(low, high),
        constraints=LinearConstraint(np.array(rows), least),
    )
    return float(found.fun) if found.status == 0 else top


@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_branch_and_bound_meets_the_exact_distance(margin: float) -> None:
    net = perceptron(0)
    x = np.random.default_rng(0).random((1, 1, 2, 3))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 2, 3)))
    with torch.no_grad():  # a class as near as others
        net[5].bias.sub_(net(torch.from_numpy(x))[0] - torch.tensor([margin, 0.0, 0.0]))
    found = fg.pixel_lower_bounds(clf, x, norm=np.inf, seconds=10.0)
    exact = exact_linf(net, x.ravel(), 0, 1.0)
    lower = min(float(found.lower_bound[0]), 1.0)
    assert 0.99 * exact <= lower <= exact * (1 + 1e-5)


def test_splitting_proves_what_the_whole_does_not() -> None:
    net = perceptron(0)
    x = torch.from_numpy(np.random.default_rng(0).random((1, 1, 2, 3)))
    with torch.no_grad():
        net[5].bias.sub_(net(x)[0] - torch.tensor([0.05, 0.0, 0.0]))
    prover = Prover(net, x, torch.tensor([0]), torch.tensor([1, 2]), (0.0, 1.0), np.inf)
    exact = exact_linf(net, x.numpy().ravel(), 0, 1.0)
    near = 0.99 * exact
    assert prover.holds(near, 64, np.inf, True)
    assert not prover.holds(1.01 * exact, 64, np.inf, True)


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [
    (1, 1, 1, 1), (2, 1, 1, 1), (2, 0, 1, 2), (1, 2, 2, 1), (3, 1, 1, 1), ((1, 2), (0, 1), 1, 1),
])  # fmt: skip
def test_norms_of_convolutions(stride, padding, dilation, groups) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    weight = torch.randn(4, 4 // groups, 3, 3, dtype=torch.float64)
    eye = torch.eye(4 * 7 * 8, dtype=torch.float64).view(-1, 4, 7, 8)
    rows = nn.functional.conv2d(eye, weight, None, stride, padding, dilation, groups).flatten(1)
    exact = torch.linalg.matrix_norm(rows, 2)
    found = convolution_norm(weight, (7, 8), stride, padding, dilation, groups)
    assert exact <= found <= 1.5 * exact


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 40), (30, 30)])
def test_norms_of_matrices(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for scale, tie in itertools.product((0.0, 1e-9, 1.0, 1e9), (False, True)):
        matrix = scale * (torch.ones(shape) if tie else torch.randn(shape)).double()
        exact = torch.linalg.matrix_norm(matrix, 2)
        assert exact <= matrix_norm(matrix) <= 1.1 * exact + 1e-12


def test_an_operation_can_be_added() -> None:
    class Steps(Bend):
        """A hard tanh: bounded by its ends alone."""

        def __init__(self) -> None:
            super().__init__(nn.functional.hardtanh, 0.0, 1.0)

        def penalty(self, a, z, lower, upper, energy):  # type: ignore[no-untyped-def]
            return torch.zeros_like(energy)

        def line(self, a, z, lower, upper, price):  # type: ignore[no-untyped-def]
            return torch.zeros_like(a)

        def error(self, a, c, z, lower, upper, price):  # type: ignore[no-untyped-def]
            low, high = self.value(lower) - self.value(z), self.value(upper) - self.value(z)
            still = torch.minimum(-c * (lower - z), -c * (upper - z))
            error = torch.minimum(a * low, a * high) + still
            return error, error.abs()

    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Hardtanh(), nn.Linear(8, 3))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE))
    x = some_images(3).numpy()
    with pytest.raises(fg.errors.Unsupported, match="hardtanh"):
        fg.pixel_lower_bounds(clf, x)
    register("hardtanh", lambda min_val=-1.0, max_val=1.0: Steps())
    try:
        found = fg.pixel_lower_bounds(clf, x)
    finally:
        del REGISTRY["hardtanh"]
    assert (found.lower_bound > 0).all()
    assert (found.lower_bound <= fg.pixel_flips(clf, x).distance).all()


def test_calls_without_rules_are_refused() -> None:
    assert find_bend("max_pool2d", (2,), {"ceil_mode": True}) is None
    assert find_bend("leaky_relu", (-0.5,), {}) is None
    assert find_bend("gelu", (), {"approximate": "tanh"}) is None
    assert find_bend("relu", (1, 2, 3), {}) is None
    assert find_bend("softmax", (), {}) is None
