"""Lower bounds on pixel flips: no image breaks one, and where the answer is known they meet it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import BadArgument, BadData, Unsupported
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.loose import Loose
from featgeom.pixels.lowering import lower
from featgeom.pixels.relaxation import bounded_below, least_change

from .networks import PIXELS, SHAPE, conv_classifier, images


class Everything(nn.Module):
    """Every operation that has a rule, some of them in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.third = nn.Conv2d(12, 8, 3, padding="same", groups=2)
        self.head = nn.Linear(16, 4)
        with torch.no_grad():
            self.norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5, 1.5, -0.3, 2.0]))
            self.norm.running_mean.uniform_(-0.1, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * (x - 0.5)
        t = self.first(functional.pad(x, (0, 0, 0, 0)))
        shortcut = t.clone()
        t = torch.relu(self.norm(t))
        t = functional.dropout(self.second(t), 0.5, self.training)
        t += shortcut
        t = t.relu_()
        t = torch.cat([functional.avg_pool2d(t, 2), functional.max_pool2d(t, 3, 2, 1)], 1)
        t = functional.relu(self.third(t), inplace=True)
        sides = 1 - t[:, :, ::2] - t[:, :, 1:].mul(-0.5)[:, :, :1] / 3
        t = torch.cat([t.mean((2, 3)), torch.flatten(sides.sum(dim=(2, 3)), 1)], 1)
        return self.head(functional.relu(t - 0.1))


def residual() -> nn.Module:
    from featgeom.models.reference import small_resnet

    return small_resnet(channels=2, classes=4, features=6, width=4)


def pooled() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 2), nn.MaxPool2d(2, 1),
        nn.ReLU(), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(72, 20), nn.ReLU(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 4)
    )


NETWORKS = {"mlp": perceptron, "residual": residual, "pooled": pooled, "everything": Everything}


def classifier(name: str, seed: int = 0) -> fg.Classifier:
    torch.manual_seed(seed)
    return fg.load_classifier(NETWORKS[name]().eval(), pixels=PIXELS)


def in_the_ball(x: Tensor, radius: float, count: int) -> Tensor:
    """Images on the sphere around each x (n, ...) and within it, cut to the box: (count, n, ...)."""
    generator = torch.Generator().manual_seed(0)
    step = torch.randn(count, *x.shape, generator=generator, dtype=x.dtype)
    if count > 2:
        step[: count // 3] = step[: count // 3].sign()
    length = step.flatten(2).norm(dim=2).view(count, -1, 1, 1, 1)
    share = torch.rand(count, 1, 1, 1, 1, generator=generator, dtype=x.dtype).sqrt()
    return (x + radius * share * step / length).clamp(0, 1)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("units", [0, 64])
def test_no_flip_is_nearer(name: str, units: int) -> None:
    clf, samples = classifier(name), images(4)
    flips = fg.pixel_flips(clf, samples, steps=20)
    found = fg.pixel_lower_bounds(clf, samples, steps=8, units=units)
    assert (found.lower_bound <= flips.distance).all()
    assert (found.status == fg.Status.SOLVED).all()
    assert (found.lower_bound > 0).all()
    np.testing.assert_array_equal(found.classes[:, 0], clf.logits(samples).argmax(1))
    assert (found.classes[:, 0] != found.classes[:, 1]).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_linear_functions_only_narrow(name: str) -> None:
    clf, samples = classifier(name), images(2)
    plain, more = (
        fg.pixel_lower_bounds(clf, samples, steps=6, units=units).lower_bound for units in (0, 100)
    )
    assert (more >= plain).all()
    assert more.sum() > plain.sum()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("radius", [1e-6, 0.05, 1.0])
def test_bounds_hold_at_sampled_images(name: str, radius: float) -> None:
    """Of every value that goes into a ReLU or pooling, and of each difference of logits."""
    network = classifier(name).to(dtype=torch.float64).network
    x = torch.from_numpy(images(2).astype(np.float64))
    reach = torch.full((2,), radius, dtype=torch.float64)
    low, high = (x - radius).clamp_min(0), (x + radius).clamp_max(1)
    intervals = IntervalPass(low, high, x, reach)
    lower, upper = intervals.run(network)
    lead = lambda v: v[:, 0] - v[:, 1]  # noqa: E731
    ((value, change),) = bounded_below(
        network, x, list(map(Loose.of, intervals.bent)), [lead], (low - x, high - x), reach
    )
    for part in in_the_ball(x, radius, 60):
        with torch.no_grad():
            values = network(part)
        assert (lower <= values).all()
        assert (values <= upper).all()
        assert (value + change <= lead(values)).all()
        for here, met in zip(intervals.bent, bent_inputs(network, part), strict=True):
            assert (here.lower <= met).all()
            assert (met <= here.upper).all()


def bent_inputs(network: nn.Module, x: Tensor) -> list[Tensor]:
    """What goes into each ReLU and max pooling, read off as the network runs."""
    from torch.overrides import TorchFunctionMode

    met = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if func.__name__ in {"relu", "relu_", "max_pool2d"}:
                met.append(args[0].clone())
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Watch():
        network(x)
    return met


def test_the_linear_function_is_the_network_where_nothing_can_bend() -> None:
    network = classifier("mlp").to(dtype=torch.float64).network
    x = torch.from_numpy(images(2).astype(np.float64))
    reach = torch.full((2,), 1e-9, dtype=torch.float64)
    low, high = x - 1e-9, x + 1e-9
    intervals = IntervalPass(low, high, x, reach)
    intervals.run(network)
    ((value, change),) = bounded_below(
        network, x, list(map(Loose.of, intervals.bent)), [lambda v: v[:, 2]], (low - x, high - x), reach
    )
    leaf = x.clone().requires_grad_(True)
    logit = network(leaf)[:, 2]
    (slope,) = torch.autograd.grad(logit.sum(), leaf)
    torch.testing.assert_close(value, logit.detach(), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(-change / 1e-9, slope.flatten(1).norm(dim=1))


def test_an_affine_network_has_the_exact_distance() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 20), nn.Linear(20, 3))
    samples = np.random.default_rng(0).uniform(0.45, 0.55, (6, *SHAPE))
    with torch.no_grad():
        net[2].bias.sub_(net(torch.from_numpy(samples).float()).mean(0))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE)).to(dtype=torch.float64)
    logits = lambda x: clf.network(torch.from_numpy(x)).detach().numpy()  # noqa: E731
    slopes = logits(np.eye(72).reshape(72, *SHAPE)) - logits(np.zeros((1, *SHAPE)))
    own = logits(samples).argmax(1)
    exact = np.full(6, np.inf)
    for j in range(3):
        gap = logits(samples)[np.arange(6), own] - logits(samples)[:, j]
        length = np.linalg.norm(slopes[:, own] - slopes[:, [j]], axis=0)
        exact = np.where(own == j, exact, np.minimum(exact, gap / np.where(own == j, 1, length)))
    assert (exact < 0.4).all()  # the box does not interfere
    found = fg.pixel_lower_bounds(clf, samples)
    np.testing.assert_allclose(found.lower_bound, exact, rtol=1e-6)
    assert (found.lower_bound <= exact * (1 + 1e-12)).all()


def test_no_point_of_the_plane_breaks_a_bound() -> None:
    """Two pixels: every image of the box on a fine grid is asked."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 3))
    with torch.no_grad():
        net[3].weight.mul_(4)
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 1, 2)))
    samples = np.random.default_rng(0).random((8, 1, 1, 2)).astype(np.float32)
    axis = np.linspace(0, 1, 401, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 1, 2)
    classes = clf.logits(grid).argmax(1)
    found = fg.pixel_lower_bounds(clf, samples, units=100)
    ratios = []
    for x, bound, own in zip(samples, found.lower_bound, found.classes[:, 0], strict=True):
        away = np.linalg.norm((grid - x).reshape(-1, 2), axis=1)
        nearest = away[classes != own].min(initial=np.inf)
        assert bound <= nearest
        ratios.append(bound / nearest if np.isfinite(nearest) else 1.0)
    assert np.median(ratios) > 0.5


def test_the_box_is_used() -> None:
    """A pixel at its bound cannot move beyond it."""
    slope = torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]], dtype=torch.float64)
    low = torch.tensor([[-9.0, -9.0], [0.0, -9.0], [-0.3, -9.0]], dtype=torch.float64)
    found = least_change(slope, low, torch.full_like(low, 9.0), torch.ones(3, dtype=torch.float64))[0]
    exact = [-5.0, -4.0, -0.9 - 4 * np.sqrt(1 - 0.09)]
    np.testing.assert_allclose(found, exact, rtol=1e-9)
    assert (found.numpy() <= np.array(exact) + 1e-12).all()


def test_a_constant_network_never_flips() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 3))
    clf = fg.load_classifier(net, pixels=PIXELS)
    with torch.no_grad():
        net[1].weight.zero_()
    found = fg.pixel_lower_bounds(clf, images(2))
    assert (found.lower_bound == np.inf).all()
    assert (found.status == fg.Status.SOLVED).all()


def test_a_tie_has_no_bound() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 3))
    clf = fg.load_classifier(net, pixels=PIXELS)
    with torch.no_grad():
        net[3].weight.copy_(net[3].weight[:1].expand(3, -1))
        net[3].bias.zero_()
    found = fg.pixel_lower_bounds(clf, images(2))
    assert (found.lower_bound == 0).all()
    assert (found.status == fg.Status.UNDECIDED).all()


def test_a_named_class_is_no_nearer_than_any() -> None:
    clf, samples = classifier("mlp"), images(4)
    near = fg.pixel_lower_bounds(clf, samples, steps=16)
    target = (near.classes[:, 0] + 1) % 4
    named = fg.pixel_lower_bounds(clf, samples, target, steps=16)
    flips = fg.pixel_flips(clf, samples, target, steps=30)
    assert (named.lower_bound >= near.lower_bound * (1 - 1e-2)).all()
    assert (named.lower_bound <= flips.distance).all()
    np.testing.assert_array_equal(named.classes[:, 1], target)


@pytest.mark.parametrize("value", [0, 255])
def test_bytes_and_flat_images(value: int) -> None:
    clf = conv_classifier()
    flat = np.full((1, *SHAPE), value, np.uint8)
    found = fg.pixel_lower_bounds(clf, flat)
    again = fg.pixel_lower_bounds(clf, flat.astype(np.float32) / 255)
    np.testing.assert_array_equal(found.lower_bound, again.lower_bound)
    assert 0 < found.lower_bound[0] <= fg.pixel_flips(clf, flat, steps=30).distance[0]


def test_a_network_that_ends_in_softmax() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(perceptron(), nn.Softmax(1))
    clf = fg.load_classifier(net, pixels=PIXELS)
    assert clf.tap.ending == "softmax"
    bare = fg.load_classifier(net[0], pixels=PIXELS)
    ends = [fg.pixel_lower_bounds(c, images(3)).lower_bound for c in (clf, bare)]
    np.testing.assert_allclose(*ends, rtol=1e-9)


def test_what_has_no_rule_is_named() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.ELU(), nn.Linear(8, 4))
    clf = fg.load_classifier(net, pixels=PIXELS)
    with pytest.raises(Unsupported, match=r"^no bounds: .* operation 'elu', for which there is no rule"):
        fg.pixel_lower_bounds(clf, images(1))


class Gated(nn.Module):
    """A product of two things that depend on the image; ``trick`` says what else it does."""

    def __init__(self, trick: str) -> None:
        super().__init__()
        self.trick, self.hidden, self.head = trick, nn.Linear(72, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        t = self.hidden(x.flatten(1))
        if self.trick == "mul_":
            t = t.mul_(t)
        if self.trick == "__bool__" and (t.sum(1) > 1e9).any():
            t = t + 1
        if self.trick == "__setitem__":
            t[:, 0] = 0
        if self.trick == "sigmoid_":
            t.view(-1, 8).sigmoid_()
        if self.trick == "relu_":
            t.view(-1, 8).relu_()
        if self.trick == "flip":
            t = t.flip(0) + t
        if self.trick == "remainder":
            t = 1 + t % (t + 100)
        return self.head(t.relu())


@pytest.mark.parametrize(
    "trick", ["mul_", "__bool__", "__setitem__", "sigmoid_", "relu_", "flip", "remainder"]
)
def test_no_operation_is_guessed(trick: str) -> None:
    torch.manual_seed(0)
    net = Gated(trick).double().eval()
    x = torch.rand(2, *SHAPE, dtype=torch.float64)
    with pytest.raises(Unsupported, match="no rule"):
        IntervalPass(x, x, x, torch.zeros(2, dtype=torch.float64)).run(net)


def test_wrong_use_is_named() -> None:
    clf = conv_classifier()
    own = int(clf.logits(images(1)).argmax())
    with pytest.raises(BadArgument, match=f"sample 0 already has class {own}"):
        fg.pixel_lower_bounds(clf, images(1), target=own)
    with pytest.raises(BadArgument, match="steps must be at least 1"):
        fg.pixel_lower_bounds(clf, images(1), steps=0)
    with pytest.raises(BadData, match="images are 3x6x6, but this classifier takes 2x6x6"):
        fg.pixel_lower_bounds(clf, np.zeros((1, 3, 6, 6)))
    with pytest.raises(BadData):
        fg.pixel_lower_bounds(clf, images(1) + 2)
    assert fg.pixel_lower_bounds(clf, images(2)[:0]).lower_bound.shape == (0,)
    clf.tapped.module.train()
    with pytest.raises(BadArgument, match="training mode"):
        fg.pixel_lower_bounds(clf, images(1))


def test_digits_lie_between_their_bounds() -> None:
    clf, digits = fg.load_classifier("digits"), fg.load_splits("digits")["test"].pixels(slice(2))
    flips = fg.pixel_flips(clf, digits, steps=20)
    plain, more = (fg.pixel_lower_bounds(clf, digits, steps=8, units=units).lower_bound for units in (0, 64))
    assert (plain > 0.02 * flips.distance).all()
    assert (plain <= more).all()
    assert (more <= flips.distance).all()


def test_real_networks(real_data: Path) -> None:
    """A small one has bounds; for a deep one intervals say nothing, and that is what is said."""
    folder = real_data / "checkpoints"
    lenet = fg.load_classifier(
        folder / "lenet5_clean.safetensors", arch=f"{folder / 'architectures.py'}:lenet5"
    )
    digit = fg.load_images(f"mnist:{real_data}/mnist", split="test").pixels(slice(1))
    assert fg.pixel_lower_bounds(lenet, digit, steps=4).lower_bound[0] > 0
    resnet = fg.load_classifier(folder / "resnet20-12fca82f.th", arch="cifar_resnet20")
    photo = fg.load_images(f"cifar10:{real_data}/cifar10", split="test").pixels(slice(1))
    found = fg.pixel_lower_bounds(resnet, photo)
    assert found.lower_bound[0] == 0
    assert found.status[0] == fg.Status.UNDECIDED


def test_bounds_with_time_are_no_less_than_what_is_proved_and_keep_to_their_rival() -> None:
    """Where the network can be written out, its linear functions count; a target leaves one rival."""
    clf, x = conv_classifier(), images(1)
    proved = fg.prove_pixel_balls(clf, x, parts=1)
    found = fg.pixel_lower_bounds(clf, x, seconds=4)
    assert (found.lower_bound >= proved.radius * 0.97).all()
    one = fg.pixel_lower_bounds(clf, x, target=found.classes[:, 1], seconds=4)
    assert (one.lower_bound >= found.lower_bound * 0.97).all()
    assert (one.lower_bound <= fg.pixel_flips(clf, x, target=found.classes[:, 1]).distance).all()


def test_weights_beyond_float32_are_written_out_as_they_are() -> None:
    layer = nn.Linear(72, 3).double()
    with torch.no_grad():
        layer.weight.mul_(1e60)
    told = lower(nn.Sequential(nn.Flatten(), layer), SHAPE)
    np.testing.assert_array_equal(told.numbers[:216], layer.weight.detach().numpy().ravel())


def test_a_network_too_wide_to_be_written_out_is_bounded_without_and_not_proved() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 64, 7), nn.ReLU(), nn.AvgPool2d(90), nn.Flatten(), nn.Linear(64, 3))
    shape = (3, 96, 96)
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(shape))
    x = np.random.default_rng(0).random((1, *shape), np.float32)
    assert fg.pixel_lower_bounds(clf, x, seconds=0.1).lower_bound[0] > 0
    with pytest.raises(Unsupported, match="no proof: of the network as it is written out, it makes"):
        fg.prove_pixel_balls(clf, x)
