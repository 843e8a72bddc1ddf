"""Claims about images found: true to the last bit, and refuted when a figure is made a little better."""

import re
from dataclasses import replace

import numpy as np
import pytest
from truths import TRUTHS

from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.status import Status


def moved():
    start = np.zeros((2, 3), np.float32)
    images = np.array([[0.3, 0.0, 0.4], [0.0, 0.0, 0.0]], np.float32)
    exact = float(np.linalg.norm(images[0].astype(np.longdouble)))
    return MovedImage(start, images, 0.0, 1.0, np.array([np.nextafter(exact, 1), 0.0]))


def test_images_in_their_bounds_are_proved():
    assert set(moved().check().status) == {Status.PROVED}
    assert "at most 0.5" in moved().statement(0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("distance", np.array([0.5 - 1e-7, 0.0])),
        ("distance", np.array([-1.0, 0.0])),
        ("low", 0.1),
        ("high", 0.39),
        ("images", np.array([[0.3, 0.0, 1.5], [0.0, 0.0, 0.0]], np.float32)),
        ("start", np.full((2, 3), 0.9, np.float32)),
        ("start", np.zeros((3, 3), np.float32)),
        ("images", np.full((2, 3), np.nan, np.float32)),
    ],
)
def test_what_is_not_so_is_refuted(field, value):
    found = replace(moved(), **{field: value}).check()
    assert found.status[0] is Status.REFUTED
    assert found.reasons[0]


def test_features_within_their_residual_are_proved_and_a_smaller_residual_is_refuted():
    targets, found = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[3.0, 4.5], [0.0, 0.25]])
    claim = ReachedFeatures(targets, found, np.array([0.1, 0.25]))
    assert list(claim.check().status) == [Status.PROVED, Status.PROVED]  # 0.1 in float64 is above 1/10
    below = replace(claim, residual=np.array([0.0999999, 0.2499999]))
    assert list(below.check().status) == [Status.REFUTED, Status.REFUTED]
    assert set(replace(claim, found=found[:, :1]).check().status) == {Status.REFUTED}


def test_vectors_of_any_magnitude_are_measured_exactly():
    targets = np.array([[1e30, 1e-30]])
    found = targets + np.array([[0.0, 1e-30]])
    exact = 1e-30 / 1e30
    claim = ReachedFeatures(targets, found, np.array([exact * (1 + 1e-9)]))
    assert claim.check().status[0] is Status.PROVED
    assert replace(claim, residual=np.array([exact * (1 - 1e-9)])).check().status[0] is Status.REFUTED


def test_statements_about_networks_say_what_is_proved():
    balls = replace(TRUTHS["pixel-ball"](), off=np.array([1e-12, 3e-9]))
    assert "at most 0.374 apart in each pixel value from number 0 of" in balls.statement(0)
    assert "has class 1 by the network told here, whose features of that image are within 3e-09" in (
        balls.statement(1)
    )
    assert "at most 0.53 apart from number 0 of" in TRUTHS["pixel-ball, Euclidean"]().statement(0)
    off = {"start_off": np.array([1e-12, 0.01]), "end_off": np.array([0.001, 1e-12])}
    segments = replace(TRUTHS["pixel-segment"](), **off)
    assert "on 2 pieces of the network told here through the classes 1 → 0, changing at t = 0.875 (" in (
        segments.statement(0)
    )
    assert "through the classes 1; its features" in segments.statement(1)
    assert [re.findall(r"within 0\.0*1 of", segments.statement(i))[0] for i in (0, 1)] == [
        "within 0.001 of",
        "within 0.01 of",
    ]
    polygon = replace(TRUTHS["pixel-polygon"](), off=np.array([1e-12, 0.01, 0.001]))
    assert "features of the three are within 0.01 of" in polygon.statement(0)
