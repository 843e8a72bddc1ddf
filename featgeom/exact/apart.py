"""How far many hulls are apart at least, each from each, along the lines between their middles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featgeom.arrays import Float64, Floats, file_map, release
from featgeom.exact.heads import gaps_above, least_margin_bounds
from featgeom.exact.rounding import U


def middles(groups: Sequence[Floats]) -> Float64:
    """The mean of the points of each group, in float64, (k, d)."""
    return np.stack([_with_pages_back(group, group.mean(axis=0, dtype=np.float64)) for group in groups])


def _with_pages_back(points: Floats, found: Float64) -> Float64:
    """What was found, once the pages of points on disk are given back."""
    release(file_map(points))
    return found


def apart_below(groups: Sequence[Floats], times: float = 1.0) -> Float64:
    """Lower bounds on the distance between the hulls of every two groups of points (n_i, d), (k, k).

    Along u = m_a − m_b, for middles m, all points of a reach at least as far as the least of ⟨x, m_a − m_b⟩,
    which is the margin of a head with the middles as rows, and those of b at most as far as minus theirs:
    the width of that gap over ‖u‖ is no more than the distance. All pairs together cost one float64 product
    of points and middles, and roundings are taken off as `screened_margins` bounds them, ``times`` over. Zero
    where nothing is known, infinite on the diagonal.

    >>> apart_below([np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])]).round(9)
    array([[inf,  2.],
           [ 2., inf]])
    """
    rows = middles(groups)
    flat = np.zeros(len(rows))
    least = np.stack(
        [
            _with_pages_back(points, least_margin_bounds(points, rows, flat, i, times)[0])
            for i, points in enumerate(groups)
        ]
    )
    long = np.stack([gaps_above(rows, i) for i in range(len(rows))])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = (least + least.T) / long * (1 - 8 * U)  # a sum, a quotient and a product are rounded
    found = np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0)
    np.fill_diagonal(found, np.inf)
    return found
