"""Closest points at which classes tie and no other class beats them: the questions, solved and certified."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, vstack

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.active_set import EMPTY
from featgeom.boundaries.bounds import distance_above, dual_bound, logit_error, tie_error
from featgeom.boundaries.closest import Closest, closest_ties
from featgeom.boundaries.domain import domain_bounds
from featgeom.boundaries.exactly import settle
from featgeom.boundaries.held import RTOL, held
from featgeom.boundaries.tied import as_tied
from featgeom.certificates.farkas import EmptyTie
from featgeom.certificates.norms import NearestInNorm, TieInNorm
from featgeom.certificates.ties import NearestTie, Tie
from featgeom.exact.heads import ExactHead
from featgeom.exact.rounding import UNIT, lengths_above
from featgeom.head import AffineHead
from featgeom.regions.contest import to_be_solved
from featgeom.regions.domains import Box, ground
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

CHUNK_NUMBERS = 1 << 24  # how many float64 of points and multipliers are solved for in one step


@dataclass(frozen=True, eq=False, repr=False)
class FlipPoints(Result):
    """The closest ties found, each with an interval that is proved to hold its distance.

    Shapes: ``batch`` is (n,) for one question a sample and (n, t) for t.

    * ``point`` (*batch, d): in the domain; NaN where there is none;
    * ``distance`` (*batch,), in feature space: an exact tie is no farther from the sample; inf where none is
      known;
    * ``lower_bound`` (*batch,): no exact tie is nearer, proved by weak duality; inf where none exists;
    * ``error`` (*batch,), in logits: how far from exact the tie at ``point`` may be. A float64 point can in
      general not tie exactly; this is the bound on what rounding left, and ``distance`` makes up for it;
    * ``classes`` (*batch, k): the classes that tie, the sample's own first where it is one of them;
    * ``status``: SOLVED, INFEASIBLE (proved that these classes tie nowhere in the domain), PRECISION_LIMIT,
      ITERATION_LIMIT or UNDECIDED (none found, and none excluded);
    * ``certificate``, ``certificate_empty``: the claims that prove the points, and the absences.
    """

    bounded = ("distance", "lower_bound", "distance")
    shows = ("error",)

    point: Float64
    distance: Float64
    lower_bound: Float64
    error: Float64
    classes: Ints
    status: StatusArray
    certificate: Tie | NearestTie | NearestInNorm | TieInNorm
    certificate_empty: EmptyTie
    stats: Stats


@dataclass(frozen=True, eq=False)
class Answers:
    """Flat answers (N,) to questions "closest tie of these classes to this sample".

    ``active`` (N, C) and ``fixed`` (N, d) determine each point exactly, as `Tie` says.
    """

    point: Float64
    distance: Float64
    lower_bound: Float64
    error: Float64
    status: StatusArray
    multipliers: csr_array
    active: csr_array
    fixed: csr_array
    empty: dict[tuple[int, ...], csr_array]
    iterations: int


def tie_points(head: AffineHead, z: ArrayLike, classes: ArrayLike, domain: object = "space") -> FlipPoints:
    """The closest point to each feature at which all the named classes tie and no other beats them.

    Minimises ‖p − z‖ (distance in feature space) over p in the domain with l_j(p) equal for every j in
    ``classes`` and no other logit above. With all C classes it is the nearest point of greatest ambiguity.
    A tie of k classes costs O(k²d) a sample.

    Parameters: z (n, d); classes (k,) for all samples or (n, k), k ≥ 2, distinct; domain "space", "orthant"
    or a box. Raises BadArgument for classes that repeat or do not exist.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> ties = tie_points(head, [[3.0, 1.0]], [0, 1, 2])
    >>> ties.point.round(12) + 0.0
    array([[0., 0.]])
    """
    start = time.perf_counter()
    queries = as_float64(z, "z", head.dimension, allow_empty=True)
    tied = as_tied(classes, len(queries), head.classes)
    owner = np.arange(len(queries))
    lo, hi = domain_bounds(domain, head.dimension)
    answers = solve_ties(head, queries, owner, tied, lo, hi)
    return certified(head, queries, owner, tied, lo, hi, answers, (len(queries),), start)


def solve_ties(
    head: AffineHead, z: Float64, owner: Ints, tied: Ints, lo: Float64, hi: Float64, rtol: float = RTOL
) -> Answers:
    """Answer the questions (owner (N,), tied (N, k)) in chunks, each with its proof."""
    count, (c, d) = len(owner), head.weight.shape
    step = max(1, CHUNK_NUMBERS // (c + d))
    parts = [
        _solve_chunk(head, z, owner[s : s + step], tied[s : s + step], lo, hi, rtol)
        for s in range(0, max(count, 1), step)
    ]
    return join(parts)


def join(parts: list[Answers]) -> Answers:
    """Several batches of answers as one; of two proofs that classes never tie, the first."""
    if len(parts) == 1:
        return parts[0]
    empty: dict[tuple[int, ...], csr_array] = {}
    for part in reversed(parts):
        empty |= part.empty
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("point", "distance", "lower_bound", "error", "status")
    }
    joined |= {
        name: csr_array(vstack([getattr(part, name) for part in parts], format="csr"))
        for name in ("multipliers", "active", "fixed")
    }
    return Answers(**joined, empty=empty, iterations=sum(p.iterations for p in parts))


def _solve_chunk(
    head: AffineHead, z: Float64, owner: Ints, tied: Ints, lo: Float64, hi: Float64, rtol: float
) -> Answers:
    w, b = head.weight, head.bias
    solved = closest_ties(w, b, z, owner, tied, lo, hi)
    points, found, own = solved.points, solved.outcome != EMPTY, z[owner]
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.where(found, distance_above(points, own) + solved.off, np.inf) * (1 + 4 * UNIT)
    active, fixed = solved.active & found[:, None], np.where(found[:, None], solved.fixed, 0)
    for i in np.flatnonzero(found & ~_certain(head, solved, tied, lo, hi)):
        sides = {int(j): int(fixed[i, j]) for j in np.flatnonzero(fixed[i])}
        exact = settle(_exact(head), own[i], tied[i], np.flatnonzero(active[i]), sides, lo, hi)
        distance[i] = exact.distance if exact else np.inf
        if exact:
            points[i], active[i], fixed[i] = exact.point, False, 0
            active[i, exact.active] = True
            for j, side in exact.fixed.items():
                fixed[i, j] = side
    known = np.isfinite(distance)
    error = np.where(known, tie_error(w, b, points, tied), np.inf)
    multipliers = np.where(np.isfinite(solved.multipliers), solved.multipliers, 0.0)
    lower = dual_bound(w, b, own, tied, multipliers, lo, hi)
    rows = np.arange(len(owner))
    ref = tied[:, 0]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        lengths = np.linalg.norm(w[ref][:, None] - w[tied[:, 1:]], axis=2).min(axis=1)
        noise = logit_error(w, b, points)[rows, ref] + logit_error(w, b, own)[rows, ref]
        resolution = np.where(lengths > 0, 8 * noise / lengths, 0.0)
        close = distance - lower <= rtol * distance + resolution
    status = status_array(len(owner), Status.PRECISION_LIMIT)
    status[(solved.outcome != EMPTY) & (solved.outcome != 0)] = Status.ITERATION_LIMIT
    status[known & close & np.isfinite(error)] = Status.SOLVED
    status[found & ~known] = Status.UNDECIDED
    empty = _prove_empty(head, tied, multipliers, ~found, lo, hi, status)
    lower[status == Status.INFEASIBLE] = np.inf
    points[~known] = np.nan
    active[rows[:, None], tied] = False  # those are named anyway
    return Answers(
        points,
        distance,
        lower,
        error,
        status,
        multipliers=csr_array(multipliers),
        active=csr_array(active.astype(np.float64)),
        fixed=csr_array(fixed.astype(np.float64)),
        empty=empty,
        iterations=solved.iterations,
    )


@lru_cache(maxsize=4)
def _exact(head: AffineHead) -> ExactHead:
    return ExactHead(head.weight, head.bias)


def _certain(head: AffineHead, found: Closest, tied: Ints, lo: Float64, hi: Float64) -> NDArray[np.bool_]:
    """Where float64 leaves no doubt that the point meant is in the box and that no other class beats it."""
    rows, ref = np.arange(len(tied)), tied[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):
        logits = head.logits(np.where(np.isfinite(found.points), found.points, 0.0))
        error = logit_error(head.weight, head.bias, found.points)
        lengths = lengths_above(head.weight)
        moved = found.off[:, None] * (lengths + lengths[ref][:, None])
        clear = logits[rows, ref][:, None] - logits > 1.01 * (error + error[rows, ref][:, None] + moved)
        inside = (found.points - lo > found.off[:, None]) & (hi - found.points > found.off[:, None])
    tying = found.active[rows[:, None], tied].all(axis=1)
    return tying & (clear | found.active).all(axis=1) & (inside | (found.fixed != 0)).all(axis=1)


def _prove_empty(
    head: AffineHead,
    tied: Ints,
    multipliers: Float64,
    missing: Ints,
    lo: Float64,
    hi: Float64,
    status: StatusArray,
) -> dict[tuple[int, ...], csr_array]:
    """Mark INFEASIBLE where a Farkas ray proves it exactly; one ray serves all samples with those classes."""
    proved: dict[tuple[int, ...], csr_array] = {}
    tried: dict[tuple[int, ...], Status] = {}
    for i in np.flatnonzero(missing):
        key = tuple(int(k) for k in tied[i])
        if tried.get(key) is not Status.INFEASIBLE:
            ray = csr_array(multipliers[i : i + 1] / max(np.abs(multipliers[i]).max(), 1e-300))
            tried[key] = Status.UNDECIDED
            if empty_claim(head, {key: ray}, len(key), lo, hi).check().status[0] is Status.PROVED:
                tried[key] = Status.INFEASIBLE
                proved[key] = ray
        status[i] = tried[key]
    return proved


def certified(
    head: AffineHead,
    z: Float64,
    owner: Ints,
    tied: Ints,
    lo: Float64,
    hi: Float64,
    answers: Answers,
    batch: tuple[int, ...],
    start: float,
) -> FlipPoints:
    """Flat answers in the shape that was asked for, with their claims."""
    said = np.flatnonzero(np.isfinite(answers.distance) | (answers.status == Status.UNDECIDED))
    claim = Tie(
        weight=head.weight,
        bias=head.bias,
        lo=lo,
        hi=hi,
        features=z,
        owner=owner[said],
        tied=np.ascontiguousarray(tied[said]),
        active=answers.active[said],
        fixed=answers.fixed[said],
        lower=answers.lower_bound[said],
        upper=answers.distance[said],
        multipliers=answers.multipliers[said],
    )
    distance, lower = answers.distance.copy(), answers.lower_bound.copy()
    status = answers.status.copy()
    claim, status[said] = held(claim, status[said])
    distance[said], lower[said] = claim.upper, claim.lower
    return FlipPoints(
        point=answers.point.reshape(*batch, head.dimension),
        distance=distance.reshape(batch),
        lower_bound=lower.reshape(batch),
        error=answers.error.reshape(batch),
        classes=np.array(tied).reshape(*batch, tied.shape[1]),
        status=status.reshape(batch),
        certificate=claim,
        certificate_empty=empty_claim(head, answers.empty, tied.shape[1], lo, hi),
        stats=Stats(answers.iterations, 0, time.perf_counter() - start),
    )


def empty_claim(
    head: AffineHead, empty: dict[tuple[int, ...], csr_array], k: int, lo: Float64, hi: Float64
) -> EmptyTie:
    """The absences that were proved, as one claim."""
    tied = np.array(list(empty), np.int64).reshape(len(empty), k)
    rows = csr_array(vstack([csr_array((0, head.classes)), *empty.values()], format="csr"))
    box = Box(lo, hi)
    marks = [to_be_solved(head, box, int(t[0]), row) for t, row in zip(tied, rows.toarray(), strict=True)]
    solved = csr_array(np.array(marks).reshape(rows.shape))
    return EmptyTie(**ground(head, box), tied=tied, multipliers=rows, solved=solved)
