"""Slices in three dimensions: the exact partition of a 3-D window into convex polyhedra, for drawing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.equals import SNAP, merge_equal
from featgeom.boundaries.planes import Plane, Window, as_window
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Status

if TYPE_CHECKING:
    import networkx as nx

Face = tuple[int, Float64]  # the class across (−1 … −6: a side of the window) and the corners in order
SIDES = ((0, -1.0), (0, 1.0), (1, -1.0), (1, 1.0), (2, -1.0), (2, 1.0))


@dataclass(frozen=True, eq=False)
class Solid:
    """A convex polyhedron: ``vertices`` (m, 3), in feature-space distance; ``faces``, rings of indices into
    them; ``across`` (f,): the class beyond each face, or −1 to −6 for the sides umin, umax, vmin, … of the
    window; ``volume``.
    """

    vertices: Float64
    faces: list[Ints]
    across: Ints
    volume: float


@dataclass(frozen=True, eq=False, repr=False)
class SolidPartition(Result):
    """The cells of a head on a window of a 3-D subspace, as `SlicePartition` has them on a plane."""

    shows = ("error",)
    status: ClassVar[Status] = Status.SOLVED

    solids: dict[int, Solid]
    tied: dict[int, tuple[int, ...]]
    error: float
    plane: Plane
    window: Window

    @cached_property
    def graph(self) -> nx.Graph:
        """A node a visible class (``volume``), an edge where two cells share a face (``area``)."""
        import networkx as nx

        graph = nx.Graph()
        for c, solid in self.solids.items():
            graph.add_node(c, volume=solid.volume)
        for c, solid in self.solids.items():
            for k, ring in zip(solid.across.tolist(), solid.faces):
                if k > c and k in self.solids:
                    graph.add_edge(c, k, area=float(np.linalg.norm(_area_vector(solid.vertices[ring]))))
        return graph


def slice_cells_3d(head: AffineHead, plane: Plane, window: ArrayLike) -> SolidPartition:
    """The exact partition of a window of a 3-D subspace of feature space into cells.

    Parameters: plane of three dimensions (`Plane.through` four points); window (umin, vmin, wmin, umax, vmax,
    wmax). Each visible cell starts as the window and is cut by the class that wins at one of its corners,
    until none does.

    >>> space = Plane(np.zeros(3), np.eye(3))
    >>> part = slice_cells_3d(AffineHead(np.eye(3)), space, (-1, -1, -1, 1, 1, 1))
    >>> [round(solid.volume, 9) for solid in part.solids.values()]
    [2.666666667, 2.666666667, 2.666666667]
    """
    if plane.dimension != 3:
        raise BadArgument(f"plane: expected three dimensions, got {plane.dimension} (use slice_cells)")
    bounds = as_window(window, 3)
    low, high = np.array(bounds[:3]), np.array(bounds[3:])
    centre, half = (low + high) / 2, (high - low) / 2
    slopes, values = plane.restrict(head, centre)
    tolerance = 4 * plane.rounding(head, bounds)
    kept, tied = merge_equal(slopes, values, half, tolerance / 4)
    snap = SNAP * float(np.linalg.norm(half)) * 10
    box = _box(half)
    corners = np.concatenate([ring for _, ring in box])
    waiting = list(dict.fromkeys(kept[(corners @ slopes[kept].T + values[kept]).argmax(axis=1)].tolist()))
    seen = set(waiting)
    cells: dict[int, list[Face]] = {}
    while waiting:
        c = waiting.pop()
        faces = _cell(box, c, kept, slopes, values, tolerance, snap)
        if len(faces) < 4:
            continue
        cells[c] = faces
        fresh = [k for k, _ in faces if k >= 0 and k not in seen]
        seen.update(fresh)
        waiting += fresh
    solids = {c: _solid(cells[c], centre, snap) for c in sorted(cells)}
    shown = {k: tied[k] for k in solids if k in tied}
    return SolidPartition(solids, shown, 2 * tolerance, plane, bounds)


def _box(half: Float64) -> list[Face]:
    """The six sides of the window, each counter-clockwise seen from outside."""
    faces = []
    for number, (axis, sign) in enumerate(SIDES):
        first, second = [(axis + 1) % 3, (axis + 2) % 3][:: int(sign)]
        ring = np.full((4, 3), sign)
        ring[:, first] = [-1, 1, 1, -1]
        ring[:, second] = [-1, -1, 1, 1]
        faces.append((-1 - number, ring * half))
    return faces


def _cell(
    box: list[Face], c: int, kept: Ints, slopes: Float64, values: Float64, tolerance: float, snap: float
) -> list[Face]:
    faces = box
    while True:
        corners = np.concatenate([ring for _, ring in faces])
        lead = corners @ slopes[kept].T + values[kept] - (corners @ slopes[c] + values[c])[:, None]
        if lead.max() <= tolerance:
            return faces
        k = int(kept[np.unravel_index(lead.argmax(), lead.shape)[1]])
        faces = _clip(faces, slopes[c] - slopes[k], values[c] - values[k], k, tolerance / 2, snap)
        if len(faces) < 4:
            return []


def _clip(
    faces: list[Face], normal: Float64, offset: float, k: int, tolerance: float, snap: float
) -> list[Face]:
    """The part of a polyhedron where normal · x + offset ≥ 0, closed by a new face towards class k."""
    kept: list[Face] = []
    rim: list[Float64] = []
    for tag, ring in faces:
        heights = ring @ normal + offset
        heights = np.where(np.abs(heights) <= tolerance, 0.0, heights)
        if (heights <= 0).all():
            rim += list(ring[heights == 0])
            continue
        corners: list[Float64] = []
        for p, q, a, b in zip(ring, np.roll(ring, -1, axis=0), heights, np.roll(heights, -1)):
            if a >= 0:
                corners.append(p)
            if a == 0:
                rim.append(p)
            if a * b < 0:
                crossing = p + a / (a - b) * (q - p) if a > 0 else q + b / (b - a) * (p - q)
                corners.append(crossing)
                rim.append(crossing)
        if len(corners) >= 3:
            kept.append((tag, np.array(corners)))
    cap = _ring_around(np.array(rim), -normal, snap) if len(rim) >= 3 else None
    return kept if cap is None else [*kept, (k, cap)]


def _ring_around(points: Float64, outward: Float64, snap: float) -> Float64 | None:
    """Distinct coplanar points in counter-clockwise order seen from outside, or None for fewer than three."""
    distinct: list[Float64] = []
    for p in points:
        if all(np.abs(p - other).max() > snap for other in distinct):
            distinct.append(p)
    if len(distinct) < 3:
        return None
    ring = np.array(distinct)
    outward = outward / np.linalg.norm(outward)
    first = ring[np.linalg.norm(ring - ring.mean(axis=0), axis=1).argmax()] - ring.mean(axis=0)
    first = first - (first @ outward) * outward
    first /= np.linalg.norm(first)
    second = np.cross(outward, first)
    middle = ring - ring.mean(axis=0)
    return ring[np.argsort(np.arctan2(middle @ second, middle @ first), kind="stable")]


def _area_vector(ring: Float64) -> Float64:
    """The normal of a flat ring, as long as its area."""
    moved = ring - ring[0]
    return np.cross(moved[1:-1], moved[2:]).sum(axis=0) / 2


def _solid(faces: list[Face], centre: Float64, snap: float) -> Solid:
    vertices: list[Float64] = []
    rings: list[Ints] = []
    across: list[int] = []
    volume = 0.0
    for tag, ring in faces:
        volume += float(ring[0] @ _area_vector(ring)) / 3
        indices: list[int] = []
        for p in ring:
            near = [i for i, v in enumerate(vertices) if np.abs(v - p).max() <= snap]
            if not near:
                near = [len(vertices)]
                vertices.append(p)
            if near[0] not in indices:
                indices.append(near[0])
        if len(indices) >= 3:
            rings.append(np.array(indices))
            across.append(tag)
    return Solid(np.array(vertices) + centre, rings, np.array(across), volume)
