"""Distances in a box, from below, with every rounding in the bound."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.rounding import gamma, unit_roundoff

U = unit_roundoff(np.float64)


def least_distance(
    z: Float64,
    weight: Float64,
    bias: Float64,
    lo: Float64,
    hi: Float64,
    own: Ints,
    rivals: Ints,
    steps: Float64,
    caution: float = 1.0,
) -> Float64:
    """Proved lower bounds on the distance from rows of z to where rival ties with own in the box, (m,).

    Any ``steps`` give sound bounds; see `BallClaim`. ``caution`` multiplies the allowance for rounding: a
    solver asks with more than the check will.
    """
    v = weight[own] - weight[rivals]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        free = z - steps[:, None] * v
        bound = np.where(free < lo, lo, np.where(free > hi, hi, np.nan))
        y = (z - bound) / steps[:, None]
        # float(a − b) > y implies a − b > y, so these signs are certain although v is rounded.
        clipped = ((bound == lo) & (v > y)) | ((bound == hi) & (v < y))
        bound = np.where(clipped, bound, 0.0)
        y = np.where(clipped, y, v)
        terms = np.where(clipped, y * (z - bound) + v * bound, v * z)
        sizes = np.where(clipped, np.abs(y) * (np.abs(z) + np.abs(bound)) + np.abs(v * bound), np.abs(v * z))
        offset = bias[own] - bias[rivals]
        height = terms.sum(axis=1) + offset
        d = z.shape[1]
        size = sizes.sum(axis=1) + np.abs(offset)
        height -= caution * 1.001 * gamma(d + 10, np.float64) * size + d * float(np.finfo(np.float64).tiny)
        length = np.sqrt(np.einsum("ij,ij->i", y, y)) * (1 + (d + 10) * U)
        length += np.sqrt(d * float(np.finfo(np.float64).tiny))
        found = np.where(height > 0, height / length * (1 - 8 * caution * U), 0.0)
        found = np.where((height > 0) & ~y.any(axis=1), np.inf, found)
    return np.where(np.isnan(found) | ~(steps > 0), 0.0, found)
