"""The trace of a convex hull on a plane, between two polygons."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from shapely.geometry.base import BaseGeometry

from featgeom.arrays import Float64, as_points
from featgeom.boundaries.clipping import part_above
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.section import Extreme, OutOfPivots, Section
from featgeom.certificates.sections import EmptySection, HullSection
from featgeom.errors import BadArgument
from featgeom.exact.rounding import gamma
from featgeom.results import Result
from featgeom.status import Stats, Status

FLOOR = 1e-9  # of the hull's reach: gaps below it are not worth a program


@dataclass(frozen=True, eq=False, repr=False)
class HullTrace(Result):
    """The intersection of a hull with a plane: ``inner`` ⊂ trace ⊂ ``outer``, shapely, in the plane's
    coordinates.

    * ``gap``: no point of ``outer`` is farther than this from ``inner``, in feature-space distance;
    * ``error``: every point of ``inner`` is within this distance of the hull (rounding of the weights);
    * ``status``: SOLVED; INFEASIBLE where the hull is proved not to meet the plane (both are empty then);
      PRECISION_LIMIT also where rounding leaves a claim open;
      ITERATION_LIMIT or PRECISION_LIMIT where the gap is wider than asked for: infinite, with an empty
      ``inner``, where no point of the trace was found in time.

    A hull that touches the plane in a point or along a segment has an ``inner`` of that kind.
    """

    shows = ("gap", "error")

    inner: BaseGeometry
    outer: BaseGeometry
    gap: float
    error: float
    status: Status
    certificate: HullSection | EmptySection
    stats: Stats


def slice_hull(
    points: ArrayLike, plane: Plane, rtol: float = 1e-3, max_directions: int = 400, pivots: int = 100_000
) -> HullTrace:
    """The exact slice, to a certified gap, of the convex hull of points by a plane of feature space.

    Not a projection: the shadow of the hull on the plane is larger. Every direction of the plane gives, by a
    linear program, a half-plane that holds the slice and a point of it; directions are added where the two
    polygons are farthest apart.

    Parameters: points (n, d), float32 or float64; plane of two dimensions; ``rtol``, the gap asked for as a
    part of the trace's diameter; ``pivots``, how many the simplex method may take in all: the work is bounded
    so, whatever the points are like, and what is found by then is returned with its gap.

    In high dimension the hull of real features cuts a plane through three of them in little more than their
    triangle; that is a property of the hull and not a fault of the figure.

    >>> cube = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    >>> trace = slice_hull(cube, Plane.through([0.5, 0, 0], [0.5, 1, 0], [0.5, 0, 1]))
    >>> round(trace.inner.area, 9), round(trace.outer.area, 9), trace.status
    (1.0, 1.0, SOLVED)
    >>> slice_hull(cube, Plane.through([2, 0, 0], [2, 1, 0], [2, 0, 1])).status
    INFEASIBLE
    """
    start = time.perf_counter()
    if plane.dimension != 2:
        raise BadArgument(f"plane: expected two dimensions, got {plane.dimension}")
    given = as_points(points, "points", len(plane.origin))
    section = Section(given, plane, pivots)
    found: list[Extreme] = []
    try:
        apart = section.exclude()
    except OutOfPivots:
        return _trace(found, _start(found, plane, section.reach), Status.ITERATION_LIMIT, section, start)
    if apart is not None:
        none = EmptySection(given, plane.origin, plane.basis, *apart, section.reach * (1 + 1e-9))
        if none.check().status[0] is Status.PROVED:
            nothing = shapely.Polygon()
            stats = Stats(1, section.passes, time.perf_counter() - start)
            return HullTrace(nothing, nothing, 0.0, 0.0, Status.INFEASIBLE, none, stats)
    try:
        for theta in ((1.0, 0), (0, 1.0), (-1.0, 0), (0, -1.0)):
            found.append(section.farthest(np.array(theta)))
        ring, status = _refine(section, found, rtol, max_directions)
    except OutOfPivots:
        ring, status = _start(found, plane, section.reach), Status.ITERATION_LIMIT
    return _trace(found, ring, status, section, start)


def _refine(
    section: Section, found: list[Extreme], rtol: float, max_directions: int
) -> tuple[Float64, Status]:
    """Add directions to ``found`` where the polygons are farthest apart: the outer one, and how it ended."""
    plane = section.plane
    ring = _start(found, plane, section.reach)
    while True:
        far, inner, gap = _farthest_apart(found, ring)
        if gap <= max(rtol * _diameter(ring), FLOOR * section.reach):
            return ring, Status.SOLVED
        if len(found) >= max_directions:
            return ring, Status.ITERATION_LIMIT
        nearest = shapely.get_coordinates(shapely.shortest_line(inner, shapely.Point(far)))[0]
        found.append(section.farthest((far - nearest) / np.linalg.norm(far - nearest)))
        before, ring = ring, _cut(ring, found[-1], plane, section.reach)
        if len(ring) == len(before) and np.array_equal(ring, before):
            return ring, Status.PRECISION_LIMIT


def _farthest_apart(found: list[Extreme], ring: Float64) -> tuple[Float64, BaseGeometry, float]:
    """The corner of the outer polygon farthest from the inner one, the inner one, and that distance."""
    inner = shapely.MultiPoint([e.place for e in found]).convex_hull
    if inner.is_empty:
        return ring[0], inner, np.inf
    gaps = shapely.distance(shapely.points(ring), inner)
    far = int(np.argmax(gaps))
    return ring[far], inner, float(gaps[far])


def _trace(found: list[Extreme], ring: Float64, status: Status, section: Section, start: float) -> HullTrace:
    _, inner, gap = _farthest_apart(found, ring)
    claim, error = _claim(found, section.plane, section)
    if status is Status.SOLVED and not (claim.check().status == Status.PROVED).all():
        status = Status.PRECISION_LIMIT
    stats = Stats(len(found), section.passes, time.perf_counter() - start)
    gap = gap * (1 + 1e-12) + 1e-15 * section.reach
    return HullTrace(inner, shapely.MultiPoint(ring).convex_hull, gap, error, status, claim, stats)


def _diameter(ring: Float64) -> float:
    return float(np.linalg.norm(ring[:, None] - ring, axis=2).max())


def _start(found: list[Extreme], plane: Plane, reach: float) -> Float64:
    """The corners of what half-planes leave of a square that holds all points, each cut in turn."""
    ring = 1.01 * reach * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    for extreme in found:
        ring = _cut(ring, extreme, plane, reach)
    return ring


def _cut(ring: Float64, extreme: Extreme, plane: Plane, reach: float) -> Float64:
    """The part of a convex ring in the half-plane of an extreme, widened by what rounding may have done."""
    normal = plane.basis @ extreme.normal
    widen = 8 * gamma(len(extreme.normal) + 8, "float64") * float(np.linalg.norm(extreme.normal)) * reach
    heights = (extreme.offset + widen) - ring @ normal
    corners, _ = part_above(ring, heights)
    return corners if len(corners) else ring[[int(heights.argmax())]]


def _claim(found: list[Extreme], plane: Plane, section: Section) -> tuple[HullSection, float]:
    counts = [len(e.indices) for e in found]
    weights = csr_array(
        (
            np.concatenate([np.zeros(0), *(e.weights for e in found)]),
            np.concatenate([np.zeros(0, np.int64), *(e.indices for e in found)]),
            np.cumsum([0, *counts]),
        ),
        shape=(len(found), len(section.points)),
    )
    weights.sort_indices()
    errors = []
    for e in found:
        chosen = section.points[e.indices].astype(np.float64)
        miss = np.linalg.norm(e.weights @ (chosen - plane.origin) - e.place @ plane.basis)
        size = section.reach + float(np.linalg.norm(plane.origin))
        errors.append(miss + gamma(4 * len(chosen) + len(plane.origin) + 16, "float64") * size)
    claim = HullSection(
        section.points,
        plane.origin,
        plane.basis,
        np.array([e.normal for e in found]).reshape(len(found), -1 if found else len(plane.origin)),
        np.array([e.offset for e in found]),
        np.array([e.place for e in found]).reshape(-1, 2),
        weights,
        np.array(errors),
    )
    return claim, float(max(errors, default=0.0))
