"""Hulls inside a cell: every point of the hull has the class, because every vertex has."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Float64, Floats, Ints, as_points
from featgeom.certificates.claim import Claim
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.errors import BadArgument
from featgeom.exact.heads import ExactHead, least_margin_bounds, least_margins
from featgeom.exact.rounding import UNIT
from featgeom.head import AffineHead
from featgeom.regions.gaps import norms_from, row_lengths
from featgeom.regions.margins import float_below
from featgeom.regions.screen import Screen
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
    vertices = as_points(points, dimension=head.dimension)
    return guarantees(head, vertices, c, [np.ones(len(vertices), dtype=bool)])[0]


def guarantees(
    head: AffineHead, points: ArrayLike, c: int, choices: Sequence[NDArray[np.bool_]]
) -> list[HullGuarantee]:
    """`guarantee` of the hull of each of some ``choices`` (n,) among the points; logits are computed once.

    Raises BadArgument for a choice of another shape, or of no point.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> [found.status for found in guarantees(head, [[2.0, 1.0], [1.0, 2.0]], 0, [[1, 1], [1, 0]])]
    [BROKEN, GUARANTEED]
    """
    vertices = as_points(points, dimension=head.dimension)
    own = class_index(head, c)
    chosen = [np.asarray(choice, dtype=bool) for choice in choices]
    for choice in chosen:
        if choice.shape != (len(vertices),) or not choice.any():
            raise BadArgument(f"choices: expected one or more of {len(vertices)} points, each told by a bool")
    if not chosen:
        return []
    screen = Screen.of(head, vertices, own, np.array(chosen))
    return [_guarantee(head, vertices, own, screen, i) for i in range(len(screen.chosen))]


def _guarantee(head: AffineHead, points: Floats, own: int, screen: Screen, i: int) -> HullGuarantee:
    start = time.perf_counter()
    chosen = screen.chosen[i]
    vertices = points if chosen.all() else points[chosen]
    near = _Contest.of(head, vertices, own, (screen.low[i], screen.high[i]))
    worst, worst_rival = near.worst()
    breakers = np.flatnonzero(screen.broken[chosen])
    inflation, margin = near.inflation(), float_below(worst)
    claim: Claim
    if worst > 0:
        claim = GuaranteedHull(
            vertices, head.weight, head.bias, own, margin=margin, centre=near.centre, inflation=inflation
        )
    else:
        rivals = screen.rivals[chosen][breakers]
        claim = BrokenHull(vertices, head.weight, head.bias, own, breakers=breakers, rivals=rivals)
    return HullGuarantee(
        status=Status.GUARANTEED if worst > 0 else Status.BROKEN,
        worst_margin=margin,
        worst_rival=worst_rival,
        distance=near.distance(),
        breakers=breakers,
        breaker_rivals=screen.rivals[chosen][breakers],
        inflation=inflation,
        centre=near.centre,
        certificate=claim,
        stats=Stats(passes=1, seconds=time.perf_counter() - start),
    )


def class_index(head: AffineHead, c: int) -> int:
    """``c`` as a class of the head, or BadArgument."""
    if isinstance(c, bool) or not isinstance(c, int | np.integer) or not 0 <= c < head.classes:
        raise BadArgument(f"class {c!r}: expected a whole number from 0 to {head.classes - 1}")
    return int(c)


@dataclass(frozen=True)
class _Contest:
    """The rivals that may be the nearest in some sense, with exact margins; a screen left out all others.

    ``rivals`` (m,); ``least``, the least margin of any vertex over each; ``lead``, the margin of ``centre``,
    the centroid; ``norms`` (m,), upper bounds on ‖w_own − w_k‖.
    """

    rivals: Ints
    least: list[Fraction]
    lead: list[Fraction]
    norms: Float64
    centre: Float64

    @classmethod
    def of(cls, head: AffineHead, vertices: Floats, own: int, least: tuple[Float64, Float64]) -> _Contest:
        """Decide the rivals that bounds on the ``least`` margins over each (C,), below and above, leave."""
        with np.errstate(over="ignore", invalid="ignore"):
            centre = vertices.mean(axis=0, dtype=np.float64)
        if not np.isfinite(centre).all():
            centre = vertices[0].astype(np.float64)
        lengths = row_lengths(head)
        lead = least_margin_bounds(centre[None], head.weight, head.bias, own, lengths=lengths)
        norms = norms_from(head, own)
        left = _may_be_least(*least) | (lead[0] <= 0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            left |= _may_be_least(*(bound / norms for bound in least))
            left |= _may_be_least(*_scalings(*least, *lead))
        left[own] = False
        rivals = np.flatnonzero(left)
        exact = ExactHead(head.weight[[own, *rivals]], head.bias[[own, *rivals]])
        return cls(
            rivals,
            least_margins(vertices, head.weight, head.bias, own, rivals),
            exact.leads(centre, 0)[1:],
            norms[rivals],
            centre,
        )

    def worst(self) -> tuple[Fraction, int]:
        """The least margin over any rival, and the first rival that has it."""
        value = min(self.least)
        return value, int(self.rivals[self.least.index(value)])

    def distance(self) -> float:
        """A lower bound on the distance to the boundary; zero where the hull is broken."""
        if min(self.least) <= 0:
            return 0.0
        apart = [
            float_below(m) / norm * (1 - 4 * UNIT)
            for m, norm in zip(self.least, self.norms, strict=True)
            if norm > 0
        ]
        return float(min(apart, default=math.inf))

    def inflation(self) -> float:
        """The factor of scaling about the centroid that keeps the hull in the closed cell, rounded down."""
        if min(self.lead) <= 0:
            return 0.0
        limits = [c / (c - m) for c, m in zip(self.lead, self.least, strict=True) if c > m]
        return max(0.0, float_below(min(limits))) if limits else math.inf


def _may_be_least(low: Float64, high: Float64) -> NDArray[np.bool_]:
    """Which of several values, known between bounds, may be the least of all; NaN means unknown."""
    return ~(low > np.fmin.reduce(high, initial=np.inf))


def _scalings(low: Float64, high: Float64, lead_low: Float64, lead_high: Float64) -> tuple[Float64, Float64]:
    """Bounds on c / (c − m) for leads c and least margins m between bounds; infinite where c ≤ m.

    The quotient is monotone in both, so its extremes are at corners, and rounded by a few units.
    """
    corners = []
    for m in (low, high):
        for c in (lead_low, lead_high):
            corners.append(np.where(c > m, c / (c - m), np.inf))
    least, most = np.min(corners, axis=0), np.max(corners, axis=0)
    return least - 16 * UNIT * np.abs(least), most + 16 * UNIT * np.abs(most)
