"""Morphs: from one image to another, straight in pixel space and straight in feature space."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.crossings import crossings
from featgeom.certificates.crossings import SegmentCells
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import on_enough_threads, pixel_function, segment_ends
from featgeom.pixels.inversion import invert
from featgeom.pixels.segments import ClassPath, class_paths
from featgeom.results import Result
from featgeom.status import Stats, StatusArray

LOOKS = 256  # points of a pixel segment at which the class is looked up before changes are refined


@dataclass(frozen=True, eq=False, repr=False)
class Morph(Result):
    """Two ways from images a to images b, for n pairs, in frames at parameters ``t`` (s,).

    * ``pixel_frames`` (n, s, c, h, w): the straight segment in pixel space; ``pixel_features`` (n, s, d) what
      features it has; ``pixel_paths`` its classes: exact for a piecewise linear network of which at most
      10,000 units bend, else each change located to 1e-6 in t (one between two of the looks and back is not
      seen);
    * ``feature_frames``: images whose features lie on the straight segment in feature space, each found by
      inversion from the frame before; ``residual`` (n, s) and ``status`` (n, s) as in `invert`;
      ``feature_paths`` the exact sequence of cells on that segment, proved by ``certificate``. The last
      frame has the features of b, and is another image.
    """

    shows = ("residual",)

    t: Float64
    pixel_frames: NDArray[Any]
    pixel_features: Float64
    pixel_paths: list[ClassPath]
    feature_frames: NDArray[Any]
    feature_paths: list[ClassPath]
    feature_classes: Ints
    residual: Float64
    status: StatusArray
    certificate: SegmentCells
    stats: Stats


@on_enough_threads
def morph(
    classifier: Classifier, a: ArrayLike, b: ArrayLike, steps: int = 8, *, tolerance: float = 1e-6
) -> Morph:
    """Morph images a (n, c, h, w), or one image, into images b, in ``steps`` steps (steps + 1 frames).

    A segment of feature space between two points of one cell never leaves it, since cells are convex; a
    segment of pixel space may. Raises what `invert` raises, and BadArgument where a and b differ in number.

    >>> import featgeom as fg, torch; from torch import nn
    >>> torch.manual_seed(0) and None
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> a, b = np.random.default_rng(0).random((2, 1, 1, 8, 8))
    >>> way = morph(clf, a, b, steps=4)
    >>> way.feature_frames.shape, bool((way.residual < 1e-6).all())
    ((1, 5, 1, 8, 8), True)
    """
    begun = perf_counter()
    ends = segment_ends(a, b)
    if steps < 1:
        raise BadArgument(f"steps: expected at least 1, got {steps}")
    pixel_function(classifier, ends[1], "logits")
    f = pixel_function(classifier, ends[0], "logits")
    first, last = (f.rounded(f.vectors(x, "images")) for x in ends)
    t = np.linspace(0, 1, steps + 1)

    z_a, z_b = (np.asarray(classifier.features(f.images(x)), np.float64) for x in (first, last))
    exact = crossings(classifier.head, z_a, z_b)
    image, found = f.images(first), []
    for s in t:
        step = invert(classifier, z_a + s * (z_b - z_a), image, tolerance=tolerance)
        image = step.images
        found.append(step)
    straight = np.stack([f.images(f.rounded(first + s * (last - first))) for s in t], 1)
    return Morph(
        t,
        straight,
        np.stack([np.asarray(classifier.features(x), np.float64) for x in straight.swapaxes(0, 1)], 1),
        class_paths(classifier, f, first, last, LOOKS),
        np.stack([step.images for step in found], 1),
        [ClassPath(*exact.path(i), True) for i in range(len(z_a))],
        np.stack([step.classes for step in found], 1),
        np.stack([step.residual for step in found], 1),
        np.stack([step.status for step in found], 1),
        exact.certificate,
        Stats(sum(step.stats.iterations for step in found), 0, perf_counter() - begun),
    )
