"""Hulls inside a cell: every point of the hull has the class, because every vertex has."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Floats, Ints, as_points
from featgeom.certificates.claim import Claim
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.errors import BadArgument
from featgeom.exact.heads import ExactHead, least_margins
from featgeom.exact.rounding import UNIT
from featgeom.head import AffineHead
from featgeom.regions.margins import float_below, margins_of_block, point_blocks
from featgeom.regions.radius import norms_from
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class HullGuarantee(Result):
    """Whether the hull of given features lies in the cell of one class.

    ``status``: GUARANTEED if every feature has a larger logit for that class than for any other, else
    BROKEN (a tie counts as broken). ``worst_margin``: the least margin of any feature over any rival, in
    logits, rounded down from its exact value; negative where broken. ``worst_rival``: that rival.
    ``distance``: a proved lower bound on the distance of the hull to the boundary of the cell, in feature
    space; zero where broken. ``breakers``: indices of the features that do not lie strictly inside the cell,
    ``breaker_rivals`` a class that each of them does not beat. ``inflation``: the factor by which the hull
    can be scaled about its centroid (``centre``) before it leaves the cell, rounded down; inf where it never
    does, 0 where the centroid itself is not strictly inside; below 1 where broken.
    """

    shows = ("worst_margin", "inflation", "breakers")

    status: Status
    worst_margin: float
    worst_rival: int
    distance: float
    breakers: Ints
    breaker_rivals: Ints
    inflation: float
    centre: Float64
    certificate: Claim
    stats: Stats


def guarantee(head: AffineHead, points: ArrayLike, c: int) -> HullGuarantee:
    """Decide, exactly, whether the hull of ``points`` (n, d) lies strictly inside the cell of class ``c``.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> found = guarantee(head, [[2.0, 1.0], [3.0, 0.0], [1.0, 2.0]], 0)
    >>> found.status, found.worst_margin, found.breakers
    (BROKEN, -1.0, array([2]))
    """
    start = time.perf_counter()
    vertices = as_points(points, dimension=head.dimension)
    own = class_index(head, c)
    least = least_margins(vertices, head.weight, head.bias, own)
    rivals = [k for k in range(head.classes) if k != own]
    worst_rival = min(rivals, key=lambda k: least[k])
    worst = least[worst_rival]
    breakers, breaker_rivals = _breakers(head, vertices, own) if worst <= 0 else (_none(), _none())
    centre, inflation = _inflation(head, vertices, own, least)
    margin = float_below(worst)
    status = Status.GUARANTEED if worst > 0 else Status.BROKEN
    claim: Claim
    if status is Status.GUARANTEED:
        claim = GuaranteedHull(
            vertices, head.weight, head.bias, own, margin=margin, centre=centre, inflation=inflation
        )
    else:
        claim = BrokenHull(vertices, head.weight, head.bias, own, breakers=breakers, rivals=breaker_rivals)
    return HullGuarantee(
        status=status,
        worst_margin=margin,
        worst_rival=worst_rival,
        distance=_distance(head, own, [float_below(v) for v in least]),
        breakers=breakers,
        breaker_rivals=breaker_rivals,
        inflation=inflation,
        centre=centre,
        certificate=claim,
        stats=Stats(passes=1, seconds=time.perf_counter() - start),
    )


def class_index(head: AffineHead, c: int) -> int:
    """``c`` as a class of the head, or BadArgument."""
    if isinstance(c, bool) or not isinstance(c, int | np.integer) or not 0 <= c < head.classes:
        raise BadArgument(f"class {c!r}: expected a whole number from 0 to {head.classes - 1}")
    return int(c)


def _inflation(head: AffineHead, vertices: Floats, own: int, least: list[Fraction]) -> tuple[Float64, float]:
    """The centroid and the factor of scaling about it that keeps the hull in the closed cell."""
    with np.errstate(over="ignore", invalid="ignore"):
        centre = vertices.mean(axis=0, dtype=np.float64)
    if not np.isfinite(centre).all():
        centre = vertices[0].astype(np.float64)
    rivals = np.array([k for k in range(head.classes) if k != own])
    leads = ExactHead(head.weight, head.bias).leads(centre, own)
    middle = [leads[k] for k in rivals]
    if min(middle) <= 0:
        return centre, 0.0
    limits = [m / (m - least[k]) for m, k in zip(middle, rivals, strict=True) if m > least[k]]
    return centre, max(0.0, float_below(min(limits))) if limits else math.inf


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


def _distance(head: AffineHead, own: int, least: list[float]) -> float:
    norms = norms_from(head, own)
    apart = [m / norms[k] * (1 - 4 * UNIT) for k, m in enumerate(least) if norms[k] > 0]
    if min(m for k, m in enumerate(least) if k != own) <= 0:
        return 0.0
    return float(min(apart, default=math.inf))


def _breakers(head: AffineHead, points: Floats, own: int) -> tuple[Ints, Ints]:
    rows, rivals = [], []
    for block in point_blocks(head, len(points)):
        found = margins_of_block(head, points[block])
        tied = (found.smallest == 0) & (found.classes == own)
        broken = np.flatnonzero((found.classes != own) | tied)
        rows.append(broken + block.start)
        rivals.append(np.where(tied, found.rival, found.classes)[broken])
    return np.concatenate(rows), np.concatenate(rivals)
