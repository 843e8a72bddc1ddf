"""The margins of points over all rivals of one class, in float64, and which of the points lose to a rival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints
from featgeom.exact.heads import ExactHead, row_blocks, screened_margins
from featgeom.head import AffineHead
from featgeom.regions.gaps import row_lengths


@dataclass(frozen=True)
class Screen:
    """Of points (n, d): which do not beat all rivals of class ``own``, and how little choices of them do.

    ``low`` and ``high`` (k, C) are bounds on the least margin of the points of each choice ``chosen`` (k, n)
    over each class, infinite at ``own``. ``broken`` (n,), decided exactly, tells the points at which a class
    other than ``own`` has as large a logit, ``rivals`` (n,) such a class.
    """

    chosen: NDArray[np.bool_]
    low: Float64
    high: Float64
    broken: NDArray[np.bool_]
    rivals: Ints

    @classmethod
    def of(cls, head: AffineHead, points: Floats, own: int, chosen: NDArray[np.bool_]) -> Screen:
        """One product of points and head, and exact arithmetic where float64 leaves a point open."""
        n, lengths = len(points), row_lengths(head)
        low = np.full((len(chosen), head.classes), np.inf)
        high, broken, rivals = low.copy(), np.zeros(n, bool), np.full(n, own)
        for block in row_blocks(n, max(head.weight.shape), points):
            margins, error = screened_margins(
                points[block], head.weight, head.bias, np.full(block.stop - block.start, own), lengths
            )
            below, above = np.nextafter(margins - error, -np.inf), np.nextafter(margins + error, np.inf)
            below[:, own] = above[:, own] = np.inf  # a class is no rival of itself
            for i, mine in enumerate(chosen[:, block]):
                low[i] = np.minimum(low[i], below[mine].min(axis=0, initial=np.inf))
                high[i] = np.minimum(high[i], above[mine].min(axis=0, initial=np.inf))
            rivals[block] = above.argmin(axis=1)
            broken[block] = above.min(axis=1) < 0
            for row in np.flatnonzero((below.min(axis=1) <= 0) & ~broken[block]).tolist():
                near = np.flatnonzero(below[row] <= 0)
                exact = ExactHead(head.weight[[own, *near]], head.bias[[own, *near]])
                leads = exact.leads(points[block.start + row], 0)[1:]
                broken[block.start + row] = min(leads) <= 0
                rivals[block.start + row] = near[leads.index(min(leads))]
        return cls(chosen, low, high, broken, rivals)
