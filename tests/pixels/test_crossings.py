"""Segments of pixel space: where a piecewise linear network bends, and where its class changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.models.cifar_resnet import cifar_resnet
from featgeom.pixels import piecewise, segments
from featgeom.pixels.derivatives import pixel_function

from .networks import PIXELS, images, smooth_classifier
from .test_slices import centred, pooled, skipping, varied


class InPlace(nn.Module):
    """A shortcut from a tensor that ReLU has changed in place since, as some published networks have."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(16, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        self.relu(x)
        y = self.second(x)
        y += x
        return self.head(nn.functional.max_pool2d(self.relu(y), 3, 1).flatten(1))


def in_place() -> fg.Classifier:
    torch.manual_seed(4)
    net = InPlace()
    return centred(net, net.head)


class Joined(nn.Module):
    """Side paths that meet again by concatenation, at different depths."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(72, 9), nn.Linear(9, 9), nn.Linear(90, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        y = self.first(x).relu()
        z = nn.functional.leaky_relu(self.second(y), 0.1)
        return self.head(torch.cat([x, y - z, torch.zeros_like(y) + z], 1))


def joined() -> fg.Classifier:
    torch.manual_seed(5)
    net = Joined()
    return centred(net, net.head)


def residual() -> fg.Classifier:
    torch.manual_seed(6)
    net = cifar_resnet(8, 4)
    net.conv1 = nn.Conv2d(2, 16, 3, padding=1, bias=False)
    return centred(net, net.linear)


NETWORKS: dict[str, Callable[[], fg.Classifier]] = {
    "varied": varied,
    "pooled": pooled,
    "skipping": skipping,
    "in place": in_place,
    "joined": joined,
    "residual": residual,
}


def values_at(clf: fg.Classifier, a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The logits in float64 at parameters of the segment between two images."""
    share, (one, other) = torch.from_numpy(t).view(-1, 1, 1, 1), torch.from_numpy(np.stack([a, b])).double()
    x = one + share * (other - one)
    with torch.no_grad():
        return clf.to(dtype=torch.float64).network(x).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_affine_between_its_bends_and_changes_class_where_it_says(name: str) -> None:
    clf, (a, b) = NETWORKS[name](), images(2, seed=3)
    way = fg.pixel_crossings(clf, a, b)
    ends = np.concatenate([[0.0], way.bends[0], [1.0]])
    assert way.pieces[0] == len(ends) - 1 > 5
    assert (np.diff(ends) > 0).all()

    share = np.random.default_rng(0).random(len(ends) - 1)
    inside = ends[:-1] + share * np.diff(ends)
    at_ends, found = values_at(clf, a, b, ends), values_at(clf, a, b, inside)
    straight = at_ends[:-1] + share[:, None] * np.diff(at_ends, axis=0)
    np.testing.assert_allclose(found, straight, atol=1e-9 * np.abs(found).max())

    slopes = np.diff(at_ends, axis=0) / np.diff(ends)[:, None]
    wide = np.diff(ends) > 1e-5
    bent = np.abs(np.diff(slopes, axis=0)).max(1)[wide[1:] & wide[:-1]]
    assert (bent > 1e-7 * np.abs(slopes).max()).any()  # not all: a unit may bend that no logit sees

    cells, changes = way.path(0)
    assert (cells[1:] != cells[:-1]).all()
    ranked = np.sort(values_at(clf, a, b, changes), axis=1)
    np.testing.assert_allclose(ranked[:, -1], ranked[:, -2], atol=1e-9)
    free = np.abs(inside[:, None] - changes).min(1, initial=1.0) > 1e-9
    own = cells[np.searchsorted(changes, inside)]
    np.testing.assert_array_equal(own[free], found.argmax(1)[free])


def test_the_bends_of_one_layer_are_where_its_units_change_sign() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 50), nn.ReLU(), nn.Linear(50, 3)).double()
    clf, (a, b) = fg.load_classifier(net, pixels=PIXELS), images(2)
    with torch.no_grad():
        x = torch.from_numpy(np.stack([a, b])).double()
        one, other = net[1](clf.to(dtype=torch.float64).tapped.normalise(x).flatten(1)).numpy()
    expected = np.sort((one / (one - other))[one * other < 0])
    np.testing.assert_allclose(fg.pixel_crossings(clf, a, b).bends[0], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["pooled", "skipping", "residual"])
def test_how_much_is_held_at_a_time_does_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clf, (a, b) = NETWORKS[name](), images(2, seed=3)
    whole = fg.pixel_crossings(clf, a, b)
    monkeypatch.setattr(piecewise, "TOGETHER", 1)
    parts = fg.pixel_crossings(clf, a, b)
    np.testing.assert_allclose(parts.bends[0], whole.bends[0], atol=1e-11)
    np.testing.assert_array_equal(parts.cells, whole.cells)
    np.testing.assert_allclose(parts.enter, whole.enter, atol=1e-11)


def test_a_segment_and_its_reverse_are_one() -> None:
    clf, pair = pooled(), images(2, seed=3)
    there, back = fg.pixel_crossings(clf, *pair), fg.pixel_crossings(clf, *pair[::-1])
    np.testing.assert_allclose(there.bends[0], 1 - back.bends[0][::-1], atol=1e-11)
    np.testing.assert_array_equal(there.cells, back.cells[::-1])
    np.testing.assert_allclose(there.enter, 1 - back.leave[::-1], atol=1e-11)


def test_the_pieces_of_two_halves_are_those_of_the_whole() -> None:
    clf, (a, b) = skipping(), (images(2, seed=3) * 64).round() / 64
    middle = ((a + b) / 2).astype(np.float32)
    whole, left, right = (fg.pixel_crossings(clf, *pair) for pair in ((a, b), (a, middle), (middle, b)))
    halves = np.concatenate([left.bends[0] / 2, 0.5 + right.bends[0] / 2])
    np.testing.assert_allclose(halves, whole.bends[0], atol=1e-11)


def test_many_segments_are_each_as_alone() -> None:
    clf, some = varied(), images(6)
    way = fg.pixel_crossings(clf, some[:3], some[3:])
    assert len(way.first) == 4
    for i, j in pairwise(way.first):
        assert way.enter[i] == 0
        assert way.leave[j - 1] == 1
        np.testing.assert_array_equal(way.enter[i + 1 : j], way.leave[i : j - 1])
    for i in range(3):
        alone = fg.pixel_crossings(clf, some[i], some[3 + i])
        np.testing.assert_array_equal(alone.cells, way.path(i)[0])
        np.testing.assert_array_equal(alone.bends[0], way.bends[i])
    assert len(fg.pixel_crossings(clf, some[:0], some[:0]).cells) == 0


def test_where_nothing_bends_there_is_one_piece() -> None:
    clf, (a, b) = varied(), images(2)
    same = fg.pixel_crossings(clf, a, a)
    assert (same.pieces == 1).all()
    np.testing.assert_array_equal(same.cells, clf.logits(a[None]).argmax(1))
    dead = nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 3))
    with torch.no_grad():
        dead[1].bias.sub_(1000)
        dead[3].bias.copy_(torch.tensor([0.0, 1.0, 1.0]))
    way = fg.pixel_crossings(fg.load_classifier(dead, pixels=PIXELS), a, b)
    assert way.pieces.tolist() == [1]
    assert way.cells.tolist() == [1]  # of two that tie the first


def test_what_cannot_be_walked_is_refused() -> None:
    a, b = images(2)
    with pytest.raises(Unsupported, match="'tanh' is not piecewise linear"):
        fg.pixel_crossings(smooth_classifier(), a, b)
    with pytest.raises(Unsupported, match="more than 5 pieces"):
        fg.pixel_crossings(varied(), a, b, most=5)
    with pytest.raises(BadArgument, match="most"):
        fg.pixel_crossings(varied(), a, b, most=0)
    with pytest.raises(BadArgument, match="expected images of shape"):
        fg.pixel_crossings(varied(), images(2), images(3))


def test_paths_are_exact_where_few_units_bend_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clf, some = varied(), images(8)
    f = pixel_function(clf, some, "logits")
    ends = f.vectors(some[:4], "images"), f.vectors(some[4:], "images")
    exact = segments.class_paths(clf, f, *ends, 64)
    assert all(path.exact and path.status == fg.Status.COMPUTED for path in exact)
    monkeypatch.setattr(segments, "UNITS", 1)
    looked = segments.class_paths(clf, f, *ends, 64)
    for one, other in zip(exact, looked, strict=True):
        assert not other.exact
        assert other.status == fg.Status.ESTIMATED
        assert all(np.abs(one.changes - t).min() < 2e-6 for t in other.changes)  # each change seen is one
    smooth = smooth_classifier()
    assert not segments.class_paths(smooth, pixel_function(smooth, some, "logits"), *ends, 64)[0].exact


class Rowwise(nn.Module):
    """An addition of a constant that has a row for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(72, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1).relu() + torch.ones(len(x), 72, dtype=x.dtype))


def test_constants_with_rows_of_their_own_are_refused() -> None:
    clf = fg.load_classifier(Rowwise(), pixels=PIXELS)
    with pytest.raises(Unsupported, match="batches of another size"):
        fg.pixel_crossings(clf, *images(2))


class Told(nn.Module):
    """A network that does something by what a number, or a part of a tensor, tells it of its image."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.first, self.second, self.head = way, nn.Linear(72, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x.flatten(1)).relu())
        if self.way == "set":
            x[:, 0] = x[:, 1].tanh() ** 2
        if self.way == "set where":
            x[x > 0.1] = 0.05
        if self.way == "beside":
            x.data.clamp_(0.0, 0.1)
        if self.way == "asked" and bool(x.amax() > 1e6):
            x = x**2
        if self.way == "number" and float(x.amax()) > 1e6:
            x = x**2
        return self.head(x)


@pytest.mark.parametrize("way", ["set", "set where", "beside", "asked", "number"])
def test_what_a_network_is_told_of_its_image_is_seen(way: str) -> None:
    torch.manual_seed(0)
    clf, (a, b) = fg.load_classifier(Told(way), pixels=PIXELS), images(2)
    with pytest.raises(Unsupported, match="not piecewise linear"):
        fg.pixel_crossings(clf, a, b)
    with pytest.raises(Unsupported, match="not piecewise linear"):
        fg.slice_pixels(clf, *images(3), across=8, exact="regions")
