"""The largest ball in a cell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from featgeom.arrays import Float64
from featgeom.certificates.claim import Claim
from featgeom.certificates.shapes import CellRay, InscribedBall
from featgeom.exact.rounding import UNIT
from featgeom.head import AffineHead
from featgeom.regions.contest import highest_sum
from featgeom.regions.domains import Box, Domain, Hull
from featgeom.regions.emptiness import as_base, ball_claim, emptiness, is_proved, point_of, stats_since
from featgeom.regions.gaps import norms_from
from featgeom.regions.guarantee import class_index
from featgeom.regions.recession import recession
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class Chebyshev(Result):
    """The largest ball in a cell. In a hull domain only the centre is kept in the hull.

    ``status``: SOLVED, UNBOUNDED where the cell holds balls of any size (then ``radius`` is inf and
    ``centre`` a point of the cell), INFEASIBLE where the cell is empty, else UNDECIDED. ``radius`` is a
    proved lower bound, ``upper`` a proved upper bound (inf where none was found).
    """

    bounded = ("radius", "radius", "upper")

    status: Status
    centre: Float64 | None
    radius: float
    upper: float
    certificate: Claim | None
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def chebyshev(head: AffineHead, domain: Domain, c: int) -> Chebyshev:
    """The largest ball in the cell of class ``c`` in the domain, between proved bounds.

    >>> head = AffineHead([[1.0, 0.0], [-1.0, 0.0]])
    >>> found = chebyshev(head, Box([-1.0, -1.0], [1.0, 1.0]), 0)
    >>> found.status, found.centre.round(6)[0], round(found.radius, 6), round(found.upper, 6)
    (SOLVED, np.float64(0.5), 0.5, 0.5)
    """
    start = time.perf_counter()
    own = class_index(head, c)
    empty = emptiness(head, domain, own)
    if empty.empty is not False:
        return Chebyshev(empty.status, None, 0.0, np.inf, empty.certificate, stats_since(1, start))
    end = recession(head, domain, own)
    if isinstance(end.certificate, CellRay) and end.certificate.wide[0]:
        return Chebyshev(
            Status.UNBOUNDED, empty.point, np.inf, np.inf, end.certificate, stats_since(2, start)
        )
    claim = _largest_ball(head, domain, own)
    if claim is None:
        return Chebyshev(Status.UNDECIDED, empty.point, 0.0, np.inf, empty.certificate, stats_since(3, start))
    upper = float(claim.upper[0])
    status = Status.SOLVED if np.isfinite(upper) else Status.UNDECIDED
    return Chebyshev(
        status, point_of(domain, claim.bases), float(claim.radius[0]), upper, claim, stats_since(3, start)
    )


def _largest_ball(head: AffineHead, domain: Domain, own: int) -> InscribedBall | None:
    rivals = np.array([k for k in range(head.classes) if k != own])
    norms = norms_from(head, own)[rivals]
    gain = head.weight[own] - head.weight[rivals]
    offset = head.bias[own] - head.bias[rivals]
    equal: dict[str, Any] = {}
    if isinstance(domain, Hull):
        below = np.hstack([-(gain @ domain.points.astype(np.float64).T + offset[:, None]), norms[:, None]])
        right = np.zeros(len(rivals))
        equal = {"A_eq": np.append(np.ones(len(domain.points)), 0.0)[None, :], "b_eq": [1.0]}
        bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * (len(domain.points) + 1)
    else:
        below, right = np.hstack([-gain, norms[:, None]]), offset
        sides = []
        for side, sign in ((domain.lo, -1.0), (domain.hi, 1.0)):
            index = np.flatnonzero(np.isfinite(side))
            block = np.zeros((len(index), head.dimension + 1))
            block[np.arange(len(index)), index] = sign
            block[:, -1] = 1.0
            sides.append((block, sign * side[index]))
        below = np.vstack([below, *(s[0] for s in sides)])
        right = np.concatenate([right, *(s[1] for s in sides)])
        bounds = [(None, None)] * head.dimension + [(0.0, None)]
    cost = np.zeros(below.shape[1])
    cost[-1] = -1.0
    found: Any = linprog(cost, A_ub=below, b_ub=right, bounds=bounds, method="highs", **equal)
    if found.status != 0:
        return None
    multipliers = np.zeros(head.classes)
    multipliers[rivals] = np.maximum(0.0, -found.ineqlin.marginals[: len(rivals)])
    bases = as_base(domain, found.x[:-1])
    assert bases is not None
    return _settled_ball(
        head, domain, bases, own, _room(head, domain, point_of(domain, bases), own), multipliers
    )


def _room(head: AffineHead, domain: Domain, centre: Float64, own: int) -> float:
    """How large a ball there is about the centre that the program found, whatever its tolerances were."""
    logits = head.logits(centre[None, :])[0]
    norms = norms_from(head, own)
    gaps = [(logits[own] - v) / norms[k] for k, v in enumerate(logits) if norms[k] > 0]
    if isinstance(domain, Box):
        gaps += [*(centre - domain.lo), *(domain.hi - centre)]
    return float(min(gaps, default=np.inf))


def _settled_ball(
    head: AffineHead, domain: Domain, bases: Any, own: int, radius: float, multipliers: Float64
) -> InscribedBall | None:
    """The claim with a radius and a bound that leave room for rounding, as little as will do."""
    highest = highest_sum(head, domain, own, multipliers)
    slope = multipliers.sum() * head.weight[own] - multipliers @ head.weight
    size = float(multipliers @ norms_from(head, own)) + (
        0.0 if isinstance(domain, Hull) else float(np.abs(slope).sum())
    )
    upper = highest / size * (1 + 1e-9) if size > 0 else np.inf
    if isinstance(domain, Box):
        upper = min(upper, float(np.nextafter((domain.hi - domain.lo).min() / 2, np.inf)))
    for shrink in (1e-12, 1e-9, 1e-6):
        lower = max(0.0, radius * (1 - shrink))
        for bound in (upper * (1 + 4 * UNIT), np.inf):
            claim = ball_claim(head, domain, bases, own, lower, bound, multipliers)
            if is_proved(claim):
                return claim
    return None
