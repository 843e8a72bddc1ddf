"""Bounds on many entries of a layer at once: what they see, how far they move, and what is settled."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from featgeom.pixels.balls import Balls
from featgeom.pixels.bends import Kinked
from featgeom.pixels.branching import Prover
from featgeom.pixels.crowds import crowded
from featgeom.pixels.ends import Bent
from featgeom.pixels.fields import NOWHERE, Field, field_after, owners, spacing
from featgeom.pixels.loose import Loose
from featgeom.pixels.pooling import Pool

from .networks import sampled

SHAPE = (2, 18, 16)


def convolutional(pooled: bool, stride: int = 1, padding: str | int = 1) -> nn.Module:
    torch.manual_seed(0)
    pool = nn.MaxPool2d(2) if pooled else nn.AvgPool2d(2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride, padding if stride == 1 else 1), nn.ReLU(), pool,
        nn.Conv2d(4, 6, 3, padding=1), nn.LeakyReLU(0.1), nn.Flatten(), nn.LazyLinear(5), nn.ReLU(),
        nn.Linear(5, 3),
    ).eval()  # fmt: skip


def ready(net: nn.Module) -> tuple[nn.Module, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, *SHAPE, generator=generator)
    net(x)
    return net.double(), x.double()


def inputs(net: nn.Module, images: Tensor) -> list[Tensor]:
    """What goes into each operation that bends."""
    met, x = [], images
    with torch.no_grad():
        for layer in net:  # type: ignore[union-attr]
            if isinstance(layer, (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d)):
                met.append(x)
            x = layer(x)
    return met


@pytest.mark.parametrize(("pooled", "stride", "padding"), [(True, 1, 1), (False, 1, "same"), (True, 2, 1)])
@pytest.mark.parametrize(("norm", "radius"), [(2, 0.3), (math.inf, 0.05)])
def test_no_image_breaks_what_crowds_and_movements_say(
    pooled: bool, stride: int, padding: str | int, norm: float, radius: float
) -> None:
    net, x = ready(convolutional(pooled, stride, padding))
    prover = Prover(net, x, torch.tensor([0]), torch.tensor([1, 2]), (0.0, 1.0), norm)
    balls = Balls(x, torch.tensor([radius]).double(), (0.0, 1.0), norm)
    _, plain = balls.intervals(net)
    ends, bent = balls.intervals(net, partial(prover._narrowed, balls, 10_000, math.inf))
    if stride == 1:
        asked = plain[-2].bend.asked(plain[-2].lower, plain[-2].upper)
        assert crowded(plain[-2], plain[:-2], torch.nonzero(asked.flatten())[:, 0]) is not None
    assert (bent[-2].upper - bent[-2].lower).mean() < (plain[-2].upper - plain[-2].lower).mean()
    images = sampled(x[0], radius, norm)
    centre = inputs(net, x)
    for here, met, at in zip(bent, inputs(net, images), centre, strict=True):
        assert ((here.lower <= met) & (met <= here.upper)).all()
        moved = (met - at).flatten(1)
        counts = here.bend.moves(here.lower, here.upper).flatten(1)[0]
        assert (moved[:, counts].norm(dim=1) <= here.energy).all()
        bends = here.bend.asked(here.lower, here.upper).flatten(1)[0]
        if here.tight is not None:
            assert (moved[:, bends].norm(dim=1) <= here.tight).all()
    with torch.no_grad():
        values = net(images)
    assert ((ends[0] <= values) & (values <= ends[1])).all()


@pytest.mark.parametrize("norm", [2, math.inf])
def test_an_end_that_is_reached_is_what_a_crowd_finds(norm: float) -> None:
    """Of −|x| in each pixel: at 0 it has no slope, and all of its fall is what lines leave out."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1), nn.ReLU()).double()
    radius = 0.125
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        net[2].weight.fill_(-1.0)
        net[2].bias.fill_(radius / 2)
    x = torch.zeros(1, 1, 3, 4, dtype=torch.float64)
    balls = Balls(x, torch.tensor([radius]).double(), (-1.0, 1.0), norm)
    _, plain = balls.intervals(net)
    assert crowded(plain[1], plain[:1], torch.arange(12)) is not None
    _, bent = balls.intervals(net, partial(balls.narrowed, net, 10_000, math.inf))
    reached = torch.full_like(x, -radius / 2)
    assert (bent[1].lower <= reached).all()
    torch.testing.assert_close(bent[1].lower, reached)
    assert (plain[1].lower < 2 * reached).all()


def test_movements_are_less_than_products_of_norms() -> None:
    net, x = ready(convolutional(True))
    balls = Balls(x, torch.tensor([0.1]).double(), (0.0, 1.0), 2)
    _, plain = balls.intervals(net)
    prover = Prover(net, x, torch.tensor([0]), torch.tensor([1, 2]), (0.0, 1.0), 2)
    _, bent = balls.intervals(net, partial(prover._narrowed, balls, 10_000, math.inf))
    for one, other in zip(plain, bent, strict=True):
        assert other.energy <= one.energy
    assert bent[-1].energy < plain[-1].energy
    assert [here.tight is None for here in bent] == [False, True, False, False]  # pooling follows a ReLU
    assert all(other.tight < one.energy for one, other in zip(plain, bent, strict=True) if other.tight)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_movement_that_is_reached_is_what_is_found(pooled: bool) -> None:
    """The movement of |x| around 0, of whose kinks or tie the slope in the middle, 0, tells nothing."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, (1, 2), padding=(0, 1), bias=False), nn.MaxPool2d((1, 2)) if pooled else nn.ReLU(),
        nn.Flatten(), nn.Linear(1 if pooled else 2, 2), nn.ReLU(), nn.Linear(2, 2),
    ).double()  # fmt: skip
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[[[1.0, -1.0]]]]))
        net[3].weight.fill_(1.0)
        net[3].bias.fill_(-0.05)
    x, radius = torch.zeros(1, 1, 1, 1).double(), 0.125
    prover = Prover(net, x, torch.tensor([0]), torch.tensor([1]), (-1.0, 1.0), 2)
    balls = Balls(x, torch.tensor([radius]).double(), (-1.0, 1.0), 2)
    _, bent = balls.intervals(net, partial(prover._narrowed, balls, 10_000, math.inf))
    moved = (inputs(net, x + radius)[-1] - inputs(net, x)[-1]).norm()
    assert bent[-1].tight is not None
    torch.testing.assert_close(bent[-1].tight[0], moved)
    assert bent[-1].energy >= moved
    assert bent[-1].tight >= moved


LAYERS = [
    nn.Conv2d(1, 1, 3),
    nn.Conv2d(1, 1, (3, 2), (2, 3), (1, 0)),
    nn.Conv2d(1, 1, 3, dilation=2, padding=2),
    nn.Conv2d(1, 1, 5, padding="same"),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d(2, ceil_mode=True),
]


@pytest.mark.parametrize("layer", LAYERS)
def test_no_entry_depends_on_a_pixel_that_it_does_not_see(layer: nn.Module) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), layer).double()
    x = torch.rand(1, 1, 9, 11, dtype=torch.float64)
    balls = Balls(x, torch.tensor([0.1]).double(), (0.0, 1.0), 2)
    _, bent = balls.intervals(nn.Sequential(net, nn.ReLU(), nn.Flatten()))
    field = bent[0].field
    assert field is not None
    leaf = x.clone().requires_grad_(True)
    values = net(leaf)[0, 0]
    for i, j in itertools.product(*map(range, values.shape)):
        (slope,) = torch.autograd.grad(values[i, j], leaf, retain_graph=True)
        (top, bottom), (left, right) = field.rows[i], field.columns[j]
        seen = torch.zeros(9, 11, dtype=torch.bool)
        seen[top:bottom, left:right] = True
        assert not slope[0, 0][~seen].any()


def test_what_is_not_known_to_be_seen_is_the_whole_image() -> None:
    image, field = torch.ones(1, 2, 4, 4), Field.of_image((2, 4, 4))
    assert field_after("bend", (image,), {}, [field], image) is not None
    assert field_after("linear", (image,), {}, [field], image) is None
    assert field_after("flatten", (image,), {}, [field], image.flatten(1)) is None
    assert field_after("add", (image, image), {}, [field, None], image) is None
    small = Field.of_image((2, 1, 1))
    assert field_after("add", (image, image[..., :1, :1]), {}, [field, small], image) is None


def test_owners_and_spacing() -> None:
    spans = torch.tensor([[0, 2], [0, 3], [1, 4], [2, 5]])
    assert spacing(spans) == 3
    assert owners(torch.tensor([[1, 2], [2, 4], [4, 5]]), spans[::3]).tolist() == [0, 1, 1]
    assert owners(torch.tensor([[1, 3]]), spans[::3]).tolist() == [2]
    around_nothing = torch.tensor([[1, 3], [NOWHERE, 0], [0, 2]])
    assert spacing(around_nothing) == 3  # the first and the last see the pixel 1


@pytest.mark.parametrize("seed", [11, 15, 34])
def test_no_image_breaks_crowds_around_entries_that_see_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 3, 2, dilation=4, padding=2), nn.ReLU(),
    ).double()  # fmt: skip
    x = torch.rand(1, 1, 3, 3).double()
    balls = Balls(x, torch.tensor([0.3]).double(), (0.0, 1.0), math.inf)
    _, bent = balls.intervals(net, partial(balls.narrowed, net, 10_000, math.inf))
    met = inputs(net, sampled(x[0], 0.3, math.inf, 4000))[1]
    assert ((bent[1].lower <= met) & (met <= bent[1].upper)).all()


class Named(nn.Module):
    """Pools, with arguments by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        t = functional.avg_pool2d(self.layer(x), kernel_size=2, stride=2).relu()
        return functional.max_pool2d(t, kernel_size=3, padding=1, stride=1).relu()


def test_arguments_by_name_say_what_is_seen() -> None:
    balls = Balls(torch.full((1, 1, 6, 8), 0.5).double(), torch.tensor([0.1]).double(), (0.0, 1.0), 2)
    _, bent = balls.intervals(Named().double())
    assert bent[0].field is not None
    assert bent[2].field is not None
    assert bent[0].field.rows.tolist() == [[0, 3], [1, 5], [3, 6]]
    assert bent[2].field.rows.tolist() == [[0, 5], [0, 6], [1, 6]]


def test_what_is_settled_has_no_part_in_what_is_learned() -> None:
    lower, upper = torch.tensor([[-2.0, -1.0, 1.0]]), torch.tensor([[-1.0, 1.0, 2.0]])
    loose = Loose.of(Bent(Kinked(0.1), lower, upper, torch.tensor([9.0])))
    assert loose.live.tolist() == [1]
    torch.testing.assert_close(loose.sure[:, [0, 2]], torch.tensor([[0.1, 1.0]]))
    assert loose.energy <= 2 * (1 + 1e-6)
    lower = torch.tensor([[[[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]])
    upper = torch.tensor([[[[0.5, 2.0, 1.0, 0.5], [0.5, 0.5, 0.0, 0.0]]]])
    loose = Loose.of(Bent(Pool(2), lower, upper, torch.tensor([9.0])))
    assert loose.live.tolist() == [1]
    assert loose.sure[0, :, 0].tolist() == [0.0, 1.0, 0.0, 0.0]
