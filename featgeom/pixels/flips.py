"""Flip points in pixel space: the closest images found at which a sample's class changes."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Float64, Ints, as_labels, as_numpy
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import PixelFunction, on_enough_threads, pixel_function
from featgeom.pixels.nearest_flip import advantage, onto, promising, search
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

LOOK_AT = 10  # rivals, by logit, whose linearised distance is computed


@dataclass(frozen=True, eq=False, repr=False)
class PixelFlips(Result):
    """The closest images found at which two classes tie and no third beats them.

    ``images`` (n, c, h, w) are just beyond the boundary and ``before`` just short of it, on the segment from
    the sample; both lie inside the bounds exactly. ``classes`` (n, 2) holds the class on either side, as the
    classifier gives it when it reads the two images again, ``difference`` (n, 2) by how many logits it wins
    there: at most the tolerance. ``distance`` (n,) is ‖flip − sample‖ in pixel space, an upper bound on the
    distance to the boundary. ``status`` is SOLVED where all of this was verified; elsewhere NOT_FOUND, with
    distance inf, the sample itself as images and classes −1.
    """

    shows = ("distance",)

    images: NDArray[Any]
    before: NDArray[Any]
    distance: Float64
    classes: Ints
    difference: Float64
    status: StatusArray
    directions: Float64
    stats: Stats


@on_enough_threads
def pixel_flips(
    classifier: Classifier,
    images: ArrayLike,
    target: ArrayLike | None = None,
    *,
    steps: int = 100,
    rivals: int = 2,
    tolerance: float = 1e-4,
) -> PixelFlips:
    """Find the image closest to each of ``images`` (n, c, h, w), inside the bounds, where the class changes.

    Minimises ‖x̂ − x‖ with the sample's class and another tied and no third above them. ``target`` names the
    class, one or (n,), whose cell must be reached; without it the ``rivals`` classes that look nearest are
    each searched for, and the closest flip is kept. The search is local: the distance found is an upper
    bound of the true one, verified by running the network on both sides of the boundary to ``tolerance``
    logits. ``directions`` (n, m) is the matrix of flip − sample.

    Raises BadArgument for a target that is the sample's own class or no class, and for a network in
    training mode; BadData for images that do not fit the classifier.

    Source: Yousefzadeh and O'Leary, arXiv 1903.08789; the search is ours.

    >>> import featgeom as fg; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> samples = np.random.default_rng(0).random((3, 1, 8, 8))
    >>> flips = pixel_flips(clf, samples)
    >>> found = flips.status == fg.Status.SOLVED
    >>> bool((clf.logits(flips.images).argmax(1) == flips.classes[:, 1])[found].all())
    True
    """
    begun = perf_counter()
    array = as_numpy(getattr(images, "images", images), "images")
    f = pixel_function(classifier, array, "logits")
    if steps < 1 or rivals < 1 or not tolerance > 0:
        raise BadArgument("steps and rivals must be at least 1 and tolerance positive")
    start = f.rounded(f.vectors(array, "images"))
    logits = f(start)
    source = logits.argmax(1)
    goals = named_targets(target, source, logits.shape[1])
    candidates = promising(f, start, source, LOOK_AT, rivals) if goals is None else goals[:, None]

    n = len(start)
    sides = torch.stack([start, start], 1)
    distance = torch.full((n,), np.inf, dtype=torch.float64, device=start.device)
    for rival in candidates.T:
        end, found = search(f, start, rival, steps, tolerance / 4)
        rows = torch.nonzero(found)[:, 0]
        pair = _both_sides(f, start[rows], end[rows], source[rows], rival[rows], goals is None, tolerance)
        reached = (pair[:, 1] - start[rows]).norm(dim=1)
        closer = reached < distance[rows]
        distance[rows[closer]], sides[rows[closer]] = reached[closer], pair[closer]
    return _verified(classifier, f, start, source, goals, sides, distance, tolerance, steps, begun)


def named_targets(target: ArrayLike | None, source: torch.Tensor, classes: int) -> torch.Tensor | None:
    """The classes (n,) to be reached, checked; None where any but the sample's own is meant."""
    if target is None:
        return None
    given = as_numpy(target, "target")
    given = np.broadcast_to(given, (len(source),)) if given.ndim == 0 else given
    goals = torch.from_numpy(as_labels(given, "target", len(source), classes)).to(source.device)
    own = torch.nonzero(goals == source)
    if len(own):
        i = int(own[0, 0])
        raise BadArgument(f"target: sample {i} already has class {int(source[i])}, so it has no flip to it")
    return goals


def _both_sides(
    f: PixelFunction,
    start: torch.Tensor,
    end: torch.Tensor,
    source: torch.Tensor,
    rival: torch.Tensor,
    any_class: bool,
    tolerance: float,
) -> torch.Tensor:
    """Just short of the boundary and just beyond it, on the segments from start to end: (n, 2, m)."""
    ahead, sign = (source, -1.0) if any_class else (rival, 1.0)
    beyond = onto(f, start, end, ahead, sign, tolerance / 4)
    before = onto(f, beyond, start, ahead, -sign, tolerance / 4)
    return torch.stack([before, beyond], 1)


def _verified(
    classifier: Classifier,
    f: PixelFunction,
    start: torch.Tensor,
    source: torch.Tensor,
    goals: torch.Tensor | None,
    sides: torch.Tensor,
    distance: torch.Tensor,
    tolerance: float,
    steps: int,
    begun: float,
) -> PixelFlips:
    """The record, of what the classifier says when it reads both images again."""
    before, beyond = f.images(sides[:, 0]), f.images(sides[:, 1])
    logits = [torch.from_numpy(np.asarray(classifier.logits(x), np.float64)) for x in (before, beyond)]
    classes = torch.stack([side.argmax(1) for side in logits], 1)
    difference = torch.stack([advantage(side, c) for side, c in zip(logits, classes.T, strict=True)], 1)
    own, goal = source.cpu(), None if goals is None else goals.cpu()
    changed = classes[:, 0] != classes[:, 1]
    right = (classes[:, 0] == own) if goal is None else (classes[:, 1] == goal)
    good = torch.isfinite(distance).cpu() & changed & right & (difference <= tolerance).all(1)

    held = good.numpy()
    images = np.where(held[:, None, None, None], beyond, f.images(start))
    status = status_array(len(start), Status.NOT_FOUND)
    status[held] = Status.SOLVED
    directions = (sides[:, 1] - start).cpu().numpy()
    directions[~held] = 0.0
    return PixelFlips(
        images,
        np.where(held[:, None, None, None], before, f.images(start)),
        np.where(held, distance.cpu().numpy(), np.inf),
        np.where(held[:, None], classes.numpy(), -1),
        np.where(held[:, None], difference.numpy(), np.inf),
        status,
        directions,
        Stats(iterations=steps, seconds=perf_counter() - begun),
    )
