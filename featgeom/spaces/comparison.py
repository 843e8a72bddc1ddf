"""The same questions asked of the same samples in pixel space, in a wavelet space and in feature space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints
from featgeom.boundaries.flips import flip_points
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.results import Result
from featgeom.spaces.measures import SpaceMeasures, measure
from featgeom.spaces.strangers import strangers
from featgeom.status import Status

HAAR_LEVELS = 2


@dataclass(frozen=True, eq=False, repr=False)
class SpaceComparison(Result):
    """The measures of each space, and the rows of train and test that were asked about."""

    shows = ("spaces",)
    status: ClassVar[Status] = Status.COMPUTED

    measures: dict[str, SpaceMeasures]
    train_rows: Ints
    test_rows: Ints

    @property
    def spaces(self) -> str:
        """The names of the spaces."""
        return ", ".join(self.measures)


def compare_spaces(
    classifier: Classifier,
    train: ImageSet,
    test: ImageSet,
    *,
    train_samples: int = 1000,
    test_samples: int = 200,
    flip_samples: int = 32,
    others: Mapping[str, ImageSet] | None = None,
    features: tuple[Floats, Floats] | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> SpaceComparison:
    """Ask the same of pixels, wavelet coefficients and features, of the same samples.

    Hulls are made of ``train_samples`` train images (a seeded draw; every space gets the same rows),
    questions are asked of ``test_samples`` test images, the distance to the boundary of the first
    ``flip_samples`` of these. Asked beside them, of extrapolation: uniform noise, the flips found,
    midpoints of test images, and images of ``others``, data sets by name, fitted to the network's shape.
    ``features`` are those of all train and all test images, where they are known already.

    Spaces: "pixel"; "wavelet", the coarse Haar coefficients of level 2 (all coefficients of an orthonormal
    wavelet transform would be a rotation of pixel space, and every answer the same); "feature". Controls:
    pixels by principal components, and by a random projection, to the dimension of the features; and, in
    each space, hulls of as many samples of any class beside those of one class.

    Raises BadArgument for numbers below 1, BadData for images that do not fit the classifier.

    >>> import featgeom as fg
    >>> clf, digits = fg.load_classifier("digits"), fg.load_splits("digits")
    >>> sizes = {"train_samples": 80, "test_samples": 10, "flip_samples": 2}
    >>> found = compare_spaces(clf, digits["train"], digits["test"], **sizes)
    >>> list(found.measures)
    ['pixel', 'wavelet', 'feature', 'pixel, principal components', 'pixel, random projection']
    >>> found.measures["feature"].dimension == clf.head.dimension
    True
    """
    if train_samples < 1 or test_samples < 1 or flip_samples < 0:
        raise BadArgument("train_samples and test_samples must be at least 1, flip_samples not negative")
    generator = np.random.default_rng(seed)
    rows = [
        np.sort(generator.permutation(len(part))[:count])
        for part, count in ((train, train_samples), (test, test_samples))
    ]
    chosen = train.pixels(rows[0]), test.pixels(rows[1])
    strange = strangers(classifier, chosen[1], others or {}, flip_samples, generator)

    def send_to_features(images: NDArray[Any]) -> Floats:
        return classifier.features(images)

    known = (
        (np.asarray(features[0][rows[0]]), np.asarray(features[1][rows[1]]))
        if features is not None
        else (send_to_features(chosen[0]), send_to_features(chosen[1]))
    )
    exact = flip_points(classifier.head, known[1][:flip_samples].astype(np.float64)).distance
    maps: dict[str, Callable[[NDArray[Any]], Floats]] = {
        "pixel": _flat,
        "wavelet": lambda x: _flat(haar(x, HAAR_LEVELS)),
        "feature": send_to_features,
    }
    d = classifier.head.dimension
    if d < chosen[0][0].size:
        maps["pixel, principal components"] = _principal(_flat(chosen[0]), d)
        maps["pixel, random projection"] = _random_projection(chosen[0][0].size, d, generator)
    boundaries = {"pixel": strange.flip_distance, "feature": exact}
    labels = train.labels[rows[0]], test.labels[rows[1]]
    measures = {}
    for name, send in maps.items():
        points, asked = known if name == "feature" else (send(chosen[0]), send(chosen[1]))
        sent = {kind: send(images) for kind, images in strange.images.items()}
        boundary = boundaries.get(name, np.empty(0))
        measures[name] = measure(name, points, asked, sent, labels, boundary, device, seed)
    return SpaceComparison(measures, rows[0], rows[1])


def haar(images: np.ndarray, levels: int) -> np.ndarray:
    """The coarse coefficients of the orthonormal Haar transform, of images (n, c, h, w): (n, c, h', w').

    Each level halves height and width (an odd last row or column is left out).

    >>> haar(np.ones((1, 1, 4, 4)), 2)
    array([[[[4.]]]])
    """
    for _ in range(levels):
        h, w = (size // 2 * 2 for size in images.shape[2:])
        if not (h and w):
            break
        even, odd = images[:, :, 0:h:2, :w], images[:, :, 1:h:2, :w]
        rows = even + odd
        images = (rows[..., 0::2] + rows[..., 1::2]) / 2
    return images


def _flat(images: np.ndarray) -> Float64:
    return images.reshape(len(images), -1).astype(np.float64)


def _principal(points: Float64, d: int) -> Callable[[np.ndarray], Float64]:
    """The map to the first d principal components of the points (as many as there are)."""
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    return lambda x: (_flat(x) - centre) @ axes[:d].T


def _random_projection(m: int, d: int, generator: np.random.Generator) -> Callable[[np.ndarray], Float64]:
    """A map to d dimensions by Gaussian numbers, which keeps lengths on average."""
    matrix = generator.normal(size=(m, d)) / np.sqrt(d)
    return lambda x: _flat(x) @ matrix
