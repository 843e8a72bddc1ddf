"""How labels that may be wrong look from three sides: their cells, their hulls, and their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.directions import unit_length
from featgeom.answers.ranked_distances import apart_from_others, away
from featgeom.arrays import Float64, Floats, Ints
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.progress import bar
from featgeom.regions.gaps import pair_norms
from featgeom.regions.margins import point_blocks

if TYPE_CHECKING:
    from featgeom.runs.run import Run

NEIGHBOURS = 15
ASKED = 8192  # samples whose neighbours are looked for in one step
RTOL = 1e-2  # of the angular distances from hulls


@dataclass(frozen=True)
class Labels:
    """Features with labels that may be wrong, and what the head says of them."""

    split: str
    points: Floats
    unit: Floats
    labels: Ints
    predicted: Ints
    rival: Ints
    margin: Float64
    itself: bool  # whether these are the training features themselves


def seen(run: Run, split: str) -> Labels:
    """One part of a run with its labels, and what the head says of it."""
    part = run.features(split)
    labels, predicted = np.asarray(part.labels), run.subjects.predicted(split)
    rival, margin = label_margins(part.features, labels, part.head)
    points = np.asarray(part.features)
    return Labels(
        split, points, unit_length(points), labels, predicted, rival, margin, split == run.reference_split
    )


def label_margins(points: Any, labels: Ints, head: AffineHead) -> tuple[Ints, Float64]:
    """The class nearest to take each label's place, (n,), and the distance to the boundary with it, (n,).

    The distance is in feature space to the hyperplane where both logits are equal, negative where the other
    class has the larger logit; 0 where the other class has the same row and bias: both tie everywhere.

    >>> from featgeom import AffineHead
    >>> label_margins(np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([0, 0]), AffineHead(np.eye(2)))[1].round(3)
    array([ 1.414, -0.707])
    """
    z = np.asarray(points)
    found = [_label_margins(z[block], labels[block], head) for block in point_blocks(head, len(z))]
    return np.concatenate([rival for rival, _ in found]), np.concatenate([margin for _, margin in found])


def _label_margins(z: Floats, labels: Ints, head: AffineHead) -> tuple[Ints, Float64]:
    logits, rows = head.logits(z.astype(np.float64)), np.arange(len(z))
    apart, ahead = pair_norms(head)[labels], head.bias[labels][:, None] - head.bias
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (logits[rows, labels][:, None] - logits) / apart
        never = np.where(ahead == 0, 0.0, np.copysign(np.inf, ahead))  # equal rows tie everywhere or nowhere
    far = np.where(apart == 0, never, far)
    far[rows, labels] = np.inf
    rival = far.argmin(axis=1)
    return rival, far[rows, rival]


def hull_distances(
    training: Labels, part: Labels, device: str, progress: bool = False
) -> tuple[Float64, Float64]:
    """The angular distances from the hulls of the own class and of the rival, (n,) each, without itself."""
    own, other = np.full(len(part.labels), np.inf), np.full(len(part.labels), np.inf)
    for c in bar(np.unique(training.labels), desc=f"hulls, {part.split}", disable=not progress):
        hull = ConvexHull(training.unit[training.labels == c], device=device)
        mine, rivals = np.flatnonzero(part.labels == c), np.flatnonzero(part.rival == c)
        if part.itself:
            own[mine] = apart_from_others(hull, RTOL)
        elif len(mine):
            own[mine] = away(hull, part.unit[mine], RTOL)
        if len(rivals):
            other[rivals] = away(hull, part.unit[rivals], RTOL)
    return own, other


def hull_ratio(own: Float64, rival: Float64) -> Float64:
    """own / (own + rival), (n,): 1 where nothing else has the label, 1/2 where both are 0 or unknown."""
    with np.errstate(invalid="ignore"):
        ratio = own / (own + rival)
    ratio[np.isinf(own)] = 1.0
    return np.nan_to_num(ratio, nan=0.5)


def as_far_out(own: Float64, labels: Ints) -> Float64:
    """The share of the samples with its label, itself included, whose distance (n,) is no less, (n,).

    It is a conformal p-value: of samples drawn alike it is at most α with a probability of at most α.

    >>> as_far_out(np.array([0.0, 2.0, 2.0, 7.0]), np.array([0, 0, 0, 1])).round(3)
    array([1.   , 0.667, 0.667, 1.   ])
    """
    share = np.ones(len(own))
    for c in np.unique(labels):
        mine = np.flatnonzero(labels == c)
        known = np.sort(own[mine])
        share[mine] = (len(mine) - np.searchsorted(known, own[mine])) / len(mine)
    return share


def neighbours(training: Labels, part: Labels, progress: bool = False) -> tuple[Ints, Float64]:
    """The nearest training features by angle, without itself: rows (n, k) and cosine distances (n, k).

    A feature of zeros has no angle: its distances count as 1.
    """
    index, chord = _nearest(training, part, progress)
    mine, theirs = (np.abs(seen.unit).max(axis=1) > 0 for seen in (part, training))
    directed = mine[:, None] & theirs[index]
    return index, np.where(directed, chord**2 / 2, 1.0)


def _nearest(training: Labels, part: Labels, progress: bool) -> tuple[Ints, Float64]:
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(training.labels) - part.itself)
    found = NearestNeighbors(n_neighbors=k + part.itself, algorithm="brute").fit(training.unit)
    starts = range(0, len(part.unit), ASKED)
    shown = bar(starts, desc=f"neighbours, {part.split}", disable=not progress)
    answers = [found.kneighbors(part.unit[start : start + ASKED]) for start in shown]
    chord, index = (np.concatenate(some) for some in zip(*answers, strict=True))
    if part.itself:
        index = index.copy()
        own = index == np.arange(len(index))[:, None]
        own[~own.any(axis=1), -1] = True  # among many copies of itself
        keep = ~own
        return index[keep].reshape(len(index), k), chord[keep].reshape(len(index), k)
    return index, chord


def rarity(*views: Float64) -> Float64:
    """How rare each of n samples is in several views (n,) together, from 0 to 1; no less for more.

    In each view a sample's share is that of the samples that are higher, equals counted half; together they
    are 1 less their geometric mean, in the order of Fisher's sum of logarithms of p-values (Statistical
    methods for research workers, 1932), to which the extreme counts for more than to a mean of ranks.

    >>> rarity(np.array([5.0, 1.0, 5.0])).round(3)
    array([0.667, 0.167, 0.667])
    """
    from scipy.stats import rankdata

    n = len(views[0])
    higher = [(n + 0.5 - rankdata(view)) / n for view in views]
    return np.asarray(1 - np.exp(np.mean(np.log(higher), axis=0)))
