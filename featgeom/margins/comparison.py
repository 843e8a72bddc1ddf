"""The head beside a support vector machine on the same features."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

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
    return compare_heads(head, [(svm, x, y)], seed, points)[0]


def compare_heads(
    head: AffineHead,
    asked: Sequence[tuple[LinearSVM, ArrayLike, ArrayLike]],
    seed: int = 0,
    points: int = AGREEMENT_POINTS,
) -> list[HeadComparison]:
    """`compare_head` for several machines, each with its samples and their labels.

    All are compared on the same random numbers, drawn once, each stretched over the box of its own samples.

    >>> from featgeom.margins.machine import max_margin
    >>> x, y, head = [[0.0], [4.0]], [0, 1], AffineHead([[-1.0], [1.0]], [1.0, -1.0])
    >>> machines = [max_margin(x, y, bias=bias) for bias in ("standard", "augmented")]
    >>> both = compare_heads(head, [(svm, x, y) for svm in machines])
    >>> both[0].domain_agreement == compare_head(head, machines[0], x, y).domain_agreement
    True
    """
    started = time.perf_counter()
    found, beside = list[dict[str, Any]](), list[_Beside]()
    for svm, x, y in asked:
        figures, two = _on_samples(head, svm, x, y)
        found.append(figures)
        beside.append(two)
    alike = _alike(beside, seed, points)
    stats = Stats(passes=4, seconds=time.perf_counter() - started)
    made = []
    for figures, count in zip(found, alike, strict=True):
        share = proportion_interval(count, points)
        interval = float(share.lower), float(share.upper)
        made.append(
            HeadComparison(**figures, domain_agreement=count / points, domain_interval=interval, stats=stats)
        )
    return made


class _Beside(NamedTuple):
    """A head and a machine of the same classes, and the box (2, d) of the samples."""

    mine: AffineHead
    other: AffineHead
    box: Float64


def _on_samples(
    head: AffineHead, svm: LinearSVM, x: ArrayLike, y: ArrayLike
) -> tuple[dict[str, Any], _Beside]:
    """What is compared on the samples, by name, and what is to be compared on points of their box."""
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
    box = np.stack([samples.min(axis=0), samples.max(axis=0)]).astype(np.float64)
    return {
        "pairs": svm.classes[pairs],
        "head": of_head,
        "svm": of_svm,
        "angle": _degrees(of_head.normal, of_svm.normal),
        "margin_ratio": _ratio(of_head.margin, of_svm.margin),
        "overall_angle": float(_degrees(_flat(mine), _flat(other))[0]),
        "overall_margin_ratio": float(_ratio(_margin(mine, samples, slots), _margin(other, samples, slots))),
        "sample_agreement": float((decided == decided_too).mean()),
        "support_overlap": _support_overlap(mine, svm, samples, slots),
        "support_chance": len(svm.support) / len(samples),
    }, _Beside(mine, other, box)


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
        here = slice(start, start + len(block))
        start = here.stop
        found[here] = losses_of(head.logits(block), labels[here])
    return found


def losses_of(logits: Float64, labels: Ints) -> Float64:
    """`cross_entropy` of samples whose logits (n, C) are known.

    >>> losses_of(np.array([[0.0, 0.0]]), np.array([1])).round(6)
    array([0.693147])
    """
    rows = np.arange(len(labels))
    rivals = logits - logits[rows, labels][:, None]
    rivals[rows, labels] = -np.inf
    top = rivals.max(axis=1)
    # log Σ over rivals of e^(l_k − l_y)
    behind = top + np.log(np.exp(rivals - top[:, None]).sum(axis=1))
    losses: Float64 = np.logaddexp(0, behind)
    return losses


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


def _alike(beside: Sequence[_Beside], seed: int, points: int) -> list[int]:
    """On how many of ``points`` uniform points of its box each head and its machine decide alike.

    The point of a box is low + (high − low) u, so the weights are stretched instead, and one product with
    the u serves all.
    """
    rows, shifts = list[Float64](), list[Float64]()
    for mine, other, (low, high) in beside:
        for head in (mine, other):
            rows.append(head.weight * (high - low))
            shifts.append(head.weight @ low + head.bias)
    weight, shift = np.vstack(rows), np.concatenate(shifts)
    ends = np.cumsum([len(some) for some in rows])[:-1]
    found, rng = [0] * len(beside), np.random.default_rng(seed)
    step = max(1, ENTRIES // max(weight.shape))
    for start in range(0, points, step):
        drawn = rng.random((min(step, points - start), weight.shape[1]))
        decided = [some.argmax(axis=1) for some in np.split(drawn @ weight.T + shift, ends, axis=1)]
        for i in range(len(beside)):
            found[i] += int((decided[2 * i] == decided[2 * i + 1]).sum())
    return found


def _support_overlap(mine: AffineHead, svm: LinearSVM, x: Floats, y: Ints) -> float:
    """The share of the support vectors that are among as many samples of highest cross-entropy loss."""
    loss = cross_entropy(mine, x, y)
    hardest = np.argsort(-loss, kind="stable")[: len(svm.support)]
    return float(np.isin(svm.support, hardest).mean())
