"""Slices of pixel space: polygons that tile the images of a plane, of the class the network gives."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.pixels.derivatives import pixel_function

from .networks import PIXELS, SHAPE, conv_classifier, images, smooth_classifier


def varied() -> fg.Classifier:
    clf = conv_classifier(classes=6, seed=3)
    with torch.no_grad():
        clf.tapped.module[8].bias.sub_(torch.from_numpy(clf.logits(images(64)).mean(0)))
    return clf


@pytest.fixture(scope="module")
def part() -> fg.PixelSlice:
    return fg.slice_pixels(varied(), *images(3))


def test_the_polygons_tile_the_domain(part: fg.PixelSlice) -> None:
    polygons = list(part.polygons.values())
    assert len(polygons) > 1
    assert sum(p.area for p in polygons) == pytest.approx(part.domain.area, rel=1e-9)
    assert shapely.union_all(polygons).symmetric_difference(part.domain).area < 1e-9 * part.domain.area


def test_the_domain_is_where_the_images_are(part: fg.PixelSlice) -> None:
    rng = np.random.default_rng(0)
    u0, v0, u1, v1 = part.domain.bounds
    points = rng.uniform((u0, v0), (u1, v1), (2000, 2))
    lifted = part.plane.lift(points)
    inside = ((lifted >= 0) & (lifted <= 1)).all(axis=1)
    np.testing.assert_array_equal(inside, shapely.contains_xy(part.domain, points))
    corners = part.plane.drop(images(3).reshape(3, -1))
    assert shapely.distance(part.domain, shapely.points(corners)).max() < 1e-6


def test_every_lattice_point_has_the_class_of_the_network(part: fg.PixelSlice) -> None:
    clf = varied()
    f = pixel_function(clf, images(1), "logits")
    rows, columns = np.nonzero(part.labels >= 0)
    pick = np.random.default_rng(0).permutation(len(rows))[:3000]
    at = np.stack([part.u[columns[pick]], part.v[rows[pick]]], 1)
    classes = f(f.rounded(torch.from_numpy(part.plane.lift(at)))).argmax(1).numpy()
    assert (classes == part.labels[rows[pick], columns[pick]]).mean() > 0.999
    assert part.evaluated < 0.5


def test_the_feature_slice_has_one_piece_a_class(part: fg.PixelSlice) -> None:
    assert all(polygon.geom_type == "Polygon" for polygon in part.features.polygons.values())
    assert set(part.pieces) == set(part.polygons) == set(part.graph.nodes)
    assert min(part.pieces.values()) >= 1
    assert part.graph.number_of_edges() >= 1


def test_a_window_cuts_the_domain() -> None:
    small = fg.slice_pixels(varied(), *images(3), window=(0, 0, 1, 1), resolution=0.02)
    assert small.domain.within(shapely.box(0, 0, 1, 1))
    assert small.resolution == 0.02
    with pytest.raises(BadArgument, match="no image of pixel space lies in it"):
        fg.slice_pixels(varied(), *images(3), window=(1e3, 1e3, 1e3 + 1, 1e3 + 1))


def test_images_on_a_line_have_no_plane() -> None:
    flat = [np.full(SHAPE, value, np.float32) for value in (0.0, 0.5, 1.0)]
    with pytest.raises(BadArgument, match="lie on a line"):
        fg.slice_pixels(varied(), *flat)


def test_images_may_span_a_plane_whose_features_do_not(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 1), nn.Tanh(), nn.Linear(1, 3))
    with caplog.at_level("INFO"):
        part = fg.slice_pixels(fg.load_classifier(net, pixels=PIXELS), *images(3), across=32)
    assert part.features is None
    assert "lie on a line" in caplog.text
    assert sum(p.area for p in part.polygons.values()) == pytest.approx(part.domain.area)


def centred(net: nn.Module, head: nn.Linear) -> fg.Classifier:
    """A classifier whose classes are all seen on random images."""
    clf = fg.load_classifier(net, pixels=PIXELS)
    with torch.no_grad():
        head.bias.sub_(torch.from_numpy(clf.logits(images(64)).mean(0)))
    return clf


def pooled() -> fg.Classifier:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.LeakyReLU(0.2), nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 8, 2),
        nn.ReLU(), nn.Flatten(), nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 5),
    )  # fmt: skip
    return centred(net, net[8])


class Skipping(nn.Module):
    """An addition, batch normalisation and average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        x = (x + self.norm(self.second(x))).relu()
        return self.head(nn.functional.avg_pool2d(x, 3).flatten(1))


def skipping() -> fg.Classifier:
    torch.manual_seed(2)
    net = Skipping()
    return centred(net, net.head)


EXACT = {"varied": varied, "pooled": pooled, "skipping": skipping}


def values_at(clf: fg.Classifier, part: fg.PixelSlice, points: np.ndarray) -> np.ndarray:
    """The logits in float64."""
    with torch.no_grad():
        x = torch.from_numpy(part.plane.lift(points)).view(-1, *SHAPE)
        return clf.to(dtype=torch.float64).network(x).numpy()


def leads(values: np.ndarray) -> np.ndarray:
    """By how much the largest logit is above the second."""
    ranked = np.sort(values, axis=1)
    return ranked[:, -1] - ranked[:, -2]


def classes_of(part: fg.PixelSlice, points: np.ndarray) -> np.ndarray:
    """The class of the polygon that each point lies in."""
    own = np.full(len(points), -1)
    for k, polygon in part.polygons.items():
        own[shapely.contains_xy(polygon, points)] = k
    return own


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", EXACT)
def test_exact_and_adaptive_slices_agree(name: str, seed: int) -> None:
    """The exact one has the network's class wherever it does not tie, and ties on its boundaries."""
    clf, corners = EXACT[name](), images(3, seed)
    whole = fg.slice_pixels(clf, *corners, across=32)
    inside = np.minimum(whole.labels[:, 1:], whole.labels[:, :-1]) >= 0
    change = np.argwhere((np.diff(whole.labels, axis=1) != 0) & inside)
    row, column = change[len(change) // 2]
    u, v = (whole.u[column] + whole.u[column + 1]) / 2, whole.v[row]
    window = (u - 0.12, v - 0.12, u + 0.12, v + 0.12)
    part = fg.slice_pixels(clf, *corners, window=window, across=64, exact=True)
    assert part.regions > len(part.polygons) > 1
    assert sum(p.area for p in part.polygons.values()) == pytest.approx(part.domain.area, rel=1e-7)
    rows, columns = np.nonzero(part.labels >= 0)
    at = np.stack([part.u[columns], part.v[rows]], 1)
    assert (classes_of(part, at) == part.labels[rows, columns]).mean() > 0.99

    drawn = np.random.default_rng(0).uniform(*np.reshape(part.domain.bounds, (2, 2)), (3000, 2))
    drawn = drawn[shapely.contains_xy(part.domain, drawn)]
    values = values_at(clf, part, drawn)
    free = leads(values) > 1e-6
    assert free.mean() > 0.99
    np.testing.assert_array_equal(classes_of(part, drawn)[free], values.argmax(1)[free])

    boundaries = shapely.union_all([p.boundary for p in part.polygons.values()])
    inner = boundaries.difference(part.domain.boundary.buffer(1e-6))
    places = shapely.get_coordinates(shapely.segmentize(inner, 0.05))
    assert leads(values_at(clf, part, places)).max() < 1e-6


def test_what_is_not_piecewise_linear_has_no_exact_slice() -> None:
    with pytest.raises(Unsupported, match="tanh"):
        fg.slice_pixels(smooth_classifier(), *images(3), across=32, exact=True)
    assert fg.slice_pixels(smooth_classifier(), *images(3), across=32).regions == 0
