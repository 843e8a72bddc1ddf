"""What happens to one query between two passes: judging the last pass, and solving on a working set."""

from __future__ import annotations

import numpy as np

from featgeom.hulls.gram import extend, least_norm_of, pack, unpack
from featgeom.hulls.judging import Asked, beyond, judge
from featgeom.hulls.minimum_norm import UNIT, compiled, dot, least_norm
from featgeom.hulls.work import room_for

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
def _judged(problem, seen, rule, work, a, i, found):  # type: ignore[no-untyped-def]
    """What the pass shows of query ``i``, which stands in row ``a`` of it: how it stands, and new points."""
    d = problem.queries.shape[1]
    goal = max(rule.rtol * work.level[i], rule.floor[i])
    error = 1.01 * (d + 8) * UNIT * problem.reach[i]
    tired = work.stuck[i] >= PATIENCE
    known = work.rows[i, : work.total[i]]
    asked = Asked(problem.own[i], problem.queries[i], work.normal[i], known, work.level[i])
    wanted = np.inf if rule.last or tired else goal
    least, count, far = judge(problem.points, problem.size, asked, seen, a, error, wanted, found)
    if work.level[i] < np.inf:
        proved = (least - TINY) * (1 - 2 * (d + 8) * UNIT)
        if proved > work.lower[i]:
            work.lower[i] = proved
            for j in range(d):
                work.proof[i, j] = work.normal[i, j]
        if work.upper[i] - work.lower[i] <= max(rule.rtol * work.upper[i], rule.floor[i]):
            return DONE, count
    if not rule.last and far:
        return FAR, count
    return OPEN, count


@compiled
def _take_in(work, i, found, count, room):  # type: ignore[no-untyped-def]
    """Put new points behind the working set, and its weights where the solvers begin."""
    known = work.total[i]
    for j in range(count):
        work.rows[i, known + j] = found[j]
    work.total[i] += count
    _begin(work, i, room)
    return known


@compiled
def _begin(work, i, room):  # type: ignore[no-untyped-def]
    """The working set as the solvers begin with it."""
    for j in range(work.total[i]):
        room.active[j] = j
        room.share[j] = work.weights[i, j] if j < work.support[i] else 0.0


@compiled
def _solved_on_products(problem, work, i, known, inner, room):  # type: ignore[no-untyped-def]
    """Solve on the inner products of the working set; the steps taken."""
    unpack(work.packed[work.slot[i]], known, room.gram)
    query, rows = problem.queries[i], work.rows[i]
    extend(problem.points, query, rows, known, work.total[i], room.fresh, room.four, room.gram)
    work.support[i], taken = least_norm_of(
        room.gram, work.total[i], room.active, room.share, work.support[i], inner,
        100 * work.total[i] + 1000, room.axis, room.triangle,
    )  # fmt: skip
    return taken


@compiled
def _put_in_order(problem, rule, work, i, room):  # type: ignore[no-untyped-def]
    """Support first, a few others behind it; the residual; the mass that bounds its rounding."""
    work.total[i] = _support_first(
        work.rows[i], work.weights[i], work.total[i], room.active, room.share, work.support[i], rule.spare,
        room.order,
    )  # fmt: skip
    return _combine(
        problem.points, problem.queries[i], work.rows[i], work.weights[i], work.support[i], work.residual[i]
    )


@compiled
def _solve_one(problem, rule, work, i, known, room):  # type: ignore[no-untyped-def]
    """Solve on the working set of one query, on its inner products where these are precise enough."""
    inner = 0.01 * min(rule.rtol, 1e-4)
    mass = 0.0
    rough = work.packed.shape[1] > 0 and not work.fine[i]
    if rough:
        work.steps[i] += _solved_on_products(problem, work, i, known, inner, room)
        mass = _put_in_order(problem, rule, work, i, room)
        pack(room.gram, room.order, work.total[i], work.packed[work.slot[i]])
        if not _is_least(
            problem.points, problem.queries[i], work.rows[i], work.support[i], work.residual[i], inner,
            problem.reach[i],
        ):  # fmt: skip
            work.fine[i], rough = 1, False
            _begin(work, i, room)
    if not rough:
        work.support[i], taken = _solve(
            problem.points, problem.queries[i], work.rows[i], room.share, work.total[i], work.support[i],
            inner, room.active, work.residual[i],
        )  # fmt: skip
        work.steps[i] += taken
        mass = _put_in_order(problem, rule, work, i, room)
    return mass


@compiled
def _bounded(problem, rule, work, i, mass):  # type: ignore[no-untyped-def]
    """The upper bound and the next normal of a query, from the solution; how it stands."""
    d = problem.queries.shape[1]
    length = np.sqrt(dot(work.residual[i], work.residual[i]))
    if length >= work.level[i]:
        work.stuck[i] += 1
    work.level[i], work.upper[i] = length, 0.0
    if mass > 0.0:
        rounded = 1.01 * (2 * work.support[i] + 16) * UNIT * mass
        work.upper[i] = length * (1 + (d + 8) * UNIT) + rounded + TINY
    if length <= 16 * UNIT * problem.reach[i]:
        return DONE if work.upper[i] - work.lower[i] <= rule.floor[i] else LIMIT
    for j in range(d):
        work.normal[i, j] = work.residual[i, j] / length
    return OPEN


@compiled
def advance(problem, seen, rule, work, todo, start, stop, state):  # type: ignore[no-untyped-def]
    """One round for the queries todo[start:stop]: judge the pass, extend the working sets, solve on them.

    Rows of ``seen`` and ``state`` are those of ``todo``.
    """
    wide = work.packed.shape[1] > 0
    found = np.empty(rule.add, dtype=np.int64)
    most = 0
    for a in range(start, stop):
        most = max(most, work.total[todo[a]] + rule.add)
    room = room_for(most, rule.add, problem.queries.shape[1], wide)
    for a in range(start, stop):
        i = todo[a]
        state[a], count = _judged(problem, seen, rule, work, a, i, found)
        if rule.last or state[a] != OPEN:
            continue
        if (count == 0 or work.stuck[i] >= PATIENCE) and work.level[i] < np.inf:
            if work.fine[i] or not wide:
                state[a] = LIMIT
                continue
            work.fine[i], work.stuck[i] = 1, 0
        known = _take_in(work, i, found, count, room)
        mass = _solve_one(problem, rule, work, i, known, room)
        state[a] = _bounded(problem, rule, work, i, mass)
