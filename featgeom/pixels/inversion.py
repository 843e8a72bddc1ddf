"""Inversion: images whose features are chosen points of feature space."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from featgeom.arrays import Float64, Ints, as_float64, as_numpy
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import PixelFunction, on_enough_threads, pixel_function
from featgeom.pixels.gaps import Gaps
from featgeom.pixels.gauss_newton import MARGIN, Descent, descend
from featgeom.pixels.levenberg import settle
from featgeom.pixels.natural import Natural, draw_near
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

ROUNDING = 64  # units in the last place of the network's type below which a residual is rounding
NOISE = 0.05  # of the box's width: what a restart adds to the start


@dataclass(frozen=True, eq=False, repr=False)
class Inversion(Result):
    """Images found for chosen features, and what the classifier makes of them when it reads them again.

    ``images`` (n, c, h, w) lie inside the bounds exactly; ``features`` (n, d) are those the classifier
    extracts from them; ``residual`` (n,) is ‖φ(x) − z‖ / ‖z‖ (‖φ(x)‖ where z = 0); ``moved`` (n,) the
    distance in pixel space from the start; ``classes`` and ``target_classes`` what the head says of the
    features found and asked for; ``restarts`` which start it was (0: the given one). ``status`` is SOLVED
    where the residual is within the tolerance, PRECISION_LIMIT where only the rounding of the network's
    type is left, and NOT_FOUND elsewhere: the image is then the nearest that was found.
    """

    shows = ("residual", "moved")

    images: NDArray[Any]
    features: Float64
    residual: Float64
    status: StatusArray
    moved: Float64
    classes: Ints
    target_classes: Ints
    restarts: Ints
    stats: Stats

    def spread(self, copies: int) -> Float64:
        """How far apart, in pixel space, the solutions of one target from several starts are.

        For rows that repeat each target ``copies`` times in a row: the mean distance over the pairs of its
        solved rows, (n / copies,); NaN where fewer than two are solved.
        """
        if copies < 2 or len(self.images) % copies:
            raise BadArgument(f"copies: {len(self.images)} rows are no whole number of groups of {copies}")
        groups = self.images.reshape(-1, copies, int(np.prod(self.images.shape[1:]))).astype(np.float64)
        spread = np.full(len(groups), np.nan)
        for i, (group, solved) in enumerate(
            zip(groups, (self.status == Status.SOLVED).reshape(-1, copies), strict=True)
        ):
            a, b = np.triu_indices(int(solved.sum()), 1)
            if len(a):
                spread[i] = np.linalg.norm(group[solved][a] - group[solved][b], axis=1).mean()
        return spread


@on_enough_threads
def invert(
    classifier: Classifier,
    targets: ArrayLike,
    start: ArrayLike | None = None,
    mode: Literal["exact", "natural"] | Natural = "exact",
    *,
    tolerance: float = 1e-6,
    steps: int = 100,
    restarts: int = 2,
    minimal: bool = False,
    spare: ArrayLike | None = None,
    seed: int = 0,
) -> Inversion:
    """Find images x inside the bounds with φ(x) = z, for targets z (n, d) of any kind.

    ``start`` (n, c, h, w), or one image for all, is where the search begins; without it, seeded uniform
    noise. The search is a damped Gauss-Newton method in the d features: each step is the shortest one, in
    the box, that would meet the target if the network were affine. Steps are limited in length, but the
    residual may rise on the way, because a ReLU network is full of creases in which a descent stops dead.
    Rows that fail (a feature that is dead at the start has no derivative) are started again, ``restarts``
    times: with growing noise added, or, where ``spare`` images (k, c, h, w) are given, from those of them
    whose features are nearest to the target.

    ``minimal`` also draws the first steps towards the start, for a solution nearby. ``mode="natural"``
    first draws a picture that people can read from the start (mid-grey if there is none), and then makes
    that exact; a `Natural` in its place says what counts as readable.

    An unreachable target ends as NOT_FOUND with the residual that is left; that proves nothing about other
    images. A tolerance under about 3e-7 needs the network in float64, ``classifier.to(dtype=torch.float64)``.

    Raises BadArgument for wrong shapes and for a network in training mode, BadData for images outside the
    bounds.

    >>> import featgeom as fg; from torch import nn
    >>> torch.manual_seed(0) and None
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> a, b = np.random.default_rng(0).random((2, 1, 1, 8, 8))
    >>> found = invert(clf, clf.features(b), start=a)
    >>> found.status, bool(found.residual[0] < 1e-6), bool(found.moved[0] < np.linalg.norm(a - b))
    (array([SOLVED], dtype=object), True, True)
    """
    begun = perf_counter()
    head = classifier.head
    z = as_float64(targets, "targets", head.dimension)
    natural = Natural() if mode == "natural" else mode if isinstance(mode, Natural) else None
    if natural is None and mode != "exact":
        raise BadArgument(f"mode: expected 'exact', 'natural' or a Natural, got '{mode}'")
    if not (tolerance > 0 and steps >= 1 and restarts >= 0):
        raise BadArgument("tolerance must be positive, steps at least 1 and restarts at least 0")
    generator = torch.Generator().manual_seed(seed)
    f, first = _start(classifier, start, len(z), natural is not None, generator)
    goals = torch.from_numpy(z).to(first.device)
    begin = first if natural is None else draw_near(f, goals, first, natural)
    shelf = None if spare is None else f.rounded(f.vectors(getattr(spare, "images", spare), "spare"))
    again = _again(f, goals, begin, shelf, generator)
    found, which = _search(f, goals, begin, tolerance, steps, min(restarts, again.most), minimal, again)

    images = f.images(found.x)
    features = np.asarray(classifier.features(images), np.float64)
    if classifier.dtype == torch.float64:
        features = f(found.x).cpu().numpy()
    residual = _relative(features - z, z)
    status = status_array(len(z), Status.NOT_FOUND)
    status[residual <= ROUNDING * torch.finfo(f.dtype).eps] = Status.PRECISION_LIMIT
    status[residual <= tolerance] = Status.SOLVED
    return Inversion(
        images,
        features,
        residual,
        status,
        (found.x - first).norm(dim=1).cpu().numpy(),
        head.classify(features),
        head.classify(z),
        which,
        Stats(iterations=found.iterations, seconds=perf_counter() - begun),
    )


def _start(
    classifier: Classifier, start: ArrayLike | None, n: int, from_grey: bool, generator: torch.Generator
) -> tuple[PixelFunction, Tensor]:
    """The feature map, and the first vectors (n, m)."""
    if start is None:
        shape, (low, high) = classifier.pixels.shape, classifier.pixels.bounds
        if shape is None:
            raise BadArgument("start: this classifier takes images of any shape, so a start must be given")
        grey = torch.full((n, *shape), (low + high) / 2)
        noise = low + (high - low) * torch.rand((n, *shape), generator=generator)
        start = (grey if from_grey else noise).numpy()
    given = as_numpy(getattr(start, "images", start), "start")
    f = pixel_function(classifier, given, "features")
    return f, f.rounded(f.vectors(given, "start", n))


@dataclass(frozen=True)
class _Again:
    """Where rows that failed start again, and how many times at most."""

    start: Callable[[int, Tensor], Tensor]
    most: int


def _again(
    f: PixelFunction, goals: Tensor, first: Tensor, shelf: Tensor | None, generator: torch.Generator
) -> _Again:
    """From noisy copies of the first start; with a shelf of images from those with the nearest features."""
    if shelf is None:

        def shifted(attempt: int, rows: Tensor) -> Tensor:
            noise = torch.rand((len(rows), f.size), generator=generator, dtype=torch.float64) * 2 - 1
            return f.rounded(first[rows] + attempt * NOISE * (f.high - f.low) * noise.to(first.device))

        return _Again(shifted, sys.maxsize)
    features = f(shelf)

    def nearest(attempt: int, rows: Tensor) -> Tensor:
        order = torch.cdist(goals[rows], features).argsort(1)
        return shelf[order[:, attempt - 1]]

    return _Again(nearest, len(shelf))


def _search(
    f: PixelFunction,
    goals: Tensor,
    first: Tensor,
    tolerance: float,
    steps: int,
    restarts: int,
    minimal: bool,
    again: _Again,
) -> tuple[Descent, Ints]:
    """The descent from the first start, and from others where that failed."""
    gaps = Gaps.of(f, goals, first)
    best = descend(gaps, first, tolerance, steps, minimal)
    which = np.zeros(len(goals), np.int64)
    for attempt in range(1, restarts + 1):
        failed = torch.nonzero(best.residual > tolerance)[:, 0]
        if not len(failed):
            break
        other = descend(gaps.at(failed), again.start(attempt, failed), tolerance, steps, minimal)
        better = other.residual < best.residual[failed]
        best.x[failed[better]] = other.x[better]
        best.residual[failed[better]] = other.residual[better]
        which[failed[better].cpu().numpy()] = attempt
        best = Descent(best.x, best.residual, best.iterations + other.iterations)
    return _settled(gaps, best, tolerance, steps), which


def _settled(gaps: Gaps, found: Descent, tolerance: float, steps: int) -> Descent:
    """Monotone steps from the best vectors, where free ones from every start failed."""
    for way in (gaps, gaps.closed()) if gaps.shut else (gaps,):
        failed = torch.nonzero(found.residual > tolerance)[:, 0]
        if not len(failed):
            break
        ends = settle(way.at(failed), found.x[failed], MARGIN * tolerance, steps // 2)
        residual = gaps.at(failed).residual(ends)
        better = residual < found.residual[failed]
        found.x[failed[better]], found.residual[failed[better]] = ends[better], residual[better]
        found = Descent(found.x, found.residual, found.iterations + steps // 2)
    return found


def _relative(gap: Float64, z: Float64) -> Float64:
    """‖gap‖ / ‖z‖ by row; ‖gap‖ where z = 0."""
    scale = np.linalg.norm(z, axis=1)
    return np.asarray(np.linalg.norm(gap, axis=1) / np.where(scale > 0, scale, 1.0))
