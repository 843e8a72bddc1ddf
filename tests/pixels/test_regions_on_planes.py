"""The regions of a plane of pixel space on which a piecewise linear network is affine."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.pixels import piecewise
from featgeom.pixels.pieces import OnPlane, linear_pieces
from featgeom.pixels.polygons import PlanePieces

from .networks import PIXELS, images
from .test_crossings import NETWORKS, in_place
from .test_slices import SHAPE, pooled, skipping

WINDOW = (0.2, 0.2, 0.6, 0.6)
SMALL = (0.3, 0.3, 0.36, 0.36)  # for a network of many units


def ring_of(window: tuple[float, ...]) -> np.ndarray:
    u0, v0, u1, v1 = window
    return np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])


def on_plane(clf: fg.Classifier, seed: int = 1) -> OnPlane:
    plane = fg.Plane.through(*images(3, seed).reshape(3, -1).astype(np.float64))
    return OnPlane(clf.to("cpu", torch.float64).network, plane, SHAPE)


def values(network: OnPlane, points: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(points).view(-1, 2, 1, 1)).numpy()


def area(ring: np.ndarray) -> float:
    return float(shapely.Polygon(ring).area)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_regions_tile_the_window_and_the_network_is_affine_on_each(name: str) -> None:
    network, ring = on_plane(NETWORKS[name]()), ring_of(SMALL if name == "residual" else WINDOW)
    rings, classes, count = linear_pieces(network, ring, True, 100_000)
    assert len(rings) == len(classes) >= count > 3
    assert sum(map(area, rings)) == pytest.approx(area(ring), rel=1e-12)
    grown = [ring.mean(0) + (ring - ring.mean(0)) * 0.999 for ring in rings]
    corners, first = np.concatenate(grown), np.cumsum([0, *map(len, grown)])[:-1]
    at_corners = values(network, corners)
    middle = np.add.reduceat(at_corners, first) / np.array([[len(ring)] for ring in grown])
    found = values(network, np.array([ring.mean(0) for ring in grown]))
    np.testing.assert_allclose(found, middle, atol=1e-9 * np.abs(found).max())
    own = np.take_along_axis(at_corners, np.repeat(classes, [len(r) for r in grown])[:, None], 1)[:, 0]
    np.testing.assert_allclose(own, at_corners.max(1), atol=1e-9)


def test_lines_cut_a_window_into_as_many_regions_as_euler_says() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 40), nn.ReLU(), nn.Linear(40, 3)).double()
    clf = fg.load_classifier(net, pixels=PIXELS)
    network, window = on_plane(clf), shapely.box(*WINDOW)
    corners = ring_of((0, 0, 1, 1))[[0, 1, 3]]
    with torch.no_grad():
        x = torch.from_numpy(network_images(network, corners))
        zero, right, up = net[1](clf.to(dtype=torch.float64).tapped.normalise(x).flatten(1)).numpy()
    lines = []
    for c, a, b in zip(zero, right - zero, up - zero, strict=True):
        near, along = np.array([a, b]) * -c / (a * a + b * b), np.array([-b, a]) * 1e3 / np.hypot(a, b)
        line = shapely.LineString([near - along, near + along]).intersection(window)
        lines += [line] if line.length > 0 else []
    crossings = sum(one.intersects(other) for i, one in enumerate(lines) for other in lines[:i])
    _, _, count = linear_pieces(network, ring_of(WINDOW), True, 100_000)
    assert count == 1 + len(lines) + crossings > 5


def network_images(network: OnPlane, points: np.ndarray) -> np.ndarray:
    basis, origin = network.basis.numpy(), network.origin.numpy()
    return (points @ basis.T + origin).reshape(-1, *SHAPE)


@pytest.mark.parametrize("name", ["pooled", "residual"])
def test_how_much_is_held_at_a_time_does_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, ring = on_plane(NETWORKS[name]()), ring_of(SMALL)
    _, classes, whole = linear_pieces(network, ring, True, 100_000)
    monkeypatch.setattr(piecewise, "TOGETHER", 1)
    rings, others, parts = linear_pieces(network, ring, True, 100_000)
    assert parts == whole
    assert np.bincount(others).tolist() == np.bincount(classes).tolist()
    assert sum(map(area, rings)) == pytest.approx(area(ring), rel=1e-12)


@pytest.mark.parametrize("make", [pooled, skipping, in_place])
def test_leaving_parts_of_one_class_whole_changes_no_polygon(make) -> None:
    clf, corners = make(), images(3, 2)
    every = fg.slice_pixels(clf, *corners, WINDOW, across=32, exact="regions")
    some = fg.slice_pixels(clf, *corners, WINDOW, across=32, exact=True)
    assert set(every.polygons) == set(some.polygons)
    for k, polygon in every.polygons.items():
        assert polygon.symmetric_difference(some.polygons[k]).area < 1e-8
    assert every.pieces == some.pieces


def test_a_segment_in_the_plane_crosses_the_same_classes() -> None:
    clf, corners = skipping(), images(3, 2)
    part = fg.slice_pixels(clf, *corners, (0.0, -0.05, 0.5, 0.05), across=32, exact=True)
    cells, changes = fg.pixel_crossings(clf, corners[0], corners[1]).path(0)
    length = part.plane.drop(corners[1].reshape(1, -1).astype(np.float64))[0, 0]
    stops = np.minimum(np.concatenate([[0.0], changes, [1.0]]) * length, 0.5)
    for k, start, stop in zip(cells, stops[:-1], stops[1:], strict=True):
        if stop - start > 1e-6:
            middle = shapely.LineString([(start + 1e-7, 0), (stop - 1e-7, 0)])
            assert middle.within(part.polygons[int(k)].buffer(1e-8))


def test_two_patterns_have_two_numbers() -> None:
    """Also where a layer of as many units as windows follows, and one difference is three times the other."""
    corners, first = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], (2, 1)), np.array([0, 3, 6])
    seen = set()
    for bent in (0, 1):
        for most in range(1, 10):
            pieces = PlanePieces(corners, first, 100.0, 1.0)
            pieces._told(np.array([[bent], [0]]))
            pieces._told(np.array([[most], [1]]))
            seen.add(int(pieces.patterns[0]))
    assert len(seen) == 18


def test_too_many_regions_are_refused() -> None:
    with pytest.raises(Unsupported, match="more than 3 pieces"):
        fg.slice_pixels(pooled(), *images(3), WINDOW, across=32, exact="regions", most=3)
    with pytest.raises(BadArgument, match="exact"):
        fg.slice_pixels(pooled(), *images(3), WINDOW, across=32, exact="all")  # type: ignore[arg-type]
