"""The arrangement of all pairwise boundaries on a plane: its faces are the orderings of the logits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import networkx as nx
import numpy as np
import shapely
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.equals import SNAP, merge_equal
from featgeom.boundaries.planes import Plane, Window, as_window
from featgeom.errors import BadArgument, Unsupported
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Status

MOST_CLASSES = 24


@dataclass(frozen=True, eq=False, repr=False)
class Arrangement(Result):
    """The faces into which the lines l_i = l_j cut a window.

    * ``faces``: convex shapely polygons that tile the window; ``orderings`` (f, C): the classes of each by
      falling logit (a class that equals another on the whole window follows it);
    * ``graph``: a node a face, with its ``ordering`` and ``area``; an edge where two faces share a segment,
      with the pairs of classes that change their order there (``swaps``);
    * ``lines``: {(i, j): the segment of l_i = l_j in the window}, for pairs that have one;
    * ``error``, in logits: inside a face no two classes stand in the wrong order by more than this.
    """

    shows = ("error",)
    status: ClassVar[Status] = Status.SOLVED

    faces: list[shapely.Polygon]
    orderings: Ints
    graph: nx.Graph
    lines: dict[tuple[int, int], shapely.LineString]
    error: float
    plane: Plane
    window: Window


def arrangement(head: AffineHead, plane: Plane, window: ArrayLike) -> Arrangement:
    """All pairwise boundaries on a window of a plane, and the ordering of the logits in every face.

    m = C(C − 1)/2 lines cut the window into at most 1 + m + m(m − 1)/2 faces, so work grows as C⁶ at worst;
    more than 24 classes are refused (Unsupported): choose the classes that matter.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> cut = arrangement(head, Plane(np.zeros(2), np.eye(2)), (-1, -1, 1, 1))
    >>> len(cut.faces), len({tuple(o) for o in cut.orderings.tolist()})
    (6, 6)
    """
    if plane.dimension != 2:
        raise BadArgument(f"plane: expected two dimensions, got {plane.dimension}")
    if head.classes > MOST_CLASSES:
        raise Unsupported(f"arrangement: {head.classes} classes have too many lines; {MOST_CLASSES} at most")
    bounds = as_window(window, 2)
    low, high = np.array(bounds[:2]), np.array(bounds[2:])
    centre, half = (low + high) / 2, (high - low) / 2
    slopes, values = plane.restrict(head, centre)
    tolerance = plane.rounding(head, bounds)
    kept, tied = merge_equal(slopes, values, half, tolerance)
    rings = [half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])]
    lines: dict[tuple[int, int], shapely.LineString] = {}
    for i, j in combinations(kept, 2):
        normal, offset = slopes[i] - slopes[j], values[i] - values[j]
        split = [_split(ring, ring @ normal + offset, tolerance) for ring in rings]
        rings = [part for pair in split for part in pair]
        segment = _chord(half, normal, offset)
        if segment is not None:
            lines[int(i), int(j)] = shapely.LineString(segment + centre)
    corners = _snapped(rings, SNAP * float(np.linalg.norm(high - low)))
    rings = [ring for ring in corners if len(ring) >= 3]
    middles = np.array([ring.mean(axis=0) for ring in rings])
    ordering = np.array([_ordering(m @ slopes.T + values, kept, tied) for m in middles])
    faces = [shapely.Polygon(np.clip(ring + centre, low, high)) for ring in rings]
    error = _disorder(rings, ordering, slopes, values) + tolerance
    return Arrangement(faces, ordering, _graph(rings, faces, ordering), lines, error, plane, bounds)


def _split(ring: Float64, heights: Float64, tolerance: float) -> list[Float64]:
    """The parts of a convex ring above and below a line; corners within the tolerance lie on it."""
    heights = np.where(np.abs(heights) <= tolerance, 0.0, heights)
    if (heights >= 0).all() or (heights <= 0).all():
        return [ring]
    above: list[Float64] = []
    below: list[Float64] = []
    for p, q, a, b in zip(ring, np.roll(ring, -1, axis=0), heights, np.roll(heights, -1)):
        if a >= 0:
            above.append(p)
        if a <= 0:
            below.append(p)
        if a * b < 0:
            crossing = p + a / (a - b) * (q - p) if a > 0 else q + b / (b - a) * (p - q)
            above.append(crossing)
            below.append(crossing)
    return [np.array(above), np.array(below)]


def _chord(half: Float64, normal: Float64, offset: float) -> Float64 | None:
    """The two points where a line leaves the window, or None."""
    ring = half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    heights = ring @ normal + offset
    if (heights > 0).all() or (heights < 0).all():
        return None
    ends = [p for p, a in zip(ring, heights) if a == 0]
    for p, q, a, b in zip(ring, np.roll(ring, -1, axis=0), heights, np.roll(heights, -1)):
        if a * b < 0:
            ends.append(p + a / (a - b) * (q - p))
    return np.array(ends) if len(ends) == 2 else None


def _snapped(rings: list[Float64], snap: float) -> list[Float64]:
    """The rings with one place for corners closer than ``snap``, without repeated corners."""
    points = np.concatenate(rings)
    pairs = cKDTree(points).query_pairs(snap, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    points = points[first[group]]
    parts = np.split(points, np.cumsum([len(ring) for ring in rings])[:-1])
    return [part[(part != np.roll(part, -1, axis=0)).any(axis=1)] for part in parts]


def _ordering(logits: Float64, kept: Ints, tied: dict[int, tuple[int, ...]]) -> list[int]:
    ranked = kept[np.argsort(-logits[kept], kind="stable")]
    return [k for c in ranked.tolist() for k in (c, *tied.get(c, ()))]


def _disorder(rings: list[Float64], ordering: Ints, slopes: Float64, values: Float64) -> float:
    """The most by which, at any corner of a face, a class exceeds one that is ranked before it."""
    worst = 0.0
    for ring, order in zip(rings, ordering):
        ranked = (ring @ slopes.T + values)[:, order]
        lowest_before = np.minimum.accumulate(ranked, axis=1)
        worst = max(worst, float((ranked - lowest_before).max()))
    return worst


def _graph(rings: list[Float64], faces: list[shapely.Polygon], ordering: Ints) -> nx.Graph:
    graph = nx.Graph()
    owner: dict[tuple[tuple[float, ...], tuple[float, ...]], int] = {}
    for i, ring in enumerate(rings):
        graph.add_node(i, ordering=tuple(ordering[i].tolist()), area=float(faces[i].area))
        for p, q in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist()):
            a, b = tuple(p), tuple(q)
            other = owner.get((b, a))
            owner[a, b] = i
            if other is not None:
                graph.add_edge(i, other, swaps=_swaps(ordering[i], ordering[other]))
    return graph


def _swaps(left: Ints, right: Ints) -> tuple[tuple[int, int], ...]:
    """The pairs of classes that stand in different order."""
    place_left, place_right = np.argsort(left), np.argsort(right)
    return tuple(
        (i, j)
        for i, j in combinations(range(len(left)), 2)
        if (place_left[i] < place_left[j]) != (place_right[i] < place_right[j])
    )
