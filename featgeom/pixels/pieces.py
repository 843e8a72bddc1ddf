"""The exact classes of a piecewise linear network on a polygon of a plane of pixel space.

Parts of the polygon in which linear bounds prove one class are left whole; the others are cut along the lines
at which a ReLU bends, or another entry becomes the largest of a pooling window, until the network is affine
on each, and then where two logits tie. Cuts are computed in float64, as everything in a slice.

Sources: Sotoudeh and Thakur, arXiv 1908.06223 (restrictions to planes); Humayun et al., arXiv 2302.12828.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import shapely
import torch
from shapely.geometry.base import BaseGeometry
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.clipping import part_above
from featgeom.boundaries.planes import Plane
from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32
from featgeom.pixels.balls import Balls, lead, rows_at_once
from featgeom.pixels.bends import Bend, Kinked
from featgeom.pixels.ends import CONSTANTS
from featgeom.pixels.loose import Loose
from featgeom.pixels.operators import REGISTRY, find_bend

AT_ONCE = 64  # polygons in one run of the network
LINES = 4  # along which a polygon is cut before its parts are looked at again
COARSE = 16  # of the domain's width: wider polygons are halved before they are cut along lines
ZERO = 1e-9  # of the largest entry of a layer: what counts as 0 at a corner of a polygon
SLIVER = 1e-13  # of the domain's area: what is too small to be cut further
MOST = 200_000  # polygons
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


def linear_pieces(network: nn.Module, domain: Float64) -> tuple[list[Float64], Ints]:
    """Convex rings (m, 2) that tile a convex one, and the class on each.

    ``network`` (float64) takes coordinates as `OnPlane` does.

    Raises Unsupported where the network is not piecewise linear, or falls into more than 200,000 pieces.
    """
    todo, rings, classes = [domain], [], []
    width, area = np.ptp(domain, axis=0).max(), _area(domain)
    while todo:
        batch, todo = todo[-AT_ONCE:], todo[:-AT_ONCE]
        small = [_area(ring) <= SLIVER * area for ring in batch]
        held, centre = _settled(network, batch)
        corners = _corner_values(network, batch)
        for ring, done, k, tiny, values in zip(batch, held, centre, small, corners, strict=True):
            if done or tiny:
                rings.append(ring)
                classes.append(int(k))
            elif np.ptp(ring, axis=0).max() > width / COARSE:
                todo += _parts(ring, [_middle(ring)])
            elif isinstance(values, list):
                todo += _parts(ring, values[:LINES])
            else:
                for part, owner in _by_class(ring, values):
                    rings.append(part)
                    classes.append(owner)
        if len(todo) + len(rings) > MOST:
            raise Unsupported(f"the network falls into more than {MOST:,} pieces on this plane")
    return rings, np.array(classes, np.int64)


def exact_polygons(network: nn.Module, domain: shapely.Polygon) -> tuple[dict[int, BaseGeometry], int]:
    """The polygons of each class, and how many parts they were joined from."""
    ring = np.array(domain.exterior.coords)[:-1]
    rings, classes = linear_pieces(network, ring)
    polygons = np.array([shapely.Polygon(part) for part in rings])
    grid = SNAP * float(np.ptp(ring, axis=0).max())
    joined = {
        int(k): _closed(shapely.union_all(polygons[classes == k], grid_size=grid), 4 * grid)
        for k in np.unique(classes)
    }
    return {k: polygon for k, polygon in joined.items() if polygon.area > 0}, len(rings)


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


def _corner_values(network: nn.Module, batch: list[Float64]) -> list[list[Float64] | Float64]:
    """For each ring the heights (lines, m) at its corners by which it must be cut, or its logits (m, k)."""
    sizes = [len(ring) for ring in batch]
    owner = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor(sizes))
    points = torch.from_numpy(np.concatenate(batch))[..., None, None]
    watch = _Watch(owner, len(batch))
    with torch.no_grad(), exact_float32(), watch:
        logits = network(points)
    parts = logits.split(sizes)
    return [cuts if cuts else part.numpy() for cuts, part in zip(watch.cuts, parts, strict=True)]


class _Watch(TorchFunctionMode):
    """Finds, while a network runs on corners of polygons, the first layer that bends inside each of them."""

    def __init__(self, owner: Tensor, count: int) -> None:
        super().__init__()
        self.owner = owner
        self.cuts: list[list[Float64]] = [[] for _ in range(count)]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        name = func.__name__ if func.__name__ in REGISTRY else func.__name__.removesuffix("_")
        if name in REGISTRY and name not in CONSTANTS:
            x = args[0] if args else kwargs["input"]
            if len(x) == len(self.owner):
                rest = {k: v for k, v in kwargs.items() if k != "input"}
                bend = find_bend(name, args[1:], rest)
                if bend is None or not (bend.pools or isinstance(bend, Kinked)):
                    raise Unsupported(f"the operation '{name}' is not piecewise linear")
                self._look(bend, x)
        return func(*args, **kwargs)

    def _look(self, bend: Bend, x: Tensor) -> None:
        for i, cuts in enumerate(self.cuts):
            if not cuts:
                z = x[self.owner == i]
                cuts += _ties(bend.windows(z)) if bend.pools else _kinks(z.flatten(1))


def _kinks(z: Tensor) -> list[Float64]:
    """The units (m corners each) that are positive at one corner and negative at another."""
    zero = ZERO * z.abs().amax().clamp_min(1e-300)
    crossing = (z.amax(0) > zero) & (z.amin(0) < -zero)
    return list(z[:, crossing].T.numpy())


def _ties(windows: Tensor) -> list[Float64]:
    """Of each window without one entry that is the largest at all corners, the difference of two that are."""
    flat = windows.transpose(1, 2)  # corners, windows, entries
    finite = torch.where(flat > -torch.inf, flat, 0.0)
    zero = ZERO * finite.abs().amax().clamp_min(1e-300)
    best = flat.amax(2, keepdim=True)
    short = (best - flat).amax(0)  # by how much an entry falls short of the largest, at worst
    first = short.argmin(1)
    split = short.gather(1, first[:, None])[:, 0] > zero
    lines = []
    for window in torch.nonzero(split)[:, 0]:
        entries = flat[:, window]
        one = first[window]
        corner = (best[:, window, 0] - entries[:, one]).argmax()
        lines.append((entries[:, one] - entries[:, entries[corner].argmax()]).numpy())
    return lines


def _by_class(ring: Float64, logits: Float64) -> list[tuple[Float64, int]]:
    """The parts of a ring on which each class has the largest of affine logits (m, k)."""
    found, seen = [], np.unique(logits.argmax(1))
    for k in seen if len(seen) == 1 else range(logits.shape[1]):
        part = np.concatenate([ring, logits[:, [k]] - logits], 1)
        for j in range(logits.shape[1]):
            if len(part) >= 3 and part[:, 2 + j].min() < 0:
                part, _ = part_above(part, part[:, 2 + j])
        if len(part) >= 3 and _area(part[:, :2]) > 0:
            found.append((np.ascontiguousarray(part[:, :2]), int(k)))
    return found


def _middle(ring: Float64) -> Float64:
    """Heights that halve a ring across its longer side."""
    axis = int(np.ptp(ring, axis=0).argmax())
    return ring[:, axis] - (ring[:, axis].min() + ring[:, axis].max()) / 2


def _parts(ring: Float64, cuts: list[Float64]) -> list[Float64]:
    """The parts of a convex ring (m, 2) between lines, given by their heights at its corners."""
    parts = [np.column_stack([ring, *cuts])]
    for j in range(2, 2 + len(cuts)):
        halves = []
        for part in parts:
            height = part[:, j]
            zero = ZERO * np.abs(part[:, j]).max()
            if height.max() <= zero or height.min() >= -zero:
                halves.append(part)
                continue
            halves += [part_above(part, height)[0], part_above(part, -height)[0]]
        parts = [part for part in halves if len(part) >= 3]
    return [np.ascontiguousarray(part[:, :2]) for part in parts]


def _area(ring: Float64) -> float:
    x, y = ring.T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)
