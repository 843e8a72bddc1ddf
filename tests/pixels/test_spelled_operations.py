"""Layer normalisation, softmax and products: networks of today, bounded through what these are made of."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.pixels.balls import Balls, lead
from featgeom.pixels.bends import Bend
from featgeom.pixels.curves import Curved
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.loose import Loose
from featgeom.pixels.near import Near
from featgeom.pixels.operators import find_bend
from featgeom.pixels.pairs import Precise
from featgeom.pixels.relaxation import Line, Pass
from featgeom.pixels.spelling import SPELLED, product

from .networks import sampled

SHAPE = (1, 4, 4)


class Layers(nn.Module):
    """Parameters in the order in which they are named; ``forward`` is one of the functions below."""

    def __init__(self, run, **layers: nn.Module) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.run(self, x)
        return logits


def _normalised(net, x):  # type: ignore[no-untyped-def]
    x = net.norm(net.conv(x)).relu().flatten(1)
    return net.head(functional.gelu(net.last(net.middle(x))))


def _pooled_by_shares(net, x):  # type: ignore[no-untyped-def]
    x = net.conv(x).relu().flatten(2)
    return net.head(((4 * x).softmax(-1) * x).sum(-1))


def _pooled_softly(net, x):  # type: ignore[no-untyped-def]
    return net.head((8 * net.conv(x).relu().flatten(2)).logsumexp(-1) / 8)


def _gated(net, x):  # type: ignore[no-untyped-def]
    x = net.conv(x)
    gate = net.middle(x.mean((2, 3))).sigmoid()
    return net.head((x * gate[:, :, None, None]).flatten(1))


def _next(net, x):  # type: ignore[no-untyped-def]
    x = net.conv(x)
    y = net.middle(functional.gelu(net.last(net.norm(x.permute(0, 2, 3, 1)))))
    return net.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


def _shares_of_channels(net, x):  # type: ignore[no-untyped-def]
    x = net.conv(x) ** 2
    return net.head((x / (x.sum(1, keepdim=True) + 0.1)).mean((2, 3)))


def _attending(net, x):  # type: ignore[no-untyped-def]
    x = net.conv(x).flatten(2).transpose(1, 2)
    weight = torch.softmax(net.middle(x), dim=1)
    return net.head((weight * x).sum(dim=1))


def network(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    conv = nn.Conv2d(1, 3, 3, padding=1)
    nets = {
        "layer norm": lambda: Layers(
            _normalised, conv=conv, norm=nn.LayerNorm([3, 4, 4]), middle=nn.Linear(48, 6),
            last=nn.LayerNorm(6, elementwise_affine=False), head=nn.Linear(6, 3),
        ),
        "softmax pooling": lambda: Layers(_pooled_by_shares, conv=conv, head=nn.Linear(3, 3)),
        "logsumexp pooling": lambda: Layers(_pooled_softly, conv=conv, head=nn.Linear(3, 3)),
        "gates": lambda: Layers(_gated, conv=conv, middle=nn.Linear(3, 3), head=nn.Linear(48, 3)),
        "ConvNeXt": lambda: Layers(
            _next, conv=nn.Conv2d(1, 4, 2, 2), norm=nn.LayerNorm(4), last=nn.Linear(4, 8),
            middle=nn.Linear(8, 4), head=nn.Linear(4, 3),
        ),
        "shares": lambda: Layers(_shares_of_channels, conv=conv, head=nn.Linear(3, 3)),
        "attention": lambda: Layers(
            _attending, conv=nn.Conv2d(1, 3, 2, 2), middle=nn.Linear(3, 1), head=nn.Linear(3, 3)
        ),
    }  # fmt: skip
    net: nn.Module = nets[name]().double().eval()
    with torch.no_grad():
        net.head.weight.mul_(3.0)
    return net


NAMES = (
    "layer norm", "softmax pooling", "logsumexp pooling", "gates", "ConvNeXt", "shares", "attention",
)  # fmt: skip


def image(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(1, *SHAPE, generator=generator, dtype=torch.float64) * 1.6 - 0.3).clamp(0, 1)


@pytest.mark.parametrize("norm", [2, math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_no_image_breaks_a_bound(name: str, norm: float) -> None:
    """The ends of the logits, and lines as they are chosen and at random."""
    net = network(name)
    for seed in range(2):
        x = image(seed)
        for radius in (1e-6, 0.02, 0.2):
            balls = Balls(x, torch.tensor([radius], dtype=torch.float64), (0.0, 1.0), norm)
            (lower, upper), bent = balls.intervals(net)
            found = Pass(net, x, list(map(Loose.of, bent)), balls.room, balls.euclid)
            pick = lambda v: lead(torch.tensor([0]), torch.tensor([1]), v)  # noqa: E731
            with torch.no_grad():
                bounds = [sum(found.below(pick))]
                for another in range(2):
                    found.mode.lines = [_any_line(line, another) for line in found.mode.lines]
                    bounds.append(sum(found.below(pick)))
                values = net(sampled(x[0], radius, norm))
            assert ((lower <= values) & (values <= upper)).all()
            for bound in bounds:  # one that is no number, of ends that are infinite, says nothing
                assert (bound.nan_to_num(-math.inf) <= values[:, 0] - values[:, 1]).all()
            if radius == 1e-6:  # and says something
                assert float(values[:, 0].min() - values[:, 1].max() - bounds[0]) < 1e-3
                assert float((upper - lower).max()) < 1e-2


def _any_line(line: Line, seed: int) -> Line:
    torch.manual_seed(seed)
    if line.slope is None or line.price is None:
        return line
    more, price = torch.randn_like(line.slope) / 4, torch.randn_like(line.price)
    return Line(line.slope + torch.randn_like(line.slope) / 4, more, line.price + price)


@pytest.mark.parametrize("norm", [2, math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_no_image_breaks_a_radius(name: str, norm: float) -> None:
    """Sampled, and searched for by gradient from many starts: of all bounds, and of small balls alone."""
    net, x = network(name), image()
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE))
    found = fg.pixel_lower_bounds(clf, x.numpy(), norm=norm, seconds=0.3, steps=4)
    order = net(x)[0].argsort(descending=True)
    near = Near(net, x, order[0], order[1:], norm).largest(math.inf)
    assert near > 0
    assert found.status[0] is fg.Status.SOLVED
    for radius in (float(found.lower_bound[0]), near):
        _attack(net, x, int(order[0]), min(radius, 4.0), norm)


def _attack(net: nn.Module, x: Tensor, source: int, radius: float, norm: float) -> None:
    images = sampled(x[0], radius, norm)
    for _ in range(6):
        leaf = images.clone().requires_grad_(True)
        values = net(leaf)
        assert (values.argmax(1) == source).all()
        rest = values.clone()
        rest[:, source] = -math.inf
        (slope,) = torch.autograd.grad((rest.amax(1) - values[:, source]).sum(), leaf)
        flat = slope.flatten(1)
        step = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12) if norm == 2 else flat.sign()
        away = (images - x).flatten(1) + radius / 3 * step
        length = away.norm(dim=1, keepdim=True) if norm == 2 else away.abs().amax(1, keepdim=True)
        images = (x + (away * (radius / length.clamp_min(radius))).view_as(images)).clamp(0, 1)


POSITIVE = {"log", "sqrt", "rsqrt", "reciprocal"}
CURVES = ["exp", "square", *sorted(POSITIVE)]


def _bend(name: str) -> Bend:
    bend = find_bend(name, (), {})
    assert bend is not None
    return bend


@pytest.mark.parametrize("priced", [True, False])
@pytest.mark.parametrize("name", [*CURVES, "product_of_two"])
def test_what_is_known_of_a_function_between_ends_holds_there(name: str, priced: bool) -> None:
    """Ends, stretch, and what a line leaves out, in small rooms and in wide ones."""
    bend, generator = _bend(name), torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    z = some(1, 2, 30, 1) * 3 + 0.5 if name in POSITIVE else some(1, 2, 30, 1) * 6 - 3
    wide = some(1, 2, 30, 1) * torch.tensor([1e-3, 0.4])[:, None, None]
    lower, upper = z - wide * some(1, 2, 30, 1), z + wide * some(1, 2, 30, 1)
    entry, low, high = (bend.windows(t) for t in (z, lower, upper))
    a, c, price = some(1, bend.at(entry).shape[1]) * 4 - 2, some(*entry.shape) * 4 - 2, some(1, 1)
    price = price if priced else torch.full_like(price, torch.finfo(price.dtype).tiny)
    a[:, ::7] = 0.0
    least, _ = bend.error(a, c, entry, low, high, price)
    slope, share = bend.middle(low, high)
    own = bend.slope(entry)
    left = bend.leftover(z, z - lower, upper - z)
    ends, stretch = bend.ends(lower, upper), bend.stretch(lower, upper)
    for step in range(200):
        part = some(1, 2, 30, 1) if step % 2 else some(1, 2, 30, 1).round()
        at = lower + (upper - lower) * part
        value, move = bend.value(at), bend.windows(at - z)
        assert ((ends[0] <= value) & (value <= ends[1])).all()
        change = (value - bend.value(z)).flatten(1)
        weight, linear = ((c * move).sum(1), (own * move).sum(1)) if bend.windowed else (c * move, own * move)
        square = move.square().sum(1) if bend.windowed else move.square()
        assert (least <= a * change - weight + price * square + 1e-12).all()
        assert ((change - linear).abs() <= left + 1e-12).all()
        along = (slope * move).sum(1) if bend.windowed else slope * move
        assert ((change - along).abs() <= share * square.sqrt() + 1e-12).all()
        assert change.norm() <= stretch * move.flatten().norm()


@pytest.mark.parametrize("name", CURVES)
def test_second_derivatives_are_those_of_the_function(name: str) -> None:
    bend = _bend(name)
    assert isinstance(bend, Curved)
    z = torch.linspace(0.3, 3, 50, dtype=torch.float64).requires_grad_(True)
    (first,) = torch.autograd.grad(bend.value(z).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z)
    torch.testing.assert_close(bend.first(z), first)
    torch.testing.assert_close(bend.second(z), second)
    torch.testing.assert_close(bend.curving(z, z), second.abs(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", sorted(POSITIVE))
def test_nothing_is_known_where_a_function_is_not_defined(name: str) -> None:
    """Ends at 0 and below, and ends that are no numbers."""
    bend = _bend(name)
    lower = torch.tensor([[-1.0, 0.0, math.nan]], dtype=torch.float64)
    low, high = bend.ends(lower, lower + 2)
    assert (low == -math.inf).all()
    assert (high == math.inf).all()
    assert (bend.stretch(lower, lower + 2) == math.inf).all()

    class Unsure(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)
            self.head.weight.data, self.head.bias.data = (
                torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
                torch.zeros(2),
            )

        def forward(self, x: Tensor) -> Tensor:
            t = x.flatten(1).sum(1, keepdim=True) - 3.0  # between −3 and 13
            return self.head(torch.cat([getattr(t, name)() * 0 + t + 20, t], 1))  # type: ignore[no-any-return]

    clf = fg.load_classifier(Unsure(), pixels=fg.PixelSpec(SHAPE))
    x = np.full((1, *SHAPE), 0.25)  # at 1: all is well there, and not in a ball that reaches 0
    found = fg.pixel_lower_bounds(clf, x, seconds=0.2).lower_bound[0]
    assert 0 < found <= 0.25 * (1 + 1e-9)  # ‖Δ‖ · 4 moves the sum, which may not fall by 1


def test_powers_are_what_they_are_called() -> None:
    z = torch.tensor([0.3, 2.0], dtype=torch.float64)
    for power in (2, 0.5, -1, -0.5):
        bend = find_bend("pow", (power,), {})
        assert bend is not None
        torch.testing.assert_close(bend.value(z), z**power)
    assert find_bend("pow", (3,), {}) is None


def test_the_rounding_of_products_is_counted() -> None:
    """Ends of a product of numbers that are known exactly, beside it in fractions."""
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(1, 2, 40, 1)) * 2.0 ** rng.integers(-30, 30, (1, 2, 40, 1)))
    low, high = _bend("product_of_two").ends(z, z)
    for least, most, x, y in zip(*(t.flatten().tolist() for t in (low, high, z[:, 0], z[:, 1])), strict=True):
        assert Fraction(least) <= Fraction(x) * Fraction(y) <= Fraction(most)


@pytest.mark.parametrize("name", NAMES)
def test_of_one_image_the_ends_are_its_values(name: str) -> None:
    net, x = network(name), image()
    lower, upper = IntervalPass(x, x, x, torch.zeros(1).double()).run(net)
    values = net(x)
    assert ((lower <= values) & (values <= upper)).all()
    assert float((upper - lower).max()) < 1e-9


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e7])
@pytest.mark.parametrize("seed", range(3))
def test_what_cancels_inside_a_norm_is_counted(seed: int, offset: float) -> None:
    """The mean is taken off numbers that are much larger than what is left; in decimals beside it."""
    torch.manual_seed(seed)
    layer, norm = nn.Linear(16, 5).double(), nn.LayerNorm(5, eps=1e-3).double()
    with torch.no_grad():
        layer.bias += offset
        norm.weight.copy_(torch.rand(5))
    net, x = nn.Sequential(nn.Flatten(), layer, norm), image(seed)
    lower, upper = IntervalPass(x, x, x, torch.zeros(1).double()).run(net)
    high, low, off = Precise().run(net, x)
    with localcontext() as digits:
        digits.prec = 60
        pixels = [Decimal(v) for v in x.flatten().tolist()]
        rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        values = [
            sum((Decimal(w) * v for w, v in zip(row, pixels, strict=True)), Decimal(b)) for row, b in rows
        ]
        mean = sum(values) / 5
        root = (sum((v - mean) ** 2 for v in values) / 5 + Decimal(norm.eps)).sqrt()
        true = [(v - mean) / root * Decimal(w) for v, w in zip(values, norm.weight.tolist(), strict=True)]
        for least, value, most in zip(lower[0].tolist(), true, upper[0].tolist(), strict=True):
            assert Decimal(least) <= value <= Decimal(most)
        found = [Decimal(a) + Decimal(b) for a, b in zip(high[0].tolist(), low[0].tolist(), strict=True)]
        assert sum((a - b) ** 2 for a, b in zip(found, true, strict=True)) <= Decimal(float(off)) ** 2
    assert float(off) < 1e-10 * max(1.0, offset)


CALLS = {
    "layer_norm": [((torch.tensor([[1.0, 2.0, 4.0]]), [3]), {"eps": 0.1})],
    "softmax": [((torch.tensor([[1.0, 2.0], [3.0, 0.0]]), d), {}) for d in (1, -1)],
    "logsumexp": [((torch.tensor([[1.0, 2.0, 0.0]]), 1), {"keepdim": k}) for k in (False, True)],
    "mul": [((torch.ones(2, 3, 1) * 3, torch.arange(8.0).view(2, 1, 4)), {})],
    "div": [((torch.ones(2, 3, 4) * 3, 1 + torch.arange(8.0).view(2, 1, 4)), {})],
}


@pytest.mark.parametrize("name", SPELLED)
def test_what_is_spelled_out_is_the_operation(name: str) -> None:
    call = getattr(functional, name, None) or getattr(torch, name)
    for args, kwargs in CALLS[name]:
        torch.testing.assert_close(SPELLED[name](*args, **kwargs), call(*args, **kwargs))


MIXED = {  # of a square matrix: images that are mixed, or a call that computes something else
    "softmax over images": lambda t: t.softmax(0),
    "transposed": lambda t: t.transpose(0, 1),
    "permuted": lambda t: t.permute(1, 0),
    "permuted, one by one": lambda t: t.permute([1, 0]),
    "expanded": lambda t: t.mean(1, keepdim=True).expand(2, len(t), 1)[1],
    "expanded by one more": lambda t: t[:, 0].expand(len(t), len(t)),
    "unsqueezed": lambda t: t.unsqueeze(0).mean(1).expand(len(t), len(t)),
    "softmax in another type": lambda t: functional.softmax(t, 1, dtype=torch.float32),
    "a norm of all images": lambda t: functional.layer_norm(t, tuple(t.shape)),
    "a product in place": lambda t: t.clone().mul_(t),
    "rows beside other dimensions": lambda t: (t.unsqueeze(2) * t).sum(2),
    "rows over other dimensions": lambda t: (t.unsqueeze(2) / (t + 1)).sum(1),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_what_mixes_images_is_refused(name: str) -> None:
    x = torch.rand(4, *SHAPE, dtype=torch.float64)

    class Mixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            t = x.flatten(1)[:, : len(x)]
            return t + MIXED[name](t)  # type: ignore[no-untyped-call]

    with pytest.raises(fg.errors.Unsupported):
        IntervalPass(x, x, x, torch.zeros(4).double()).run(Mixed())


def test_a_softmax_over_more_entries_than_can_be_set_beside_each_other_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 500), nn.Softmax(1), nn.Linear(500, 3))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE))
    with pytest.raises(fg.errors.Unsupported, match="no bounds: a softmax over 500 entries"):
        fg.pixel_lower_bounds(clf, image().numpy())


def test_products_of_shapes_that_broadcast() -> None:
    torch.manual_seed(0)
    for one, other in (((2, 3, 1), (2, 1, 4)), ((2, 3), (2, 3)), ((2, 1), (2, 5))):
        a, b = torch.rand(one), torch.rand(other)
        torch.testing.assert_close(product(a, b), a * b)


def test_what_is_no_piecewise_linear_operation_is_named_as_the_network_calls_it() -> None:
    clf = fg.load_classifier(network("layer norm").float(), pixels=fg.PixelSpec(SHAPE))
    x = np.random.default_rng(0).random((2, *SHAPE))
    with pytest.raises(fg.errors.Unsupported, match="'layer_norm'"):
        fg.pixel_crossings(clf, x[:1], x[1:])
    with pytest.raises(fg.errors.Unsupported, match="'layer_norm'"):
        fg.prove_pixel_balls(clf, x[:1])


def test_a_network_that_moves_its_axes_is_the_one_that_does_not() -> None:
    """Bounds, crossings and proofs of a layer that is applied behind a permutation."""

    class Moved(nn.Module):
        def __init__(self, moves: bool) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.conv, self.head, self.moves = nn.Conv2d(1, 3, 2, 2), nn.Linear(12, 3), moves

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x).relu()
            if self.moves:
                x = x.permute(0, 2, 3, 1).transpose(1, 3).transpose(2, 3).unsqueeze(1).squeeze(1)
            return self.head(x.flatten(1))  # type: ignore[no-any-return]

    x = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
    moved, plain = (fg.load_classifier(Moved(m), pixels=fg.PixelSpec(SHAPE)) for m in (True, False))
    one, other = (fg.pixel_lower_bounds(clf, x) for clf in (moved, plain))
    np.testing.assert_allclose(one.lower_bound, other.lower_bound, rtol=1e-6)
    pieces = [fg.pixel_crossings(clf, x[:1], x[1:]).pieces for clf in (moved, plain)]
    np.testing.assert_array_equal(*pieces)
    proved = [fg.prove_pixel_balls(clf, x).radius for clf in (moved, plain)]
    np.testing.assert_allclose(*proved, rtol=1e-6)
