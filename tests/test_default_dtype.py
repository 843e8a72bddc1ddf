"""A program that computes in float64 by default gets the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg


@pytest.fixture
def float64_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def answers(points: np.ndarray) -> list[np.ndarray]:
    hull = fg.ConvexHull(points)
    apart = fg.separate(hull, fg.ConvexHull(points + 9))
    found = [hull.project(3 * points[:4]).distance, hull.extreme_points().distance, hull.width(points[:3])]
    found += [np.array([hull.enclosing_ball().radius, hull.diameter().value, apart.distance])]
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hulls(dtype: type, request: pytest.FixtureRequest) -> None:
    points = np.random.default_rng(0).normal(size=(80, 6)).astype(dtype)
    before = answers(points)
    request.getfixturevalue("float64_by_default")
    for one, other in zip(before, answers(points), strict=True):
        np.testing.assert_array_equal(one, other)


def test_features_and_pixels(float64_by_default: None) -> None:
    digits = fg.load_images("digits", split="test")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
    for clf in (fg.load_classifier("digits"), fg.load_classifier(net, probe=digits)):
        assert fg.extract(clf, digits.take(range(40))).features.dtype == np.float32
        assert len(fg.pixel_flips(clf, digits.pixels([0, 1])).distance) == 2
