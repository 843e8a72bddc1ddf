"""What happens to one query between two passes: judging the last pass, and solving on a working set."""

from __future__ import annotations

import numpy as np

from featgeom.hulls.minimum_norm import UNIT, compiled, dot, least_norm

ADD = 32  # points that enter a working set in one round
SPARE = 64  # points that a working set keeps beside its support
PATIENCE = 5  # rounds without progress before rounding is blamed
TINY = 1e-150  # more than underflow can hide in a length

OPEN, DONE, LIMIT, FAR = 0, 1, 2, 3  # FAR: more blocks of points would have to be looked at


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
    first at as many blocks as could give new points; when these give none, or leave the gap below ``goal``,
    at all that float32 cannot exclude. Returns the proved minimum (−inf where a deeper look is not worth it),
    the number of points found, and whether blocks beyond those listed would have to be looked at.
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
        if k >= few and count > 0 and level - least > goal:
            return -np.inf, count, False
        if values[k] - slack >= (level if k < few else min(least, level)):
            break
        block = numbers[k]
        if block >= 0 and block != home:
            first = block * size
            low, count = _scan(
                points, first, min(n, first + size), own, query, normal, known, level, found, depth, count
            )
            least = min(least, low)
    if count > 0 and level - least > goal:
        return -np.inf, count, False
    far = rest - slack < min(least, level) and level - (rest - slack) > goal
    return min(least, rest - slack, level) - error, count, far


@compiled
def _solve(points, query, rows, weights, total, support, rtol, residual, room, basis, triangle):  # type: ignore[no-untyped-def]
    """The projection on the hull of the working set; reorders it, support first. Support, steps, mass."""
    d = query.shape[0]
    atoms = room[:total]
    for j in range(total):
        row, atom = points[rows[j]], atoms[j]
        for i in range(d):
            atom[i] = np.float64(row[i]) - query[i]
    active = np.empty(total, dtype=np.int64)
    share = np.zeros(total)
    for j in range(support):
        active[j], share[j] = j, weights[j]
    support, steps = least_norm(
        atoms, active, share, support, rtol, 100 * total + 1000, residual, basis, triangle
    )
    used = np.zeros(total, dtype=np.bool_)
    before = rows[:total].copy()
    mass, apart = 0.0, False
    for j in range(support):
        used[active[j]] = True
        rows[j], weights[j] = before[active[j]], share[j]
        atom = atoms[active[j]]
        mass += share[j] * np.sqrt(dot(atom, atom))
        for i in range(d):
            apart = apart or atom[i] != 0.0
    at = support
    for j in range(total):
        if not used[j]:
            rows[at] = before[j]
            at += 1
    return support, steps, max(mass, TINY) if apart else 0.0


@compiled
def advance(  # type: ignore[no-untyped-def]
    points, size, queries, own, todo, start, stop, values, numbers, rest, slack, reach, rtol, floor, last,
    rows, weights, total, support, residual, normal, proof, upper, lower, level, steps, stuck, state,
):  # fmt: skip
    """One round for the queries todo[start:stop]: judge the pass, extend the working sets, solve on them."""
    d = queries.shape[1]
    found = np.empty(ADD, dtype=np.int64)
    most = 0
    for a in range(start, stop):
        most = max(most, total[todo[a]] + ADD)
    room, basis, triangle = np.empty((most, d)), np.empty((most + 1, d + 1)), np.empty((most + 1, most + 1))
    for a in range(start, stop):
        i = todo[a]
        goal = max(rtol * level[i], floor[i])
        error = 1.01 * (d + 8) * UNIT * reach[i]
        final = last or stuck[i] >= PATIENCE
        least, count, far = _judge(
            points, size, own[i], queries[i], normal[i], level[i], rows[i, : total[i]],
            values[a], numbers[a], rest[a], slack + error, error, np.inf if final else goal, found,
        )  # fmt: skip
        if level[i] < np.inf:
            proved = (least - TINY) * (1 - 2 * (d + 8) * UNIT)
            if proved > lower[i]:
                lower[i] = proved
                proof[i] = normal[i]
            if upper[i] - lower[i] <= max(rtol * upper[i], floor[i]):
                state[a] = DONE
                continue
        if last:
            continue
        if far:
            state[a] = FAR
            continue
        if (count == 0 or stuck[i] >= PATIENCE) and level[i] < np.inf:
            state[a] = LIMIT
            continue
        drop = min(max(0, total[i] + count - support[i] - SPARE), total[i] - support[i])
        if drop > 0:
            for j in range(support[i], total[i] - drop):
                rows[i, j] = rows[i, j + drop]
            total[i] -= drop
        for j in range(count):
            rows[i, total[i] + j] = found[j]
        total[i] += count
        inner = 0.01 * min(rtol, 1e-4)
        support[i], taken, mass = _solve(
            points,
            queries[i],
            rows[i],
            weights[i],
            total[i],
            support[i],
            inner,
            residual[i],
            room,
            basis,
            triangle,
        )
        steps[i] += taken
        length = np.sqrt(dot(residual[i], residual[i]))
        if length >= level[i]:
            stuck[i] += 1
        level[i], upper[i] = length, 0.0
        if mass > 0.0:
            rounded = 1.01 * (2 * support[i] + 16) * UNIT * mass
            upper[i] = length * (1 + (d + 8) * UNIT) + rounded + TINY
        if length <= 16 * UNIT * reach[i]:
            state[a] = DONE if upper[i] - lower[i] <= floor[i] else LIMIT
            continue
        for j in range(d):
            normal[i, j] = residual[i, j] / length
