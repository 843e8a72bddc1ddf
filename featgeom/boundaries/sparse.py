"""Sparse flips: how few features must change before another class is as high, exactly."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.domain import domain_bounds
from featgeom.certificates.sparse import FewestFeatures
from featgeom.errors import BadArgument
from featgeom.exact.rounding import UNIT, gamma
from featgeom.head import AffineHead
from featgeom.regions.domains import Box
from featgeom.regions.margins import margins_of_block
from featgeom.regions.norm_radius import within
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array


@dataclass(frozen=True, eq=False, repr=False)
class SparseFlips(Result):
    """The fewest features (n,) whose change lets another class be as high, between two proved bounds.

    ``fewest`` features suffice, as ``point`` (n, d) shows, and fewer than ``lower_bound`` do not. ``classes``
    (n, 2): the sample's own and the one that is as high there. ``status``: SOLVED where the bounds meet,
    INFEASIBLE where no number of features will do (both bounds are then d + 1), else PRECISION_LIMIT.
    """

    bounded = ("fewest", "lower_bound", "fewest")

    point: Float64
    fewest: Ints
    lower_bound: Ints
    classes: Ints
    status: StatusArray
    certificate: FewestFeatures
    stats: Stats


def sparse_flips(head: AffineHead, z: ArrayLike, domain: object = "space") -> SparseFlips:
    """The fewest features of each sample (n, d) whose change within the domain lets another class be as high.

    A coordinate takes at most |v_j| times its room from the margin over a rival, so the largest of these
    decide: no search is needed, and the answer is exact but where rounding leaves a margin open. In all of
    space one feature always suffices; ask in the orthant, or in a box of what features may do.

    Raises BadArgument for samples outside the domain, Unsupported for a hull domain.

    >>> head = AffineHead([[1.0, 1.0, 0.5], [0.0, 0.0, 0.0]], [-1.0, 0.0])
    >>> found = sparse_flips(head, [[2.0, 1.0, 1.0], [1.0, 0.0, 0.5]], "orthant")
    >>> found.fewest, found.status
    (array([2, 1]), array([SOLVED, SOLVED], dtype=object))
    """
    start = time.perf_counter()
    points = as_float64(z, "z", head.dimension, allow_empty=True)
    box = Box(*domain_bounds(domain, head.dimension))
    if len(points) and not box.contains(points).all():
        raise BadArgument(f"sparse flips: the samples must lie in the domain ({box.name})")
    found = margins_of_block(head, points)
    n, d = points.shape
    lower, upper = np.full(n, d + 1), np.full(n, d + 1)
    rival, move = (found.classes + 1) % head.classes, np.zeros((n, d))
    for k in range(head.classes):
        rows = np.flatnonzero(found.classes != k)
        v = head.weight[found.classes[rows]] - head.weight[k]
        low, high, step = _fewest(points[rows], v, found.margins[rows, k], found.error[rows, k], box)
        lower[rows] = np.minimum(lower[rows], low)
        better = high < upper[rows]
        upper[rows[better]], rival[rows[better]], move[rows[better]] = high[better], k, step[better]
    status = status_array(n, Status.PRECISION_LIMIT)
    status[lower == upper] = Status.SOLVED
    status[lower == d + 1] = Status.INFEASIBLE
    tied = np.stack([found.classes, rival], axis=1)
    claim = FewestFeatures(
        weight=head.weight,
        bias=head.bias,
        lo=box.lo,
        hi=box.hi,
        features=points,
        tied=tied,
        lower=lower,
        upper=upper,
        move=move,
    )
    shown = np.where((upper <= d)[:, None], np.clip(points + move, box.lo, box.hi), np.nan)
    stats = Stats(passes=1, seconds=time.perf_counter() - start)
    return SparseFlips(shown, upper, lower, tied, status, claim, stats)


def _fewest(z: Float64, v: Float64, margin: Float64, error: Float64, box: Box) -> tuple[Ints, Ints, Float64]:
    """How many coordinates may do and surely do (d + 1: none), and a move of the latter, row by row."""
    d, rows = z.shape[1], np.arange(len(z))
    with np.errstate(invalid="ignore"):
        room = np.where(v == 0, 0.0, np.where(v > 0, z - box.lo, box.hi - z))
    slope = np.abs(v)
    gains = slope * room
    order = np.argsort(-gains, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(gains, order, 1), axis=1)
    finite = np.where(np.isfinite(total), total, 0.0)
    size = np.abs(margin) + (slope * np.abs(z)).sum(axis=1)
    doubt = error[:, None] + 4 * gamma(2 * d + 8, np.float64) * (finite + size[:, None])
    may = (total + doubt < margin[:, None]).sum(axis=1) + 1
    surely = (total - doubt < margin[:, None]).sum(axis=1) + 1
    tied = margin + error <= 0
    may, surely = np.where(margin - error <= 0, 0, may), np.where(tied, 0, surely)
    step = np.zeros_like(z)
    chosen = np.arange(d) < surely[:, None]
    np.put_along_axis(step, order, np.where(chosen, np.take_along_axis(room, order, 1), 0.0), 1)
    last = order[rows, np.clip(surely - 1, 0, d - 1)]
    before = np.where(surely > 1, finite[rows, np.clip(surely - 2, 0, d - 1)], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        need = (margin - before + 2 * doubt[rows, np.clip(surely - 1, 0, d - 1)]) / slope[rows, last]
    step[rows, last] = np.where(
        surely > 0, np.minimum(np.nan_to_num(need * (1 + 8 * UNIT)), room[rows, last]), 0.0
    )
    step[surely > d] = 0.0
    return may, surely, within(z, -np.sign(v) * step, box)
