"""Slices: the exact partition of a plane in feature space into cells."""

from __future__ import annotations

import time
from dataclasses import dataclass

import networkx as nx
import numpy as np
import shapely
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from featgeom.arrays import Float64, Ints, is_ordinary
from featgeom.boundaries.envelope import envelope
from featgeom.boundaries.equals import SNAP, merge_equal
from featgeom.boundaries.exact_envelope import exact_cells
from featgeom.boundaries.planes import Plane, Window, as_window
from featgeom.certificates.slices import SliceCells
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Stats, Status

NO_CORNERS = np.zeros((0, 2))


@dataclass(frozen=True, eq=False, repr=False)
class SlicePartition(Result):
    """The cells of a head on a window of a plane.

    * ``polygons``: {class: convex shapely polygon}, in coordinates of the plane; they tile the window;
    * ``graph``: a node a visible class, with its ``area``; an edge where two cells share a boundary, with its
      ``length`` and its ``ends`` (2, 2), in feature-space distance;
    * ``tied``: {class: classes that equal it on the whole window, to within rounding}: there the plane lies
      inside their boundary (or their rows are equal), and the lowest index stands for all;
    * ``error``, in logits: at every point of a polygon no class beats the polygon's own by more than this;
    * ``status``: SOLVED where the certificate proves it, else PRECISION_LIMIT.
    """

    shows = ("error",)

    polygons: dict[int, shapely.Polygon]
    graph: nx.Graph
    tied: dict[int, tuple[int, ...]]
    error: float
    plane: Plane
    window: Window
    status: Status
    certificate: SliceCells
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def slice_cells(head: AffineHead, plane: Plane, window: ArrayLike) -> SlicePartition:
    """The exact partition of a window of a plane in feature space into the cells of a head.

    On the plane every logit is an affine function, so the cells are the upper envelope of C planes: convex
    polygons, found without clipping all pairs in O(C V) for V corners in the window.

    Parameters: plane of two dimensions; window (umin, vmin, umax, vmax) in its coordinates. What is exact and
    what is not: this is a slice, so every point of it is a point of feature space and has that class; samples
    that do not lie on the plane can only be projected on it, and may have another class there.

    >>> head = AffineHead([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> part = slice_cells(head, Plane.through([1, 0, 0], [0, 1, 0], [0, 0, 1]), (-2, -2, 3, 3))
    >>> sorted(part.polygons), round(sum(p.area for p in part.polygons.values()), 9)
    ([0, 1, 2], 25.0)
    >>> sorted(part.graph.edges)
    [(0, 1), (0, 2), (1, 2)]
    """
    start = time.perf_counter()
    if plane.dimension != 2:
        raise BadArgument(f"plane: expected two dimensions, got {plane.dimension} (use slice_cells_3d)")
    bounds = as_window(window, 2)
    rings, neighbours, classes, tied = _in_float64(head, plane, bounds)
    polygons, graph, claim = _assemble(head, plane, bounds, rings, neighbours, classes)
    if claim.check().status[0] is not Status.PROVED:  # rounding has confused cells or corners
        tied = {}
        polygons, graph, claim = _assemble(head, plane, bounds, *exact_cells(head, plane, bounds))
    proved = claim.check().status[0] is Status.PROVED
    stats = Stats(len(claim.points), 0, time.perf_counter() - start)
    shown = {k: tied[k] for k in polygons if k in tied}
    status = Status.SOLVED if proved else Status.PRECISION_LIMIT
    return SlicePartition(polygons, graph, shown, claim.error, plane, bounds, status, claim, stats)


def _in_float64(
    head: AffineHead, plane: Plane, window: Window
) -> tuple[list[Float64], list[Ints], Ints, dict[int, tuple[int, ...]]]:
    """Rings, neighbours and classes of the cells, and the classes that equal each; none at extreme scales."""
    low, high = np.array(window[:2]), np.array(window[2:])
    if not is_ordinary(head.weight, head.bias, plane.origin, np.array(window), high - low):
        return [], [], np.zeros(0, np.int64), {}
    centre, half = (low + high) / 2, (high - low) / 2
    slopes, values = plane.restrict(head, centre)
    rounding = plane.rounding(head, window)
    kept, tied = merge_equal(slopes, values, half, rounding)
    corners, across, owners = envelope(slopes[kept], values[kept], half, 4 * rounding)
    classes = kept[owners]
    neighbours = [np.where(a >= 0, kept[np.maximum(a, 0)], a) for a in across]
    rings = _snap([ring + centre for ring in corners], neighbours, classes, low, high)
    return rings, neighbours, classes, tied


def _snap(
    rings: list[Float64], neighbours: list[Ints], classes: Ints, low: Float64, high: Float64
) -> list[Float64]:
    """The same rings with one pair of coordinates for each corner, whichever cells it belongs to.

    A corner is known by the three cells or sides of the window that meet in it; where more meet, by place.
    """
    points = np.concatenate([NO_CORNERS, *rings])
    owner = np.repeat(classes, [len(ring) for ring in rings])
    leaving = np.concatenate(neighbours)
    arriving = np.concatenate([np.roll(a, 1) for a in neighbours])
    triples = np.sort(np.stack([owner, leaving, arriving], axis=1), axis=1)
    _, same = np.unique(triples, axis=0, return_inverse=True)
    snap = SNAP * float(np.linalg.norm(high - low))
    pairs = cKDTree(points).query_pairs(snap, output_type="ndarray")
    count = len(points)
    left = np.concatenate([pairs[:, 0], np.arange(count)])
    right = np.concatenate([pairs[:, 1], count + same.ravel()])
    links = coo_array((np.ones(len(left)), (left, right)), shape=(2 * count, 2 * count))
    _, group = connected_components(links, directed=False)
    _, chosen, inverse = np.unique(group[:count], return_index=True, return_inverse=True)
    places = points[chosen]
    for axis in range(2):
        for side, value in (((-4, -1)[axis], low[axis]), ((-2, -3)[axis], high[axis])):
            on_side = inverse[(triples == side).any(axis=1)]
            places[on_side, axis] = value
    places = np.clip(places, low, high)
    return np.split(places[inverse], np.cumsum([len(ring) for ring in rings])[:-1])


def _assemble(
    head: AffineHead,
    plane: Plane,
    window: Window,
    rings: list[Float64],
    neighbours: list[Ints],
    classes: Ints,
) -> tuple[dict[int, shapely.Polygon], nx.Graph, SliceCells]:
    """Polygons without repeated corners, in the order of classes, the graph of their edges, and the claim."""
    polygons: dict[int, shapely.Polygon] = {}
    graph: nx.Graph = nx.Graph()
    sides: list[tuple[int, int, Float64]] = []
    for i in np.argsort(classes):
        ring, c = rings[i], int(classes[i])
        following = np.roll(ring, -1, axis=0)
        real = (ring != following).any(axis=1)
        if real.sum() < 3:
            continue  # thinner than a rounding of the window
        polygons[c] = shapely.Polygon(ring[real])
        graph.add_node(c, area=float(polygons[c].area))
        sides += [
            (c, int(k), np.stack([p, q]))
            for k, p, q in zip(neighbours[i][real], ring[real], following[real])
            if k > c
        ]
    for c, k, ends in sides:
        if k in polygons:
            graph.add_edge(c, k, length=float(np.linalg.norm(ends[1] - ends[0])), ends=ends)
    return polygons, graph, _claim(head, plane, window, polygons)


def _claim(
    head: AffineHead, plane: Plane, window: Window, polygons: dict[int, shapely.Polygon]
) -> SliceCells:
    """The claim of these polygons, with what rounding may have left at their corners."""
    first = np.cumsum([0, *(len(shapely.get_coordinates(p)) - 1 for p in polygons.values())])
    points = np.concatenate([NO_CORNERS, *(shapely.get_coordinates(p)[:-1] for p in polygons.values())])
    names = np.fromiter(polygons, np.int64, len(polygons))
    logits = head.logits(plane.lift(points))
    own = logits[np.arange(len(points)), np.repeat(names, np.diff(first))]
    error = float((logits.max(axis=1) - own).max(initial=0.0)) + plane.rounding(head, window)
    return SliceCells(
        head.weight, head.bias, plane.origin, plane.basis, np.array(window), names, first, points, error
    )
