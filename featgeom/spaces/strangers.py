"""Images unlike those a network was trained on, made to fit it: what is asked of extrapolation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64
from featgeom.data.images import ImageSet
from featgeom.errors import BadData
from featgeom.models.classifier import Classifier
from featgeom.pixels.flips import pixel_flips
from featgeom.status import Status


@dataclass(frozen=True, eq=False)
class Strangers:
    """Images by what they are, (n, c, h, w) each, and the pixel flip distance of the first samples (k,)."""

    images: dict[str, NDArray[Any]]
    flip_distance: Float64


def strangers(
    classifier: Classifier,
    test: NDArray[np.float32],
    others: Mapping[str, ImageSet],
    flips: int,
    generator: np.random.Generator,
) -> Strangers:
    """Noise, images of other data sets, midpoints of test images, and flips of the first ``flips`` of them.

    Every group has as many images as ``test`` (n, c, h, w), or as there are; flips are those found.
    """
    low, high = classifier.pixels.bounds
    kinds: dict[str, NDArray[Any]] = {
        "uniform noise": generator.uniform(low, high, test.shape).astype(np.float32)
    }
    for name, images in others.items():
        rows = np.sort(generator.permutation(len(images))[: len(test)])
        kinds[name] = fitted(images.pixels(rows), test.shape[1:], name)
    if len(test) > 1:
        kinds["midpoints in pixels"] = (test + np.roll(test, 1, axis=0)) / np.float32(2)
    distance = np.empty(0)
    if flips:
        found = pixel_flips(classifier, test[:flips])
        distance = found.distance
        if (found.status == Status.SOLVED).any():
            kinds["pixel flips"] = found.images[found.status == Status.SOLVED]
    return Strangers(kinds, distance)


def fitted(images: NDArray[np.float32], shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    """Images (n, c, h, w) of another data set in the shape that a network takes.

    Grey becomes colour and colour grey (the mean of its channels); black is added at the edges, or the edges
    are cut, on both sides alike. Nothing is resized.

    >>> fitted(np.ones((1, 1, 2, 2), np.float32), (3, 4, 2), "ones").sum(axis=(1, 3))
    array([[0., 6., 6., 0.]], dtype=float32)
    """
    c, *size = shape
    if images.shape[1] != c:
        if images.shape[1] != 1 and c != 1:
            raise BadData(f"{name}: images of {images.shape[1]} channels do not fit a network that takes {c}")
        images = images.mean(axis=1, keepdims=True).repeat(c, axis=1)
    for axis, (have, want) in enumerate(zip(images.shape[2:], size, strict=True), start=2):
        if have > want:
            start = (have - want) // 2
            images = images.take(range(start, start + want), axis=axis)
        elif have < want:
            before = (want - have) // 2
            edges = [(0, 0)] * images.ndim
            edges[axis] = (before, want - have - before)
            images = np.pad(images, edges)
    return images
