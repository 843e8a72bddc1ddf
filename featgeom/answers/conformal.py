"""Scores set beside those of ordinary features: p-values, thresholds, and several scores made one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64
from featgeom.errors import BadArgument

MOST = 1e300  # of a finite score: several of them can still be added
TAIL = 0.1  # the share of the largest scores that tell how far the scale goes on beyond them


def p_values(scores: ArrayLike, calibration: ArrayLike, own: ArrayLike = False) -> Float64:
    """The conformal p-value of each score: (1 + how many of the m calibration scores are no less) / (m + 1).

    For a score drawn like those, the probability that it is at most α is at most α, for every α. A score that
    is ``own`` (one truth for all, or one each) is itself one of the m, to rounding: the nearest is left out.

    Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005.

    >>> p_values([0.5, 2.5, 9.0], [1.0, 2.0, 3.0])
    array([1.  , 0.5 , 0.25])
    >>> p_values([3.0, 3.0], [1.0, 2.0, 3.0], own=[False, True]).round(3)
    array([0.5  , 0.333])
    """
    known, asked = np.sort(np.asarray(calibration, np.float64)), np.asarray(scores, np.float64)
    itself = np.asarray(own, dtype=bool)
    at = np.searchsorted(known, asked, side="left")
    least = len(known) - at
    if itself.any():
        around = np.concatenate([[-np.inf], known, [np.inf]])
        below, above = around[at], around[at + 1]
        with np.errstate(invalid="ignore"):
            counted = (above == asked) | (above - asked <= asked - below)
        least = least - (itself & counted & (at < len(known)))
    return np.asarray((1.0 + least) / (len(known) + 1.0 - itself))


def least_calibrators(false_alarm: float) -> int:
    """How many calibration scores it takes before a p-value can be as small as ``false_alarm``.

    >>> least_calibrators(0.05), least_calibrators(0.3)
    (19, 3)
    """
    least = max(1, math.ceil(1 / false_alarm) - 2)  # 1 / false_alarm is rounded
    while 1 / (least + 1.0) > false_alarm:
        least += 1
    return least


def threshold(calibration: ArrayLike, false_alarm: float) -> float:
    """The calibration score beyond which, and only there, the p-value is at most ``false_alarm``.

    Raises BadArgument where there are too few calibration scores for any p-value to be as small.

    >>> threshold([1.0, 2.0, 3.0], 0.5)
    2.0
    """
    known = np.sort(np.asarray(calibration, np.float64))
    allowed = np.flatnonzero(np.arange(1, len(known) + 1) / (len(known) + 1.0) <= false_alarm)
    if len(allowed) == 0:
        raise BadArgument(
            f"false_alarm: {false_alarm} takes {least_calibrators(false_alarm)} calibration scores or more, "
            f"got {len(known)}"
        )
    return float(known[len(known) - 1 - allowed[-1]])


def surprise(scores: ArrayLike, known: ArrayLike) -> Float64:
    """How rare a score is among known ones, as −log of the share of them that are no less.

    Increases with the score, to rounding: between known scores linearly, beyond the largest as an exponential
    tail does whose scale is how far the largest tenth of them lie above where that tenth begins. Not a
    p-value by itself; it makes scores of different kinds comparable.

    >>> surprise([0.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).round(3)
    array([0.   , 0.288, 0.693, 1.693])
    """
    values, asked = np.sort(np.asarray(known, np.float64)), np.asarray(scores, np.float64)
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.where(np.isfinite(asked), 0.0, np.inf)
    shares = -np.log1p(-np.arange(len(values)) / (len(values) + 1.0))[: len(finite)]
    largest = finite[-max(1, math.ceil(TAIL * len(finite))) - 1 :]
    scale = float((largest[1:] - largest[0]).mean()) if len(largest) > 1 else 0.0
    scale = scale if scale > 0 else max(abs(float(finite[-1])), 1.0) * 1e-3
    distinct, first = np.unique(finite, return_index=True)
    inner = np.interp(np.minimum(asked, finite[-1]), distinct, shares[first])
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = np.maximum(asked - finite[-1], 0.0) / scale
    return np.asarray(inner + np.where(np.isfinite(asked), np.minimum(beyond, MOST), beyond))
