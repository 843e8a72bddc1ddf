"""The head beside a support vector machine on the same features."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points, blocks
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.margins.machine import LinearSVM
from featgeom.results import Result
from featgeom.statistics import proportion_interval
from featgeom.status import Stats, Status

AGREEMENT_POINTS = 30_000  # as in the first paper
ENTRIES = 1 << 22  # of features or logits that are held at a time


@dataclass(frozen=True, eq=False)
class Boundaries:
    """One affine boundary for each pair of classes, from the side of the first to that of the second.

    ``normal`` (p, d) are unit vectors, ``offset`` (p,) the boundary's signed distance from the origin along
    them, ``margin`` (p,) the least signed distance of the pair's samples (negative where one is on the wrong
    side), ``position`` (p,) where in the gap between the pair's samples along the normal the boundary lies:
    0 at the first class, 0.5 in the middle, 1 at the second; inf where there is no gap. Distances are
    those of feature space.
    """

    normal: Float64
    offset: Float64
    margin: Float64
    position: Float64


@dataclass(frozen=True, eq=False, repr=False)
class HeadComparison(Result):
    """Head against machine: by pair of classes, and as a whole.

    ``pairs`` (p, 2) are the pairs, ``angle`` (p,) the degrees between the normals of head and machine, and
    ``margin_ratio`` (p,) the head's margin as a share of the machine's. As a whole: ``overall_angle`` is the
    angle of the two weight matrices, centred over the classes; ``overall_margin_ratio`` compares
    min (w_y − w_k)·x + b_y − b_k over ‖W‖; ``sample_agreement`` is the share of the samples, and
    ``domain_agreement``, with its 95 % interval, that of points drawn uniformly from the box of the samples,
    on which both decide alike; ``support_overlap`` is the share of the support vectors among as many samples
    of highest cross-entropy loss of the head, ``support_chance`` what it would be by chance.
    """

    shows = ("angle", "margin_ratio", "overall_angle", "sample_agreement", "domain_agreement")
    status: ClassVar[Status] = Status.COMPUTED

    pairs: Ints
    head: Boundaries
    svm: Boundaries
    angle: Float64
    margin_ratio: Float64
    overall_angle: float
    overall_margin_ratio: float
    sample_agreement: float
    domain_agreement: float
    domain_interval: tuple[float, float]
    support_overlap: float
    support_chance: float
    stats: Stats


def compare_head(
    head: AffineHead,
    svm: LinearSVM,
    x: ArrayLike,
    y: ArrayLike,
    seed: int = 0,
    points: int = AGREEMENT_POINTS,
) -> HeadComparison:
    """Compare a head with a machine (see `max_margin`) on the samples that the machine was made from.

    x: features (n, d), y: labels (n,). A machine on some classes is compared with the head among these
    classes alone. Gradient descent with a trainable bias drives a head to the machine with bias="augmented",
    without one to bias="none"; to the standard one it need not converge (Soudry et al., arXiv 1710.10345).

    Raises BadArgument for shapes or labels that do not fit, or a machine that there is none.

    >>> from featgeom.margins.machine import max_margin
    >>> x, y = [[0.0, 0.0], [0.0, 1.0], [4.0, 0.0]], [0, 0, 1]
    >>> comparison = compare_head(AffineHead([[-1.0, 0.0], [1.0, 0.0]], [1.0, -1.0]), max_margin(x, y), x, y)
    >>> comparison.angle.round(6), comparison.head.position.round(6), comparison.margin_ratio.round(6)
    (array([0.]), array([0.25]), array([0.5]))
    """
    started = time.perf_counter()
    samples = as_points(x, "x", head.dimension)
    labels = as_labels(y, "y", len(samples), head.classes)
    if np.isnan(svm.weight).any():
        raise BadArgument(f"svm: there is no machine to compare with ({svm.status})")
    slots = np.searchsorted(svm.classes, labels)
    if svm.classes.max() >= head.classes or not np.array_equal(np.unique(labels), svm.classes):
        raise BadArgument(f"y: expected samples of the machine's classes, {svm.classes.tolist()}")
    mine = AffineHead(head.weight[svm.classes], head.bias[svm.classes])
    other = one_row_a_class(svm)
    pairs = np.array(np.triu_indices(len(svm.classes), 1)).T
    of_head = pair_boundaries(mine, samples, slots, pairs)
    of_svm = pair_boundaries(other, samples, slots, pairs)
    decided, decided_too = mine.classify(samples), other.classify(samples)
    agreement, interval = _domain_agreement(mine, other, samples, seed, points)
    overlap = _support_overlap(mine, svm, samples, slots)
    return HeadComparison(
        pairs=svm.classes[pairs],
        head=of_head,
        svm=of_svm,
        angle=_degrees(of_head.normal, of_svm.normal),
        margin_ratio=_ratio(of_head.margin, of_svm.margin),
        overall_angle=float(_degrees(_flat(mine), _flat(other))[0]),
        overall_margin_ratio=float(_ratio(_margin(mine, samples, slots), _margin(other, samples, slots))),
        sample_agreement=float((decided == decided_too).mean()),
        domain_agreement=agreement,
        domain_interval=interval,
        support_overlap=overlap,
        support_chance=len(svm.support) / len(samples),
        stats=Stats(passes=4, seconds=time.perf_counter() - started),
    )


def one_row_a_class(svm: LinearSVM) -> AffineHead:
    """The machine as a head: for two classes, (−w/2, w/2).

    >>> from featgeom.margins.machine import max_margin
    >>> one_row_a_class(max_margin([[0.0], [2.0]], [0, 1])).weight.round(9)
    array([[-0.5],
           [ 0.5]])
    """
    if len(svm.classes) > 2:
        return AffineHead(svm.weight, svm.bias)
    return AffineHead(
        np.vstack([-svm.weight / 2, svm.weight / 2]), np.concatenate([-svm.bias / 2, svm.bias / 2])
    )


def pair_boundaries(head: AffineHead, x: Floats, y: Ints, pairs: Ints) -> Boundaries:
    """The boundaries between pairs (p, 2) of a head's classes, and how they lie among the pair's samples.

    >>> head = AffineHead([[-1.0, 0.0], [1.0, 0.0]], [2.0, -2.0])
    >>> x, pairs = np.array([[1.0, 0.0], [5.0, 1.0]]), np.array([[0, 1]])
    >>> pair_boundaries(head, x, np.array([0, 1]), pairs).position
    array([0.25])
    """
    normal = head.weight[pairs[:, 1]] - head.weight[pairs[:, 0]]
    length = np.linalg.norm(normal, axis=1)
    if not length.all():
        twins = pairs[np.flatnonzero(length == 0)[0]].tolist()
        raise BadArgument(f"head: classes {twins} have the same weights, so no boundary between them")
    normal = normal / length[:, None]
    offset = (head.bias[pairs[:, 0]] - head.bias[pairs[:, 1]]) / length
    margin, position = np.empty(len(pairs)), np.empty(len(pairs))
    extremes = {k: x[y == k] for k in np.unique(pairs)}
    for i, (first, second) in enumerate(pairs):
        top = float((extremes[first] @ normal[i]).max())
        bottom = float((extremes[second] @ normal[i]).min())
        margin[i] = min(offset[i] - top, bottom - offset[i])
        position[i] = (offset[i] - top) / (bottom - top) if bottom > top else np.inf
    return Boundaries(normal, offset, margin, position)


def cross_entropy(head: AffineHead, x: ArrayLike, y: ArrayLike) -> Float64:
    """The cross-entropy loss of each sample, (n,), to full relative precision also where it is tiny.

    >>> loss = cross_entropy(AffineHead([[0.0], [50.0]]), [[1.0], [0.0]], [1, 0])
    >>> np.log(loss).round(6).tolist()
    [-50.0, -0.366513]
    """
    points = as_points(x, "x", head.dimension)
    labels, start = as_labels(y, "y", len(points), head.classes), 0
    found = np.empty(len(points))
    each = max(1, points[:1].nbytes) * max(1, ENTRIES // max(head.weight.shape))
    for block in blocks(points, each):
        here, rows = slice(start, start + len(block)), np.arange(len(block))
        start, own, logits = here.stop, labels[here], head.logits(block)
        rivals = logits - logits[rows, own][:, None]
        rivals[rows, own] = -np.inf
        top = rivals.max(axis=1)
        # log Σ over rivals of e^(l_k − l_y)
        behind = top + np.log(np.exp(rivals - top[:, None]).sum(axis=1))
        found[here] = np.logaddexp(0, behind)
    return found


def _flat(head: AffineHead) -> Float64:
    """All weights in one row, without the part that all classes share, which decides nothing."""
    return (head.weight - head.weight.mean(axis=0)).reshape(1, -1)


def _margin(head: AffineHead, x: Floats, y: Ints) -> Float64:
    """The least margin over ‖W‖, W centred over the classes."""
    return np.asarray(_least(head, x, y) / np.linalg.norm(_flat(head)))


def _least(head: AffineHead, x: Floats, y: Ints) -> float:
    """The least margin, as it is."""
    logits = head.logits(x)
    rows = np.arange(len(y))
    own = logits[rows, y].copy()
    logits[rows, y] = -np.inf
    return float((own - logits.max(axis=1)).min())


def joint_margin(head: AffineHead, x: ArrayLike, y: ArrayLike) -> float:
    """The least margin over ‖(W, b)‖, both centred over the classes, which nothing but the mean loses.

    The augmented machine has the greatest: the cosine of the angle between (W, b) and its own is at least the
    share of it that a head has.

    >>> round(joint_margin(AffineHead([[-1.0], [1.0]]), [[-3.0], [2.0]], [0, 1]), 6)
    2.828427
    """
    samples = as_points(x, "x", head.dimension)
    both = np.hstack([head.weight, head.bias[:, None]])
    least = _least(head, samples, as_labels(y, "y", len(samples), head.classes))
    return float(least / np.linalg.norm(both - both.mean(axis=0)))


def _degrees(left: Float64, right: Float64) -> Float64:
    """Angles between corresponding rows, accurate also where they are small."""
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(left - right, axis=1), np.linalg.norm(left + right, axis=1))
    )


def _ratio(mine: Float64, other: Float64) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return mine / other


def _domain_agreement(
    mine: AffineHead, other: AffineHead, x: Floats, seed: int, points: int
) -> tuple[float, tuple[float, float]]:
    """The share of uniform points of the samples' box on which both decide alike, and its interval."""
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(x.min(axis=0), x.max(axis=0), (points, x.shape[1]))
    alike = mine.classify(drawn) == other.classify(drawn)
    found = proportion_interval(int(alike.sum()), points)
    return float(alike.mean()), (float(found.lower), float(found.upper))


def _support_overlap(mine: AffineHead, svm: LinearSVM, x: Floats, y: Ints) -> float:
    """The share of the support vectors that are among as many samples of highest cross-entropy loss."""
    loss = cross_entropy(mine, x, y)
    hardest = np.argsort(-loss, kind="stable")[: len(svm.support)]
    return float(np.isin(svm.support, hardest).mean())
