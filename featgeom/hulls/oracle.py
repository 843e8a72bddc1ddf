"""Passes over all points: for many directions at once, where the points lie lowest.

A pass is a matrix product in float32, tiled to the cache, of which only the minimum of each small block of
points is kept. The points are centred and scaled by a power of two first, so that float32 has its digits
where the points differ; `Oracle.slack` bounds what rounding can have done, and whoever needs a proof looks at
the blocks that the bound cannot exclude in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from featgeom.arrays import Float64, Floats, Ints, blocks, file_map, here_and_there, release
from featgeom.errors import BadArgument
from featgeom.exact.rounding import gamma
from featgeom.parallel import in_parallel
from featgeom.threads import threads

AHEAD = 8  # questions to points on disk whose blocks are asked for at a time
LARGEST = 1e140  # lengths beyond this, or below its inverse, cannot be squared safely

Tensor = torch.Tensor


@dataclass(frozen=True)
class Lowest:
    """The blocks in which the points lie lowest, for each of q directions.

    ``values`` (q, keep) approximates the least ⟨x − centre, u⟩ of the blocks numbered ``blocks`` (q, keep),
    ascending; no other block lies below ``rest`` (q,). All are true to within the slack of the oracle.
    """

    values: Float64
    blocks: Ints
    rest: Float64


class Oracle:
    """The points of one hull, ready for passes on a device."""

    def __init__(self, points: Floats, device: str = "cpu", memory: int = 1 << 31) -> None:
        self.points = points
        self.device = _device(device)
        self.memory = memory
        n, d = points.shape
        self.block = max(4, min(32, 2048 // d))
        self.count = -(-n // self.block)
        self.passes = 0
        self._thinned: dict[int, Oracle] = {}
        self._mapped = file_map(points) if points.nbytes > memory // 2 else None
        total = np.zeros(d)
        with np.errstate(over="ignore", invalid="ignore"):
            for part in self.parts():
                total += part.sum(axis=0, dtype=np.float64)
        if not np.isfinite(total).all():
            total = np.zeros(d)  # points so large have a radius that is refused below
        self.centre: Float64 = (total / n).astype(points.dtype).astype(np.float64)
        widest = square = 0.0
        for part in self.parts():
            with np.errstate(over="ignore"):
                apart = part - self.centre
            widest = max(widest, float(apart.max()), -float(apart.min()))
            if widest < LARGEST:
                square = max(square, float(np.einsum("ij,ij->i", apart, apart).max()))
        self.radius = max(widest, math.sqrt(square) * (1 + 4 * gamma(d + 4, np.float64)))
        if not self.radius < LARGEST or 0 < self.radius < 1 / LARGEST:
            raise BadArgument(
                f"points: a radius of {self.radius:.0e} cannot be squared in float64; rescale them"
            )
        self.power = -math.frexp(self.radius)[1] if self.radius else 0
        self.slack = 1.01 * gamma(d + 8, np.float32) * self.radius + 2.0**-120 * d * self.radius
        self._held: Tensor | None = None
        if n * d * 4 <= memory // 2:
            self._held = torch.empty((n, d), dtype=torch.float32, device=self.device)
            row = 0
            for part in self.parts():
                self._held[row : row + len(part)] = self.prepared(part)
                row += len(part)

    def __len__(self) -> int:
        return len(self.points)

    def parts(self) -> Iterator[Floats]:
        """Blocks of points."""
        return blocks(self.points, min(self.memory // 8, 1 << 26))

    def thinned(self, stride: int) -> Oracle:
        """The oracle of every ``stride``-th point alone."""
        if stride not in self._thinned:
            some = np.empty((-(-len(self) // stride), self.points.shape[1]), dtype=self.points.dtype)
            for row in range(0, len(some), 1024):
                few = some[row : row + 1024]
                few[:] = self.points[row * stride : (row + len(few)) * stride : stride]
                self.release()
            self._thinned[stride] = Oracle(some, str(self.device), self.memory)
        return self._thinned[stride]

    def distances(self, point: Float64) -> Float64:
        """The distance of every point from one point (d,), in float64."""
        result = np.empty(len(self))
        row = 0
        for part in self.parts():
            apart = part - point
            result[row : row + len(part)] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            row += len(part)
        return result

    @property
    def is_mapped(self) -> bool:
        """Whether the points lie in a memory-mapped file too large to be kept in memory."""
        return self._mapped is not None

    def release(self) -> None:
        """Give the pages of a memory-mapped file back to the system."""
        release(self._mapped)

    def each(self, work: Callable[[int, int], object], near: Ints, rows: Ints | None = None) -> None:
        """Run ``work(start, stop)`` over questions, in parallel, which look at the blocks ``near`` (q, k).

        And at ``rows`` (q, m); −1 is none. Of points on disk some are asked for ahead of their use, and after
        every question their pages are given back, of which one may count as 2 MiB.
        """
        if not self.is_mapped:
            in_parallel(work, len(near), 64)
            return
        with here_and_there(self.points) as ask:

            def one_by_one(start: int, stop: int) -> None:
                for table, size in ((near, self.block), (rows, 1)):
                    if ask is not None and table is not None:
                        needed = np.unique(table[start:stop])
                        ask(needed[needed >= 0] * size, size)
                for one in range(start, stop):
                    work(one, one + 1)
                    self.release()

            in_parallel(one_by_one, len(near), AHEAD)

    def prepared(self, part: Floats) -> Tensor:
        """Centred, scaled points in float32 on the device (float32 points stay so throughout)."""
        dtype = part.dtype if abs(self.power) < 90 else np.dtype(np.float64)
        apart = part.astype(dtype, copy=False) - self.centre.astype(dtype)
        apart *= dtype.type(2.0**self.power)
        return torch.from_numpy(apart.astype(np.float32, copy=False)).to(self.device)

    def _stretches(self) -> Iterator[tuple[int, Tensor]]:
        """The points in long runs, each with the number of its first block."""
        rows = max(1, self.memory // (8 * 4 * self.points.shape[1]) // self.block) * self.block
        for start in range(0, len(self), rows):
            if self._held is not None:
                yield start // self.block, self._held[start : start + rows]
            else:
                yield start // self.block, self.prepared(self.points[start : start + rows])
                self.release()

    def lowest(self, directions: Float64, keep: int) -> Lowest:
        """One pass: the ``keep`` lowest blocks for each direction (q, d) of unit length."""
        self.passes += 1
        q = len(directions)
        keep = min(keep, self.count)
        values = torch.full((keep + 1, q), math.inf, dtype=torch.float32)
        numbers = torch.full((keep + 1, q), -1, dtype=torch.int64)
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")  # the slack holds for true float32 alone
        try:
            self._look(directions, values, numbers)
        finally:
            torch.set_float32_matmul_precision(precision)
        scaled = values.T.to(torch.float64).numpy() * 2.0**-self.power
        return Lowest(
            np.ascontiguousarray(scaled[:, :keep]),
            np.ascontiguousarray(numbers[:keep].T.numpy()),
            np.ascontiguousarray(scaled[:, keep]),
        )

    def _look(self, directions: Float64, values: Tensor, numbers: Tensor) -> None:
        """Merge the lowest blocks of every stretch of points into ``values`` and ``numbers`` (keep, q)."""
        keep, q = values.shape
        across = torch.from_numpy(np.ascontiguousarray(directions.T, dtype=np.float32)).to(self.device)
        for first, stretch in self._stretches():

            def look(start: int, stop: int, first: int = first, stretch: Tensor = stretch) -> None:
                some = slice(start, stop)
                minima = self._minima(stretch, across[:, some])
                few = min(keep, len(minima))
                value, number = torch.topk(minima, few, dim=0, largest=False)
                value = torch.cat([values[:, some], value.cpu()])
                number = torch.cat([numbers[:, some], number.cpu() + first])
                value, order = torch.topk(value, keep, dim=0, largest=False)
                values[:, some] = value
                numbers[:, some] = number.gather(0, order)

            if self.device.type == "cpu":
                in_parallel(look, q, min(1000, max(1, -(-q // threads()))))
            else:
                for start in range(0, q, 16384):
                    look(start, min(q, start + 16384))

    def _minima(self, stretch: Tensor, across: Tensor) -> Tensor:
        """The least value of each block in each direction, shape (blocks, q)."""
        n, q, block = len(stretch), across.shape[1], self.block
        whole = n // block
        result = torch.empty((-(-n // block), q), dtype=torch.float32, device=self.device)
        tile = (1024 if self.device.type == "cpu" else 16384) // block * block
        product = torch.empty((min(tile, n), q), dtype=torch.float32, device=self.device)
        for start in range(0, whole * block, tile):
            stop = min(start + tile, whole * block)
            part = product[: stop - start]
            torch.mm(stretch[start:stop], across, out=part)
            rows = slice(start // block, stop // block)
            torch.amin(part.view(-1, block, q), dim=1, out=result[rows])
        if whole * block < n:
            result[whole] = (stretch[whole * block :] @ across).amin(dim=0)
        return result


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadArgument(f"device: {name!r} is not available here ({str(error).splitlines()[0]})") from None
    return device
