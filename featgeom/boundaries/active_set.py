"""The kernel of flip points: the closest point of a domain at which given classes tie and none beats them.

    minimise ½‖z − z₀‖²  subject to  l_r(z) = l_k(z) for k tied with r,  l_r(z) ≥ l_k(z) for every other k,
                                     lo ≤ z ≤ hi.

A dual active-set method (Goldfarb and Idnani, *Mathematical Programming* 27, 1983) for a unit Hessian.
Bounds are held structurally (a bounded coordinate is fixed, not a row), so a step costs O(gd), g the number
of active classes, and O(Cd) more once all bounds are met; k tied classes cost O(k²d) in all. The first step,
from z₀ to the tie, is the closed form; the method ends there when no third class and no bound interferes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from featgeom.exact.rounding import UNIT
from featgeom.kernels import kernel

DEPENDENT = 1e-24  # squared sine below which a normal counts as a combination of the active ones

ENDED, EMPTY, LIMIT = 0, 1, 2


class Question(NamedTuple):
    """The point asked about, the classes that must tie (the first is r), the head and the domain."""

    weight: Any
    bias: Any
    norms: Any
    z0: Any
    start: Any  # the length of z₀
    tied: Any
    is_tied: Any
    lo: Any
    hi: Any


class Answer(NamedTuple):
    """What is written: the point (d,), multipliers of l_r − l_k (C,), who ties there (C,), which
    coordinates are at a bound (d,)."""

    z: Any
    multipliers: Any
    is_active: Any
    fixed: Any


@kernel(fastmath={"reassoc", "contract"})
def dot(left: Any, right: Any) -> float:
    """An inner product in any order of summation (which the bounds allow), without the threads of a BLAS."""
    total = 0.0
    for i in range(len(left)):
        total += left[i] * right[i]
    return total


@kernel()
def _margin(weight: Any, bias: Any, ref: int, k: int, z: Any) -> float:
    return dot(weight[ref], z) - dot(weight[k], z) + (bias[ref] - bias[k])


@kernel()
def _slack(bias: Any, norms: Any, ref: int, k: int, length: float, d: int) -> float:
    """What rounding may have done to a margin."""
    return (d + 4) * UNIT * ((norms[ref] + norms[k]) * length + abs(bias[ref]) + abs(bias[k]))


@kernel()
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
                part = dot(q[k], q[j])
                r[k, j] += part
                for i in range(d):
                    q[j, i] -= part * q[k, i]
        norm = np.sqrt(dot(q[j], q[j]))
        r[j, j] = norm
        if norm > 0.0:
            for i in range(d):
                q[j, i] /= norm


@kernel()
def _back_substitute(r: Any, g: int, y: Any, x: Any) -> None:
    """Solve R x = y."""
    for j in range(g - 1, -1, -1):
        value = y[j]
        for k in range(j + 1, g):
            value -= r[j, k] * x[k]
        x[j] = value / r[j, j]


@kernel()
def _forward_substitute(r: Any, g: int, y: Any, x: Any) -> None:
    """Solve Rᵀ x = y."""
    for j in range(g):
        value = y[j]
        for k in range(j):
            value -= r[k, j] * x[k]
        x[j] = value / r[j, j]


@kernel()
def closest(question: Any, answer: Any) -> tuple[int, int, float]:
    """Write the closest point, its multipliers, and what determines it, to ``answer``.

    Returns (ENDED, EMPTY or LIMIT; iterations; how far, at most, the point is from the one that the active
    classes and the fixed coordinates determine exactly). After EMPTY, the multipliers are a Farkas ray.
    """
    weight, bias, norms, z0, start, tied, is_tied, lo, hi = question
    z, multipliers, is_active, fixed = answer
    act, short, normals, q, r, long = _room(*weight.shape)
    sign, u, x, y = short[0], short[1], short[2], short[3]
    v, n, step, rates = long[0], long[1], long[2], long[3]  # u, v: multipliers of classes and of bounds
    multipliers[:] = 0.0
    is_active[:] = False
    is_active[tied[0]] = True
    _enter_box(z0, lo, hi, z, fixed, v)
    g: Any = np.int64(0)  # a literal 0 would compile what it is passed to once more
    limit, iterations, outcome = 50 + 20 * (len(bias) + len(z)), 0, ENDED
    while outcome == ENDED:
        # the next condition to meet: a tie, then the most violated bound (O(d) to find), then class (O(Cd))
        length = start + np.sqrt(dot(z, z))  # rounding of the steps stays even where they cancel
        k, i, towards, violation = _open_tie(weight, bias, norms, tied, is_active, z, length)
        if k < 0:
            k, i, towards, violation = _worst_bound(z, lo, hi, fixed, length)
        if k < 0 and i < 0:
            k, i, towards, violation = _worst_class(weight, bias, norms, tied, is_tied, is_active, z, length)
        if k < 0 and i < 0:
            break
        _write_normal(weight, tied[0], k, i, towards, n)
        size, gained, met = dot(n, n), 0.0, False
        while not met and outcome == ENDED:
            iterations += 1
            gain = _write_step(n, fixed, q, r, g, step, y, x)
            _write_rates(n, fixed, normals, g, x, rates)
            primal = np.inf if gain <= DEPENDENT * size else -violation / gain
            dual, drop, drop_bound = _first_block(act, is_tied, u, x, fixed, v, rates, g)
            t = min(primal, dual)
            met = primal <= dual
            if iterations > limit or t == np.inf:
                outcome = LIMIT if iterations > limit else EMPTY
                break
            _spend(t, u, x, g, v, rates, fixed)
            gained += t
            if primal < np.inf:
                _walk(z, t, step)
                violation += t * gain
            changed: Any = np.int64(0)
            if met and k < 0:
                fixed[i], z[i], v[i] = (-1, lo[i], gained) if towards > 0 else (1, hi[i], gained)
            elif met:
                act[g], sign[g], u[g], is_active[k] = k, towards, gained, True
                normals[g] = n
                changed, g = g, g + 1
            elif drop_bound >= 0:
                fixed[drop_bound], v[drop_bound] = 0, 0.0
            else:
                is_active[act[drop]] = False
                _remove(act, sign, u, normals, drop, g)
                changed, g = drop, g - 1
            _factor(normals, g, fixed, q, r, changed)
    if outcome == EMPTY:
        for j in range(g):
            multipliers[act[j]] = -x[j] * sign[j]
        if i < 0:
            multipliers[k] = towards
        return outcome, iterations, np.inf
    for j in range(g):  # how far each tie is from 0 at the origin
        rates[j] = sign[j] * (bias[tied[0]] - bias[act[j]])
    _polish(normals[:g], rates, q, r, z0, fixed, z, u, x, y)
    for i in range(len(z)):
        z[i] = min(max(z[i], lo[i]), hi[i])
    length = start + np.sqrt(dot(z, z))
    for j in range(g):
        k = act[j]
        multipliers[k] = sign[j] * (u[j] if is_tied[k] else max(u[j], 0.0))
        y[j] = abs(dot(normals[j], z) + rates[j]) + _slack(bias, norms, tied[0], k, length, len(z))
    return outcome, iterations, 1.01 * _mending(r, g, y, x) + 8 * (g + 4) * UNIT * length


@kernel()
def _room(classes: int, d: int) -> tuple[Any, Any, Any, Any, Any, Any]:
    most = min(classes - 1, d) + 1
    wide = np.empty((2, most, d))
    act, short, long = np.zeros(most, np.int64), np.zeros((4, most)), np.zeros((4, max(d, most)))
    return act, short, wide[0], wide[1], np.empty((most, most)), long[:, :d]


@kernel()
def _enter_box(z0: Any, lo: Any, hi: Any, z: Any, fixed: Any, v: Any) -> None:
    """Start from the point of the box that is nearest to z₀."""
    fixed[:] = 0
    for i in range(len(z)):
        z[i] = z0[i]
        if z0[i] < lo[i]:
            z[i], fixed[i], v[i] = lo[i], -1, lo[i] - z0[i]
        elif z0[i] > hi[i]:
            z[i], fixed[i], v[i] = hi[i], 1, z0[i] - hi[i]


@kernel()
def _polish(
    normals: Any, offsets: Any, q: Any, r: Any, z0: Any, fixed: Any, z: Any, u: Any, x: Any, y: Any
) -> None:
    """Solve from z₀ afresh, with the active set as it stands."""
    g = len(normals)
    for i in range(len(z)):
        if fixed[i] == 0:
            z[i] = z0[i]
    u[:] = 0.0
    for _ in range(3):  # the second and third remove the rounding of the one before
        for j in range(g):
            y[j] = -(dot(normals[j], z) + offsets[j])
        _forward_substitute(r, g, y, x)
        for i in range(len(z)):
            change = 0.0
            for j in range(g):
                change += q[j, i] * x[j]
            z[i] += change
        _back_substitute(r, g, x, y)
        for j in range(g):
            u[j] += y[j]


@kernel()
def _mending(r: Any, g: Any, rest: Any, x: Any) -> float:
    """The length, at most, of the move that mends the rest of every tie: Rᵀ with its signs at their worst."""
    moved = 0.0
    for j in range(g):
        x[j] = rest[j]
        for k in range(j):
            x[j] += abs(r[k, j]) * x[k]
        x[j] /= r[j, j]
        moved += x[j] * x[j]
    return np.sqrt(moved)


@kernel()
def _open_tie(
    weight: Any, bias: Any, norms: Any, tied: Any, is_active: Any, z: Any, length: float
) -> tuple[int, int, float, float]:
    """A class that must tie and does not: (class, no bound, sign, violation), as the next two functions."""
    for j in range(1, len(tied)):
        k = tied[j]
        margin = _margin(weight, bias, tied[0], k, z)
        if not is_active[k] and abs(margin) > _slack(bias, norms, tied[0], k, length, len(z)):
            return k, -1, -1.0 if margin > 0.0 else 1.0, -abs(margin)
    return -1, -1, 0.0, 0.0


@kernel()
def _worst_bound(z: Any, lo: Any, hi: Any, fixed: Any, length: float) -> tuple[int, int, float, float]:
    worst, bound, sign = 0.0, -1, 0.0
    slack = 8 * UNIT * length
    for i in range(len(z)):
        if fixed[i] != 0:
            continue
        if z[i] < lo[i] - slack and z[i] - lo[i] < worst:
            worst, bound, sign = z[i] - lo[i], i, 1.0
        elif z[i] > hi[i] + slack and hi[i] - z[i] < worst:
            worst, bound, sign = hi[i] - z[i], i, -1.0
    return -1, bound, sign, worst


@kernel()
def _worst_class(
    weight: Any, bias: Any, norms: Any, tied: Any, is_tied: Any, is_active: Any, z: Any, length: float
) -> tuple[int, int, float, float]:
    ref = tied[0]
    own = dot(weight[ref], z) + bias[ref]
    worst, which, violation = 0.0, -1, 0.0
    for k in range(len(bias)):
        margin = own - dot(weight[k], z) - bias[k]
        if is_active[k] or is_tied[k] or margin >= -_slack(bias, norms, ref, k, length, len(z)):
            continue
        scale = 0.0
        for i in range(len(z)):
            scale += (weight[ref, i] - weight[k, i]) ** 2
        depth = margin / np.sqrt(scale) if scale > 0.0 else -np.inf
        if depth < worst:
            worst, which, violation = depth, k, _margin(weight, bias, ref, k, z)
    return which, -1, 1.0, violation


@kernel()
def _write_normal(weight: Any, ref: int, k: int, i: int, sign: float, n: Any) -> None:
    """The normal of class k's condition or, where k is −1, of the bound on coordinate i."""
    if k < 0:
        n[:] = 0.0
        n[i] = sign
    else:
        for j in range(len(n)):
            n[j] = sign * (weight[ref, j] - weight[k, j])


@kernel()
def _walk(z: Any, t: float, step: Any) -> None:
    for i in range(len(z)):
        z[i] += t * step[i]


@kernel()
def _write_step(n: Any, fixed: Any, q: Any, r: Any, g: Any, step: Any, y: Any, x: Any) -> float:
    """Write the step: the normal without its part in the active ones; return its squared length."""
    for i in range(len(step)):
        step[i] = n[i] if fixed[i] == 0 else 0.0
    for j in range(g):
        y[j] = 0.0
    for _ in range(2):
        for j in range(g):
            part = dot(q[j], step)
            y[j] += part
            for i in range(len(step)):
                step[i] -= part * q[j, i]
    _back_substitute(r, g, y, x)
    return dot(step, step)


@kernel()
def _write_rates(n: Any, fixed: Any, normals: Any, g: Any, x: Any, rates: Any) -> None:
    """Write how fast the multiplier of each fixed coordinate changes."""
    for i in range(len(n)):
        if fixed[i] != 0:
            rate = n[i]
            for j in range(g):
                rate -= normals[j, i] * x[j]
            rates[i] = fixed[i] * rate


@kernel()
def _first_block(
    act: Any, is_tied: Any, u: Any, x: Any, fixed: Any, v: Any, rates: Any, g: Any
) -> tuple[float, int, int]:
    """The first active multiplier to reach zero: after which step, and which class or which bound it is."""
    after, drop, bound = np.inf, -1, -1
    for j in range(g):
        if not is_tied[act[j]] and x[j] > 0.0 and u[j] / x[j] < after:
            after, drop, bound = u[j] / x[j], j, -1
    for i in range(len(fixed)):
        if fixed[i] != 0 and -rates[i] > 0.0 and v[i] / -rates[i] < after:
            after, drop, bound = v[i] / -rates[i], -1, i
    return after, drop, bound


@kernel()
def _spend(t: float, u: Any, x: Any, g: Any, v: Any, rates: Any, fixed: Any) -> None:
    """Take from every active multiplier what a step of length t costs."""
    for j in range(g):
        u[j] -= t * x[j]
    for i in range(len(v)):
        if fixed[i] != 0:
            v[i] += t * rates[i]


@kernel()
def _remove(act: Any, sign: Any, u: Any, normals: Any, drop: int, g: Any) -> None:
    for j in range(drop, g - 1):
        act[j], sign[j], u[j] = act[j + 1], sign[j + 1], u[j + 1]
        normals[j] = normals[j + 1]
