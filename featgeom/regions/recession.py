"""Has a cell an end? A ray that stays in it, or multipliers that exclude every ray."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.sparse import csr_array

from featgeom.arrays import Float64
from featgeom.certificates.claim import Claim
from featgeom.certificates.shapes import BoundedCell, CellRay
from featgeom.head import AffineHead
from featgeom.regions.contest import contest
from featgeom.regions.domains import Box, Domain
from featgeom.regions.emptiness import emptiness, is_proved, stats_since
from featgeom.regions.guarantee import class_index
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class Recession(Result):
    """Whether a cell has an end: ``status`` UNBOUNDED with a ``ray``, SOLVED where it is proved bounded.

    INFEASIBLE where the cell is empty, else UNDECIDED.
    """

    status: Status
    ray: Float64 | None
    certificate: Claim | None
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def recession(head: AffineHead, domain: Domain, c: int) -> Recession:
    """Whether the cell of class ``c`` in the domain is unbounded.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 1.0])
    >>> [recession(head, Box.orthant(2), k).status for k in range(3)]
    [UNBOUNDED, UNBOUNDED, SOLVED]
    """
    start = time.perf_counter()
    own = class_index(head, c)
    empty = emptiness(head, domain, own)
    if empty.empty is not False or empty.point is None:
        return Recession(empty.status, None, empty.certificate, stats_since(1, start))
    if not isinstance(domain, Box):
        return Recession(Status.SOLVED, None, empty.certificate, stats_since(1, start))
    ways = Box(np.where(np.isfinite(domain.lo), 0.0, -np.inf), np.where(np.isfinite(domain.hi), 0.0, np.inf))
    ray, multipliers = _best_ray(head, ways, own)
    if ray is not None:
        inward = np.isfinite(domain.lo) * 1.0 - np.isfinite(domain.hi)
        for wide, way in ((True, ray + 1e-7 * inward), (False, ray)):
            claim = CellRay(
                head.weight,
                head.bias,
                domain.lo,
                domain.hi,
                empty.point[None, :],
                np.array([own]),
                way[None, :],
                np.array([wide]),
            )
            if is_proved(claim):
                return Recession(Status.UNBOUNDED, way, claim, stats_since(2, start))
    for rows in (multipliers[None, :], _one_row_each(head, domain, own)):
        bounded = BoundedCell(head.weight, domain.lo, domain.hi, own, csr_array(np.maximum(rows, 0.0)))
        if is_proved(bounded):
            return Recession(Status.SOLVED, None, bounded, stats_since(2, start))
    return Recession(Status.UNDECIDED, None, None, stats_since(2, start))


def _best_ray(head: AffineHead, ways: Box, own: int) -> tuple[Float64 | None, Float64]:
    """A direction in which the class gains on all others, or on none; and the dual solution."""
    # Classes with the same weights rise alike, so they say nothing about rays.
    unlike = np.flatnonzero((head.weight != head.weight[own]).any(axis=1))
    multipliers = np.zeros(head.classes)
    if len(unlike) == 0:
        signs = open_signs(ways)
        ray = np.zeros(head.dimension)
        for i, sign in signs:
            ray[i] = sign
        return (ray if signs else None), multipliers
    some = np.append(own, unlike)
    found = contest(AffineHead(head.weight[some]), ways, 0)
    multipliers[some] = found.multipliers
    if found.point is not None and found.lead > -1e-7 and found.point.any():
        return found.point / np.abs(found.point).max(), multipliers
    for i, sign in open_signs(ways):
        if (sign * (head.weight[own, i] - head.weight[:, i]) >= 0).all():
            return sign * np.eye(head.dimension)[i], multipliers
    return None, multipliers


def _one_row_each(head: AffineHead, box: Box, own: int) -> Float64:
    """Multipliers that come as near as they can to each open direction."""
    signs, rows = open_signs(box), np.zeros((1, head.classes))
    if not signs:
        return rows
    columns, each = (head.weight - head.weight[own]).T, np.eye(head.dimension)
    low, high = np.isfinite(box.lo), np.isfinite(box.hi)
    matrix = np.column_stack([columns, (each * np.where(low, -1.0, 1.0))[:, low | high], each[:, low & high]])
    rows = np.zeros((len(signs), head.classes))
    for row, (i, sign) in zip(rows, signs, strict=False):
        target = np.zeros(head.dimension)
        target[i] = sign
        row[:] = nnls(matrix, target)[0][: head.classes]
        row[own] = 0.0
    return rows


def open_signs(box: Box) -> list[tuple[int, int]]:
    """The coordinates and signs in which a ray may go for ever in a box, in order, + before −."""
    sides = np.stack([box.hi, -box.lo], axis=1)
    return [(int(i), 1 - 2 * int(j)) for i, j in np.argwhere(np.isposinf(sides))]
