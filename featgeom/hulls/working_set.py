"""What happens to one query between two passes: judging the last pass, and solving on a working set."""

from __future__ import annotations

import numpy as np

from featgeom.hulls.gram import extend, least_norm_of, pack, unpack
from featgeom.hulls.judging import beyond, judge
from featgeom.hulls.minimum_norm import UNIT, compiled, dot, least_norm

PATIENCE = 5  # rounds without progress before rounding is blamed
TINY = 1e-150  # more than underflow can hide in a length

OPEN, DONE, LIMIT, FAR = 0, 1, 2, 3  # FAR: more blocks of points would have to be looked at


@compiled
def _solve(points, query, rows, weights, total, support, rtol, active, residual):  # type: ignore[no-untyped-def]
    """The projection on the hull of the working set, in all coordinates; the support and the steps taken."""
    d = query.shape[0]
    atoms = np.empty((total, d))
    for j in range(total):
        row, atom = points[rows[j]], atoms[j]
        for i in range(d):
            atom[i] = np.float64(row[i]) - query[i]
    room = min(total, d + 1) + 1
    basis, triangle = np.empty((room, d + 1)), np.empty((room, room))
    return least_norm(atoms, active, weights, support, rtol, 100 * total + 1000, residual, basis, triangle)


@compiled
def _support_first(rows, weights, total, active, share, support, spare, order):  # type: ignore[no-untyped-def]
    """Reorder a working set, support first, then at most ``spare`` of the others, newest last; its size."""
    used = np.zeros(total, dtype=np.bool_)
    for j in range(support):
        order[j] = active[j]
        used[active[j]] = True
    skip = max(0, total - support - spare)
    at = support
    for j in range(total):
        if not used[j]:
            if skip > 0:
                skip -= 1
            else:
                order[at] = j
                at += 1
    before = rows[:total].copy()
    for j in range(at):
        rows[j] = before[order[j]]
    for j in range(support):
        weights[j] = share[j]
    return at


@compiled
def _combine(points, query, rows, weights, support, residual):  # type: ignore[no-untyped-def]
    """Σ weights (x − query) into ``residual``; Σ weights ‖x − query‖, which bounds its rounding."""
    d = query.shape[0]
    atom = np.empty(d)
    residual[:] = 0.0
    mass, apart = 0.0, False
    for j in range(support):
        row, along = points[rows[j]], weights[j]
        for i in range(d):
            atom[i] = np.float64(row[i]) - query[i]
            residual[i] += along * atom[i]
        size = dot(atom, atom)
        mass += along * np.sqrt(size)
        if size == 0.0:
            for i in range(d):
                apart = apart or atom[i] != 0.0
        else:
            apart = True
    return max(mass, TINY) if apart else 0.0


@compiled
def _is_least(points, query, rows, support, residual, rtol, reach):  # type: ignore[no-untyped-def]
    """Whether no point of the support lies lower along the residual than a least-norm point allows."""
    square = dot(residual, residual)
    enough = square * (1 - rtol) - 16 * UNIT * reach * np.sqrt(square)
    least = np.inf
    for j in range(support):
        least = min(least, beyond(points[rows[j]], query, residual))
    return least >= enough


@compiled
def advance(  # type: ignore[no-untyped-def]
    points, size, queries, own, todo, start, stop, values, numbers, rest, slack, reach, rtol, floor, last,
    add, spare, rows, weights, packed, total, support, residual, normal, proof,
    upper, lower, level, steps, stuck, fine, state,
):  # fmt: skip
    """One round for the queries todo[start:stop]: judge the pass, extend the working sets, solve on them.

    Where ``packed`` has columns it keeps the inner products of each working set, and these are solved on
    unless their precision was found too low for a query, which is then ``fine``.
    """
    d = queries.shape[1]
    wide = packed.shape[1] > 0
    found = np.empty(add, dtype=np.int64)
    most = 0
    for a in range(start, stop):
        most = max(most, total[todo[a]] + add)
    active, order, share = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.empty(most)
    square = most if wide else 0
    gram = np.empty((square, square))
    fresh, four = np.zeros((-(-add // 4) * 4 if wide else 0, d)), np.zeros((4, d))
    axis, triangle = np.empty((square + 1, 1)), np.empty((square + 1, square + 1))
    for a in range(start, stop):
        i = todo[a]
        goal = max(rtol * level[i], floor[i])
        error = 1.01 * (d + 8) * UNIT * reach[i]
        final = last or stuck[i] >= PATIENCE
        least, count, far = judge(
            points, size, own[i], queries[i], normal[i], level[i], rows[i, : total[i]],
            values[a], numbers[a], rest[a], slack + error, error, np.inf if final else goal, found,
        )  # fmt: skip
        if level[i] < np.inf:
            proved = (least - TINY) * (1 - 2 * (d + 8) * UNIT)
            if proved > lower[i]:
                lower[i] = proved
                for j in range(d):
                    proof[i, j] = normal[i, j]
            if upper[i] - lower[i] <= max(rtol * upper[i], floor[i]):
                state[a] = DONE
                continue
        if last:
            continue
        if far:
            state[a] = FAR
            continue
        if (count == 0 or stuck[i] >= PATIENCE) and level[i] < np.inf:
            if fine[i] or not wide:
                state[a] = LIMIT
                continue
            fine[i], stuck[i] = 1, 0
        known = total[i]
        for j in range(count):
            rows[i, known + j] = found[j]
        total[i] += count
        for j in range(total[i]):
            active[j] = j
            share[j] = weights[i, j] if j < support[i] else 0.0
        inner = 0.01 * min(rtol, 1e-4)
        rough = wide and not fine[i]
        if rough:
            unpack(packed[i], known, gram)
            extend(points, queries[i], rows[i], known, total[i], fresh, four, gram)
            support[i], taken = least_norm_of(
                gram, total[i], active, share, support[i], inner, 100 * total[i] + 1000, axis, triangle
            )  # fmt: skip
            steps[i] += taken
            total[i] = _support_first(rows[i], weights[i], total[i], active, share, support[i], spare, order)
            pack(gram, order, total[i], packed[i])
            mass = _combine(points, queries[i], rows[i], weights[i], support[i], residual[i])
            if not _is_least(points, queries[i], rows[i], support[i], residual[i], inner, reach[i]):
                fine[i], rough = 1, False
                for j in range(total[i]):
                    active[j] = j
                    share[j] = weights[i, j] if j < support[i] else 0.0
        if not rough:
            support[i], taken = _solve(
                points, queries[i], rows[i], share, total[i], support[i], inner, active, residual[i]
            )
            steps[i] += taken
            total[i] = _support_first(rows[i], weights[i], total[i], active, share, support[i], spare, order)
            mass = _combine(points, queries[i], rows[i], weights[i], support[i], residual[i])
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
