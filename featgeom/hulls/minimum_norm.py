"""The point of least norm in a convex hull: the kernel that every hull and margin question comes down to.

Wolfe's active-set method (Wolfe, *Finding the nearest point in a polytope*, Mathematical Programming 11,
1976), compiled, in float64. The active points are held as a QR factorisation of their lifted columns
(s, a_i), whose linear independence is the affine independence of the a_i. Columns enter by Gram-Schmidt,
repeated where digits were lost, and leave by Givens rotations; the least-norm point of the affine hull is
then a projection of the lifted axis, which needs no squared condition number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.errors import BadArgument
from featgeom.exact.rounding import UNIT as UNIT
from featgeom.kernels import kernel
from featgeom.status import Status

# What LLVM may do to sums: reorder and fuse them. It may not assume that NaN and infinity are absent.
compiled = kernel(nogil=True, fastmath={"reassoc", "contract", "nsz"})

DEPENDENT = 1e-12  # a column this small beside its lift, once orthogonalised, counts as dependent
DROPPED = 1e-14  # a weight this small leaves the active set


@compiled
def dot(a, b):  # type: ignore[no-untyped-def]
    """The inner product of two vectors."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@compiled
def _append(atom, lift, basis, triangle, count):  # type: ignore[no-untyped-def]
    """Add the lifted column of ``atom`` to the factorisation; False where it depends on the others."""
    d = atom.shape[0]
    new = basis[count]
    new[d] = lift
    before = lift * lift
    for i in range(d):
        new[i] = atom[i]
        before += atom[i] * atom[i]
    column = triangle[count]
    for j in range(count):
        column[j] = 0.0
    start = before
    after = before
    for _ in range(3):
        for j in range(count):
            row = basis[j]
            along = dot(row, new)
            column[j] += along
            for i in range(d + 1):
                new[i] -= along * row[i]
        after = dot(new, new)
        if after > 0.01 * before or count == 0:
            break
        before = after
    if not after > DEPENDENT * DEPENDENT * start:
        return False
    length = np.sqrt(after)
    column[count] = length
    for i in range(d + 1):
        new[i] /= length
    return True


@compiled
def take_out(basis, triangle, active, weights, count, gone):  # type: ignore[no-untyped-def]
    """Take one point out: its number, its weight, and its column, the triangle restored by Givens rotations.

    Returns how many are left.
    """
    for j in range(gone, count - 1):
        source, target = triangle[j + 1], triangle[j]
        for i in range(j + 2):
            target[i] = source[i]
    width = basis.shape[1]
    for j in range(gone, count - 1):
        a, b = triangle[j, j], triangle[j, j + 1]
        length = np.sqrt(a * a + b * b)
        c, s = a / length, b / length
        triangle[j, j] = length
        for later in range(j + 1, count - 1):
            x, y = triangle[later, j], triangle[later, j + 1]
            triangle[later, j] = c * x + s * y
            triangle[later, j + 1] = c * y - s * x
        first, second = basis[j], basis[j + 1]
        for i in range(width):
            x, y = first[i], second[i]
            first[i] = c * x + s * y
            second[i] = c * y - s * x
    for later in range(gone, count - 1):
        active[later] = active[later + 1]
        weights[later] = weights[later + 1]
    return count - 1


@compiled
def _affine_weights(basis, triangle, count, weights):  # type: ignore[no-untyped-def]
    """Weights, summing to one, of the least-norm point in the affine hull of the active points."""
    lifted = basis.shape[1] - 1
    for j in range(count):
        weights[j] = basis[j, lifted]
    total = 0.0
    for j in range(count - 1, -1, -1):
        column = triangle[j]
        weights[j] /= column[j]
        along = weights[j]
        for i in range(j):
            weights[i] -= along * column[i]
        total += along
    for j in range(count):
        weights[j] /= total


@compiled
def step_inside(basis, triangle, active, weights, wanted, count):  # type: ignore[no-untyped-def]
    """Move towards the affine optimum, dropping the points whose weight reaches zero; the new count."""
    while True:
        _affine_weights(basis, triangle, count, wanted)
        step = 1.0
        for j in range(count):
            if wanted[j] <= DROPPED and weights[j] < step * (weights[j] - wanted[j]):
                step = weights[j] / (weights[j] - wanted[j])
        lowest = 0
        for j in range(count):
            weights[j] += step * (wanted[j] - weights[j])
            if weights[j] < weights[lowest]:
                lowest = j
        if weights[lowest] > DROPPED or count == 1:
            if step == 1.0:
                return count
            weights[lowest] = 0.0
        for j in range(count - 1, -1, -1):
            if weights[j] <= DROPPED and count > 1:
                count = take_out(basis, triangle, active, weights, count, j)


@compiled
def _combine(atoms, active, weights, count, point):  # type: ignore[no-untyped-def]
    """Normalise the weights; write Σ weights · atoms to ``point`` and return its squared norm."""
    total = 0.0
    for j in range(count):
        total += weights[j]
    for i in range(point.shape[0]):
        point[i] = 0.0
    for j in range(count):
        weights[j] /= total
        row = atoms[active[j]]
        along = weights[j]
        for i in range(point.shape[0]):
            point[i] += along * row[i]
    return dot(point, point)


@compiled
def least_norm(atoms, active, weights, count, rtol, limit, point, basis, triangle):  # type: ignore[no-untyped-def]
    """The least-norm point of conv(atoms (m, d)), started from ``count`` active atoms with weights.

    Writes ``active`` (m,), ``weights`` (m,) and ``point`` (d,); ``basis`` (m + 1, d + 1) and ``triangle``
    (m + 1, m + 1) are room to work in. Returns the number of active atoms and of steps taken. It ends when no
    atom improves the squared norm by more than ``rtol`` or by what rounding hides, or after ``limit`` steps.
    """
    m, d = atoms.shape
    room = min(m, d + 1) + 1
    wanted = np.empty(room)
    blocked = np.zeros(m, dtype=np.bool_)
    largest = 0.0
    nearest, near = 0, np.inf
    for j in range(m):
        size = dot(atoms[j], atoms[j])
        largest = max(largest, size)
        if size < near:
            nearest, near = j, size
    if near == 0.0 or largest == 0.0:
        active[0], weights[0] = nearest, 1.0
        for i in range(d):
            point[i] = 0.0
        return 1, 0
    lift = np.sqrt(largest)
    noise = 8 * UNIT * lift

    kept = np.int64(0)  # a literal 0 would compile _append once more
    for j in range(count):
        if kept < room - 1 and _append(atoms[active[j]], lift, basis, triangle, kept):
            active[kept], weights[kept] = active[j], weights[j]
            kept += 1
    count = kept
    if count == 0:
        active[0], weights[0] = nearest, 1.0
        _append(atoms[nearest], lift, basis, triangle, kept)
        count = 1
    count = step_inside(basis, triangle, active, weights, wanted, count)
    square = _combine(atoms, active, weights, count, point)

    steps = 0
    while steps < limit:
        length = np.sqrt(square)
        if length <= noise:
            break
        best, lowest = -1, square - rtol * square - noise * length
        for j in range(m):
            if not blocked[j]:
                value = dot(atoms[j], point)
                if value < lowest:
                    best, lowest = j, value
        if best < 0:
            break
        steps += 1
        if count == room - 1 or not _append(atoms[best], lift, basis, triangle, count):
            blocked[best] = True
            continue
        active[count], weights[count] = best, 0.0
        count = step_inside(basis, triangle, active, weights, wanted, count + 1)
        before, square = square, _combine(atoms, active, weights, count, point)
        if not square < before:
            blocked[best] = True
    return count, steps


def workspace(atoms: Float64) -> tuple[Float64, Float64]:
    """Room for `least_norm` to work in."""
    m, d = atoms.shape
    return np.empty((m + 1, d + 1)), np.empty((m + 1, m + 1))


@dataclass(frozen=True)
class MinimumNorm:
    """The least-norm point of conv{a_i}, as weights on those atoms that carry it.

    ``norm`` and ``lower_bound`` are computed in float64 without directed rounding: they steer; what is
    printed as proved is bounded again by whoever knows where the atoms come from.
    """

    status: Status
    point: Float64
    ids: Ints
    weights: Float64
    norm: float
    lower_bound: float
    passes: int


def minimum_norm(
    oracle: Callable[[Float64], tuple[Ints, float]],
    atoms: Callable[[Ints], Float64],
    start: ArrayLike,
    rtol: float = 1e-9,
    max_passes: int = 1000,
    shares: ArrayLike = (),
) -> MinimumNorm:
    """The least-norm point of conv{a_i} when the atoms are known through an oracle only.

    ``oracle(v)`` returns the ids of some atoms of small ⟨a_i, v⟩, the least among them, and that least value;
    ``atoms(ids)`` returns their vectors (len(ids), D); ``start`` holds one id or more, with the weights
    ``shares`` to begin with where there are any. Fully corrective: each pass solves the problem exactly on
    the atoms seen so far. Ends when the least value proves the norm to a
    relative gap of ``rtol`` (SOLVED), when rounding hides further progress (PRECISION_LIMIT), or after
    ``max_passes`` (ITERATION_LIMIT).

    >>> corners = np.array([[1.0, 1.0], [1.0, -1.0], [3.0, 0.0]])
    >>> def oracle(v):
    ...     values = corners @ v
    ...     return np.array([values.argmin()]), float(values.min())
    >>> result = minimum_norm(oracle, lambda ids: corners[ids], start=[2])
    >>> result.status, result.norm, result.lower_bound
    (SOLVED, 1.0, 1.0)
    """
    seen = np.atleast_1d(np.asarray(start, dtype=np.int64))
    if seen.ndim != 1 or len(seen) == 0:
        raise BadArgument("start: expected at least one atom id")
    seen, first = np.unique(seen, return_index=True)
    held = as_float64(atoms(seen), "atoms")
    weights = np.asarray(shares, dtype=np.float64)
    weights = weights[first] if len(weights) else weights
    count = len(weights)
    status = Status.ITERATION_LIMIT
    lower = -np.inf
    norm = np.inf
    point = np.zeros(held.shape[1])
    passes = 0
    while passes < max_passes:
        passes += 1
        active = np.arange(len(seen))
        room = np.zeros(len(seen))
        room[:count] = weights
        count, _ = least_norm(
            held, active, room, count, 1e-15, 100 * len(seen) + 1000, point, *workspace(held)
        )
        idle = np.ones(len(seen), dtype=np.bool_)
        idle[active[:count]] = False
        order = np.concatenate([active[:count], np.flatnonzero(idle)])
        seen, held, weights = seen[order], held[order], room[:count].copy()
        norm = float(np.sqrt(dot(point, point)))
        floor = 64 * UNIT * float(np.sqrt(np.einsum("ij,ij->i", held[:count], held[:count]).max()))
        if norm <= floor:
            lower, status = 0.0, Status.SOLVED
            break
        ids, value = oracle(point)
        lower = max(lower, value / norm)
        if norm - lower <= rtol * norm:
            status = Status.SOLVED
            break
        known = set(seen.tolist())
        new = [int(i) for i in dict.fromkeys(ids.tolist()) if i not in known]
        if not new:
            status = Status.PRECISION_LIMIT
            break
        if len(seen) > 4 * count + 256:  # forget atoms that the solution does not use
            seen, held = seen[:count], held[:count]
        fresh = np.array(new)
        seen = np.concatenate([seen, fresh])
        held = np.concatenate([held, atoms(fresh)])
    return MinimumNorm(status, point, seen[:count], weights, norm, max(lower, 0.0), passes)
