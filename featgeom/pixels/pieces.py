"""The exact classes of a piecewise linear network on a polygon of a plane of pixel space.

The polygon is cut along the lines at which a ReLU bends, or another entry becomes the largest of a pooling
window, until the network is affine on each part, and then where two logits tie. Parts in which linear bounds
prove one class can be left whole. Cuts are computed in float64, as everything in a slice.

Sources: Sotoudeh and Thakur, arXiv 1908.06223 (restrictions to planes); Humayun et al., arXiv 2302.12828.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import networkx as nx
import numpy as np
import shapely
import torch
from shapely.geometry.base import BaseGeometry
from torch import Tensor, nn

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.clipping import part_above
from featgeom.boundaries.planes import Plane
from featgeom.pixels.balls import Balls, lead, rows_at_once
from featgeom.pixels.loose import Loose
from featgeom.pixels.piecewise import Largest, runs, together
from featgeom.pixels.polygons import REFERENCE, PlanePieces

AT_ONCE = 64  # polygons whose class is asked of linear bounds at a time
FINE = 32  # of the domain's width: narrower polygons are cut along all lines where bounds settle no class
SNAP = 1e-10  # of the domain's width: the grid on which polygons with a common edge are joined


class OnPlane(nn.Module):
    """A network as a function of coordinates (n, 2, 1, 1) of a plane of pixel space."""

    def __init__(self, network: nn.Module, plane: Plane, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.shape = network, shape
        self.register_buffer("basis", torch.tensor(plane.basis.T.copy()))
        self.register_buffer("origin", torch.tensor(plane.origin))

    def forward(self, t: Tensor) -> Tensor:
        """The network's values (n, k)."""
        x = nn.functional.linear(t.flatten(1), self.basis, self.origin)  # type: ignore[arg-type]
        values: Tensor = self.network(x.view(len(x), *self.shape))
        return values


class OnSquare(nn.Module):
    """A function of a plane's coordinates as one of coordinates (n, 2) of the unit square over a box."""

    def __init__(self, network: nn.Module, low: Float64, size: Float64) -> None:
        super().__init__()
        self.network, self.low, self.size = network, torch.tensor(low), torch.tensor(size)

    def forward(self, t: Tensor) -> Tensor:
        """The function's values (n, k)."""
        values: Tensor = self.network((self.low + t * self.size).view(-1, 2, 1, 1))
        return values


def linear_pieces(
    network: nn.Module, domain: Float64, every: bool, most: int, done: Callable[[float], object] | None = None
) -> tuple[list[Float64], Ints, int]:
    """Convex rings (m, 2) that tile a convex one, the class on each, and on how many parts it was settled.

    ``network`` (float64) takes coordinates as `OnPlane` does. Without ``every``, parts on which linear bounds
    prove one class are left whole; with it, regions on which the network is affine are counted: a cut between
    two entries of a window runs on where a third is the largest, so parts of one pattern count once.

    Raises Unsupported where the network is not piecewise linear, or falls into more than ``most`` pieces.
    """
    (settled, own), open_rings = (([], []), [domain]) if every else _screened(network, domain)
    low, size = domain.min(0), np.ptp(domain, axis=0)
    rings, classes, count = [(ring - low) / size for ring in settled], [np.array(own, np.int64)], len(settled)
    if open_rings:
        square = OnSquare(network, low, size)
        room = max(1, together(square, REFERENCE[:1]) // len(REFERENCE))
        corners = (np.concatenate(open_rings) - low) / size
        first = np.cumsum([0, *map(len, open_rings)])
        pieces = PlanePieces(corners, first, room, float(PlanePieces(corners, first, room, 1.0).areas.sum()))
        patterns = set[int]()
        for batch, logits in runs(square, pieces, room, most, done):
            count += 0 if every else len(batch)
            patterns.update(batch.patterns.tolist())
            logits = batch.led(Largest(), logits)
            rings += batch.rings()
            classes.append(batch.largest(logits))
        count += len(patterns) if every else 0
    return [low + ring * size for ring in rings], np.concatenate(classes), count


def exact_polygons(
    network: nn.Module,
    domain: shapely.Polygon,
    every: bool,
    most: int,
    done: Callable[[float], object] | None = None,
) -> tuple[dict[int, BaseGeometry], int]:
    """The polygons of each class, and how many parts they were joined from, as `linear_pieces` counts."""
    ring = np.array(domain.exterior.coords)[:-1]
    rings, classes, count = linear_pieces(network, ring, every, most, done)
    grid = SNAP * float(np.ptp(ring, axis=0).max())
    lengths = np.array([len(part) for part in rings])
    closed = np.concatenate([np.concatenate([part, part[:1]]) for part in rings])
    polygons = shapely.polygons(
        shapely.linearrings(closed, indices=np.repeat(np.arange(len(rings)), lengths + 1))
    )
    joined = {
        int(k): _closed(shapely.union_all(polygons[classes == k], grid_size=grid), 4 * grid)
        for k in np.unique(classes)
    }
    return {k: polygon for k, polygon in joined.items() if polygon.area > 0}, count


def _closed(polygon: BaseGeometry, width: float) -> BaseGeometry:
    """Without the slits that rounding leaves between parts whose common edge has corners on one side only."""
    wide = shapely.buffer(polygon, width, join_style="mitre")
    return shapely.buffer(wide, -width, join_style="mitre")


def touching(polygons: dict[int, BaseGeometry], spacing: float) -> nx.Graph:
    """A node a class, with its area; an edge where two meet along a line, with how many spacings of it."""
    graph = nx.Graph()
    for k, polygon in polygons.items():
        graph.add_node(k, area=float(polygon.area))
    for (i, one), (j, other) in itertools.combinations(polygons.items(), 2):
        length = float(one.boundary.intersection(other.boundary).length)
        if length > 0:
            graph.add_edge(i, j, contacts=max(1, round(length / spacing)))
    return graph


def _screened(network: nn.Module, domain: Float64) -> tuple[tuple[list[Float64], list[int]], list[Float64]]:
    """Parts of a ring on which linear bounds prove one class, with it, and the narrow parts that are left."""
    todo, width = [domain], np.ptp(domain, axis=0).max()
    rings: list[Float64] = []
    classes: list[int] = []
    left: list[Float64] = []
    while todo:
        batch, todo = todo[-AT_ONCE:], todo[:-AT_ONCE]
        for ring, holds, k in zip(batch, *_settled(network, batch), strict=True):
            if holds:
                rings.append(ring)
                classes.append(int(k))
            elif np.ptp(ring, axis=0).max() > width / FINE:
                height = _middle(ring)
                todo += [part_above(ring, height)[0], part_above(ring, -height)[0]]
            else:
                left.append(ring)
    return (rings, classes), left


def _settled(network: nn.Module, batch: list[Float64]) -> tuple[list[bool], Ints]:
    """Whether linear bounds prove that each ring has one class, and the class in the middle of it."""
    ends = torch.from_numpy(np.array([[r.min(0), r.max(0)] for r in batch]))[..., None, None]
    low, high = ends[:, 0], ends[:, 1]
    x = torch.from_numpy(np.array([r.mean(0) for r in batch]))[..., None, None]
    reach = torch.maximum(high - x, x - low).flatten(1).amax(1)
    balls = Balls(x, reach, (-np.inf, np.inf), np.inf)
    balls.low, balls.high = low, high
    with torch.no_grad():
        own = network(x).argmax(1)
    (lower, upper), bent = balls.intervals(network)
    lower = lower.gather(1, own[:, None])
    rivals = torch.arange(upper.shape[1])[None] != own[:, None]
    asked = rivals & ~(lower > upper)
    holds = ~asked.any(1)
    likely = asked.sum(1) <= 3  # of many rivals one will not be refuted
    loose = [Loose.of(here) for here in bent]
    least = torch.full(asked.shape, np.inf, dtype=lower.dtype)
    for part in torch.nonzero(asked & likely[:, None]).split(rows_at_once(bent)):
        sample, rival = part.T
        ((value, change),) = balls.below(network, sample, loose, [partial(lead, own[sample], rival)])
        least[sample, rival] = value + change
    holds |= likely & (least > 0).all(1)
    return holds.tolist(), own.numpy()


def _middle(ring: Float64) -> Float64:
    """Heights that halve a ring across its longer side."""
    axis = int(np.ptp(ring, axis=0).argmax())
    return ring[:, axis] - (ring[:, axis].min() + ring[:, axis].max()) / 2
