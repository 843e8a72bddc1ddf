"""The shape of one cell in the domain: is it empty, how large a ball does it hold, has it an end?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog, nnls
from scipy.sparse import csr_array

from featgeom.arrays import Float64
from featgeom.certificates.cells import EmptyCellClaim
from featgeom.certificates.claim import Claim
from featgeom.certificates.ground import Ground
from featgeom.certificates.shape import BoundedCellClaim, InscribedBallClaim, RayClaim, open_signs
from featgeom.head import AffineHead
from featgeom.regions.adjacency import ground_of
from featgeom.regions.contest import contest, to_be_solved
from featgeom.regions.domains import Box, Domain, Hull
from featgeom.regions.guarantee import class_index
from featgeom.regions.margins import U
from featgeom.regions.radius import norms_from
from featgeom.regions.witnesses import base_points
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False)
class Emptiness:
    """Whether a cell has any point in the domain.

    ``status``: SOLVED with a ``point`` of the cell, INFEASIBLE where it is proved empty, else UNDECIDED.
    ``empty`` says the same as a truth value, None if undecided. A cell that is only a tie with others is not
    empty.
    """

    status: Status
    empty: bool | None
    point: Float64 | None
    certificate: Claim | None
    stats: Stats


@dataclass(frozen=True, eq=False)
class Chebyshev:
    """The largest ball in a cell. In a hull domain only the centre is kept in the hull.

    ``status``: SOLVED, UNBOUNDED where the cell holds balls of any size (then ``radius`` is inf and
    ``centre`` a point of the cell), INFEASIBLE where the cell is empty, else UNDECIDED. ``radius`` is a
    proved lower bound, ``upper`` a proved upper bound (inf where none was found).
    """

    status: Status
    centre: Float64 | None
    radius: float
    upper: float
    certificate: Claim | None
    stats: Stats


@dataclass(frozen=True, eq=False)
class Recession:
    """Whether a cell has an end: ``status`` UNBOUNDED with a ``ray``, SOLVED where it is proved bounded.

    INFEASIBLE where the cell is empty, else UNDECIDED.
    """

    status: Status
    ray: Float64 | None
    certificate: Claim | None
    stats: Stats


def emptiness(head: AffineHead, domain: Domain, c: int) -> Emptiness:
    """Decide whether class ``c`` has the largest logit (or ties for it) anywhere in the domain.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]], [0.0, 0.0, -1.0])
    >>> emptiness(head, Box.orthant(2), 2).empty, emptiness(head, Box.orthant(2), 0).empty
    (True, False)
    """
    start = time.perf_counter()
    own, ground = class_index(head, c), ground_of(head, domain)
    programs = 0
    candidates = [_base_in_cell(head, domain, own)]
    if candidates[0] is None:
        found = contest(head, domain, own)
        programs = 1
        if found.multipliers.any() and found.lead < 1e-7:
            claim = EmptyCellClaim(
                head.weight,
                head.bias,
                ground.lo,
                ground.hi,
                ground.vertices,
                np.array([own]),
                csr_array(found.multipliers[None, :]),
                csr_array(to_be_solved(ground, own, found.multipliers)[None, :]),
            )
            if _proved(claim):
                return Emptiness(Status.INFEASIBLE, True, None, claim, _stats(programs, start))
        candidates.append(_as_base(domain, found.point))
        if isinstance(domain, Box):  # where all may tie
            candidates.append(_as_base(domain, np.zeros(head.dimension)))
    for bases in [b for b in candidates if b is not None]:
        ball = _ball_claim(ground, bases, own, 0.0, np.inf, np.zeros(head.classes))
        if _proved(ball):
            return Emptiness(Status.SOLVED, False, _point(domain, bases), ball, _stats(programs, start))
    return Emptiness(Status.UNDECIDED, None, None, None, _stats(programs, start))


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
        return Chebyshev(empty.status, None, 0.0, np.inf, empty.certificate, _stats(1, start))
    end = recession(head, domain, own)
    if isinstance(end.certificate, RayClaim) and end.certificate.wide[0]:
        return Chebyshev(Status.UNBOUNDED, empty.point, np.inf, np.inf, end.certificate, _stats(2, start))
    claim = _largest_ball(head, domain, own)
    if claim is None:
        return Chebyshev(Status.UNDECIDED, empty.point, 0.0, np.inf, empty.certificate, _stats(3, start))
    upper = float(claim.upper[0])
    status = Status.SOLVED if np.isfinite(upper) else Status.UNDECIDED
    return Chebyshev(
        status, _point(domain, claim.bases), float(claim.radius[0]), upper, claim, _stats(3, start)
    )


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
        return Recession(empty.status, None, empty.certificate, _stats(1, start))
    if not isinstance(domain, Box):
        return Recession(Status.SOLVED, None, empty.certificate, _stats(1, start))
    ways = Box(np.where(np.isfinite(domain.lo), 0.0, -np.inf), np.where(np.isfinite(domain.hi), 0.0, np.inf))
    ray, multipliers = _best_ray(head, ways, own)
    if ray is not None:
        inward = np.isfinite(domain.lo) * 1.0 - np.isfinite(domain.hi)
        for wide, way in ((True, ray + 1e-7 * inward), (False, ray)):
            claim = RayClaim(
                head.weight,
                head.bias,
                domain.lo,
                domain.hi,
                empty.point[None, :],
                np.array([own]),
                way[None, :],
                np.array([wide]),
            )
            if _proved(claim):
                return Recession(Status.UNBOUNDED, way, claim, _stats(2, start))
    for rows in (multipliers[None, :], _one_row_each(head, domain, own)):
        bounded = BoundedCellClaim(head.weight, domain.lo, domain.hi, own, csr_array(np.maximum(rows, 0.0)))
        if _proved(bounded):
            return Recession(Status.SOLVED, None, bounded, _stats(2, start))
    return Recession(Status.UNDECIDED, None, None, _stats(2, start))


def _best_ray(head: AffineHead, ways: Box, own: int) -> tuple[Float64 | None, Float64]:
    """A direction in which the class gains on all others, or on none; and the dual solution."""
    # Classes with the same weights rise alike, so they say nothing about rays.
    unlike = np.flatnonzero((head.weight != head.weight[own]).any(axis=1))
    multipliers = np.zeros(head.classes)
    if len(unlike) == 0:
        signs = open_signs(ways.lo, ways.hi)
        ray = np.zeros(head.dimension)
        for i, sign in signs:
            ray[i] = sign
        return (ray if signs else None), multipliers
    some = np.append(own, unlike)
    found = contest(AffineHead(head.weight[some]), ways, 0)
    multipliers[some] = found.multipliers
    if found.point is not None and found.lead > -1e-7 and found.point.any():
        return found.point / np.abs(found.point).max(), multipliers
    for i, sign in open_signs(ways.lo, ways.hi):
        if (sign * (head.weight[own, i] - head.weight[:, i]) >= 0).all():
            return sign * np.eye(head.dimension)[i], multipliers
    return None, multipliers


def _one_row_each(head: AffineHead, box: Box, own: int) -> Float64:
    """Multipliers that come as near as they can to each open direction."""
    signs = open_signs(box.lo, box.hi)
    columns = (head.weight - head.weight[own]).T
    low, high = np.isfinite(box.lo), np.isfinite(box.hi)
    helpers = [-np.eye(head.dimension)[i] * (1.0 if low[i] else -1.0) for i in np.flatnonzero(low | high)]
    helpers += [np.eye(head.dimension)[i] for i in np.flatnonzero(low & high)]
    matrix = np.column_stack([columns, *helpers])
    rows = np.zeros((max(1, len(signs)), head.classes))
    for row, (i, sign) in zip(rows, signs, strict=False):
        target = np.zeros(head.dimension)
        target[i] = sign
        row[:] = nnls(matrix, target)[0][: head.classes]
        row[own] = 0.0
    return rows


def _largest_ball(head: AffineHead, domain: Domain, own: int) -> InscribedBallClaim | None:
    ground = ground_of(head, domain)
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
    bases = _as_base(domain, found.x[:-1])
    assert bases is not None
    return _settled_ball(
        ground, bases, own, _room(head, domain, _point(domain, bases), own), multipliers, head
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
    ground: Ground, bases: Any, own: int, radius: float, multipliers: Float64, head: AffineHead
) -> InscribedBallClaim | None:
    """The claim with a radius and a bound that leave room for rounding, as little as will do."""
    highest = _highest(ground, own, multipliers)
    slope = multipliers.sum() * head.weight[own] - multipliers @ head.weight
    size = float(multipliers @ norms_from(head, own)) + (
        0.0 if ground.is_hull else float(np.abs(slope).sum())
    )
    upper = highest / size * (1 + 1e-9) if size > 0 else np.inf
    if not ground.is_hull:
        upper = min(upper, float(np.nextafter((ground.hi - ground.lo).min() / 2, np.inf)))
    for shrink in (1e-12, 1e-9, 1e-6):
        lower = max(0.0, radius * (1 - shrink))
        for bound in (upper * (1 + 4 * U), np.inf):
            claim = _ball_claim(ground, bases, own, lower, bound, multipliers)
            if _proved(claim):
                return claim
    return None


def _highest(ground: Ground, own: int, multipliers: Float64) -> float:
    """The supremum over the domain of the sum that the multipliers make, infinite where there is none."""
    exactly = ground.completed(own, multipliers, to_be_solved(ground, own, multipliers))
    highest = ground.highest_exactly(own, exactly) if exactly else None
    return np.inf if highest is None else float(highest)


def _ball_claim(
    ground: Ground, bases: Any, own: int, radius: float, upper: float, multipliers: Float64
) -> InscribedBallClaim:
    return InscribedBallClaim(
        ground.weight,
        ground.bias,
        ground.lo,
        ground.hi,
        ground.vertices,
        bases,
        np.array([own]),
        np.array([radius]),
        np.array([max(upper, radius)]),
        csr_array(multipliers[None, :]),
        csr_array(to_be_solved(ground, own, multipliers)[None, :]),
    )


def _base_in_cell(head: AffineHead, domain: Domain, own: int) -> Any:
    for found in base_points(head, domain, None):
        ahead = found.logits[:, own] - np.delete(found.logits, own, axis=1).max(axis=1)
        best = int(ahead.argmax())
        if ahead[best] > 0:
            return found.bases[[best]]
    return None


def _as_base(domain: Domain, point: Float64 | None) -> Any:
    if point is None:
        return None
    if isinstance(domain, Hull):
        weights = np.maximum(point, 0.0)
        return csr_array(weights[None, :] / weights.sum())
    return np.clip(point, domain.lo, domain.hi)[None, :]


def _point(domain: Domain, bases: Any) -> Float64:
    if isinstance(domain, Hull):
        return (bases @ domain.points.astype(np.float64))[0] / bases.sum()
    return bases[0]


def _proved(claim: Claim) -> bool:
    return bool(claim.check().status[0] is Status.PROVED)


def _stats(programs: int, start: float) -> Stats:
    return Stats(iterations=programs, seconds=time.perf_counter() - start)
