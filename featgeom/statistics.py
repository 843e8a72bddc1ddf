"""Intervals of proportions and medians, and how well a score tells two groups apart."""

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


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """An interval that holds the median of what the n values (n,) were drawn from, whatever its distribution.

    Between two of the values, as many from either end: the least such interval that holds it with the
    ``confidence`` asked for. From −inf to inf where n is too small for any (below 6, at 95 %).

    Source: David and Nagaraja, Order Statistics, 2003, section 7.1.

    >>> found = median_interval(range(1, 17))
    >>> float(found.lower), float(found.upper)
    (4.0, 13.0)
    """
    from scipy.stats import binom

    known = np.sort(np.asarray(values, np.float64))
    n = len(known)
    left_out = int(binom.ppf((1 - confidence) / 2, n, 0.5))  # P(fewer lie below the median) is no larger
    if left_out == 0:
        return Interval(np.float64(-np.inf), np.float64(np.inf))
    return Interval(known[left_out - 1], known[n - left_out])


def auroc(score: Float64, positive: np.ndarray) -> float:
    """The chance that a positive scores above a negative, ties half; NaN where there are none of either.

    >>> auroc(np.array([0.1, 0.4, 0.3]), np.array([False, True, True]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score))
