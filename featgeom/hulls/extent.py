"""How far a hull extends: along directions, across, and the smallest ball around it.

A distance alone means nothing; these are the lengths of the same space to print beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints, read_rows
from featgeom.certificates.extent import EnclosingBall, HullDiameter, HullSupport
from featgeom.errors import BadArgument
from featgeom.exact.rounding import gamma
from featgeom.hulls.judging import Seen
from featgeom.hulls.minimum_norm import UNIT, compiled
from featgeom.hulls.oracle import Oracle
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

MOST_PAIRS = 1 << 32  # more pairs than this are not compared; the diameter is then an interval


@dataclass(frozen=True, eq=False, repr=False)
class Support(Result):
    """How far a hull reaches along directions u (q, d): the greatest ⟨x, u⟩, and the row that does (q,)."""

    bounded = ("value", "lower_bound", "upper_bound")

    status: StatusArray
    value: Float64
    lower_bound: Float64
    upper_bound: Float64
    rows: Ints
    certificate: HullSupport
    stats: Stats


@dataclass(frozen=True, eq=False, repr=False)
class Diameter(Result):
    """The greatest distance within a hull, in [``lower_bound``, ``value``], and two ``rows`` so far apart."""

    bounded = ("diameter", "lower_bound", "value")

    status: Status
    value: float
    lower_bound: float
    rows: Ints
    certificate: HullDiameter
    stats: Stats


@dataclass(frozen=True, eq=False, repr=False)
class Ball(Result):
    """The smallest ball around a hull: its radius lies in [``lower_bound``, ``radius``].

    The ball of ``radius`` about ``centre`` (d,) holds all points; those with ``weights`` (1, n) force it.
    """

    bounded = ("radius", "lower_bound", "radius")

    status: Status
    centre: Float64
    radius: float
    lower_bound: float
    weights: csr_array
    certificate: EnclosingBall
    stats: Stats


@compiled
def _reach(points, size, centre, normals, seen, start, stop, rows, far):  # type: ignore[no-untyped-def]
    """The row of least ⟨x − centre, normal⟩ for each normal; ``far`` where unlisted blocks could hold it."""
    n, d = points.shape
    values, numbers = seen.values, seen.numbers
    for a in range(start, stop):
        least = np.inf
        for k in range(numbers.shape[1]):
            if values[a, k] - seen.slack >= least or numbers[a, k] < 0:
                break
            first = numbers[a, k] * size
            for row in range(first, min(n, first + size)):
                value = 0.0
                for i in range(d):
                    value += (np.float64(points[row, i]) - centre[i]) * normals[a, i]
                if value < least:
                    least, rows[a] = value, row
        far[a] = seen.rest[a] - seen.slack < least


def support(oracle: Oracle, directions: Float64) -> Support:
    """The greatest ⟨x, u⟩ over the points for each direction u (q, d)."""
    began, passes = time.perf_counter(), oracle.passes
    q, d = directions.shape
    lengths = np.sqrt(np.einsum("ij,ij->i", directions, directions))
    if not (lengths > 0).all() or not np.isfinite(lengths).all():
        raise BadArgument("directions: each needs a length that is positive and can be squared in float64")
    rows = np.zeros(q, dtype=np.int64)
    todo, keep = np.arange(q), 32
    error = 1.01 * (d + 16) * UNIT * oracle.radius
    while len(todo):
        rows[todo], far = _rows_reaching(oracle, -directions[todo] / lengths[todo, None], keep, error)
        todo, keep = todo[far], min(8 * keep, oracle.count)
    points = read_rows(oracle.points, rows).astype(np.float64)
    value = np.einsum("ij,ij->i", points, directions)
    sizes = np.sqrt(np.einsum("ij,ij->i", points, points))
    rounding = 1.01 * (d + 8) * UNIT * sizes * lengths + 1e-300
    upper = value + rounding + 2.02 * error * lengths
    claim = HullSupport(oracle.points, directions, value - rounding, upper)
    stats = Stats(0, oracle.passes - passes, time.perf_counter() - began)
    return Support(status_array(q, Status.SOLVED), value, value - rounding, upper, rows, claim, stats)


def _rows_reaching(
    oracle: Oracle, normals: Float64, keep: int, error: float
) -> tuple[Ints, NDArray[np.bool_]]:
    """The row lowest along each normal, and where more than ``keep`` blocks would have to be looked at."""
    low = oracle.lowest(normals, keep)
    rows, far = np.zeros(len(normals), dtype=np.int64), np.zeros(len(normals), dtype=bool)
    seen = Seen(low.values, low.blocks, low.rest, oracle.slack + error)

    def run(start: int, stop: int) -> None:
        _reach(oracle.points, oracle.block, oracle.centre, normals, seen, start, stop, rows, far)

    oracle.each(run, low.blocks)
    return rows, far


def diameter(oracle: Oracle) -> Diameter:
    """The greatest distance between two of the points, comparing only pairs that could reach it."""
    began = time.perf_counter()
    d = oracle.points.shape[1]
    radii = oracle.distances(oracle.centre)
    best, rows = _long_pair(oracle, radii)
    order = np.argsort(-radii, kind="stable")
    wide = 1 + 4 * gamma(d + 8, np.float64)
    order = order[wide * (radii[order] + radii.max()) > best]
    compared = len(order) ** 2 <= MOST_PAIRS
    if compared and len(order):
        best, rows = _compare_pairs(oracle, order, radii, best, rows)
    rounding = 1.01 * (d + 8) * UNIT * best
    upper = best + rounding if compared else 2 * oracle.radius
    lower = max(0.0, best - rounding)
    claim = HullDiameter(oracle.points, rows, oracle.centre, lower, upper)
    status = Status.SOLVED if compared else Status.ITERATION_LIMIT
    return Diameter(status, upper, lower, rows, claim, Stats(0, 8, time.perf_counter() - began))


def _long_pair(oracle: Oracle, radii: Float64) -> tuple[float, Ints]:
    """A pair far apart: from the farthest point to the farthest from it, and on."""
    best, rows = 0.0, np.zeros(2, dtype=np.int64)
    at = int(radii.argmax())
    for _ in range(6):
        apart = oracle.distances(oracle.points[at].astype(np.float64))
        other = int(apart.argmax())
        if apart[other] <= best:
            break
        best, rows = float(apart[other]), np.array([at, other])
        at = other
    return best, rows


def _compare_pairs(
    oracle: Oracle, order: Ints, radii: Float64, best: float, rows: Ints
) -> tuple[float, Ints]:
    """The longest pair among rows ``order`` (by falling radius): float32 first, float64 where in doubt."""
    d = oracle.points.shape[1]
    near = _Near(oracle, order)
    sizes = near.sizes()
    unit = 2.0**oracle.power
    error = 10 * gamma(d + 16, np.float32) * (oracle.radius * unit) ** 2
    step, wide = min(1024, near.most), min(8192, near.most)
    for start in range(0, len(order), step):
        stop = int(np.searchsorted(-radii[order], -(best - radii[order[start]]) / (1 + 1e-12), side="right"))
        if stop <= start:
            break
        own = near.some(start, start + step)
        values = torch.empty(len(own), dtype=torch.float32)
        for other in range(start, stop, wide):
            end = min(stop, other + wide)
            part = torch.addmm(sizes[other:end], own, near.some(other, end).T, alpha=-2).amax(dim=1)
            values = part.cpu() if other == start else torch.maximum(values, part.cpu())
        squares = (values + sizes[start : start + step].cpu()).to(torch.float64).numpy() + error
        for i in start + np.flatnonzero(squares > (best * unit) ** 2):
            length, far = _farthest_from(oracle, int(order[i]), order[start:stop], near.most)
            if length > best:
                best, rows = length, np.array([order[i], far])
    return best, rows


class _Near:
    """Some rows of the points in float32: held where memory allows, else made again for each look."""

    def __init__(self, oracle: Oracle, order: Ints) -> None:
        d = oracle.points.shape[1]
        self.oracle, self.order = oracle, order
        self.most = int(np.clip(oracle.memory // (32 * d), 64, 65536))  # rows that are made at a time
        self.held: torch.Tensor | None = None
        if 4 * d * len(order) <= oracle.memory // 2:
            self.held = torch.cat(list(self._parts()))

    def sizes(self) -> torch.Tensor:
        """The squared length of each row."""
        return torch.cat([(part * part).sum(dim=1) for part in self._parts()])

    def some(self, start: int, stop: int) -> torch.Tensor:
        """The rows from start to stop."""
        if self.held is not None:
            return self.held[start:stop]
        return self.oracle.prepared(read_rows(self.oracle.points, self.order[start:stop]))

    def _parts(self) -> Iterator[torch.Tensor]:
        return (self.some(first, first + self.most) for first in range(0, len(self.order), self.most))


def _farthest_from(oracle: Oracle, row: int, partners: Ints, most: int) -> tuple[float, int]:
    """The greatest distance of one point from some others, in float64, and which is so far."""
    point, best, far = oracle.points[row].astype(np.float64), -1.0, row
    for start in range(0, len(partners), most):
        some = partners[start : start + most]
        apart = read_rows(oracle.points, some) - point
        lengths = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        at = int(lengths.argmax())
        if lengths[at] > best:
            best, far = float(lengths[at]), int(some[at])
    return best, far


def enclosing_ball(oracle: Oracle, rtol: float = 1e-9, max_passes: int = 1000) -> Ball:
    """The smallest ball that holds all points: exactly for a growing few, until no other lies outside."""
    began = time.perf_counter()
    n, d = oracle.points.shape
    apart = oracle.distances(oracle.centre)
    held = _farthest(apart)
    centre, radius, lower = oracle.centre, float(apart.max()), 0.0
    rows, weights = held[:1], np.ones(1)
    status = Status.ITERATION_LIMIT
    passes = 1
    while passes < max_passes:
        about = read_rows(oracle.points, held) - oracle.centre
        middle, shares = _ball_of_few(about)
        used = shares > 0
        mean = shares @ about
        spread = about[used] - mean
        square = float(shares[used] @ np.einsum("ij,ij->i", spread, spread))
        proved = np.sqrt(square) * (1 - (4 * d + 4 * used.sum() + 32) * UNIT)
        proved -= 1.01 * (2 * len(held) + 16) * UNIT * oracle.radius if square else 0.0
        if proved > lower or len(rows) == 0:
            lower, rows, weights = max(0.0, float(proved)), held[used], shares[used]
        apart = oracle.distances(oracle.centre + middle)
        passes += 1
        if apart.max() <= radius:
            radius, centre = float(apart.max()), oracle.centre + middle
        if radius - lower <= rtol * radius + 1e-13 * oracle.radius:
            status = Status.SOLVED
            break
        new = np.setdiff1d(_farthest(apart), held)
        if len(new) == 0:
            status = Status.PRECISION_LIMIT
            break
        held = np.concatenate([held[used], new]) if len(held) > 4 * d + 256 else np.concatenate([held, new])
    upper = radius * (1 + (d + 8) * UNIT) + 1e-150 * (radius > 0)
    order = np.argsort(rows)
    table = csr_array((weights[order], rows[order], [0, len(rows)]), shape=(1, n))
    claim = EnclosingBall(oracle.points, centre, lower, upper, table)
    return Ball(
        status, centre, upper, lower, table, claim, Stats(passes, passes, time.perf_counter() - began)
    )


def _farthest(apart: Float64) -> Ints:
    few = min(16, len(apart))
    return np.argpartition(-apart, few - 1)[:few]


def _ball_of_few(points: Float64) -> tuple[Float64, Float64]:
    """Centre (d,) and weights (m,) of the smallest ball around a few points.

    The centre walks to the circumcentre of the points that bound the ball, stopped by others on its way
    (Fischer, Gärtner and Kutz, *Fast smallest-enclosing-ball computation in high dimensions*, ESA 2003).
    """
    m = len(points)
    centre = points.mean(axis=0)
    apart = points - centre
    bound = [int(np.einsum("ij,ij->i", apart, apart).argmax())]
    weights = np.zeros(m)
    for _ in range(50 * m + 100):
        shares, foot = _shares_at(points[bound], centre)
        first, step = points[bound[0]], foot - centre
        radius = np.linalg.norm(centre - first)
        if np.linalg.norm(step) <= 1e-14 * radius or radius == 0:
            if shares.min() >= -1e-12 or len(bound) == 1:
                break
            del bound[int(shares.argmin())]
            continue
        apart = points - centre
        room = radius * radius - np.einsum("ij,ij->i", apart, apart)
        speed = 2 * (first - points) @ step
        speed[bound] = 0.0
        meets = np.full(m, np.inf)
        closing = speed > 1e-15 * radius * np.linalg.norm(step)
        meets[closing] = np.maximum(room[closing], 0.0) / speed[closing]
        next_one = int(meets.argmin())
        if meets[next_one] < 1.0 and len(bound) <= points.shape[1]:
            centre = centre + meets[next_one] * step
            bound.append(next_one)
        else:
            centre = centre + step
            if shares.min() >= -1e-12:
                break
    weights[bound] = np.maximum(_shares_at(points[bound], centre)[0], 0.0)  # of the points that bound it now
    return centre, weights / weights.sum()


def _shares_at(points: Float64, place: Float64) -> tuple[Float64, Float64]:
    """The shares, of sum 1, with which points come nearest to a place, and where that is."""
    edges = (points[1:] - points[0]).T
    along = np.linalg.lstsq(edges, place - points[0], rcond=None)[0] if edges.size else np.zeros(0)
    return np.append(1 - along.sum(), along), points[0] + edges @ along
