"""Slices of pixel space: the classes on the plane through three images, beside the same slice of features."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, Literal

import networkx as nx
import numpy as np
import shapely
import torch
from numpy.typing import ArrayLike
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from featgeom.arrays import Float64, Ints, as_numpy
from featgeom.boundaries.clipping import part_above
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.slices import SlicePartition, slice_cells
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import PixelFunction, on_enough_threads, pixel_function
from featgeom.pixels.pieces import OnPlane, exact_polygons, touching
from featgeom.pixels.piecewise import MOST
from featgeom.pixels.plain import require_plain
from featgeom.progress import bar
from featgeom.remarks import remark
from featgeom.results import Result
from featgeom.status import Stats, Status

COARSE = 32  # squares along the window's longer side that are always looked at
OUTSIDE = -1
UNSEEN = 1 << 30  # above every class


@dataclass(frozen=True, eq=False, repr=False)
class PixelSlice(Result):
    """The classes on the plane through three images, in coordinates of ``plane`` (pixel-space distance).

    ``domain`` is the polygon of the plane that lies inside the bounds: beyond it there are no images.
    ``labels`` (rows, columns) are the classes at the lattice points ``v[row]``, ``u[column]``, −1 outside of
    the domain; ``resolution`` is their spacing. ``polygons`` are the squares around lattice points of one
    class, cut to the domain; ``pieces`` says in how many parts each class falls at this resolution (in
    feature space it is always one), ``graph`` which classes meet. ``evaluated`` is the share of the points
    inside at which the network was run: the others lie where all around has one class, and were given that.
    Of an exact slice polygons, pieces and graph are those of the network itself (``labels`` are as before),
    and ``regions`` is in how many parts the plane was cut for them, on each of which the network is affine
    or linear bounds hold it to one class (only the former where all were asked for, so that it is the number
    of the network's own regions); it is 0 for an adaptive one. Nothing is left out for being small, down to
    1e-16 of the domain's area and 1e-12 of the largest entry of a layer; all is computed in float64, and not
    proved, as `prove_pixel_regions` does.
    ``features`` is the exact slice through the features of the three images, None where these lie on a line.
    """

    shows = ("resolution", "evaluated")
    status: ClassVar[Status] = Status.ESTIMATED

    plane: Plane
    domain: shapely.Polygon
    u: Float64
    v: Float64
    labels: Ints
    resolution: float
    polygons: dict[int, BaseGeometry]
    pieces: dict[int, int]
    graph: nx.Graph
    evaluated: float
    regions: int
    features: SlicePartition | None
    stats: Stats


@on_enough_threads
def slice_pixels(
    classifier: Classifier,
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    window: ArrayLike | None = None,
    resolution: float | None = None,
    *,
    across: int = 512,
    exact: bool | Literal["regions"] = False,
    most: int = MOST,
    progress: bool = False,
) -> PixelSlice:
    """Map the classes on the plane of pixel space through images a, b and c, each (c, h, w).

    ``window`` (umin, vmin, umax, vmax) is in the plane's coordinates: a is its origin, b lies on the first
    axis. Without it, the window is the part of the plane inside the bounds. The lattice is refined near
    boundaries to ``resolution`` (by default the window's longer side divided by ``across``): what is smaller
    is not seen. With ``exact``, the plane is also cut along every line at which the network, in float64,
    bends, wherever linear bounds do not tell the class; with ``exact="regions"`` everywhere, so that the
    regions on which the network is affine can be counted. That takes a fraction of a millisecond a region
    for a small network and some thirty of them for a ResNet-20, on a plane of which millions of regions may
    lie: deep networks want a small window.

    Raises BadArgument where the images lie on a line, or the window meets no image; with ``exact``,
    Unsupported for a network that is not made of affine layers, batch normalisation, ReLU, LeakyReLU,
    average and max pooling and additions, which adaptive slices take, and where there are more than
    ``most`` regions.

    >>> import featgeom as fg, torch; from torch import nn
    >>> torch.manual_seed(0) and None
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> a, b, c = np.random.default_rng(0).random((3, 1, 8, 8))
    >>> part = slice_pixels(clf, a, b, c)
    >>> bool(abs(sum(p.area for p in part.polygons.values()) - part.domain.area) < 1e-9)
    True
    """
    begun = perf_counter()
    corners = np.stack([as_numpy(x, "images").reshape(np.shape(x)[-3:]) for x in (a, b, c)])
    f = pixel_function(classifier, corners, "logits")
    x = f.rounded(f.vectors(corners, "images"))
    plane = Plane.through(*x.cpu().numpy())
    domain = inside(plane, f, window)
    u0, v0, u1, v1 = domain.bounds
    if exact not in (False, True, "regions"):
        raise BadArgument(f"exact: expected True, False or 'regions', got {exact!r}")
    spacing = resolution or max(u1 - u0, v1 - v0) / max(1, across)
    if not spacing > 0:
        raise BadArgument(f"resolution: expected a positive distance, got {resolution}")
    levels = max(0, int(np.ceil(np.log2(max(u1 - u0, v1 - v0) / spacing / COARSE))))
    u, v = (
        low + spacing * (0.5 + np.arange(_lattice(high - low, spacing, levels)))
        for low, high in ((u0, u1), (v0, v1))
    )
    labels, evaluated = _refine(f, plane, domain, u, v, levels)

    shadow = _slice_of_features(classifier, np.asarray(classifier.features(f.images(x)), np.float64))
    polygons = _polygons(labels, u, v, spacing, domain)
    graph, regions = _graph(labels, polygons), 0
    if exact:
        whole = classifier.to("cpu", torch.float64).network.requires_grad_(False)
        require_plain(whole, x[:1].cpu().view(-1, *f.shape), derivatives=exact is True)
        network = OnPlane(whole, plane, f.shape)
        with bar(desc="regions", total=1.0, disable=not progress) as told:
            polygons, regions = exact_polygons(network, domain, exact == "regions", most, told.update)
        graph = touching(polygons, spacing)
    return PixelSlice(
        plane,
        domain,
        u,
        v,
        labels,
        float(spacing),
        polygons,
        {k: int((shapely.area(shapely.get_parts(polygon)) > 0).sum()) for k, polygon in polygons.items()},
        graph,
        evaluated,
        regions,
        shadow,
        Stats(levels + 1, 0, perf_counter() - begun),
    )


def _slice_of_features(classifier: Classifier, features: Float64) -> SlicePartition | None:
    """The exact slice through three features; none where they fix no plane."""
    try:
        plane = Plane.through(*features)
    except BadArgument:
        remark("the features of the three images lie on a line: no slice of feature space goes with them")
        return None
    return slice_cells(classifier.head, plane, plane.window(features))


def inside(plane: Plane, f: PixelFunction, window: ArrayLike | None) -> shapely.Polygon:
    """The polygon of the plane inside the bounds, and inside the window: half-planes, one cut at a time."""
    reach = 2 * f.diameter
    frame = (-reach, -reach, reach, reach) if window is None else tuple(np.asarray(window, float).ravel())
    if len(frame) != 4 or not (frame[0] < frame[2] and frame[1] < frame[3]):
        raise BadArgument(f"window: expected (umin, vmin, umax, vmax), got {window!r}")
    ring = np.array(shapely.box(*frame).exterior.coords)[:-1]
    normals = np.concatenate([plane.basis.T, -plane.basis.T])
    limits = np.concatenate([f.high - plane.origin, plane.origin - f.low])
    for normal, limit in zip(normals, limits, strict=True):
        height = ring @ normal - limit
        if height.max() > 0:
            ring, _ = part_above(ring, -height)
        if len(ring) < 3:
            raise BadArgument("window: no image of pixel space lies in it")
    return shapely.Polygon(ring)


def _lattice(length: float, spacing: float, levels: int) -> int:
    """How many lattice points cover a length, in whole squares of the coarsest level."""
    block = 2**levels
    return block * int(np.ceil(length / spacing / block - 1e-9)) + 1


def _refine(
    f: PixelFunction, plane: Plane, domain: shapely.Polygon, u: Float64, v: Float64, levels: int
) -> tuple[Ints, float]:
    """The classes on the lattice, level by level, run only where the level above does not settle them."""
    at_u, at_v = np.meshgrid(u, v)
    inside = shapely.intersects_xy(domain, at_u, at_v)
    labels = np.full(at_u.shape, OUTSIDE, np.int64)
    known = np.zeros(at_u.shape, bool)
    runs = 0
    for level in range(levels, -1, -1):
        part = (slice(None, None, 2**level), slice(None, None, 2**level))
        here, seen = labels[part], known[part] & inside[part]
        highest = ndimage.maximum_filter(np.where(seen, here, OUTSIDE), size=5)
        lowest = ndimage.minimum_filter(np.where(seen, here, UNSEEN), size=5)
        settled = highest == lowest
        fill, ask = inside[part] & ~known[part] & settled, inside[part] & ~known[part] & ~settled
        here[fill] = highest[fill]
        points = plane.lift(np.stack([at_u[part][ask], at_v[part][ask]], 1)) if ask.any() else None
        if points is not None:
            here[ask] = _classify(f, points)
            runs += len(points)
        known[part] = True
    return labels, runs / max(1, int(inside.sum()))


def _classify(f: PixelFunction, points: Float64) -> Ints:
    blocks = torch.from_numpy(points).split(4096)
    return np.concatenate(
        [f(f.rounded(part.to(f.device or "cpu"))).argmax(1).cpu().numpy() for part in blocks]
    )


def _polygons(
    labels: Ints, u: Float64, v: Float64, spacing: float, domain: shapely.Polygon
) -> dict[int, BaseGeometry]:
    """The squares around the lattice points of each class, joined by rows, and cut to the domain.

    A point of the domain belongs to its nearest lattice point inside.
    """
    nearest = ndimage.distance_transform_edt(labels == OUTSIDE, return_distances=False, return_indices=True)
    whole = labels[tuple(nearest)]
    columns, lines = (np.append(at - spacing / 2, at[-1] + spacing / 2) for at in (u, v))
    polygons = {}
    for k in np.unique(labels[labels != OUTSIDE]):
        runs = np.diff(np.pad(whole == k, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        rows, starts = np.nonzero(runs == 1)
        _, ends = np.nonzero(runs == -1)
        boxes = shapely.box(columns[starts], lines[rows], columns[ends], lines[rows + 1])
        polygons[int(k)] = shapely.union_all(boxes).intersection(domain)
    return polygons


def _graph(labels: Ints, polygons: dict[int, BaseGeometry]) -> nx.Graph:
    """A node a class, with its area; an edge where lattice neighbours differ, with how many do."""
    graph = nx.Graph()
    for k, polygon in polygons.items():
        graph.add_node(k, area=float(polygon.area))
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (one != other) & (one != OUTSIDE) & (other != OUTSIDE)
        for i, j in np.stack([one[meet], other[meet]], 1):
            count = graph.get_edge_data(int(i), int(j), {"contacts": 0})["contacts"]
            graph.add_edge(int(i), int(j), contacts=count + 1)
    return graph
