"""What evaluating a head in float32 may change, in any order of summation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64
from featgeom.exact.rounding import gamma


def float32_needs(
    points: NDArray[Any], weight: Float64, bias: Float64, own: NDArray[np.integer[Any]]
) -> Float64:
    """Margins (n, C) beyond which float32 cannot change the order of the own logit and logit k.

    Each product carries two roundings to float32 and its own, each sum one: γ_{d+4} times the sum of the
    magnitudes bounds the error of a logit. Values near the limits of float32 have their own terms.
    """
    d = weight.shape[1]
    largest = float(np.finfo(np.float32).max) / 4
    tiny = float(np.finfo(np.float32).tiny)
    with np.errstate(over="ignore", invalid="ignore"):
        z, w = np.abs(points.astype(np.float64)), np.abs(weight)
        magnitude = z @ w.T + np.abs(bias)
        each = 1.000001 * gamma(d + 4, np.float32) * magnitude
        each += tiny * (z.sum(axis=1)[:, None] + w.sum(axis=1) + 2 * d + 2)
        overflows = (magnitude > largest) | (w.max(axis=1) > largest) | (z.max(axis=1) > largest)[:, None]
        each = np.where(overflows | ~np.isfinite(each), np.inf, each)
        return each + each[np.arange(len(z)), own][:, None]
