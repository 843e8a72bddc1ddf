"""Is a cell empty? A point of it, or multipliers that exclude every point."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64
from featgeom.certificates.claim import Claim
from featgeom.certificates.farkas import EmptyCell
from featgeom.certificates.shapes import InscribedBall
from featgeom.head import AffineHead
from featgeom.regions.contest import contest, to_be_solved
from featgeom.regions.domains import Box, Domain, Hull, ground
from featgeom.regions.guarantee import class_index
from featgeom.regions.witnesses import base_points, in_box
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class Emptiness(Result):
    """Whether a cell has any point in the domain.

    ``status``: SOLVED with a ``point`` of the cell, INFEASIBLE where it is proved empty, else UNDECIDED.
    ``empty`` says the same as a truth value, None if undecided. A cell that is only a tie with others is not
    empty.
    """

    shows = ("empty",)

    status: Status
    empty: bool | None
    point: Float64 | None
    certificate: Claim | None
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def emptiness(head: AffineHead, domain: Domain, c: int) -> Emptiness:
    """Decide whether class ``c`` has the largest logit (or ties for it) anywhere in the domain.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]], [0.0, 0.0, -1.0])
    >>> emptiness(head, Box.orthant(2), 2).empty, emptiness(head, Box.orthant(2), 0).empty
    (True, False)
    """
    start = time.perf_counter()
    own = class_index(head, c)
    programs = 0
    candidates = [_base_in_cell(head, domain, own)]
    if candidates[0] is None:
        found = contest(head, domain, own)
        programs = 1
        if found.multipliers.any() and found.lead < 1e-7:
            claim = EmptyCell(
                **ground(head, domain),
                own=np.array([own]),
                multipliers=csr_array(found.multipliers[None, :]),
                solved=csr_array(to_be_solved(head, domain, own, found.multipliers)[None, :]),
            )
            if is_proved(claim):
                return Emptiness(Status.INFEASIBLE, True, None, claim, stats_since(programs, start))
        candidates.append(as_base(domain, found.point))
        if isinstance(domain, Box):  # where all may tie
            candidates.append(as_base(domain, np.zeros(head.dimension)))
    for bases in [b for b in candidates if b is not None]:
        ball = ball_claim(head, domain, bases, own, 0.0, np.inf, np.zeros(head.classes))
        if is_proved(ball):
            return Emptiness(
                Status.SOLVED, False, point_of(domain, bases), ball, stats_since(programs, start)
            )
    return Emptiness(Status.UNDECIDED, None, None, None, stats_since(programs, start))


def ball_claim(
    head: AffineHead, domain: Domain, bases: Any, own: int, radius: float, upper: float, multipliers: Float64
) -> InscribedBall:
    """The claim that a ball about one base lies in a cell, and none beyond ``upper``."""
    return InscribedBall(
        **ground(head, domain),
        bases=bases,
        own=np.array([own]),
        radius=np.array([radius]),
        upper=np.array([max(upper, radius)]),
        multipliers=csr_array(multipliers[None, :]),
        solved=csr_array(to_be_solved(head, domain, own, multipliers)[None, :]),
    )


def _base_in_cell(head: AffineHead, domain: Domain, own: int) -> Any:
    for found in base_points(head, domain, None):
        ahead = found.logits[:, own] - np.delete(found.logits, own, axis=1).max(axis=1)
        best = int(ahead.argmax())
        if ahead[best] > 0:
            return found.bases[[best]]
    return None


def as_base(domain: Domain, point: Float64 | None) -> Any:
    """A point, or weights over the points of a hull, as the one base of a claim."""
    if point is None:
        return None
    if isinstance(domain, Hull):
        weights = np.maximum(point, 0.0)
        return csr_array(weights[None, :] / weights.sum())
    return in_box(domain, point[None, :])


def point_of(domain: Domain, bases: Any) -> Float64:
    """The point (d,) that a single base means."""
    if isinstance(domain, Hull):
        return (bases @ domain.points.astype(np.float64))[0] / bases.sum()
    return bases[0]


def is_proved(claim: Claim) -> bool:
    """Whether the one statement of a claim is proved by its check."""
    return bool(claim.check().status[0] is Status.PROVED)


def stats_since(programs: int, start: float) -> Stats:
    """What was spent since ``start``."""
    return Stats(iterations=programs, seconds=time.perf_counter() - start)
