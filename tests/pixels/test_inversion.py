"""Inversion: every solved image has the features asked for when the classifier reads it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.pixels.natural import total_variation

from .networks import PIXELS, SHAPE, conv_classifier, images


def holds(clf: fg.Classifier, found: fg.Inversion, targets: np.ndarray, start: np.ndarray) -> None:
    low, high = clf.pixels.bounds
    assert found.images.min() >= low
    assert found.images.max() <= high
    again = clf.features(found.images)
    np.testing.assert_allclose(found.features, again, atol=1e-5)
    residual = np.linalg.norm(again - targets, axis=1) / np.linalg.norm(targets, axis=1)
    solved = found.status == fg.Status.SOLVED
    assert (residual[solved] <= 2e-6).all()
    np.testing.assert_array_equal(found.classes, clf.head.classify(again))
    moved = np.linalg.norm((found.images.astype(float) - start).reshape(len(start), -1), axis=1)
    np.testing.assert_allclose(found.moved, moved, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("minimal", [False, True])
def test_features_of_other_images_are_reached(minimal: bool) -> None:
    clf = conv_classifier()
    start, wanted = images(12), images(12, seed=2)
    targets = clf.features(wanted)
    found = fg.invert(clf, targets, start, minimal=minimal, restarts=10)
    holds(clf, found, targets, start)
    assert set(found.status) == {fg.Status.SOLVED}
    assert found.moved.mean() < np.linalg.norm((start - wanted).reshape(12, -1), axis=1).mean()


def test_minimal_search_moves_less() -> None:
    clf = conv_classifier()
    targets = clf.features(images(12, seed=2))
    free, minimal = (fg.invert(clf, targets, images(12), minimal=m) for m in (False, True))
    both = (free.status == fg.Status.SOLVED) & (minimal.status == fg.Status.SOLVED)
    assert both.sum() > 6
    assert minimal.moved[both].mean() < free.moved[both].mean()


def test_an_image_with_the_features_already_is_left_alone() -> None:
    clf = conv_classifier()
    found = fg.invert(clf, clf.features(images(3)), images(3))
    np.testing.assert_array_equal(found.images, images(3))
    assert (found.moved == 0).all()
    assert set(found.status) == {fg.Status.SOLVED}


def test_unreachable_targets_are_never_claimed() -> None:
    clf = conv_classifier()
    z = clf.features(images(1)).astype(float)[0]
    targets = np.stack([-z, 1e6 * z, z - 1.0])
    found = fg.invert(clf, targets, images(3), steps=25, restarts=1)
    assert set(found.status) == {fg.Status.NOT_FOUND}
    assert (found.residual > 0.1).all()
    holds(clf, found, targets, np.broadcast_to(images(3), (3, *SHAPE)))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_images_can_be_starts_and_targets(value: float) -> None:
    clf = conv_classifier()
    flat = np.full((2, *SHAPE), value, np.float32)
    for start, targets in ((flat, clf.features(images(2))), (images(2), clf.features(flat))):
        found = fg.invert(clf, targets, start)
        holds(clf, found, targets, start)
        assert (found.status == fg.Status.SOLVED).any()


def test_float64_reaches_further_and_float32_says_where_it_ends() -> None:
    clf = conv_classifier()
    exact = clf.to(dtype=torch.float64)
    targets = clf.features(images(4, seed=2))
    assert (fg.invert(exact, targets, images(4), tolerance=1e-12).status == fg.Status.SOLVED).sum() >= 3
    rough = fg.invert(clf, targets, images(4), tolerance=1e-12)
    assert not (rough.status == fg.Status.SOLVED).any()
    assert (rough.status == fg.Status.PRECISION_LIMIT).sum() >= 3


def test_natural_mode_is_smoother_and_exact_too() -> None:
    clf = conv_classifier()
    targets = clf.features(images(4, seed=2))
    smooth = fg.invert(clf, targets, mode="natural")
    rough = fg.invert(clf, targets, seed=1)
    assert (smooth.status == fg.Status.SOLVED).sum() >= 3
    assert (
        total_variation(torch.from_numpy(smooth.images)).mean()
        < total_variation(torch.from_numpy(rough.images)).mean()
    )


def test_spare_images_revive_features_that_are_dead_at_the_start() -> None:
    clf = conv_classifier()
    black = np.zeros((1, *SHAPE), np.float32)  # no gradient reaches a feature that ReLU has shut
    targets = clf.features(images(10, seed=2))
    alone = fg.invert(clf, targets, black, restarts=0)
    helped = fg.invert(clf, targets, black, restarts=3, spare=images(50, seed=3))
    holds(clf, helped, targets, np.broadcast_to(black, (10, *SHAPE)))
    solved = [(found.status == fg.Status.SOLVED).sum() for found in (alone, helped)]
    assert solved[1] > solved[0]
    assert helped.restarts.max() > 0
    one = fg.invert(clf, targets, black, restarts=9, spare=images(1, seed=3))
    assert one.restarts.max() <= 1  # there is no second spare image


def test_features_of_other_digits_are_all_found() -> None:
    """An image has them, so that a failure is the search's."""
    clf, splits = fg.load_classifier("digits"), fg.load_splits("digits")
    rows = np.random.default_rng(0).permutation(len(splits["test"]))[:9]
    spare = np.random.default_rng(0).permutation(len(splits["train"]))[:1000]
    some = splits["test"].pixels(rows)
    found = fg.invert(clf, clf.features(some[1:]), some[:-1], spare=splits["train"].pixels(spare))
    assert set(found.status) == {fg.Status.SOLVED}


def test_a_feature_shut_at_the_start_is_opened() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 2))
    clf = fg.load_classifier(net, pixels=PIXELS)
    some, last = images(40), clf.network.tapped.module[1]
    with torch.no_grad():
        last.bias -= torch.from_numpy(clf.features(some)).amax(0) / 2
    features = clf.features(some)
    shut, wanted = some[features.sum(1).argsort()[:1]], features[features.min(1).argsort()[-1:]]
    assert (clf.features(shut) == 0).any()
    assert (wanted > 0).all() or (wanted > 0).sum() > (clf.features(shut) > 0).sum()
    found = fg.invert(clf, wanted, shut, restarts=0)
    holds(clf, found, wanted, shut)
    assert found.status[0] == fg.Status.SOLVED


def test_a_prior_steers_natural_mode() -> None:
    clf = conv_classifier()
    targets = clf.features(images(3, seed=2))
    dark = fg.invert(clf, targets, mode=fg.Natural(prior=lambda x: x.flatten(1).mean(1)))
    bright = fg.invert(clf, targets, mode=fg.Natural(prior=lambda x: -x.flatten(1).mean(1)))
    assert dark.images.mean() < bright.images.mean() - 0.05
    with pytest.raises(BadArgument, match=r"prior: expected a loss of shape \(3,\)"):
        fg.invert(clf, targets, mode=fg.Natural(prior=lambda x: x.mean()))


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm2d(12)])
def test_every_search_refuses_a_network_in_training_mode(layer: nn.Module) -> None:
    clf = conv_classifier(extra=layer)
    clf.network.train()
    some = images(3)
    for ask in (
        lambda: fg.invert(clf, np.ones((3, 8)), some),
        lambda: fg.pixel_flips(clf, some),
        lambda: fg.morph(clf, some[:1], some[1:2]),
        lambda: fg.slice_pixels(clf, *some),
    ):
        with pytest.raises(BadArgument, match=r"in training mode .* call \.eval\(\) on it first"):
            ask()


def test_spread_of_several_starts() -> None:
    clf = conv_classifier()
    targets = np.repeat(clf.features(images(2)), 3, axis=0)
    found = fg.invert(clf, targets, seed=3)
    spread = found.spread(3)
    assert spread.shape == (2,)
    assert (spread > 0.1).all()
    same = fg.invert(clf, targets, np.repeat(images(2), 3, axis=0)).spread(3)
    assert (same == 0).all()
    with pytest.raises(BadArgument, match="no whole number of groups of 4"):
        found.spread(4)


def test_the_same_seed_gives_the_same_images() -> None:
    clf = conv_classifier()
    targets = clf.features(images(2))
    np.testing.assert_array_equal(
        fg.invert(clf, targets, seed=5).images, fg.invert(clf, targets, seed=5).images
    )


def test_wrong_use_is_named() -> None:
    clf = conv_classifier()
    with pytest.raises(BadArgument, match="targets: expected dimension 8, got 7"):
        fg.invert(clf, np.zeros((1, 7)), images(1))
    with pytest.raises(BadArgument, match="expected 1 or 2 images, got 3"):
        fg.invert(clf, np.zeros((2, 8)), images(3))
    with pytest.raises(BadArgument, match="expected 'exact', 'natural' or a Natural"):
        fg.invert(clf, np.zeros((1, 8)), images(1), mode="nice")  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match="targets: contains NaN"):
        fg.invert(clf, np.full((1, 8), np.nan), images(1))


def test_cifar_pairs_on_a_residual_network(real_data: Path) -> None:
    clf = fg.load_classifier(real_data / "checkpoints/resnet20-12fca82f.th", arch="cifar_resnet20")
    photos = fg.load_images(f"cifar10:{real_data}/cifar10", split="test").images[:8]
    start, targets = photos[:4] / np.float32(255), clf.features(photos[4:])
    found = fg.invert(clf, targets, photos[:4])
    holds(clf, found, targets, start)
    assert (found.status == fg.Status.SOLVED).sum() >= 3
    solved = found.status == fg.Status.SOLVED
    np.testing.assert_array_equal(found.classes[solved], found.target_classes[solved])
