"""How far a feature is from the boundary of its cell: balls that are proved to have one class."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints, as_points, is_ordinary
from featgeom.certificates.classes import ClassBall
from featgeom.certificates.norms import NearestInNorm
from featgeom.exact.rounding import UNIT, gamma
from featgeom.head import AffineHead
from featgeom.norms import as_norm
from featgeom.regions.domains import Box, Domain
from featgeom.regions.gaps import pair_norms
from featgeom.regions.margins import margins_of_block, point_blocks
from featgeom.regions.norm_radius import nearest_change
from featgeom.regions.survey import Survey, ball_distances, nearest_rivals, survey
from featgeom.results import Result
from featgeom.status import Stats, Status

NEWTON_STEPS = 30


@dataclass(frozen=True, eq=False, repr=False)
class Radii(Result):
    """The distance of each feature to the boundary of its cell, in feature space.

    ``classes`` (n,): the class. ``ball`` (n,): a proved lower bound, tight to rounding, on the radius of the
    largest ball around the feature in which every point of feature space has that class; ``ball_rival``
    (n,): the class beyond it. ``radius`` (n,), ``rival`` (n,): the same among the points of the domain only,
    so never less than ``ball``; inf where no point of the domain has another class. For a hull domain
    ``radius`` is the ball itself. A radius speaks of features and the head, not of images.
    """

    shows = ("radius",)
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    radius: Float64
    rival: Ints
    ball: Float64
    ball_rival: Ints
    certificate: ClassBall | NearestInNorm
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def radius(head: AffineHead, z: ArrayLike, domain: Domain, norm: object = 2) -> Radii:
    """Distances to the nearest boundary of features (n, d), read in blocks (a memory map is fine).

    In another ``norm`` than 2 all features are in memory at once, and must lie in the domain.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> found = radius(head, [[3.0, 1.0]], Box.space(2))
    >>> round(float(found.radius[0]), 9), found.rival
    (1.414213562, array([1]))
    """
    start = time.perf_counter()
    points = as_points(z, "features", head.dimension, allow_empty=True)
    measure = as_norm(norm, head.dimension)
    if not measure.plain:
        found = nearest_change(head, points.astype(np.float64), domain, measure)
        stats = Stats(passes=1, seconds=time.perf_counter() - start)
        return Radii(
            found.classes, found.lower, found.rival, found.ball, found.ball_rival, found.certificate, stats
        )
    if not isinstance(domain, Box) or domain.name == "space":
        return surveyed_radius(head, points, survey(head, points), start)
    norms = pair_norms(head)
    parts = [
        _radius_of_block(head, points[block], norms, domain) for block in point_blocks(head, len(points))
    ]
    classes, ball, ball_rival, best, rival = (np.concatenate([part[i] for part in parts]) for i in range(5))
    rows, columns, steps = (
        np.concatenate(
            [part[5][i] + (offset if i == 0 else 0) for part, offset in zip(parts, _offsets(parts))]
        )
        for i in range(3)
    )
    table = csr_array((steps, (rows, columns)), shape=(len(points), head.classes))
    return _radii(head, points, domain, (classes, best, rival, ball, ball_rival), table, start)


def surveyed_radius(head: AffineHead, points: Floats, found: Survey, start: float) -> Radii:
    """`radius` in all of feature space, of what a survey that began at ``start`` found."""
    every = found.classes, found.ball, found.rival, found.ball, found.rival
    steps = csr_array((len(points), head.classes))
    return _radii(head, points, Box.space(head.dimension), every, steps, start, found.top)


def _radii(
    head: AffineHead,
    points: Floats,
    box: Box,
    found: tuple,
    steps: csr_array,
    start: float,
    top: Float64 | None = None,
) -> Radii:
    """The result, with its claim; ``found`` are its arrays in their order.

    ``top`` (n,) are the sizes of the largest coordinates, where they are known.
    """
    classes, best, rival, ball, ball_rival = found
    claim = ClassBall(
        points=points,
        weight=head.weight,
        bias=head.bias,
        lo=box.lo,
        hi=box.hi,
        own=classes,
        radius=best,
        steps=steps,
    )
    claim = _held(claim, points if top is None else top)
    best, ball = claim.radius, np.minimum(ball, claim.radius)
    stats = Stats(passes=1, seconds=time.perf_counter() - start)
    return Radii(classes, best, rival, ball, ball_rival, claim, stats)


def _held(claim: ClassBall, sizes: Floats) -> ClassBall:
    """The claim with no radius that its own check does not prove, where float64 nears its limits.

    The ``sizes`` are those of its points, or the largest of each.
    """
    finite = [side[np.isfinite(side)] for side in (claim.lo, claim.hi)]
    if is_ordinary(sizes, claim.weight, claim.bias, *finite):
        return claim
    proved = claim.check().status[: len(claim)] == Status.PROVED
    return replace(claim, radius=np.where(proved, claim.radius, 0.0))


def _offsets(parts: list[tuple]) -> list[int]:
    return list(np.cumsum([0] + [len(part[0]) for part in parts[:-1]]))


def _radius_of_block(head: AffineHead, points: Floats, norms: Float64, box: Box) -> tuple:
    found, rows = margins_of_block(head, points), np.arange(len(points))
    distances = ball_distances(found.margins, found.error, found.classes, norms)
    rival = nearest_rivals(distances, found.classes)
    inside = _within(head, points.astype(np.float64), found.classes, distances, box)
    return found.classes, distances[rows, rival], rival, *inside


def _within(head: AffineHead, z: Float64, classes: Ints, distances: Float64, box: Box) -> tuple:
    """Distances inside the box: rivals are taken in the order of their distance in the whole space."""
    n = len(z)
    order = np.argsort(distances, axis=1)
    best = np.full(n, np.inf)
    rival = nearest_rivals(distances, classes)
    kept: list[tuple[Ints, Ints, Float64]] = []
    alive = np.arange(n)
    exact_pairs: list[tuple[Ints, Ints, Float64, Float64]] = []
    for rank in range(head.classes - 1):
        column = order[alive, rank]
        alive, column = (a[distances[alive, column] < best[alive]] for a in (alive, column))
        if len(alive) == 0:
            break
        step = steps_to_boundary(head, z[alive], classes[alive], column, box)
        found = distance_in_box(head, z[alive], classes[alive], column, step, box)
        found = np.maximum(found, distances[alive, column])
        exact_pairs.append((alive, column, step, found))
        closer = found < best[alive]
        best[alive[closer]] = found[closer]
        rival[alive[closer]] = column[closer]
    for rows, columns, step, _ in exact_pairs:
        needed = distances[rows, columns] < best[rows]  # the ball alone does not prove these
        kept.append((rows[needed], columns[needed], step[needed]))
    if not kept:
        kept.append((np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)))
    evidence = tuple(np.concatenate(parts) for parts in zip(*kept, strict=True))
    return best, rival, evidence


def steps_to_boundary(head: AffineHead, z: Float64, own: Ints, rivals: Ints, box: Box) -> Float64:
    """The τ for which clip(z − τ(w_own − w_rival), box) is the nearest tie of the two in the box, (m,).

    From a point of the box the margin is convex along τ, piecewise linear and falling, so Newton's method
    from zero climbs to its root without passing it; from a point outside it only falls: its root is bisected.
    Where the two never tie in the box, τ is infinite.
    """
    v = head.weight[own] - head.weight[rivals]
    offset = head.bias[own] - head.bias[rivals]
    step = np.zeros(len(z))
    open_rows = np.arange(len(z))
    for _ in range(NEWTON_STEPS):
        some = v[open_rows]
        free = z[open_rows] - step[open_rows, None] * some
        moved = np.clip(free, box.lo, box.hi)
        margin = np.einsum("ij,ij->i", some, moved) + offset[open_rows]
        slope = np.einsum("ij,ij->i", some, some * (moved == free))
        going = (margin > 0) & (slope > 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            further = step[open_rows] + np.where(going, margin / slope, 0.0)
        going &= np.isfinite(further) & (further > step[open_rows] * (1 + 1e-15))
        step[open_rows[going]] = further[going]
        step[open_rows[(margin > 0) & (slope == 0)]] = np.inf
        open_rows = open_rows[going]
        if len(open_rows) == 0:
            break
    outside = np.flatnonzero(((z < box.lo) | (z > box.hi)).any(axis=1))
    step[outside] = _bisected(z[outside], v[outside], offset[outside], box)
    return step


def _bisected(z: Float64, v: Float64, offset: Float64, box: Box) -> Float64:
    """The least τ at which v·clip(z − τv, box) + offset is not positive, for points z outside the box.

    Where it is not so at zero, z need only come to the box: then the step is so short that `distance_in_box`
    proves all but 1e-13 of that way.
    """

    def margin(step: Float64) -> Float64:
        with np.errstate(over="ignore"):
            return np.einsum("ij,ij->i", v, np.clip(z - step[:, None] * v, box.lo, box.hi)) + offset

    with np.errstate(invalid="ignore"):
        ends = np.where(v == 0, 0.0, v * np.where(v > 0, box.lo, box.hi)).sum(axis=1) + offset
    low, high = np.zeros(len(z)), np.ones(len(z))
    for _ in range(500):
        high = np.where((ends <= 0) & (margin(high) > 0), 4 * high, high)
    for _ in range(100):
        middle = (low + high) / 2
        beyond = margin(middle) <= 0
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    lead, apart2 = np.abs(margin(0 * low)), np.square(z - np.clip(z, box.lo, box.hi)).sum(axis=1)
    shortest = 1e-13 * apart2 / np.maximum(np.maximum(lead, 1e-13 * apart2), 1e-300)
    return np.where(ends > 0, np.inf, np.maximum(high, shortest))


def distance_in_box(
    head: AffineHead, z: Float64, own: Ints, rivals: Ints, steps: Float64, box: Box
) -> Float64:
    """Lower bounds (m,) on the distance from rows of z to where rival ties with own in the box.

    By the duality that `ClassBall` states; any ``steps`` give sound bounds, and those of `steps_to_boundary`
    tight ones. Three times the allowance for rounding is taken off.
    """
    v = head.weight[own] - head.weight[rivals]
    tau = steps[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        free = z - tau * v
        bound = np.where(free < box.lo, box.lo, np.where(free > box.hi, box.hi, np.nan))
        y = (z - bound) / tau
        # float(a − b) > y implies a − b > y, so these signs are certain although v is rounded.
        clipped = ((bound == box.lo) & (v > y)) | ((bound == box.hi) & (v < y))
        bound = np.where(clipped, bound, 0.0)
        y = np.where(clipped, y, v)
        terms = np.where(clipped, y * (z - bound) + v * bound, v * z)
        sizes = np.where(clipped, np.abs(y) * (np.abs(z) + np.abs(bound)) + np.abs(v * bound), np.abs(v * z))
        offset = head.bias[own] - head.bias[rivals]
        d = z.shape[1]
        height = (
            terms.sum(axis=1)
            + offset
            - 3.01 * gamma(d + 10, np.float64) * (sizes.sum(axis=1) + np.abs(offset))
        )
        length = np.sqrt(np.einsum("ij,ij->i", y, y)) * (1 + 3 * (d + 10) * UNIT)
        found = np.where(height > 0, height / length * (1 - 24 * UNIT), 0.0)
        found = np.where((height > 0) & ~y.any(axis=1), np.inf, found)
    return np.where(np.isnan(found) | ~(steps > 0), 0.0, found)
