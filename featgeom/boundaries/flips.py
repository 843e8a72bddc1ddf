"""Flip points: the closest points of feature space at which a sample's class changes."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints, as_float64, as_numpy
from featgeom.boundaries.bounds import dual_bound, logit_error, tie_error
from featgeom.boundaries.domain import domain_bounds
from featgeom.boundaries.held import RTOL, held
from featgeom.boundaries.norm_ties import ties_in_norm
from featgeom.boundaries.ties import Answers, FlipPoints, certified, empty_claim, join, solve_ties
from featgeom.certificates.norms import NearestInNorm, TieInNorm
from featgeom.certificates.ties import NearestTie
from featgeom.errors import BadArgument
from featgeom.exact.heads import exact_classes
from featgeom.exact.rounding import UNIT
from featgeom.head import AffineHead
from featgeom.norms import Norm, as_norm
from featgeom.regions.contest import highest_sum
from featgeom.regions.domains import Box
from featgeom.regions.gaps import pair_norms
from featgeom.regions.norm_radius import nearest_change, needs_inside
from featgeom.status import Stats, Status, StatusArray, status_array


def flip_points(
    head: AffineHead,
    z: ArrayLike,
    target: ArrayLike | str | None = None,
    domain: object = "space",
    norm: object = 2,
) -> FlipPoints:
    """The closest point at which a sample's class ties with another and no third class beats them.

    Minimises ‖p − z‖ (distance in feature space) over p in the domain with l_c(p) = l_j(p) ≥ l_k(p) for all
    k, where c is the class of z (the lowest index where several tie) and j the target. Solved exactly: in
    closed form where no third class and no bound interferes, by an active-set method where one does.

    Parameters: z (n, d), which need not lie in the domain; ``target`` None (the nearest over all classes),
    one class, classes (n,) or (n, t), or "every" (each class but the sample's own, in order: t = C − 1);
    ``domain`` "space", "orthant" or a box. Returns FlipPoints of batch shape (n,) or (n, t).

    ``norm`` 1, inf or `mahalanobis(…)` measures otherwise, for samples within the domain: ``distance`` and
    its bounds are in that norm, ``point`` is a rounding beyond the boundary, so that the other class is no
    lower there. A target is then a linear or a least-distance program a sample, where a third class
    interferes; one whose cell meets that of the sample's class in less than a facet stays UNDECIDED.

    Raises BadArgument where the target of a sample is its own class.

    Source: Yousefzadeh and O'Leary, arXiv 1903.08789, in feature space.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.9, 0.9]], [0.0, 0.0, -1.0])
    >>> flips = flip_points(head, [[3.0, 0.0]])
    >>> flips.classes, flips.distance.round(3), flips.status
    (array([[0, 2]]), array([1.436]), array([SOLVED], dtype=object))
    >>> flip_points(head, [[3.0, 0.0]], target=1).distance.round(3)  # class 2 wins where 0 and 1 would tie
    array([2.151])
    """
    start = time.perf_counter()
    queries = as_float64(z, "z", head.dimension, allow_empty=True)
    lo, hi = domain_bounds(domain, head.dimension)
    measure = as_norm(norm, head.dimension)
    if target is None and not measure.plain:
        return _nearest_in(measure, head, queries, Box(lo, hi), start)
    source = exact_classes(queries, head.weight, head.bias)
    if target is None:
        return _nearest(head, queries, source, lo, hi, start)
    rivals = _as_rivals(target, source, head.classes)
    batch = rivals.shape
    t = 1 if rivals.ndim == 1 else rivals.shape[1]
    owner = np.repeat(np.arange(len(queries)), t)
    tied = np.stack([source[owner], rivals.ravel()], axis=1)
    if not measure.plain:
        return _named_in(measure, head, queries, owner, tied, Box(lo, hi), batch, start)
    answers = solve_ties(head, queries, owner, tied, lo, hi)
    return certified(head, queries, owner, tied, lo, hi, answers, batch, start)


def _nearest_in(norm: Norm, head: AffineHead, z: Float64, box: Box, start: float) -> FlipPoints:
    """The nearest flip over all classes in a norm that is not the Euclidean one."""
    found = nearest_change(head, z, box, norm)
    tied = np.stack([found.classes, found.rival], axis=1)
    status = _by_width(found.lower, found.upper, norm, z)
    status[np.isinf(found.lower)] = Status.INFEASIBLE
    return _in_norm(head, box, found.points, found.certificate, tied, {}, status, (len(z),), start)


def _named_in(
    norm: Norm,
    head: AffineHead,
    z: Float64,
    owner: Ints,
    tied: Ints,
    box: Box,
    batch: tuple[int, ...],
    start: float,
) -> FlipPoints:
    """The nearest flips to classes of choice in a norm that is not the Euclidean one."""
    needs_inside(z, box)
    claim = ties_in_norm(head, z, owner, tied, box, norm)
    claim, status = held(claim, _by_width(claim.lower, claim.upper, norm, z[owner]))
    none = np.flatnonzero(np.isinf(claim.upper))
    plain = solve_ties(head, z, owner[none], tied[none], box.lo, box.hi)  # which classes tie nowhere at all
    status[none[plain.status == Status.INFEASIBLE]] = Status.INFEASIBLE
    step = claim.behind if norm.factor is None else claim.behind @ norm.factor.T
    points = np.where(np.isfinite(claim.upper)[:, None], np.clip(z[owner] + step, box.lo, box.hi), np.nan)
    return _in_norm(head, box, points, claim, tied, plain.empty, status, batch, start)


def _by_width(lower: Float64, upper: Float64, norm: Norm, z: Float64) -> StatusArray:
    """Solved where the interval is narrow, undecided where nothing was found."""
    with np.errstate(invalid="ignore"):
        close = upper - lower <= RTOL * upper + 1e-12 * norm.length(np.abs(z))
    status = status_array(len(z), Status.PRECISION_LIMIT)
    status[np.isfinite(upper) & close] = Status.SOLVED
    status[np.isinf(upper)] = Status.UNDECIDED
    return status


def _in_norm(
    head: AffineHead,
    box: Box,
    points: Float64,
    claim: NearestInNorm | TieInNorm,
    tied: Ints,
    empty: dict[tuple[int, ...], csr_array],
    status: StatusArray,
    batch: tuple[int, ...],
    start: float,
) -> FlipPoints:
    """Flat answers in the shape that was asked for, with their claims."""
    known = np.isfinite(claim.upper)
    error = np.full(len(tied), np.inf)
    error[known] = tie_error(head.weight, head.bias, points[known], tied[known])
    lower = np.where(status == Status.INFEASIBLE, np.inf, claim.lower)
    return FlipPoints(
        point=points.reshape(*batch, head.dimension),
        distance=claim.upper.reshape(batch),
        lower_bound=lower.reshape(batch),
        error=error.reshape(batch),
        classes=tied.reshape(*batch, 2),
        status=status.reshape(batch),
        certificate=claim,
        certificate_empty=empty_claim(head, empty, 2, box.lo, box.hi),
        stats=Stats(1, 0, time.perf_counter() - start),
    )


def _as_rivals(target: ArrayLike | str, source: Ints, classes: int) -> Ints:
    n = len(source)
    if isinstance(target, str):
        if target != "every":
            raise BadArgument(f'target: expected None, "every" or class indices, got {target!r}')
        others = np.arange(classes - 1)
        return others + (others >= source[:, None])
    rivals = as_numpy(target, "target")
    if rivals.dtype.kind not in "iu" or rivals.ndim > 2 or (rivals.ndim and len(rivals) != n):
        raise BadArgument(
            f"target: expected one class, or classes of shape ({n},) or ({n}, t), got {rivals.shape}"
        )
    if rivals.size and (rivals.min() < 0 or rivals.max() >= classes):
        raise BadArgument(f"target: out of range for {classes} classes (0 to {classes - 1})")
    rivals = np.broadcast_to(rivals, (n,)) if rivals.ndim == 0 else rivals
    own = rivals == (source if rivals.ndim == 1 else source[:, None])
    if own.any():
        i = int(np.argwhere(own)[0, 0])
        raise BadArgument(f"target: sample {i} already has class {source[i]}, so it has no flip to it")
    return rivals.astype(np.int64)


def hyperplane_bounds(head: AffineHead, z: Float64, source: Ints) -> Float64:
    """Lower bounds (n, C) on the distances from z to the hyperplanes of its class with every other.

    inf where the two classes have equal rows but differ in bias (they never tie) and for the own class.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> hyperplane_bounds(head, np.array([[1.0, 0.0]]), np.array([0])).round(6)
    array([[     inf, 0.707107]])
    """
    rows = np.arange(len(z))
    gaps = pair_norms(head)
    same = (gaps == 0)[source]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        logits = head.logits(z)
        error = logit_error(head.weight, head.bias, z)
        margin = np.abs(logits[rows, source][:, None] - logits)
        margin = np.nan_to_num(margin - error - error[rows, source][:, None] - 2 * UNIT * margin)
        bounds = np.nan_to_num(np.maximum(margin, 0.0) / gaps[source] * (1 - 4 * UNIT))
    differ = head.bias[source][:, None] != head.bias
    bounds[same] = np.where(differ, np.inf, 0.0)[same]
    bounds[rows, source] = np.inf
    return bounds


def _nearest(
    head: AffineHead, z: Float64, source: Ints, lo: Float64, hi: Float64, start: float
) -> FlipPoints:
    """Of all rivals the closest; those whose hyperplane is farther than that are never solved for."""
    n = len(z)
    hyperplanes = hyperplane_bounds(head, z, source)
    owner, rival, answers = _solve_in_order(head, z, source, hyperplanes, lo, hi)
    tied = np.stack([source[owner], rival], axis=1)

    by_distance = np.lexsort((answers.distance, owner))
    first = np.searchsorted(owner[by_distance], np.arange(n))
    best = by_distance[first] if n else by_distance
    distance, status = answers.distance[best], answers.status[best]
    missing = np.isinf(distance)
    unsure = np.zeros(n, bool)
    unsure[owner[(answers.status == Status.UNDECIDED)]] = True
    status[missing & unsure] = Status.UNDECIDED

    # what each solved rival proves, then what all of them and the hyperplanes of the others prove together
    multipliers, proved = _stretch_rays(head, z, owner, tied, answers, distance, lo, hi)
    bounds = hyperplanes.copy()
    bounds[owner, rival] = np.maximum(bounds[owner, rival], proved)
    lower = np.where(status == Status.INFEASIBLE, np.inf, bounds.min(axis=1, initial=np.inf))
    with np.errstate(invalid="ignore"):
        shortfall = np.where(missing, 0.0, answers.lower_bound[best]) - lower
        exposed = (status == Status.SOLVED) & (shortfall > RTOL * distance)
    status[exposed] = Status.PRECISION_LIMIT

    found = np.flatnonzero(~missing)
    kept = np.flatnonzero(~missing[owner] & (hyperplanes[owner, rival] < lower[owner]))
    claim = NearestTie(
        weight=head.weight,
        bias=head.bias,
        lo=lo,
        hi=hi,
        features=z,
        owner=found,
        tied=tied[best][found],
        active=answers.active[best][found],
        fixed=answers.fixed[best][found],
        lower=lower[found],
        upper=distance[found],
        rival_of=np.searchsorted(found, owner[kept]),
        rival=rival[kept],
        rival_multipliers=multipliers[kept],
    )
    claim, status[found] = held(claim, status[found])
    distance[found], lower[found] = claim.upper, claim.lower
    return FlipPoints(
        point=answers.point[best],
        distance=distance,
        lower_bound=lower,
        error=answers.error[best],
        classes=tied[best],
        status=status,
        certificate=claim,
        certificate_empty=empty_claim(head, answers.empty, 2, lo, hi),
        stats=Stats(answers.iterations, 0, time.perf_counter() - start),
    )


def _solve_in_order(
    head: AffineHead, z: Float64, source: Ints, hyperplanes: Float64, lo: Float64, hi: Float64
) -> tuple[Ints, Ints, Answers]:
    """The questions (sample, rival) that had to be solved, nearest hyperplane first, and their answers."""
    n = len(z)
    others = np.arange(head.classes - 1)
    others = others + (others >= source[:, None])  # a class is no rival of its own
    order = np.take_along_axis(
        others, np.argsort(np.take_along_axis(hyperplanes, others, 1), axis=1, kind="stable"), 1
    )
    best = np.full(n, np.inf)
    owners, rivals, parts = [], [], []
    for step in range(head.classes - 1):
        bound = hyperplanes[np.arange(n), order[:, step]]
        owner = np.flatnonzero((bound < best) | np.isinf(best))
        if step and not len(owner):
            break
        rival = order[owner, step]
        part = solve_ties(head, z, owner, np.stack([source[owner], rival], axis=1), lo, hi)
        best[owner] = np.minimum(best[owner], part.distance)
        owners.append(owner)
        rivals.append(rival)
        parts.append(part)
    return np.concatenate(owners), np.concatenate(rivals), join(parts)


def _stretch_rays(
    head: AffineHead,
    z: Float64,
    owner: Ints,
    tied: Ints,
    answers: Answers,
    distance: Float64,
    lo: Float64,
    hi: Float64,
) -> tuple[csr_array, Float64]:
    """Multipliers (N, C) and the distance (N,) each row proves: a Farkas ray proves any, if long enough."""
    multipliers, proved = answers.multipliers.copy(), answers.lower_bound.copy()
    proved[np.isinf(proved)] = 0.0  # a ray proves any distance, but no row proves all
    box = Box(lo, hi)
    for i in np.flatnonzero(np.isinf(answers.distance) & np.isfinite(distance[owner])):
        ray = multipliers[[i]].toarray()[0]
        with np.errstate(over="ignore", invalid="ignore"):
            depth = max(-highest_sum(head, box, int(tied[i, 0]), ray), 1e-300)
            rays = ray * (distance[owner[i]] ** 2 / depth * 4.0 ** np.arange(-2, 20))[:, None]
        rays = np.where(np.isfinite(rays).all(axis=1)[:, None], rays, 0.0)
        at = np.full(len(rays), owner[i])
        values = dual_bound(head.weight, head.bias, z[at], np.tile(tied[i], (len(rays), 1)), rays, lo, hi)
        start, end = multipliers.indptr[i], multipliers.indptr[i + 1]
        multipliers.data[start:end] = rays[values.argmax(), multipliers.indices[start:end]]
        proved[i] = values.max()
    return multipliers, proved
