"""The same questions asked of the same samples in pixel space, in a wavelet space and in feature space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate_all
from featgeom.models.classifier import Classifier
from featgeom.status import Status, StatusArray

HAAR_LEVELS = 2


@dataclass(frozen=True, eq=False)
class SpaceMeasures:
    """What one space says of the samples; all lengths are in the units of that space.

    ``status`` (q,) is INSIDE, OUTSIDE or UNDECIDED for each test sample and the hull of all train samples,
    proved; ``distance`` (q,) how far it is from that hull, ``neighbour`` (q,) from the nearest train sample;
    ``noise`` (k,) the distance of images of uniform noise. ``diameter`` and ``radius`` (of the enclosing
    ball) are those of the hull. ``extreme`` is the share of train samples that are its vertices. Of the
    ``pairs`` of class hulls, ``apart`` are proved disjoint and ``meeting`` proved to share a point;
    ``gap`` is the least distance of the disjoint.
    """

    space: str
    dimension: int
    status: StatusArray
    distance: Float64
    neighbour: Float64
    noise: Float64
    diameter: float
    radius: float
    extreme: float
    pairs: int
    apart: int
    meeting: int
    gap: float

    @property
    def inside(self) -> float:
        """The share of test samples proved to lie in the hull."""
        return float((self.status == Status.INSIDE).mean())

    @property
    def relative_distance(self) -> float:
        """The median distance to the hull as a part of its diameter."""
        return float(np.median(self.distance) / self.diameter) if self.diameter else float("nan")


@dataclass(frozen=True, eq=False)
class SpaceComparison:
    """The measures of each space, and the rows of train and test that were asked about."""

    measures: dict[str, SpaceMeasures]
    train_rows: Ints
    test_rows: Ints


def compare_spaces(
    classifier: Classifier,
    train: ImageSet,
    test: ImageSet,
    *,
    train_samples: int = 1000,
    test_samples: int = 200,
    device: str = "cpu",
    seed: int = 0,
) -> SpaceComparison:
    """Ask the same of pixels, wavelet coefficients and features, of the same samples.

    Hulls are made of ``train_samples`` train images (a seeded draw; every space gets the same rows),
    questions are asked of ``test_samples`` test images.

    Spaces: "pixel"; "wavelet", the coarse Haar coefficients of level 2 (all coefficients of an orthonormal
    wavelet transform would be a rotation of pixel space, and every answer the same); "feature". Controls:
    pixels by principal components, and by a random projection, to the dimension of the features.

    Raises BadArgument for numbers below 1, BadData for images that do not fit the classifier.

    >>> import featgeom as fg
    >>> clf, digits = fg.load_classifier("digits"), fg.load_splits("digits")
    >>> found = compare_spaces(clf, digits["train"], digits["test"], train_samples=80, test_samples=10)
    >>> list(found.measures)
    ['pixel', 'wavelet', 'feature', 'pixel, principal components', 'pixel, random projection']
    >>> found.measures["feature"].dimension == clf.head.dimension
    True
    """
    if train_samples < 1 or test_samples < 1:
        raise BadArgument("train_samples and test_samples must be at least 1")
    generator = np.random.default_rng(seed)
    train_rows, train = _choose(train, train_samples, generator)
    test_rows, test = _choose(test, test_samples, generator)
    low, high = classifier.pixels.bounds
    noise = generator.uniform(low, high, test.images.shape).astype(np.float32)
    sets = [train.pixels(slice(None)), test.pixels(slice(None)), noise]

    maps: dict[str, Callable[[np.ndarray], Float64]] = {
        "pixel": _flat,
        "wavelet": lambda x: _flat(haar(x, HAAR_LEVELS)),
        "feature": lambda x: np.asarray(classifier.features(x), np.float64),
    }
    d = classifier.head.dimension
    if d < sets[0][0].size:
        maps["pixel, principal components"] = _principal(_flat(sets[0]), d)
        maps["pixel, random projection"] = _random_projection(sets[0][0].size, d, generator)
    measures = {}
    for name, send in maps.items():
        points, asked, strange = (send(part) for part in sets)
        measures[name] = _measure(name, points, asked, strange, train.labels, device)
    return SpaceComparison(measures, train_rows, test_rows)


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


def _choose(part: ImageSet, count: int, generator: np.random.Generator) -> tuple[Ints, ImageSet]:
    """A seeded draw of an image set."""
    rows = np.sort(generator.permutation(len(part))[:count])
    return rows, part.take(rows)


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


def _measure(
    name: str, train: Float64, test: Float64, noise: Float64, labels: Ints, device: str
) -> SpaceMeasures:
    from scipy.spatial.distance import cdist

    hull = ConvexHull(train, device=device)
    classes = [ConvexHull(train[labels == c], device=device) for c in np.unique(labels)]
    pairs = list(separate_all(classes).values())
    apart = [pair for pair in pairs if pair.status == Status.SEPARATED]
    return SpaceMeasures(
        name,
        train.shape[1],
        hull.contains(test).status,
        hull.project(test).distance,
        cdist(test, train).min(axis=1),
        hull.project(noise).distance,
        hull.diameter().value,
        hull.enclosing_ball().radius,
        float(hull.extreme_points().mask.mean()),
        len(pairs),
        len(apart),
        sum(pair.status == Status.OVERLAPPING for pair in pairs),
        min((pair.lower_bound for pair in apart), default=0.0),
    )
