"""Projection of many queries on one hull: passes over all points, and a small exact problem for each query.

Each round makes one pass over all points for the queries that are still open, adds to each query's working
set those points that lie beyond its supporting plane, and solves on the working set. A query is done when no
point, looked at in float64 wherever float32 cannot exclude it, lies far enough beyond the plane to matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints, read_only
from featgeom.exact.rounding import lengths_above
from featgeom.hulls.judging import Seen
from featgeom.hulls.minimum_norm import UNIT
from featgeom.hulls.oracle import Oracle
from featgeom.hulls.work import Problem, Rule, Work
from featgeom.hulls.working_set import DONE, FAR, LIMIT, OPEN, advance
from featgeom.status import Status, StatusArray, status_array

FLOOR = 1e-13  # default absolute tolerance, in lengths of the problem
STRIDE = 16  # how thinned the points are for the first rounds, or more to fit into memory
WIDE = 256  # dimensions from which the inner products of a working set are kept between rounds
ADD = 32  # points that may enter a working set in one round
NEARLY = 1e-3  # relative gap from which all blocks that are listed are likely to be looked at
SPARE = 64  # points that a working set may keep beside its support
ROOM = 192  # points of a working set that memory is planned for
COARSE = 500  # fewer points than this are not worth rounds of their own


@dataclass(frozen=True, eq=False)
class Projected:
    """Projections of q queries: bounds (q,), weights (q, n), residuals p − q and proving normals (q, d)."""

    status: StatusArray
    upper: Float64
    lower: Float64
    weights: csr_array
    residual: Float64
    normal: Float64
    steps: int


def nothing(q: int, n: int, d: int) -> Projected:
    """What is known of q queries beside the hull of none of n points: they are infinitely far from it."""
    return Projected(
        status_array(q, Status.SOLVED),
        np.full(q, np.inf),
        np.full(q, np.inf),
        csr_array((q, n)),
        np.zeros((q, d)),
        np.zeros((q, d)),
        0,
    )


def with_room(oracle: Oracle, queries: Float64, found: Projected, rtol: float) -> Projected:
    """The same with bounds a little wider, where a tenth of the tolerance pays for it.

    Whoever checks them then need not sum in the same order, nor about the same centre.
    """
    d, most = queries.shape[1], int(np.diff(found.weights.indptr).max(initial=0))
    size = oracle.radius + lengths_above(np.vstack([oracle.centre, queries]))
    room = 2.5 * (d + 2 * most + 24) * UNIT * np.maximum(size[0], size[1:])
    fine = 10 * room <= rtol * found.lower
    lower, upper = (
        np.where(fine, found.lower - room, found.lower),
        np.where(fine, found.upper + room, found.upper),
    )
    return replace(found, lower=lower, upper=upper)


class _Working:
    """What is known of each query while it is worked on: its working set (support first), its bounds.

    While ``aiming``, on a thinned hull, those that are done will be asked about once more.
    """

    def __init__(self, oracle: Oracle, queries: Float64, rtol: float, atol: float | None) -> None:
        q, d = queries.shape
        self.rtol = rtol
        self.residual = oracle.centre - queries
        distance = np.sqrt(np.einsum("ij,ij->i", self.residual, self.residual))
        self.reach = (oracle.radius + distance) * (1 + 2 * (d + 8) * UNIT)
        self.floor = FLOOR * self.reach if atol is None else np.full(q, atol)
        known = distance > 0
        self.normal = np.full((q, d), 1 / np.sqrt(d))
        self.normal[known] = self.residual[known] / distance[known, None]
        self.proof = self.normal.copy()
        self.wide, self.aiming = d >= WIDE, False
        self.rows, self.weights = np.zeros((q, 0), dtype=np.int64), np.zeros((q, 0))
        self.packed = np.zeros((q, 0))  # the lower triangles of inner products, where they are kept, and
        self.slot = np.arange(q)  # in which row that of each query is
        self.total, self.support, self.steps, self.stuck, self.fine = np.zeros((5, q), dtype=np.int64)
        self.upper, self.level = np.full(q, np.inf), np.full(q, np.inf)
        self.lower = np.zeros(q)

    def known(self) -> Work:
        """The same, as compiled code takes it."""
        return Work(**{name: getattr(self, name) for name in Work._fields})

    def held(self, todo: Ints) -> Ints:
        """The rows in the working sets of some queries; −1 is none."""
        used = np.arange(self.rows.shape[1]) < self.total[todo, None]
        return np.where(used, self.rows[todo], -1)

    def looked_at(self, blocks: Ints, todo: Ints) -> Ints:
        """Of the blocks listed those that are likely to be looked at; −1 is none.

        That is as many as new points may come from, and all where the bounds are nearly closed.
        """
        nearly = self.lower[todo] >= (1 - NEARLY) * self.upper[todo]
        return np.where(nearly[:, None] | (np.arange(blocks.shape[1]) < ADD), blocks, -1)

    def reserve(self, todo: Ints) -> None:
        """Room for what one more round may add."""
        room = int(self.total[todo].max()) + ADD
        have = self.rows.shape[1]
        if room <= have:
            return
        room = max(SPARE + 2 * ADD, ROOM if self.wide else 0, room + have // 2)
        extra = ((0, 0), (0, room - have))
        self.rows, self.weights = np.pad(self.rows, extra), np.pad(self.weights, extra)
        if self.wide:
            open_ = np.arange(len(self.total)) if self.aiming else todo  # of the others none is needed again
            wider = np.empty((len(open_), room * (room + 1) // 2))
            for into, i in zip(wider, open_):
                size = self.total[i] * (self.total[i] + 1) // 2
                into[:size] = self.packed[self.slot[i], :size]
            self.packed, self.slot[open_] = wider, np.arange(len(open_))


def project_all(
    oracle: Oracle,
    queries: Float64,
    own: Ints | None = None,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_passes: int = 1000,
) -> Projected:
    """Projections of queries (q, d) on the hull of the oracle's points.

    Where ``own`` (q,) names a row for a query, that row is left out of the hull.
    """
    q, d = queries.shape
    mine = np.full(q, -1, dtype=np.int64) if own is None else np.ascontiguousarray(own, dtype=np.int64)
    each = 32 * (d + ROOM) + (4 * ROOM * (ROOM + 1) if d >= WIDE else 0)
    batch = int(min(20_000, max(64, oracle.memory // each)))
    parts = [
        _project(oracle, queries[start : start + batch], mine[start : start + batch], rtol, atol, max_passes)
        for start in range(0, max(q, 1), batch)
    ]
    if len(parts) == 1:
        return parts[0]
    from scipy.sparse import vstack

    return Projected(
        np.concatenate([p.status for p in parts]),
        np.concatenate([p.upper for p in parts]),
        np.concatenate([p.lower for p in parts]),
        csr_array(vstack([p.weights for p in parts])),
        np.concatenate([p.residual for p in parts]),
        np.concatenate([p.normal for p in parts]),
        sum(p.steps for p in parts),
    )


def _project(
    oracle: Oracle, queries: Float64, own: Ints, rtol: float, atol: float | None, max_passes: int
) -> Projected:
    """One batch: first on a thinned hull, which costs little and aims well, then on all points."""
    work = _Working(oracle, queries, rtol, atol)
    if len(oracle) >= COARSE * STRIDE:
        work.rtol, work.aiming = max(rtol, 1e-2), True
        stride = max(STRIDE, -(-4 * oracle.points.nbytes // oracle.memory))
        _rounds(oracle.thinned(stride), queries, np.where(own % stride, -1, own // stride), 100, work)
        work.rtol, work.aiming = rtol, False
        work.rows *= stride
        work.lower[:] = 0.0
        work.stuck[:] = 0
    status = _rounds(oracle, queries, own, max_passes, work)
    inner = np.arange(work.rows.shape[1])[None, :] < work.support[:, None]
    start = np.concatenate([[0], np.cumsum(work.support)])
    weights = csr_array((work.weights[inner], work.rows[inner], start), shape=(len(queries), len(oracle)))
    weights.sort_indices()
    return Projected(
        status, work.upper, work.lower, weights, work.residual, work.proof, int(work.steps.sum())
    )


def _rounds(oracle: Oracle, queries: Float64, own: Ints, max_passes: int, work: _Working) -> StatusArray:
    """Rounds until no query is open, or as many as allowed; how each ended."""
    status = status_array(len(queries), Status.ITERATION_LIMIT)
    todo = np.arange(len(queries))
    for number in range(max_passes + 1):
        if len(todo) == 0:
            break
        work.reserve(todo)
        keep = 24 + int(work.support[todo].max())
        state = _round(oracle, queries, own, todo, keep, number == max_passes, work)
        status[todo[state == DONE]] = Status.SOLVED
        status[todo[state == LIMIT]] = Status.PRECISION_LIMIT
        todo = todo[state == OPEN]
    return status


def _round(
    oracle: Oracle, queries: Float64, own: Ints, todo: Ints, keep: int, last: bool, work: _Working
) -> Ints:
    """One pass for the open queries and what follows from it; which of them are done, or cannot go on."""
    directions = work.normal[todo]
    low = oracle.lowest(directions, keep)
    offset = np.einsum("ij,ij->i", oracle.centre - queries[todo], directions)
    state = np.full(len(todo), OPEN)
    problem = Problem(read_only(oracle.points), oracle.block, queries, own, work.reach)
    seen = Seen(low.values + offset[:, None], low.blocks, low.rest + offset, oracle.slack)
    rule = Rule(work.rtol, work.floor, last, ADD, SPARE - ADD)
    known = work.known()

    def run(start: int, stop: int) -> None:
        advance(problem, seen, rule, known, todo, start, stop, state)

    oracle.each(run, work.looked_at(low.blocks, todo), work.held(todo))
    far = np.flatnonzero(state == FAR)
    if len(far):
        wider = min(8 * keep, oracle.count)
        some = max(1, oracle.memory // (256 * wider))
        for start in range(0, len(far), some):
            which = far[start : start + some]
            state[which] = _round(oracle, queries, own, todo[which], wider, last, work)
    return state
