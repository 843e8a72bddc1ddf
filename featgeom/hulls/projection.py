"""Projection of many queries on one hull: passes over all points, and a small exact problem for each query.

Each round makes one pass over all points for the queries that are still open, adds to each query's working
set those points that lie beyond its supporting plane, and solves on the working set (`minimum_norm`). A query
is done when no point, looked at in float64 wherever float32 cannot exclude it, lies far enough beyond the
plane to matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.hulls.minimum_norm import UNIT, compiled, dot, least_norm
from featgeom.hulls.oracle import Oracle
from featgeom.hulls.parallel import in_parallel
from featgeom.status import Status, StatusArray, status_array

KEEP = 48  # blocks that a pass reports for each query
ADD = 16  # points that enter a working set in one round
SPARE = 64  # points that a working set keeps beside its support
FLOOR = 1e-13  # default absolute tolerance, in lengths of the problem
TINY = 1e-150  # more than underflow can hide in a length

OPEN, DONE, STALLED = 0, 1, 2


@dataclass
class Working:
    """What is known of each query: its working set (support first), its residual p − q, its bounds."""

    rows: Ints  # (q, room) rows of the points; the first ``support`` of them carry weight
    weights: Float64  # (q, room)
    total: Ints  # (q,)
    support: Ints  # (q,)
    residual: Float64  # (q, d)
    normal: Float64  # (q, d), the residual at unit length
    upper: Float64  # (q,)
    lower: Float64  # (q,)
    level: Float64  # (q,), the length of the residual as computed
    steps: Ints  # (q,)


@compiled
def _beyond(point, query, normal):  # type: ignore[no-untyped-def]
    """⟨point − query, normal⟩ in float64."""
    total = 0.0
    for i in range(normal.shape[0]):
        total += (np.float64(point[i]) - query[i]) * normal[i]
    return total


@compiled
def _scan(points, first, last, own, query, normal, known, level, found, depth, count):  # type: ignore[no-untyped-def]
    """Look at points[first:last] in float64; note those below ``level``, deepest first; least and count."""
    least = np.inf
    room = found.shape[0]
    for row in range(first, last):
        if row == own:
            continue
        value = _beyond(points[row], query, normal)
        least = min(least, value)
        if value >= level or (count == room and value >= depth[count - 1]):
            continue
        new = True
        for j in range(known.shape[0]):
            if known[j] == row:
                new = False
        for j in range(count):
            if found[j] == row:
                new = False
        if not new:
            continue
        at = min(count, room - 1)
        while at > 0 and depth[at - 1] > value:
            depth[at], found[at] = depth[at - 1], found[at - 1]
            at -= 1
        depth[at], found[at] = value, row
        count = min(count + 1, room)
    return least, count


@compiled
def _judge(points, size, own, query, normal, level, known, values, numbers, rest, slack, error, goal, found):  # type: ignore[no-untyped-def]
    """The least ⟨x − query, normal⟩ over all points, proved, and the points found beyond the plane.

    ``values`` (k,) ascending and ``rest`` are the float32 view of the blocks, relative to the query. Looks
    first at as many blocks as could give new points; only when they leave the gap below ``goal`` at all that
    float32 cannot exclude. Returns the proved minimum (−inf where a deeper look is not worth it), the number
    of points found, and whether blocks beyond those listed would have to be looked at.
    """
    n = points.shape[0]
    depth = np.empty(found.shape[0])
    least, count = np.inf, 0
    home = own // size if own >= 0 else -1
    if home >= 0:
        least, count = _scan(
            points, home * size, min(n, home * size + size), own, query, normal, known, level, found, depth, 0
        )
    few = min(found.shape[0], numbers.shape[0])
    for k in range(numbers.shape[0]):
        if k >= few and level - least > goal:
            return -np.inf, count, False
        if values[k] - slack >= (level if k < few else min(least, level)):
            break
        block = numbers[k]
        if block >= 0 and block != home:
            low, count = _scan(
                points,
                block * size,
                min(n, block * size + size),
                own,
                query,
                normal,
                known,
                level,
                found,
                depth,
                count,
            )
            least = min(least, low)
    if level - least > goal:
        return -np.inf, count, False
    far = rest - slack < min(least, level) and level - (rest - slack) > goal
    return min(least, rest - slack, level) - error, count, far


@compiled
def _solve(points, query, rows, weights, total, support, rtol, residual):  # type: ignore[no-untyped-def]
    """The projection on the hull of the working set; reorders it, support first. Support, steps, mass."""
    d = query.shape[0]
    atoms = np.empty((total, d))
    for j in range(total):
        row, atom = points[rows[j]], atoms[j]
        for i in range(d):
            atom[i] = np.float64(row[i]) - query[i]
    active = np.empty(total, dtype=np.int64)
    share = np.zeros(total)
    for j in range(support):
        active[j], share[j] = j, weights[j]
    support, steps = least_norm(atoms, active, share, support, rtol, 100 * total + 1000, residual)
    used = np.zeros(total, dtype=np.bool_)
    before = rows[:total].copy()
    mass = 0.0
    for j in range(support):
        used[active[j]] = True
        rows[j], weights[j] = before[active[j]], share[j]
        mass += share[j] * np.sqrt(dot(atoms[active[j]], atoms[active[j]]))
    at = support
    for j in range(total):
        if not used[j]:
            rows[at] = before[j]
            at += 1
    return support, steps, mass


@compiled
def _advance(  # type: ignore[no-untyped-def]
    points, size, queries, own, todo, start, stop, values, numbers, rest, slack, reach,
    rtol, floor, inner, last, everything,
    rows, weights, total, support, residual, normal, upper, lower, level, steps, state,
):  # fmt: skip
    """One round for the queries todo[start:stop]: judge the pass, extend the working sets, solve on them."""
    d = queries.shape[1]
    found = np.empty(ADD, dtype=np.int64)
    for a in range(start, stop):
        i = todo[a]
        query = queries[i]
        goal = max(rtol * level[i], floor[i])
        error = 1.01 * (d + 8) * UNIT * reach[i]
        wide = slack + error
        known = rows[i, : total[i]]
        if everything:
            least, count, far = _judge(
                points, size, own[i], query, normal[i], level[i], known,
                np.full(numbers.shape[1], -np.inf), numbers[0], np.inf, wide, error, np.inf, found,
            )  # fmt: skip
        else:
            ceiling = np.inf if last else goal
            least, count, far = _judge(
                points, size, own[i], query, normal[i], level[i], known,
                values[a], numbers[a], rest[a], wide, error, ceiling, found,
            )  # fmt: skip
        if level[i] < np.inf:
            proved = (least - TINY) * (1 - 2 * (d + 8) * UNIT)
            lower[i] = max(lower[i], proved)
            if upper[i] - lower[i] <= max(rtol * upper[i], floor[i]):
                state[a] = DONE
                continue
        if far and not last:
            state[a] = STALLED
            continue
        if last:
            continue
        if count == 0 and level[i] < np.inf:
            state[a] = STALLED
            continue
        drop = min(max(0, total[i] + count - support[i] - SPARE), total[i] - support[i])
        if drop > 0:
            for j in range(support[i], total[i] - drop):
                rows[i, j] = rows[i, j + drop]
            total[i] -= drop
        for j in range(count):
            rows[i, total[i] + j] = found[j]
        total[i] += count
        support[i], taken, mass = _solve(
            points, query, rows[i], weights[i], total[i], support[i], inner, residual[i]
        )
        steps[i] += taken
        length = np.sqrt(dot(residual[i], residual[i]))
        level[i] = length
        spread = 1.01 * (2 * support[i] + 16) * UNIT * mass
        new = 0.0
        if mass > 0.0:
            new = length * (1 + (d + 8) * UNIT) + spread + TINY
        upper[i] = new
        if length <= 16 * UNIT * reach[i]:
            state[a] = DONE
            continue
        for j in range(d):
            normal[i, j] = residual[i, j] / length


def project_all(
    oracle: Oracle,
    queries: Float64,
    own: Ints | None = None,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_passes: int = 1000,
) -> tuple[Working, StatusArray]:
    """Projections of queries (q, d) on the hull of the oracle's points, with their statuses.

    Where ``own`` names a row for a query, that row is left out of the hull.
    """
    q, d = queries.shape
    apart = oracle.centre - queries
    distance = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    reach = (oracle.radius + distance) * (1 + 2 * (d + 8) * UNIT)
    floor = FLOOR * reach if atol is None else np.full(q, atol)
    normal = np.divide(
        apart, distance[:, None], where=distance[:, None] > 0, out=np.ones_like(apart) / np.sqrt(d)
    )
    work = Working(
        np.zeros((q, SPARE + 2 * ADD), dtype=np.int64),
        np.zeros((q, SPARE + 2 * ADD)),
        np.zeros(q, dtype=np.int64),
        np.zeros(q, dtype=np.int64),
        apart.copy(),
        normal,
        np.full(q, np.inf),
        np.zeros(q),
        np.full(q, np.inf),
        np.zeros(q, dtype=np.int64),
    )
    status = status_array(q, Status.ITERATION_LIMIT)
    mine = np.full(q, -1, dtype=np.int64) if own is None else np.ascontiguousarray(own, dtype=np.int64)
    todo = np.arange(q)
    for number in range(max_passes + 1):
        last = number == max_passes
        room = int((work.total[todo].max() if len(todo) else 0) + 2 * ADD)
        if room > work.rows.shape[1]:
            extra = ((0, 0), (0, room))
            work.rows, work.weights = np.pad(work.rows, extra), np.pad(work.weights, extra)
        state = _round(oracle, queries, mine, todo, reach, rtol, floor, last, work)
        status[todo[state == DONE]] = Status.SOLVED
        status[todo[state == STALLED]] = Status.PRECISION_LIMIT
        todo = todo[state == OPEN]
        if len(todo) == 0 or last:
            break
    return work, status


def _round(
    oracle: Oracle, queries: Float64, own: Ints, todo: Ints, reach: Float64, rtol: float, floor: Float64,
    last: bool, work: Working,
) -> Ints:  # fmt: skip
    """One pass for the open queries and what follows from it; which of them are done, or cannot go on."""
    directions = work.normal[todo]
    low = oracle.lowest(directions, KEEP)
    offset = np.einsum("ij,ij->i", oracle.centre - queries[todo], directions)
    values, rest = low.values + offset[:, None], low.rest + offset
    state = np.zeros(len(todo), dtype=np.int64)
    inner = 0.01 * min(rtol, 1e-4)

    def run(ids: Ints, values: Float64, numbers: Ints, rest: Float64, state: Ints, everything: bool) -> None:
        in_parallel(
            lambda start, stop: _advance(
                oracle.points, oracle.block, queries, own, ids, start, stop, values, numbers, rest,
                oracle.slack, reach, rtol, floor, inner, last, everything,
                work.rows, work.weights, work.total, work.support, work.residual, work.normal,
                work.upper, work.lower, work.level, work.steps, state,
            ),
            len(ids),
            64,
        )  # fmt: skip

    run(todo, values, low.blocks, rest, state, False)
    deeper = np.flatnonzero(state == STALLED)
    if len(deeper) and oracle.count > KEEP:
        every = np.arange(oracle.count)[None, :]
        again = np.zeros(len(deeper), dtype=np.int64)
        run(todo[deeper], values[deeper], every, rest[deeper], again, True)
        state[deeper] = again
    return state
