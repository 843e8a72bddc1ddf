"""Flip distance as a measure of confidence, beside the softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_labels, as_vector
from featgeom.errors import BadArgument
from featgeom.results import Result
from featgeom.status import Status


@dataclass(frozen=True, eq=False)
class Calibration:
    """Accuracy in groups of samples of rising score: ``edges`` (m + 1,) of the score, ``count`` (m,),
    ``accuracy`` (m,) and the mean score ``mean`` (m,).
    """

    edges: Float64
    count: Ints
    accuracy: Float64
    mean: Float64


@dataclass(frozen=True, eq=False, repr=False)
class Ambiguity(Result):
    """How flip distance orders samples, and how that compares with the softmax.

    * ``order`` (n,): samples from the most ambiguous (nearest to a boundary) to the clearest;
    * ``confidence`` (n,): the largest softmax probability p; ``log_odds`` (n,): log p/(1 − p), which still
      tells samples apart where p rounds to 1;
    * ``rank_correlation``: Spearman's ρ of flip distance with confidence (NaN where one is constant);
    * ``by_distance``, ``by_confidence``: accuracy in groups of equal size; None without labels;
    * ``error_auroc_distance``, ``error_auroc_confidence``: the chance that a wrong sample ranks as more
      ambiguous than a right one; NaN without labels, or where all are right or all wrong.
    """

    shows = ("confidence", "rank_correlation", "error_auroc_distance")
    status: ClassVar[Status] = Status.COMPUTED

    order: Ints
    confidence: Float64
    log_odds: Float64
    rank_correlation: float
    by_distance: Calibration | None
    by_confidence: Calibration | None
    error_auroc_distance: float
    error_auroc_confidence: float


def ambiguity(
    distance: ArrayLike, logits: ArrayLike, labels: ArrayLike | None = None, groups: int = 10
) -> Ambiguity:
    """Rank samples by flip distance, and compare with softmax confidence.

    Parameters: distance (n,) in feature space, inf where a sample has no flip point; logits (n, C); labels
    (n,) for the accuracies; ``groups`` of equal size (as nearly as n allows).

    >>> logits = np.array([[2.0, 0.0], [1.0, 0.9], [0.0, 3.0]])
    >>> found = ambiguity([1.0, 0.1, 1.5], logits, labels=[0, 1, 1], groups=1)
    >>> found.order, round(found.rank_correlation, 6), found.error_auroc_distance
    (array([1, 0, 2]), 1.0, 1.0)
    """
    from scipy.stats import rankdata

    scores = np.asarray(logits, np.float64)
    if scores.ndim != 2 or not len(scores):
        raise BadArgument(f"logits: expected shape (n, C) with n of one or more, got {scores.shape}")
    far = np.asarray(distance, np.float64)
    as_vector(np.where(np.isposinf(far), 0.0, far), "distance", len(scores))
    if groups < 1:
        raise BadArgument(f"groups: expected one or more, got {groups}")
    top = scores.max(axis=1, keepdims=True)
    confidence = 1.0 / np.exp(scores - top).sum(axis=1)
    others = np.sort(scores, axis=1)[:, :-1]
    log_odds = -np.log(np.exp(others - others.max(axis=1, keepdims=True)).sum(axis=1)) - (
        others.max(axis=1) - top[:, 0]
    )
    ranks = rankdata(far), rankdata(log_odds)
    correlation = _correlation(*ranks)
    by_distance = by_confidence = None
    auroc = np.nan, np.nan
    if labels is not None:
        right = scores.argmax(axis=1) == as_labels(labels, "labels", len(scores), scores.shape[1])
        by_distance = _calibrate(far, right, groups)
        by_confidence = _calibrate(confidence, right, groups)
        auroc = _auroc(ranks[0], right), _auroc(ranks[1], right)
    order = np.argsort(far, kind="stable")
    return Ambiguity(order, confidence, log_odds, correlation, by_distance, by_confidence, *auroc)


def _correlation(left: Float64, right: Float64) -> float:
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    return float(np.corrcoef(left, right)[0, 1])


def _auroc(ranks: Float64, right: np.ndarray) -> float:
    wrong = int((~right).sum())
    if wrong in (0, len(right)):
        return float("nan")
    pairs = wrong * (len(right) - wrong)
    return float(1 - (ranks[~right].sum() - wrong * (wrong + 1) / 2) / pairs)


def _calibrate(score: Float64, right: np.ndarray, groups: int) -> Calibration:
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part)]
    edges = [score[part[0]] for part in parts] + [score[order[-1]]]
    return Calibration(
        np.array(edges),
        np.array([len(part) for part in parts]),
        np.array([right[part].mean() for part in parts]),
        np.array([score[part].mean() for part in parts]),
    )
