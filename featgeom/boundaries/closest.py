"""The kernel of flip points: the closest point of a domain at which given classes tie and none beats them.

    minimise ½‖z − z₀‖²  subject to  l_r(z) = l_k(z) for k tied with r,  l_r(z) ≥ l_k(z) for every other k,
                                     lo ≤ z ≤ hi.

A dual active-set method (Goldfarb and Idnani, *Mathematical Programming* 27, 1983) for a unit Hessian.
Bounds are held structurally (a bounded coordinate is fixed, not a row), so a step costs O(gd), g the number
of active classes, and O(Cd) more once all bounds are met; k tied classes cost O(k²d) in all. The first step,
from z₀ to the tie, is the closed form; the method ends there when no third class and no bound interferes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints, read_only
from featgeom.exact.rounding import UNIT
from featgeom.parallel import in_threads

DEPENDENT = 1e-24  # squared sine below which a normal counts as a combination of the active ones
TOGETHER = 64  # questions that one thread answers in a row

ENDED, EMPTY, LIMIT = 0, 1, 2


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(left: Any, right: Any) -> float:
    """An inner product in any order of summation (which the bounds allow), without the threads of a BLAS."""
    total = 0.0
    for i in range(len(left)):
        total += left[i] * right[i]
    return total


@numba.njit(cache=True)
def _margin(weight: Any, bias: Any, ref: int, k: int, z: Any) -> float:
    return _dot(weight[ref], z) - _dot(weight[k], z) + (bias[ref] - bias[k])


@numba.njit(cache=True)
def _slack(bias: Any, norms: Any, ref: int, k: int, length: float, d: int) -> float:
    """What rounding may have done to a margin."""
    return (d + 4) * UNIT * ((norms[ref] + norms[k]) * length + abs(bias[ref]) + abs(bias[k]))


@numba.njit(cache=True)
def _factor(normals: Any, g: int, fixed: Any, q: Any, r: Any, first: int) -> None:
    """Columns first..g of the thin QR factors of the active normals on the free coordinates."""
    d = normals.shape[1]
    for j in range(first, g):
        for i in range(d):
            q[j, i] = normals[j, i] if fixed[i] == 0 else 0.0
        for k in range(j):
            r[k, j] = 0.0
        for _ in range(2):
            for k in range(j):
                part = _dot(q[k], q[j])
                r[k, j] += part
                for i in range(d):
                    q[j, i] -= part * q[k, i]
        norm = np.sqrt(_dot(q[j], q[j]))
        r[j, j] = norm
        if norm > 0.0:
            for i in range(d):
                q[j, i] /= norm


@numba.njit(cache=True)
def _back_substitute(r: Any, g: int, y: Any, x: Any) -> None:
    """Solve R x = y."""
    for j in range(g - 1, -1, -1):
        value = y[j]
        for k in range(j + 1, g):
            value -= r[j, k] * x[k]
        x[j] = value / r[j, j]


@numba.njit(cache=True)
def _forward_substitute(r: Any, g: int, y: Any, x: Any) -> None:
    """Solve Rᵀ x = y."""
    for j in range(g):
        value = y[j]
        for k in range(j):
            value -= r[k, j] * x[k]
        x[j] = value / r[j, j]


@numba.njit(cache=True)
def _closest(
    weight: Any, bias: Any, norms: Any, z0: Any, tied: Any, lo: Any, hi: Any, z: Any, multipliers: Any,
    is_active: Any, fixed: Any,
) -> tuple[int, int, float]:  # fmt: skip
    """Write the closest point to ``z``, the multipliers of l_r − l_k to ``multipliers`` (C,), the classes
    that tie there to ``is_active`` (C,) and the coordinates at a bound to ``fixed`` (d,).

    Returns (ENDED, EMPTY or LIMIT; iterations; how far, at most, ``z`` is from the point that the active
    classes and the fixed coordinates determine exactly). After EMPTY, ``multipliers`` is a Farkas ray.
    """
    classes, d = weight.shape
    ref = tied[0]
    most = min(classes - 1, d) + 1
    is_tied = np.zeros(classes, np.bool_)
    is_active[:] = False
    for j in range(len(tied)):
        is_tied[tied[j]] = True
    is_active[ref] = True
    act = np.zeros(most, np.int64)
    short = np.zeros((4, most))
    sign, u, x, y = short[0], short[1], short[2], short[3]
    wide = np.empty((2, most, d))
    normals, q = wide[0], wide[1]
    r = np.empty((most, most))
    fixed[:] = 0
    long = np.zeros((3, d))
    v, n, step = long[0], long[1], long[2]  # v: multipliers of bounds
    g: Any = np.int64(0)  # a literal 0 would compile what it is passed to once more
    for i in range(d):
        z[i] = z0[i]
        if z0[i] < lo[i]:
            z[i], fixed[i], v[i] = lo[i], -1, lo[i] - z0[i]
        elif z0[i] > hi[i]:
            z[i], fixed[i], v[i] = hi[i], 1, z0[i] - hi[i]
    for k in range(classes):
        multipliers[k] = 0.0
    start = np.sqrt(_dot(z0, z0))
    limit = 50 + 20 * (classes + d)
    iterations = 0
    outcome = ENDED
    while True:
        # the next condition to meet: a tie, then the most violated bound (O(d) to find), then class (O(Cd))
        length = start + np.sqrt(_dot(z, z))  # rounding of the steps stays even where they cancel
        worst, p, p_sign, p_bound = 0.0, -1, 0.0, -1
        for j in range(1, len(tied)):
            k = tied[j]
            margin = _margin(weight, bias, ref, k, z)
            if not is_active[k] and abs(margin) > _slack(bias, norms, ref, k, length, d):
                p, p_sign = k, -1.0 if margin > 0.0 else 1.0
                break
        if p < 0:
            for i in range(d):
                if fixed[i] != 0:
                    continue
                slack = 8 * UNIT * length
                if z[i] < lo[i] - slack and z[i] - lo[i] < worst:
                    worst, p_bound, p_sign = z[i] - lo[i], i, 1.0
                elif z[i] > hi[i] + slack and hi[i] - z[i] < worst:
                    worst, p_bound, p_sign = hi[i] - z[i], i, -1.0
        if p < 0 and p_bound < 0:
            own = _dot(weight[ref], z) + bias[ref]
            for k in range(classes):
                margin = own - _dot(weight[k], z) - bias[k]
                if is_active[k] or is_tied[k] or margin >= -_slack(bias, norms, ref, k, length, d):
                    continue
                scale = 0.0
                for i in range(d):
                    scale += (weight[ref, i] - weight[k, i]) ** 2
                depth = margin / np.sqrt(scale) if scale > 0.0 else -np.inf
                if depth < worst:
                    worst, p, p_sign = depth, k, 1.0
        if p < 0 and p_bound < 0:
            break
        if p_bound >= 0:
            for i in range(d):
                n[i] = 0.0
            n[p_bound] = p_sign
            violation = worst
        else:
            for i in range(d):
                n[i] = p_sign * (weight[ref, i] - weight[p, i])
            violation = p_sign * _margin(weight, bias, ref, p, z)
        size = _dot(n, n)
        gained = 0.0
        while True:
            iterations += 1
            if iterations > limit:
                outcome = LIMIT
                break
            for i in range(d):
                step[i] = n[i] if fixed[i] == 0 else 0.0
            for j in range(g):
                y[j] = 0.0
            for _ in range(2):
                for j in range(g):
                    part = _dot(q[j], step)
                    y[j] += part
                    for i in range(d):
                        step[i] -= part * q[j, i]
            _back_substitute(r, g, y, x)
            gain = _dot(step, step)
            primal = np.inf if gain <= DEPENDENT * size else -violation / gain
            dual, drop, drop_bound = np.inf, -1, -1
            for j in range(g):
                if not is_tied[act[j]] and x[j] > 0.0 and u[j] / x[j] < dual:
                    dual, drop, drop_bound = u[j] / x[j], j, -1
            for i in range(d):
                if fixed[i] != 0:
                    rate = n[i]
                    for j in range(g):
                        rate -= normals[j, i] * x[j]
                    rate *= -fixed[i]
                    if rate > 0.0 and v[i] / rate < dual:
                        dual, drop, drop_bound = v[i] / rate, -1, i
            t = min(primal, dual)
            if t == np.inf:
                outcome = EMPTY
                break
            for i in range(d):
                if fixed[i] != 0:
                    rate = n[i]
                    for j in range(g):
                        rate -= normals[j, i] * x[j]
                    v[i] += t * fixed[i] * rate
            for j in range(g):
                u[j] -= t * x[j]
            gained += t
            if primal < np.inf:
                for i in range(d):
                    z[i] += t * step[i]
                violation += t * gain
            changed: Any = np.int64(0)
            if primal <= dual and p_bound >= 0:
                fixed[p_bound] = -1 if p_sign > 0 else 1
                z[p_bound] = lo[p_bound] if p_sign > 0 else hi[p_bound]
                v[p_bound] = gained
            elif primal <= dual:
                act[g], sign[g], u[g] = p, p_sign, gained
                for i in range(d):
                    normals[g, i] = n[i]
                is_active[p] = True
                changed = g
                g += 1
            elif drop_bound >= 0:
                fixed[drop_bound] = 0
                v[drop_bound] = 0.0
            else:
                is_active[act[drop]] = False
                for j in range(drop, g - 1):
                    act[j], sign[j], u[j] = act[j + 1], sign[j + 1], u[j + 1]
                    for i in range(d):
                        normals[j, i] = normals[j + 1, i]
                changed = drop
                g -= 1
            _factor(normals, g, fixed, q, r, changed)
            if primal <= dual:
                break
        if outcome != ENDED:
            break
    if outcome == EMPTY:
        for j in range(g):
            multipliers[act[j]] = -x[j] * sign[j]
        if p_bound < 0:
            multipliers[p] = p_sign
        return outcome, iterations, np.inf
    # polish: from z₀ afresh, with the active set as it stands, twice to remove the rounding of the first
    for i in range(d):
        if fixed[i] == 0:
            z[i] = z0[i]
    for j in range(g):
        u[j] = 0.0
    for _ in range(3):
        for j in range(g):
            y[j] = -(_dot(normals[j], z) + sign[j] * (bias[ref] - bias[act[j]]))
        _forward_substitute(r, g, y, x)
        for i in range(d):
            change = 0.0
            for j in range(g):
                change += q[j, i] * x[j]
            z[i] += change
        _back_substitute(r, g, x, y)
        for j in range(g):
            u[j] += y[j]
    for i in range(d):
        z[i] = min(max(z[i], lo[i]), hi[i])
    for j in range(g):
        value = u[j] if is_tied[act[j]] else max(u[j], 0.0)
        multipliers[act[j]] = value * sign[j]
    # what is left of each tie, and the move that would mend it: a triangular system, its signs at their worst
    length = start + np.sqrt(_dot(z, z))
    moved = 0.0
    for j in range(g):
        rest = abs(_dot(normals[j], z) + sign[j] * (bias[ref] - bias[act[j]]))
        x[j] = rest + _slack(bias, norms, ref, act[j], length, d)
        for k in range(j):
            x[j] += abs(r[k, j]) * x[k]
        x[j] /= r[j, j]
        moved += x[j] * x[j]
    return outcome, iterations, 1.01 * np.sqrt(moved) + 8 * (g + 4) * UNIT * length


@numba.njit(cache=True, nogil=True)
def _closest_some(  # type: ignore[no-untyped-def]
    weight, bias, norms, z0, owner, tied, lo, hi, start, stop,
    points, multipliers, active, fixed, outcome, iterations, off,
):  # fmt: skip
    """Answer the questions start..stop."""
    for i in range(start, stop):
        outcome[i], iterations[i], off[i] = _closest(
            weight, bias, norms, z0[owner[i]], tied[i], lo, hi, points[i], multipliers[i], active[i], fixed[i]
        )


@dataclass(frozen=True, eq=False)
class Closest:
    """What the kernel found for N questions.

    ``points`` (N, d); ``multipliers`` (N, C) of l_r − l_k with r the first tied class, a Farkas ray where no
    tie exists; ``active`` (N, C), the classes that tie at the point, and ``fixed`` (N, d), which coordinates
    are at their lower (−1) or upper (1) bound: these two determine it exactly, ``off`` (N,) away at most;
    ``outcome`` (N,): ENDED, EMPTY or LIMIT; ``iterations`` in all.
    """

    points: Float64
    multipliers: Float64
    active: NDArray[np.bool_]
    fixed: NDArray[np.int8]
    off: Float64
    outcome: NDArray[np.int64]
    iterations: int


def closest_ties(
    weight: Float64, bias: Float64, z: Float64, owner: Ints, tied: Ints, lo: Float64, hi: Float64
) -> Closest:
    """Solve every question: query ``z[owner[i]]``, classes ``tied[i]``.

    >>> eye = np.eye(2)
    >>> closest_ties(eye, np.zeros(2), np.array([[2.0, 1.0]]), np.array([0]),
    ...              np.array([[0, 1]]), np.full(2, -np.inf), np.full(2, np.inf)).points
    array([[1.5, 1.5]])
    """
    norms = np.sqrt(np.einsum("ij,ij->i", weight, weight))
    owner, tied = np.asarray(owner, np.int64), np.asarray(tied, np.int64)
    given = [read_only(array) for array in (weight, bias, norms, z, owner, tied, lo, hi)]
    n, (classes, d) = len(owner), weight.shape
    found = Closest(
        np.empty((n, d)), np.empty((n, classes)), np.empty((n, classes), np.bool_), np.empty((n, d), np.int8),
        np.empty(n), np.empty(n, np.int64), 0,
    )  # fmt: skip
    iterations = np.empty(n, np.int64)

    def run(start: int, stop: int) -> None:
        _closest_some(  # type: ignore[call-arg]
            *given, start, stop, found.points, found.multipliers, found.active, found.fixed, found.outcome,
            iterations, found.off,
        )  # fmt: skip

    in_threads(run, n, TOGETHER)
    return replace(found, iterations=int(iterations.sum()))
