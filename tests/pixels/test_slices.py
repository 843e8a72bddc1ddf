"""Slices of pixel space: polygons that tile the images of a plane, of the class the network gives."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.pixels.derivatives import pixel_function

from .networks import SHAPE, conv_classifier, images


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
