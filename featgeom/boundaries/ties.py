"""Closest points at which classes tie and no other class beats them: the questions, solved and certified."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, vstack

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.bounds import distance_above, dual_bound, logit_error, tie_error
from featgeom.boundaries.closest import EMPTY, closest_ties
from featgeom.boundaries.domain import domain_bounds
from featgeom.boundaries.tied import as_tied
from featgeom.certificates.boundaries import EmptyTieClaim, TieClaim
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

CHUNK_NUMBERS = 1 << 24  # how many float64 of points and multipliers are solved for in one step
RTOL = 1e-9  # relative width of the interval of a distance that counts as solved


@dataclass(frozen=True, eq=False, repr=False)
class FlipPoints(Result):
    """The closest ties found, each with an interval that is proved to hold its distance.

    Shapes: ``batch`` is (n,) for one question a sample and (n, t) for t.

    * ``point`` (*batch, d): in the domain; NaN where there is none;
    * ``distance`` (*batch,), in feature space: from the sample to ``point``, rounded up; inf where none;
    * ``lower_bound`` (*batch,): no exact tie is nearer, proved by weak duality; inf where none exists;
    * ``error`` (*batch,), in logits: how far from exact the tie at ``point`` may be. A float64 point can in
      general not tie exactly; this is the bound on what rounding left;
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
    certificate: TieClaim
    certificate_empty: EmptyTieClaim
    stats: Stats


@dataclass(frozen=True, eq=False)
class Answers:
    """Flat answers (N,) to questions "closest tie of these classes to this sample"."""

    point: Float64
    distance: Float64
    lower_bound: Float64
    error: Float64
    status: StatusArray
    multipliers: csr_array
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
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("point", "distance", "lower_bound", "error", "status")
    }
    stacked = csr_array(vstack([part.multipliers for part in parts], format="csr"))
    return Answers(**joined, multipliers=stacked, empty=empty, iterations=sum(p.iterations for p in parts))


def _solve_chunk(
    head: AffineHead, z: Float64, owner: Ints, tied: Ints, lo: Float64, hi: Float64, rtol: float
) -> Answers:
    w, b = head.weight, head.bias
    points, multipliers, outcome, iterations = closest_ties(w, b, z, owner, tied, lo, hi)
    found = outcome != EMPTY
    own = z[owner]
    distance = np.where(found, distance_above(points, own), np.inf)
    error = np.where(found, tie_error(w, b, points, tied), np.inf)
    lower = dual_bound(w, b, own, tied, multipliers, lo, hi)
    rows = np.arange(len(owner))
    ref = tied[:, 0]
    lengths = np.linalg.norm(w[ref][:, None] - w[tied[:, 1:]], axis=2).min(axis=1)
    noise = logit_error(w, b, points)[rows, ref] + logit_error(w, b, own)[rows, ref]
    with np.errstate(divide="ignore", invalid="ignore"):
        resolution = np.where(lengths > 0, 8 * noise / lengths, 0.0)
        # a point that misses the tie by a rounding may be nearer than any exact tie
        solved = (distance - lower <= rtol * distance + resolution) & (error <= 64 * noise + rtol * lengths)
    status = status_array(len(owner), Status.PRECISION_LIMIT)
    status[(outcome != EMPTY) & (outcome != 0)] = Status.ITERATION_LIMIT
    status[found & solved] = Status.SOLVED
    empty = _prove_empty(head, tied, multipliers, ~found, lo, hi, status)
    gone = status == Status.INFEASIBLE
    lower[gone] = np.inf
    points[~found] = np.nan
    sparse = csr_array(multipliers)
    return Answers(points, distance, lower, error, status, sparse, empty, iterations)


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
            claim = EmptyTieClaim(head.weight, head.bias, tied[i : i + 1], lo, hi, ray)
            tried[key] = Status.UNDECIDED
            if claim.check().status[0] is Status.PROVED:
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
    found = np.flatnonzero(np.isfinite(answers.distance))
    claim = TieClaim(
        weight=head.weight,
        bias=head.bias,
        features=z,
        owner=owner[found],
        tied=np.ascontiguousarray(tied[found]),
        lower=lo,
        upper=hi,
        point=answers.point[found],
        error=answers.error[found],
        distance=answers.distance[found],
        lower_bound=answers.lower_bound[found],
        multipliers=csr_array(answers.multipliers[found]),
    )
    return FlipPoints(
        point=answers.point.reshape(*batch, head.dimension),
        distance=answers.distance.reshape(batch),
        lower_bound=answers.lower_bound.reshape(batch),
        error=answers.error.reshape(batch),
        classes=np.array(tied).reshape(*batch, tied.shape[1]),
        status=answers.status.reshape(batch),
        certificate=claim,
        certificate_empty=empty_claim(head, answers.empty, tied.shape[1], lo, hi),
        stats=Stats(answers.iterations, 0, time.perf_counter() - start),
    )


def empty_claim(
    head: AffineHead, empty: dict[tuple[int, ...], csr_array], k: int, lo: Float64, hi: Float64
) -> EmptyTieClaim:
    """The absences that were proved, as one claim."""
    tied = np.array(list(empty), np.int64).reshape(len(empty), k)
    rows = list(empty.values()) or [csr_array((0, head.classes))]
    return EmptyTieClaim(head.weight, head.bias, tied, lo, hi, csr_array(vstack(rows, format="csr")))
