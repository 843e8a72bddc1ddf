"""Convex polygons that tile a part of a plane, cut along the lines at which a network bends."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from featgeom.arrays import Float64, Ints
from featgeom.kernels import kernel
from featgeom.pixels.bends import Bend
from featgeom.pixels.piecewise import ZERO, Full, largest
from featgeom.pixels.pooling import Pool

SLIVER = 1e-16  # of the whole area: no polygon is cut into parts smaller than this
REFERENCE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)


class PlanePieces:
    """Convex polygons (corners ``first[i]:first[i + 1]`` of ``corners``), in coordinates of a unit square.

    What is affine on polygon i is held as its values at the corners (0, 0), (1, 0) and (0, 1) of that square,
    in rows 3 i to 3 i + 2, whether these are in the polygon or not.
    """

    def __init__(self, corners: Float64, first: Ints, room: float, whole: float) -> None:
        self.corners, self.first, self.room, self.whole = corners, first, room, whole
        self.parents: list[Ints] = []  # of each cut: of which polygon each one was a part
        self.patterns, self.steps = np.zeros(len(first) - 1, np.int64), 0  # what bends how, as one number

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def version(self) -> int:
        """How often they were cut."""
        return len(self.parents)

    @property
    def areas(self) -> Float64:
        """Of each polygon, in parts of the square's."""
        return np.asarray(_areas(self.corners, self.first))

    @property
    def share(self) -> float:
        """Their part of the whole."""
        return float(self.areas.sum()) / self.whole

    def points(self) -> Tensor:
        """The corners of the square, again for each polygon."""
        return REFERENCE.repeat(len(self), 1)

    def rings(self) -> list[Float64]:
        """The corners of each polygon."""
        return np.split(self.corners, self.first[1:-1])

    def lifted(self, x: Tensor, version: int) -> Tensor:
        """Rows of the polygons that these are parts of."""
        if version == self.version:
            return x
        own = np.arange(len(self))
        for parents in reversed(self.parents[version:]):
            own = parents[own]
        return x[(3 * torch.from_numpy(own)[:, None] + torch.arange(3)).flatten()]

    def bent(self, bend: Bend, x: Tensor) -> Tensor:
        """Cut where an entry changes its sign, or another one of a window becomes the largest."""
        if isinstance(bend, Pool):
            x = self.led(bend, x)
            return self._pooled(bend, x)
        zero = ZERO * largest(x)
        polygon, unit = _crossing(self.corners, self.first, x.flatten(1).numpy(), zero)
        x = self._cut(x, polygon, _units(x, polygon, unit), zero)
        positive = self._middles(x) > 0
        self._told(positive.flatten(1).numpy())
        return torch.where(positive.repeat_interleave(3, 0), x * bend.most, x * bend.least)

    def led(self, bend: Pool, x: Tensor) -> Tensor:
        """Cut where another entry of a window becomes the largest; x as it is then."""
        zero, members = ZERO * largest(x), bend.members(x.shape[1:]).numpy()
        while True:
            polygon, one, other = _overtaking(self.corners, self.first, x.flatten(1).numpy(), members, zero)
            before = len(self)
            x = self._cut(x, polygon, _units(x, polygon, one) - _units(x, polygon, other), zero)
            if len(self) == before:
                return x

    def largest(self, x: Tensor) -> Ints:
        """Which of the entries (rows, k) is the largest in the middle of each polygon."""
        return self._middles(x).argmax(1).numpy()

    def parts(self, count: int) -> list[Self]:
        """Runs of polygons, which are near each other."""
        found = []
        for i in range(0, len(self), count):
            first = self.first[i : i + count + 1]
            corners = self.corners[first[0] : first[-1]].copy()
            found.append(type(self)(corners, first - first[0], self.room, self.whole))
        return found

    def _told(self, how: np.ndarray) -> None:
        """Adds how each unit bends (polygons, units) to the patterns: two that differ get two numbers."""
        random = np.random.default_rng((self.steps, how.shape[1]))  # of one seed wherever the plane is cut
        self.steps += 1
        weights = random.integers(-(2**62), 2**62, how.shape[1])
        self.patterns = self.patterns + (how * weights).sum(axis=1)

    def _middles(self, x: Tensor) -> Tensor:
        """The values of x in the middle of each polygon."""
        counts = np.diff(self.first)
        sums = np.add.reduceat(self.corners, self.first[:-1], axis=0)
        u, v = torch.from_numpy(sums / counts[:, None]).T.view(2, -1, *(1,) * (x.ndim - 1))
        return x[::3] + u * (x[1::3] - x[::3]) + v * (x[2::3] - x[::3])

    def _pooled(self, bend: Pool, x: Tensor) -> Tensor:
        """The rows of the largest entry of each window."""
        shape, members = bend.value(x[:1]).shape[1:], bend.members(x.shape[1:])
        middle = self._middles(x).flatten(1)
        windows = middle[:, members].masked_fill(members < 0, -torch.inf)
        most = windows.argmax(2)
        self._told(most.numpy() + 1)
        leads = members[torch.arange(len(members)), most]
        return x.flatten(1).gather(1, leads.repeat_interleave(3, 0)).view(-1, *shape)

    def _cut(self, x: Tensor, polygon: Ints, lines: Float64, zero: float) -> Tensor:
        """Cut polygons (in rising order) along the lines at which these (rows, 3) are 0; x as it is then."""
        if not len(polygon):
            return x
        starts = np.searchsorted(polygon, np.arange(len(self) + 1))
        sliver = SLIVER * self.whole
        corners, first, parents = _split(self.corners, self.first, lines, starts, zero, sliver)
        if len(first) == len(self.first):
            return x
        self.corners, self.first, self.patterns = corners, first, self.patterns[parents]
        self.parents.append(parents)
        if len(self) > self.room and len(self) > 1:
            raise Full
        return self.lifted(x, self.version - 1)


def _units(x: Tensor, polygon: Ints, unit: Ints) -> Float64:
    """The values (rows, 3) of entries of polygons at the corners of the square."""
    rows = torch.from_numpy(polygon)[:, None] * 3 + torch.arange(3)
    return x.flatten(1)[rows, torch.from_numpy(unit)[:, None]].numpy()


@kernel()
def _areas(corners: Any, first: Any) -> Any:
    found = np.empty(len(first) - 1)
    for p in range(len(found)):
        found[p] = _area(corners, first[p], first[p + 1])
    return found


@kernel()
def _area(corners: Any, start: int, stop: int) -> float:
    """Of a ring, seen from its first corner."""
    total = 0.0
    for i in range(start + 1, stop - 1):
        ax, ay = corners[i, 0] - corners[start, 0], corners[i, 1] - corners[start, 1]
        bx, by = corners[i + 1, 0] - corners[start, 0], corners[i + 1, 1] - corners[start, 1]
        total += ax * by - ay * bx
    return abs(total) / 2


@kernel()
def _crossing(corners: Any, first: Any, x: Any, zero: float) -> tuple[Any, Any]:
    """The polygons and entries of x (3 n, all) that are positive at one corner and negative at another."""
    size, room, count = x.shape[1], 1024, 0
    polygon, unit = np.empty(room, np.int64), np.empty(room, np.int64)
    low, high = np.empty(size), np.empty(size)
    for p in range(len(first) - 1):
        low[:], high[:] = np.inf, -np.inf
        for c in range(first[p], first[p + 1]):
            u, v = corners[c, 0], corners[c, 1]
            w = 1.0 - u - v
            for j in range(size):
                height = w * x[3 * p, j] + u * x[3 * p + 1, j] + v * x[3 * p + 2, j]
                low[j], high[j] = min(low[j], height), max(high[j], height)
        for j in range(size):
            if low[j] < -zero and high[j] > zero:
                if count == room:
                    polygon, unit = _grown(polygon), _grown(unit)
                    room = len(polygon)
                polygon[count], unit[count] = p, j
                count += 1
    return polygon[:count], unit[:count]


@kernel()
def _overtaking(corners: Any, first: Any, x: Any, members: Any, zero: float) -> tuple[Any, Any, Any]:
    """The polygons on which no entry of a window is the largest at all corners, and two that are at one."""
    windows, most = members.shape
    room, count = 1024, 0
    polygon, one, other = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    for p in range(len(first) - 1):
        m = first[p + 1] - first[p]
        height, best = np.empty((m, most)), np.empty(m)
        for k in range(windows):
            for c in range(m):
                u, v = corners[first[p] + c, 0], corners[first[p] + c, 1]
                w = 1.0 - u - v
                best[c] = -np.inf
                for j in range(most):
                    e = members[k, j]
                    height[c, j] = -np.inf
                    if e >= 0:
                        height[c, j] = w * x[3 * p, e] + u * x[3 * p + 1, e] + v * x[3 * p + 2, e]
                        best[c] = max(best[c], height[c, j])
            least, leader, worst = np.inf, 0, 0
            for j in range(most):
                if members[k, j] < 0:
                    continue
                short, at = -1.0, 0
                for c in range(m):
                    if best[c] - height[c, j] > short:
                        short, at = best[c] - height[c, j], c
                if short < least:
                    least, leader, worst = short, j, at
            if least > zero:
                rival = 0
                for j in range(most):
                    if height[worst, j] == best[worst]:
                        rival = j
                if count == room:
                    polygon, one, other = _grown(polygon), _grown(one), _grown(other)
                    room = len(polygon)
                polygon[count], one[count], other[count] = p, members[k, leader], members[k, rival]
                count += 1
    return polygon[:count], one[:count], other[:count]


@kernel()
def _grown(array: Any) -> Any:
    """A copy with room for twice as many."""
    new = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new


@kernel()
def _split(
    corners: Any, first: Any, lines: Any, starts: Any, zero: float, sliver: float
) -> tuple[Any, Any, Any]:
    """Each polygon p cut along its lines ``lines[starts[p]:starts[p + 1]]``: corners, first, and parents."""
    out, ends, parents = (
        np.empty((2 * len(corners) + 64, 2)),
        np.empty(len(first) + 64, np.int64),
        np.empty(len(first) + 64, np.int64),
    )
    filled, count = 0, 0
    for p in range(len(first) - 1):
        ring, cut = corners[first[p] : first[p + 1]].copy(), np.empty(2, np.int64)
        cut[0], cut[1] = 0, len(ring)
        for k in range(starts[p], starts[p + 1]):
            ring, cut = _halve_all(ring, cut, lines[k], zero, sliver)
        while filled + len(ring) > len(out):
            out = _grown(out)
        while count + len(cut) > len(ends):
            ends, parents = _grown(ends), _grown(parents)
        out[filled : filled + len(ring)] = ring
        for i in range(len(cut) - 1):
            ends[count] = filled + cut[i + 1]
            parents[count] = p
            count += 1
        filled += len(ring)
    new = np.empty(count + 1, np.int64)
    new[0] = 0
    new[1:] = ends[:count]
    return out[:filled].copy(), new, parents[:count].copy()


@kernel()
def _halve_all(ring: Any, cut: Any, line: Any, zero: float, sliver: float) -> tuple[Any, Any]:
    """Polygons, each as two where the line runs through it."""
    height = np.empty(len(ring))
    for c in range(len(ring)):
        u, v = ring[c, 0], ring[c, 1]
        height[c] = (1.0 - u - v) * line[0] + u * line[1] + v * line[2]
        if abs(height[c]) <= zero:
            height[c] = 0.0
    n = len(cut) - 1
    out, ends = np.empty((len(ring) + 4 * n, 2)), np.empty(2 * n + 1, np.int64)
    ends[0], filled, count = 0, 0, 0
    for i in range(n):
        start, stop = cut[i], cut[i + 1]
        m, begun = stop - start, filled
        for side in range(2):
            sign, opened = 1.0 - 2.0 * side, filled
            for c in range(m):
                here, after = start + c, start + (c + 1 if c + 1 < m else 0)
                h, g = sign * height[here], sign * height[after]
                if h >= 0.0:
                    out[filled] = ring[here]
                    filled += 1
                if (h > 0.0 > g) or (h < 0.0 < g):
                    a, b = (here, after) if height[here] > 0.0 else (after, here)  # the same on both sides
                    share = height[a] / (height[a] - height[b])
                    out[filled, 0] = ring[a, 0] + share * (ring[b, 0] - ring[a, 0])
                    out[filled, 1] = ring[a, 1] + share * (ring[b, 1] - ring[a, 1])
                    filled += 1
            if filled - opened < 3 or _area(out, opened, filled) <= sliver:
                filled = begun
                break
            count += 1
            ends[count] = filled
        else:
            continue
        # one side is nothing: the polygon stays whole
        while count > 0 and ends[count] > begun:
            count -= 1
        out[begun : begun + m] = ring[start:stop]
        filled = begun + m
        count += 1
        ends[count] = filled
    return out[:filled], ends[: count + 1]
