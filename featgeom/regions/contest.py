"""One linear program: how far can a class, or two that tie, stand above all others in the domain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from featgeom.arrays import Float64
from featgeom.head import AffineHead
from featgeom.regions.domains import Box, Domain, Hull

NOISE = 2.0**-30  # of its terms: a slope below this is taken for one that ought to vanish

Bounds = list[tuple[float | None, float | None]]


@dataclass(frozen=True, eq=False)
class Contest:
    """What the linear program found: floating-point numbers, to be proved or thrown away.

    ``point``: a point of the domain (box) or weights over the points of the hull, where the contenders are
    highest above the others; None if the program has no solution. ``multipliers`` (C,): the dual solution,
    with which Σ multipliers_k (l_c − l_k) should be nowhere positive in the domain. ``lead``: the optimum;
    its sign tells which of the two is of use.
    """

    lead: float
    point: Float64 | None
    multipliers: Float64


def contest(head: AffineHead, domain: Domain, c: int, j: int | None = None) -> Contest:
    """Raise class ``c``, tied with ``j`` if given, as far above all other classes as the domain lets it.

    Where the domain is unbounded the program is solved for (z, τ) in the cone over it, normalised to a total
    of 1, so that its dual solution has slack in every bound that it needs.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 0.5])
    >>> contest(head, Box.orthant(2), 0, 1).lead > 0
    True
    """
    others = np.array([k for k in range(head.classes) if k not in (c, j)], dtype=np.int64)
    gain = head.weight[c] - head.weight[others]
    gain_offset = head.bias[c] - head.bias[others]
    tie = head.weight[c] - (head.weight[j] if j is not None else head.weight[c])
    tie_offset = head.bias[c] - (head.bias[j] if j is not None else head.bias[c])
    size = max(np.abs(gain).max(initial=0.0), np.abs(tie).max(initial=0.0)) or 1.0
    rows, offsets = np.vstack([gain, tie]) / size, np.append(gain_offset, tie_offset) / size
    if isinstance(domain, Hull):
        found = _over_hull(rows, offsets, domain, j is not None)
    else:
        found = _over_box(rows, offsets, domain, j is not None)
    if found is None:
        return Contest(-np.inf, None, _of_one_sign(head, c, j, others))
    lead, point, duals = found
    multipliers = np.zeros(head.classes)
    multipliers[others] = np.maximum(duals[:-1], 0.0)
    if j is not None:
        multipliers[j] = duals[-1]
    multipliers[np.abs(multipliers) < 1e-11 * np.abs(multipliers).max(initial=0.0)] = 0.0
    return Contest(lead, point, multipliers)


def _of_one_sign(head: AffineHead, c: int, j: int | None, others: NDArray[np.int64]) -> Float64:
    """Multipliers for two classes that tie at the apex of the orthant only, where all others tie as well."""
    multipliers = np.zeros(head.classes)
    if j is None or len(others) == 0:
        return multipliers
    lead = head.weight[c] - head.weight[j]
    sign = -1.0 if lead[np.abs(lead).argmax()] > 0 else 1.0
    gain = head.weight[c] - head.weight[others[0]]
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.nan_to_num(np.maximum(gain, 0.0) / np.abs(lead), posinf=0.0)
    multipliers[others[0]], multipliers[j] = 1.0, sign * (2 * needed.max() + 1)
    return multipliers


def highest_sum(head: AffineHead, domain: Domain, own: int, multipliers: Float64) -> float:
    """The supremum over the domain of Σ_k multipliers_k (l_own − l_k), to rounding; inf where there is none.

    A slope that is but a rounding of 0 is taken for 0 where it would rise for ever, as `to_be_solved` has it.
    """
    gains = head.weight[own] - head.weight
    slope, size = multipliers @ gains, np.abs(multipliers) @ np.abs(gains)
    offset = float(multipliers @ (head.bias[own] - head.bias))
    if isinstance(domain, Hull):
        return offset + float((domain.points @ slope).max())
    side = np.where(slope > 0, domain.hi, domain.lo)
    slope = np.where(np.isinf(side) & (np.abs(slope) <= NOISE * size), 0.0, slope)
    with np.errstate(invalid="ignore"):
        return offset + float(np.where(slope == 0, 0.0, slope * side).sum())


def to_be_solved(head: AffineHead, domain: Domain, own: int, multipliers: Float64) -> Float64:
    """Which multipliers (C,) a check has to solve for, so that the sum does not rise for ever: 1, else 0.

    The slope must vanish where a coordinate has no bounds, and where a bound is missing and the slope is but
    a rounding (`featgeom.certificates.farkas.completed` has the same rule). As many of the largest are marked
    as there are independent equations, found by a factorisation with pivoting.
    """
    marks = np.zeros(len(multipliers))
    used = np.flatnonzero(multipliers)
    if isinstance(domain, Hull) or len(used) == 0:
        return marks
    gains = head.weight[own] - head.weight[used]
    slope, size = multipliers[used] @ gains, np.abs(multipliers[used]) @ np.abs(gains)
    up, down = np.isposinf(domain.hi), np.isneginf(domain.lo)
    vanish = np.flatnonzero((up & down) | ((up | down) & (np.abs(slope) <= NOISE * size)))
    whole = np.array_equal(multipliers, np.rint(multipliers))
    if len(vanish) == 0 or (whole and not slope[vanish].any()):
        return marks
    _, triangle, order = qr(gains[:, vanish].T * multipliers[used], mode="economic", pivoting=True)
    pivots = np.abs(np.diag(triangle))
    rank = min(int((pivots > 1e-9 * pivots.max(initial=0.0)).sum()), len(used) - 1)
    marks[used[order[:rank]]] = 1.0
    return marks


def _over_hull(
    rows: Float64, offsets: Float64, hull: Hull, tied: bool
) -> tuple[float, Float64, Float64] | None:
    values = rows @ hull.points.astype(np.float64).T + offsets[:, None]
    n = values.shape[1]
    bounds: Bounds = [(0.0, None)] * n
    total = np.ones((1, n))
    return _solve(values, total, bounds, tied, capped=False)


def _over_box(rows: Float64, offsets: Float64, box: Box, tied: bool) -> tuple[float, Float64, Float64] | None:
    low, high = np.isfinite(box.lo), np.isfinite(box.hi)
    sign = np.where(low | ~high, 1.0, -1.0)
    base = np.where(low, box.lo, np.where(high, box.hi, 0.0))
    both, free = low & high, ~low & ~high
    half = ~both & ~free
    # z = sign · y + base · τ, so that every bounded y has 0 as its bound.
    values = np.hstack([rows * sign, (rows @ base + offsets)[:, None]])
    d = len(base)
    span = np.where(both, box.hi - box.lo, np.inf)
    cone = bool(half.any())
    limits = [(None if f else 0.0, None if cone or not np.isfinite(s) else s) for f, s in zip(free, span)]
    bounds = [*limits, (0.0, None)]
    # Without offsets everything is a cone, and the multipliers need no slack at its apex.
    apex = 0.0 if cone and not values[:, -1].any() else 1.0
    total = np.append(half.astype(np.float64), apex)[None, :]
    extra = None
    if cone and both.any():
        index = np.flatnonzero(both)
        extra = csr_array((np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), d + 1))
        extra = extra - csr_array(
            (span[index], (np.arange(len(index)), np.full(len(index), d))), shape=(len(index), d + 1)
        )
    found = _solve(values, total, bounds, tied, capped=bool(free.any()), extra=extra)
    if found is None:
        return None
    lead, x, duals = found
    tau = x[-1]
    if apex == 0.0:
        tau = 1.0
    elif lead > -1e-7 and tau < 1e-7:
        # The best is at infinity. Ask again among finite points, where any lead will do.
        bounds = [(None if f else 0.0, None if not np.isfinite(s) else s) for f, s in zip(free, span)]
        total = np.append(np.zeros(d), 1.0)[None, :]
        found = _solve(values, total, [*bounds, (0.0, None)], tied, capped=True)
        if found is None:
            return None
        lead, x, duals = found
        tau = x[-1]
    point = sign * x[:-1] / max(tau, 1e-300) + base
    return lead, np.clip(np.nan_to_num(point), box.lo, box.hi), duals


def _solve(
    values: Float64,
    total: Float64,
    bounds: Bounds,
    tied: bool,
    capped: bool,
    extra: csr_array | None = None,
) -> tuple[float, Float64, Float64] | None:
    """Maximise t with values[:-1] x ≥ t, values[-1] x = 0 (if tied) and total x = 1; None beyond float64."""
    if not np.isfinite(values).all():
        return None
    gains = len(values) - 1
    a_ub = csr_array(np.hstack([-values[:-1], np.ones((gains, 1))]))
    if extra is not None:
        a_ub = vstack([a_ub, hstack([extra, csr_array((extra.shape[0], 1))])])
    equal = [np.append(total[0], 0.0)]
    if tied:
        equal.append(np.append(values[-1], 0.0))
    limit = 1.0 if capped or gains == 0 else None
    below: dict[str, Any] = {"A_ub": a_ub, "b_ub": np.zeros(a_ub.shape[0])} if a_ub.shape[0] else {}
    found: Any = linprog(
        np.append(np.zeros(values.shape[1]), -1.0),
        **below,
        A_eq=np.vstack(equal),
        b_eq=np.append(1.0, np.zeros(len(equal) - 1)),
        bounds=[*bounds, (None, limit)],
        method="highs",
    )
    if found.status != 0:
        return None
    duals = np.zeros(gains + 1)
    if gains:
        duals[:-1] = -found.ineqlin.marginals[:gains]
    if tied:
        duals[-1] = found.eqlin.marginals[1]
    return -float(found.fun), found.x[:-1], duals
