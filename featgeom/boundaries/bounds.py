"""What a tie point and its multipliers prove, with rounding accounted for."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.rounding import TINY, UNIT, gamma, lengths_above


def logit_error(weight: Float64, bias: Float64, points: Float64) -> Float64:
    """A bound (N, C) on the rounding error of points @ weight.T + bias.

    >>> bool((logit_error(np.eye(2), np.zeros(2), np.ones((1, 2))) < 1e-15).all())
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs(points) @ np.abs(weight).T + np.abs(bias)
        return gamma(weight.shape[1] + 2, "float64") * 1.0000001 * size + TINY


def tie_error(weight: Float64, bias: Float64, points: Float64, tied: Ints) -> Float64:
    """How far, at most, the tie of each point is from exact, in logits: shape (N,).

    It bounds the differences among the tied classes and the amount by which any other class beats them.

    >>> float(tie_error(np.eye(2), np.zeros(2), np.array([[2.0, 1.0]]), np.array([[0, 1]]))[0])
    1.00...
    """
    rows = np.arange(len(points))
    with np.errstate(over="ignore", invalid="ignore"):
        logits = points @ weight.T + bias
        error = logit_error(weight, bias, points)
        ref = logits[rows, tied[:, 0]][:, None]
        slack = error + error[rows, tied[:, 0]][:, None]
        over = np.maximum(logits - ref, 0.0) + slack  # what a class may have over the reference
        among = np.abs(np.take_along_axis(logits, tied, 1) - ref) + np.take_along_axis(slack, tied, 1)
        np.put_along_axis(over, tied, among, 1)
        over[rows, tied[:, 0]] = 0.0
        worst = over.max(axis=1) * (1 + 4 * UNIT)
    return np.where(np.isnan(worst), np.inf, worst)


def dual_bound(
    weight: Float64,
    bias: Float64,
    z: Float64,
    tied: Ints,
    multipliers: Float64,
    lo: Float64,
    hi: Float64,
) -> Float64:
    """A lower bound (N,) on the distance from z (N, d) to any tie, proved by multipliers (N, C).

    Weak duality: for any λ with λ_k ≥ 0 at classes that need not tie, and a = Σ λ_k (w_r − w_k), half the
    squared distance is at least Σ_i min over lo ≤ z + δ ≤ hi of (½δ_i² − a_i δ_i), less Σ λ_k (l_r − l_k)(z).

    >>> bound = dual_bound(np.eye(2), np.zeros(2), np.array([[2.0, 1.0]]), np.array([[0, 1]]),
    ...                    np.array([[0.0, -0.5]]), np.full(2, -np.inf), np.full(2, np.inf))
    >>> bool(abs(bound[0] - 0.5**0.5) < 1e-13)
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _dual_bound(weight, bias, z, tied, multipliers, lo, hi)
    return np.where(np.isfinite(found), found, 0.0)  # what overflows proves nothing


def _dual_bound(
    weight: Float64, bias: Float64, z: Float64, tied: Ints, multipliers: Float64, lo: Float64, hi: Float64
) -> Float64:
    classes, d = weight.shape
    rows = np.arange(len(z))
    ref = tied[:, 0]
    logits = z @ weight.T + bias
    error = logit_error(weight, bias, z)
    margins = logits[rows, ref][:, None] - logits
    slack = error + error[rows, ref][:, None] + UNIT * np.abs(margins)
    total = multipliers.sum(axis=1)
    a = total[:, None] * weight[ref] - multipliers @ weight
    size = np.abs(multipliers)
    a_error = gamma(2 * classes + 4, "float64") * (
        size.sum(axis=1)[:, None] * np.abs(weight[ref]) + size @ np.abs(weight)
    )
    a_error += 2 * classes * TINY
    delta = np.clip(a, lo - z, hi - z)  # the clipped difference is a rounded one; paid for in `terms`
    terms = delta * (0.5 * delta - a)
    linear = multipliers * margins
    value = terms.sum(axis=1) - linear.sum(axis=1)
    reach = np.abs(delta) + a_error + UNIT * (np.abs(z) + np.abs(delta))
    doubt = (
        (a_error * reach).sum(axis=1)
        + (2 * UNIT * np.abs(z) * (np.abs(delta) + np.abs(a)) * (delta != a)).sum(axis=1)
        + gamma(d + classes + 6, "float64") * (np.abs(terms).sum(axis=1) + np.abs(linear).sum(axis=1))
        + (size * slack).sum(axis=1)
        + 4 * (d + classes) * TINY
    )
    return np.sqrt(np.maximum(2 * (value - 1.0000001 * doubt), 0.0)) * (1 - 4 * UNIT)


def distance_above(points: Float64, z: Float64) -> Float64:
    """Distances (N,) from z to points, rounded up.

    >>> bool(distance_above(np.array([[3.0, 4.0]]), np.zeros((1, 2)))[0] >= 5)
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        apart = points - z
        distance = lengths_above(apart) * (1 + 4 * UNIT)
    return np.where(apart.any(axis=1), distance, 0.0)
