"""Values and derivatives of a classifier as a function of flat pixel vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from featgeom.errors import BadArgument, BadData
from featgeom.pixels.derivatives import pixel_function

from .networks import SHAPE, conv_classifier, images


def test_values_and_jacobian_are_those_of_the_network() -> None:
    clf = conv_classifier().to(dtype=torch.float64)
    f = pixel_function(clf, images(3), "features")
    x = f.vectors(images(3), "images")
    values, rows = f.jacobian(x)
    torch.testing.assert_close(values, f(x))
    for vector, row in zip(x, rows, strict=True):
        expected = torch.autograd.functional.jacobian(lambda v: clf.backbone(v.view(1, *SHAPE))[0], vector)
        torch.testing.assert_close(row, expected)
    weights = torch.randn_like(values)
    pulled = f.pull_back(x, lambda _: weights)[1]
    torch.testing.assert_close(pulled, (weights[:, None] @ rows)[:, 0])


def test_vectors_return_as_the_images_they_were() -> None:
    f = pixel_function(conv_classifier(), images(3), "logits")
    np.testing.assert_array_equal(f.images(f.rounded(f.vectors(images(3), "images"))), images(3))
    grey = np.full((3, *SHAPE), 51, np.uint8)
    np.testing.assert_allclose(f.images(f.vectors(grey, "images")), 0.2, rtol=1e-6)
    assert f.vectors(images(1), "images", 5).shape == (5, f.size)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm2d(12)])
def test_a_network_in_training_mode_is_refused(layer: nn.Module) -> None:
    clf = conv_classifier(extra=layer)
    pixel_function(clf, images(1), "features")
    layer.train()
    with pytest.raises(BadArgument, match=r"in training mode .* call \.eval\(\)"):
        pixel_function(clf, images(1), "features")


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadData, match="but this classifier takes 2x6x6"):
        pixel_function(conv_classifier(), np.zeros((1, 2, 5, 5), np.float32), "logits")
    with pytest.raises(BadData, match="outside of this classifier's bounds"):
        pixel_function(conv_classifier(), images(1) + 1, "logits")
