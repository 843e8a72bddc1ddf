"""Intervals of proportions, and how well a score tells two groups apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64
from featgeom.results import Interval


def proportion_interval(counts: ArrayLike, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval (Clopper and Pearson 1934) of proportions of which ``counts`` of ``n`` were seen.

    >>> found = proportion_interval([0, 10], 10)
    >>> found.lower.round(3), found.upper.round(3)
    (array([0.   , 0.692]), array([0.308, 1.   ]))
    """
    from scipy.stats import binomtest

    tests = [binomtest(int(count), n) for count in np.atleast_1d(np.asarray(counts))]
    ends = np.array([test.proportion_ci(confidence, "exact") for test in tests])
    shape = np.shape(counts)
    return Interval(ends[:, 0].reshape(shape)[()], ends[:, 1].reshape(shape)[()])


def auroc(score: Float64, positive: np.ndarray) -> float:
    """The chance that a positive scores above a negative, ties half; NaN where there are none of either.

    >>> auroc(np.array([0.1, 0.4, 0.3]), np.array([False, True, True]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score))
