"""Pixel flips: whatever is reported holds when the network is run again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument

from .networks import PIXELS, SHAPE, conv_classifier, images


def holds(clf: fg.Classifier, samples: np.ndarray, flips: fg.PixelFlips, tolerance: float = 1e-4) -> None:
    found = flips.status == fg.Status.SOLVED
    assert np.isfinite(flips.distance[found]).all()
    assert (flips.distance[~found] == np.inf).all()
    np.testing.assert_array_equal(flips.images[~found], samples[~found])
    for side, part in enumerate((flips.before, flips.images)):
        assert part.min() >= 0
        assert part.max() <= 1
        ordered = np.sort(clf.logits(part[found]), axis=1)
        assert (ordered[:, -1] - ordered[:, -2] <= 2 * tolerance).all()
        np.testing.assert_array_equal(clf.logits(part[found]).argmax(1), flips.classes[found, side])
    assert (flips.classes[found, 0] != flips.classes[found, 1]).all()
    moved = (flips.images.astype(float) - samples).reshape(len(samples), -1)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1)[found], flips.distance[found], rtol=1e-6)
    np.testing.assert_allclose(flips.directions, moved, atol=1e-6)


def test_every_reported_flip_holds() -> None:
    clf, samples = conv_classifier(), images(16)
    flips = fg.pixel_flips(clf, samples)
    holds(clf, samples, flips)
    found = flips.status == fg.Status.SOLVED
    assert found.mean() > 0.8
    np.testing.assert_array_equal(flips.classes[found, 0], clf.logits(samples).argmax(1)[found])


def test_a_named_target_is_reached_and_is_no_closer() -> None:
    clf, samples = conv_classifier(), images(16)
    source = clf.logits(samples).argmax(1)
    nearest = fg.pixel_flips(clf, samples, rivals=3)
    target = np.where(source == 1, 2, 1)
    named = fg.pixel_flips(clf, samples, target=target)
    holds(clf, samples, named)
    found = named.status == fg.Status.SOLVED
    assert found.any()
    np.testing.assert_array_equal(named.classes[found, 1], target[found])
    assert (nearest.distance[found] <= 1.02 * named.distance[found]).all()


def test_an_affine_network_has_the_exact_distance() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 72), nn.Linear(72, 2))
    samples = np.random.default_rng(0).uniform(0.4, 0.6, (6, *SHAPE))
    with torch.no_grad():  # the boundary runs through the mean of the samples
        net[2].bias.sub_(net(torch.from_numpy(samples).float()).mean(0))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE)).to(dtype=torch.float64)
    f = lambda x: clf.network(torch.from_numpy(x)).detach().numpy()  # noqa: E731
    basis = f(np.eye(72).reshape(72, *SHAPE)) - f(np.zeros((1, *SHAPE)))
    gap = np.diff(f(samples), axis=1)[:, 0]
    exact = np.abs(gap) / np.linalg.norm(basis[:, 1] - basis[:, 0])
    flips = fg.pixel_flips(clf, samples, tolerance=1e-6)
    near = exact < 0.3  # so close that the box does not interfere
    assert near.any()
    np.testing.assert_allclose(flips.distance[near], exact[near], rtol=2e-3)
    assert (flips.distance[near] >= exact[near]).all()


def test_a_class_that_never_wins_is_not_found() -> None:
    clf = conv_classifier()
    with torch.no_grad():
        clf.tapped.module[8].bias[3] = -1e4
    flips = fg.pixel_flips(clf, images(3), target=3, steps=20)
    assert set(flips.status) == {fg.Status.NOT_FOUND}
    assert (flips.distance == np.inf).all()
    assert (flips.classes == -1).all()


def test_a_constant_network_has_no_flip() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 3))
    clf = fg.load_classifier(net, pixels=PIXELS)
    with torch.no_grad():
        net[1].weight.zero_()
    flips = fg.pixel_flips(clf, images(2), steps=5)
    assert set(flips.status) == {fg.Status.NOT_FOUND}


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_images_flip_inside_the_box(value: int) -> None:
    clf = conv_classifier()
    flat = np.full((1, *SHAPE), value, np.uint8)
    holds(clf, flat.astype(np.float32) / 255, fg.pixel_flips(clf, flat))


def test_wrong_use_is_named() -> None:
    clf = conv_classifier()
    own = int(clf.logits(images(1)).argmax())
    with pytest.raises(BadArgument, match=f"sample 0 already has class {own}"):
        fg.pixel_flips(clf, images(1), target=own)
    with pytest.raises(BadArgument, match="out of range for 4 classes"):
        fg.pixel_flips(clf, images(1), target=4)


def test_cifar_flips_on_a_residual_network(real_data: Path) -> None:
    clf = fg.load_classifier(real_data / "checkpoints/resnet20-12fca82f.th", arch="cifar_resnet20")
    photos = fg.load_images(f"cifar10:{real_data}/cifar10", split="test").images[:6]
    flips = fg.pixel_flips(clf, photos)
    holds(clf, photos / np.float32(255), flips)
    assert set(flips.status) == {fg.Status.SOLVED}
    assert flips.distance.max() < 1.0
