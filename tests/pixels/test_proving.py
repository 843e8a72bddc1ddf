"""Balls of pixel space that are proved to have one class."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.status import Status

NORMS = pytest.mark.parametrize("norm", [2, np.inf])


def small(seed, width=6, pixels=4):
    """A network of a few ReLUs on images of 2 × 2."""
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 3),
    )
    for layer in layers[1::2]:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias, std=0.3)
    return fg.load_classifier(layers, pixels=fg.PixelSpec((1, 2, 2)))


def length(moves, norm):
    return np.linalg.norm(moves, axis=1) if norm == 2 else np.abs(moves).max(axis=1)


@NORMS
def test_no_image_of_another_class_lies_inside(norm):
    rng = np.random.default_rng(0)
    for seed in range(3):
        classifier = small(seed)
        images = rng.random((2, 1, 2, 2)).astype(np.float32)
        found = fg.prove_pixel_balls(classifier, images, norm=norm, parts=8)
        assert (found.radius > 0).all()
        assert found.certificate.check().tally == {"PROVED": 2}
        for image, own, radius in zip(images, found.classes, found.radius, strict=True):
            others = rng.random((5_000, 4)).astype(np.float32)
            lost = classifier.logits(others.reshape(-1, 1, 2, 2)).argmax(axis=1) != own
            distance = length(others[lost].astype(float) - image.ravel().astype(float), norm)
            assert (distance > radius).all()


@NORMS
def test_cuts_find_nearly_the_distance_itself(norm):
    """On a network so small the ends meet what a flip found from above."""
    rng = np.random.default_rng(1)
    shares = []
    for seed in range(3):
        classifier = small(seed)
        image = rng.random((1, 1, 2, 2)).astype(np.float32)
        one = fg.prove_pixel_balls(classifier, image, norm=norm, parts=1)
        many = fg.prove_pixel_balls(classifier, image, norm=norm, parts=64)
        assert many.radius >= one.radius
        assert one.parts[0] == 1
        assert many.certificate.check().tally == {"PROVED": 1}
        flip = fg.pixel_flips(classifier, image).distance[0]
        if norm == 2 and np.isfinite(flip):
            assert many.radius[0] <= flip
            shares.append(many.radius[0] / flip)
    assert norm != 2 or np.median(shares) > 0.9


def test_an_affine_network_is_known_to_the_last_percent():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        layers[1].weight.copy_(torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0]]))
        layers[1].bias.zero_()
    classifier = fg.load_classifier(
        nn.Sequential(nn.Identity(), *layers[:1], nn.Linear(4, 4), layers[1]).eval(),
        pixels=fg.PixelSpec((1, 2, 2)),
    )
    with torch.no_grad():
        classifier.tapped.module[2].weight.copy_(torch.eye(4))
        classifier.tapped.module[2].bias.zero_()
    image = np.array([0.6, 0.6, 0.3, 0.3], np.float32).reshape(1, 1, 2, 2)
    found = fg.prove_pixel_balls(classifier, image)
    exact = 0.9 / np.sqrt(10)  # the lead of 0.9 over the length of the difference of the rows
    assert exact * 0.97 < found.radius[0] <= exact


def test_a_class_that_no_image_lacks_fills_the_box():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        layers[3].bias.copy_(torch.tensor([0.0, 1e4]))
    classifier = fg.load_classifier(layers, pixels=fg.PixelSpec((1, 2, 2)))
    found = fg.prove_pixel_balls(classifier, np.full((1, 1, 2, 2), 0.5, np.float32))
    assert found.radius[0] == 2.0
    assert found.classes[0] == 1


def test_what_is_tampered_with_is_not_proved():
    digits_classifier = fg.load_classifier("digits")
    images = fg.load_splits("digits")["test"].pixels(slice(1))
    claim = fg.prove_pixel_balls(digits_classifier, images, norm=np.inf, parts=8).certificate
    assert claim.check().status[0] is Status.PROVED
    table = claim.table.copy()
    table[0, 0] = 4
    changed = [
        {"radius": claim.radius * 1.5},
        {"own": (claim.own + 1) % 10},
        {"numbers": claim.numbers * np.float32(1.01)},
        {"numbers": claim.numbers[:-1]},
        {"table": table},
        {"table": claim.table[:-2]},
        {"images": claim.images[:, ::-1].copy()},
        {"features": claim.features * np.float32(1.001)},
        {"off": claim.off / 1e6},
        {"bias": claim.bias + 100 * (np.arange(10) == (claim.own[0] + 1) % 10)},
    ]
    for change in changed:
        assert replace(claim, **change).check().status[0] is not Status.PROVED, change


def test_arguments_are_checked():
    digits_classifier = fg.load_classifier("digits")
    images = fg.load_splits("digits")["test"].pixels(slice(1))
    with pytest.raises(BadArgument, match="norm"):
        fg.prove_pixel_balls(digits_classifier, images, norm=1)
    with pytest.raises(BadArgument, match="parts"):
        fg.prove_pixel_balls(digits_classifier, images, parts=0)
    smooth = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2))
    classifier = fg.load_classifier(smooth, pixels=fg.PixelSpec((1, 2, 2)))
    with pytest.raises(Unsupported, match="gelu"):
        fg.prove_pixel_balls(classifier, np.zeros((1, 1, 2, 2), np.float32))
    assert len(fg.prove_pixel_balls(digits_classifier, images[:0]).radius) == 0
