"""Planes through images that several networks are asked about: do they decide alike between images, too?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.errors import BadArgument

if TYPE_CHECKING:
    from featgeom.runs.run import Run

SIDE = 20  # steps along a side of each triangle: 231 points


def triangles(planes: int, images: int, seed: int = 0) -> Ints:
    """The rows of three different images for each plane, a seeded draw, (planes, 3).

    Raises BadArgument where there are no three images.

    >>> triangles(2, 10).shape
    (2, 3)
    """
    if planes and images < 3:
        raise BadArgument(f"planes: each is through three images, got {images}")
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(images, 3, replace=False) for _ in range(planes)]
    return np.array(drawn, dtype=np.int64).reshape(planes, 3)


def mixtures(side: int = SIDE) -> Float64:
    """The weights of three corners at the points of a lattice that covers their triangle evenly, (points, 3).

    >>> mixtures(2)[:3]
    array([[0. , 0. , 1. ],
           [0. , 0.5, 0.5],
           [0. , 1. , 0. ]])
    """
    steps = [(i, j, side - i - j) for i in range(side + 1) for j in range(side + 1 - i)]
    return np.array(steps) / side


def decisions_on_planes(run: Run, planes: int, device: str = "cpu") -> Ints:
    """The class that the network of a run gives images on planes of pixel space, (planes, points).

    Each plane is that through three images of the question part; asked are the points of a lattice in their
    triangle, which are mixtures of the three, and so images within the bounds. Runs that were asked about the
    same images have the same planes.

    Source: Somepalli et al., Can neural nets learn the same model twice?, 2022, arXiv 2203.08124, section 3;
    their windows reach beyond the triangle.
    """
    classifier, images = run.classifier(device), run.images(run.question_split)
    weights, found = mixtures().astype(np.float32), []
    for rows in triangles(planes, len(images)):
        corners = images.pixels(rows)
        mixed = np.tensordot(weights, corners, axes=1)
        low, high = corners.min(axis=0), corners.max(axis=0)
        found.append(classifier.head.classify(classifier.features(np.clip(mixed, low, high))))
    return np.array(found)
