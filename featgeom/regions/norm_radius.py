"""How far features are from the boundary of their cell in any norm, in closed form.

In all of feature space the distance to a boundary is the margin over the dual norm of the difference of rows.
In a box, L1 moves the coordinates of the steepest slope first, as far as they may go; L∞ moves all of them at
once, those with little room until they stop. In a norm with a factor the nearest point of a box has no closed
form: it is the least-distance program of Lawson and Hanson (*Solving Least Squares Problems*, 1974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints
from featgeom.certificates.norms import NearestInNorm
from featgeom.errors import BadArgument
from featgeom.exact.rounding import UNIT, gamma
from featgeom.head import AffineHead
from featgeom.norms import Norm
from featgeom.regions.domains import Box, Domain
from featgeom.regions.margins import margins_of_block

ROOMS = (
    4.0,
    64.0,
    4096.0,
    1e6,
    1e8,
)  # by how many roundings a move goes beyond the boundary, the least that does


@dataclass(frozen=True, eq=False)
class NearestChange:
    """For features (n, d): class, nearest rival, and its distance between two proved bounds."""

    classes: Ints
    rival: Ints
    lower: Float64
    upper: Float64
    points: Float64
    ball: Float64
    ball_rival: Ints
    certificate: NearestInNorm


@dataclass(frozen=True, eq=False)
class Way:
    """From each feature to a half-space: a proved lower bound, its multipliers of the bounds, and a move."""

    lower: Float64
    push: Float64
    move: Float64


def way_to_halfspace(z: Float64, v: Float64, margin: Float64, box: Box, norm: Norm) -> Way:
    """The nearest point of the box at which v·p is below v·z by ``margin`` (n,), from z (n, d) in the box.

    The lower bound is sound to the rounding of this function's own arithmetic on v, z and margin.
    """
    if norm.factor is not None:
        return _stretched(z, v, margin, box, norm)
    slope = np.abs(v)
    with np.errstate(invalid="ignore"):
        room = np.where(slope == 0, 0.0, np.where(v > 0, z - box.lo, box.hi - z))
    way = _steepest_first if norm.order == 1 else _all_at_once if norm.order == np.inf else None
    if way is None:
        return _stretched(z, v, margin, box, Norm(2, np.eye(z.shape[1])))
    push, step = way(slope, room, margin)
    sign = np.sign(v)
    return Way(_proved(z, v, margin, sign * push, box, norm), sign * push, -sign * step)


def _steepest_first(slope: Float64, room: Float64, margin: Float64) -> tuple[Float64, Float64]:
    """L1: multipliers and steps, by size."""
    rows = np.arange(len(slope))
    order = np.argsort(-slope, axis=1, kind="stable")
    steep, free = np.take_along_axis(slope, order, 1), np.take_along_axis(room, order, 1)
    gains = np.cumsum(steep * free, axis=1)
    at = np.minimum((gains < margin[:, None]).sum(axis=1), slope.shape[1] - 1)
    never = gains[:, -1] < margin
    level = np.where(never, 0.0, steep[rows, at])
    before = np.where(at > 0, gains[rows, np.maximum(at - 1, 0)], 0.0)
    full = np.arange(slope.shape[1]) < at[:, None]
    sorted_step = np.where(full, free, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        last = np.where(level > 0, (margin - before) / level, 0.0)
    sorted_step[rows, at] = np.clip(last, 0.0, free[rows, at])
    step = np.zeros_like(slope)
    np.put_along_axis(step, order, sorted_step, 1)
    return np.maximum(slope - level[:, None], 0.0), step


def _all_at_once(slope: Float64, room: Float64, margin: Float64) -> tuple[Float64, Float64]:
    """L∞: multipliers and steps, by size."""
    rows = np.arange(len(slope))
    order = np.argsort(room, axis=1, kind="stable")
    steep, free = np.take_along_axis(slope, order, 1), np.take_along_axis(room, order, 1)
    finite = np.where(np.isfinite(free), free, 0.0)
    done, rate = np.cumsum(steep * finite, axis=1), np.cumsum(steep, axis=1)
    rest = np.maximum(rate[:, -1:] - rate, 0.0)
    reached = np.where(np.isfinite(free), done + finite * rest, np.inf)
    at = np.minimum((reached < margin[:, None]).sum(axis=1), slope.shape[1] - 1)
    never = reached[:, -1] < margin
    before = np.where(at > 0, done[rows, np.maximum(at - 1, 0)], 0.0)
    going = steep[rows, at] + rest[rows, at]
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(never | (going == 0), np.inf, np.maximum(margin - before, 0.0) / going)
    step = np.minimum(radius[:, None], room)
    return np.where(room < radius[:, None], slope, 0.0), step


def _stretched(z: Float64, v: Float64, margin: Float64, box: Box, norm: Norm) -> Way:
    """A norm with a factor: closed where the box does not interfere, else a least-distance program a row."""
    factor = norm.factor
    assert factor is not None
    across = v @ factor
    with np.errstate(divide="ignore", invalid="ignore"):
        move = -across * (margin / np.square(across).sum(axis=1))[:, None]
    push = np.zeros_like(v)
    p = z + np.nan_to_num(move) @ factor.T
    for i in np.flatnonzero(((p < box.lo) | (p > box.hi)).any(axis=1)):
        push[i], move[i] = _least_distance(z[i], v[i], margin[i], box, factor)
    return Way(_proved(z, v, margin, push, box, norm), push, np.nan_to_num(move))


def shortest(table: Float64, limit: Float64) -> tuple[Float64, Float64] | None:
    """The shortest y (d,) with table (m, d) y ≥ limit, and multipliers (m,) of the rows, up to a factor.

    None where there is none, or none within 10⁹ times the distance of the farthest row.
    """
    sizes = np.linalg.norm(table, axis=1)
    sizes[sizes == 0] = 1.0
    table, limit = table / sizes[:, None], limit / sizes
    length = float(np.abs(limit).max(initial=0.0)) or 1.0
    system, wanted = np.vstack([table.T, limit / length]), np.append(np.zeros(table.shape[1]), 1.0)
    unknown, _ = nnls(system, wanted)
    rest = system @ unknown - wanted
    if np.linalg.norm(rest) < 1e-9 or rest[-1] >= 0:
        return None
    return -rest[:-1] / rest[-1] * length, unknown / sizes


def _least_distance(
    z: Float64, v: Float64, margin: float, box: Box, factor: Float64
) -> tuple[Float64, Float64]:
    """min ‖y‖ with −v·F y ≥ margin and lo ≤ z + F y ≤ hi: multipliers of the bounds for one of v, and y."""
    low, high = np.flatnonzero(np.isfinite(box.lo)), np.flatnonzero(np.isfinite(box.hi))
    rows = np.vstack([-v @ factor, factor[low], -factor[high]])
    found = shortest(rows, np.concatenate([[margin], (box.lo - z)[low], (z - box.hi)[high]]))
    push = np.zeros(len(z))
    if found is None or found[1][0] <= 0:
        # never: a bound in every coordinate that matters
        push = np.where((v > 0) & np.isfinite(box.lo), v, 0.0) + np.where(
            (v < 0) & np.isfinite(box.hi), v, 0.0
        )
        return push, np.zeros(len(z))
    move, duals = found[0], found[1][1:] / found[1][0]
    push[low] += duals[: len(low)]
    push[high] -= duals[len(low) :]
    return push, move


def _proved(z: Float64, v: Float64, margin: Float64, push: Float64, box: Box, norm: Norm) -> Float64:
    """What multipliers prove, rounding taken off (inf where the half-space is out of reach)."""
    d = z.shape[1]
    side = np.where(push > 0, box.lo, box.hi)
    apart = push * (z - np.where(push == 0, 0.0, side))
    size = np.abs(margin) + np.abs(apart).sum(axis=1) + (np.abs(push) * np.abs(z)).sum(axis=1)
    total = margin - apart.sum(axis=1) - 4 * gamma(d + 8, np.float64) * size
    rest, rounding = v - push, 2 * UNIT * np.abs(v)
    dual = norm.dual_length(rest) * (1 + 4 * (d + 8) * UNIT)
    dual += norm.dual_length_of_error(np.abs(rest) * (d + 8) * UNIT + rounding)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(total > 0, total / dual * (1 - 8 * UNIT), 0.0)
    exactly_none = ~rest.any(axis=1)
    return np.where((total > 0) & exactly_none, np.inf, np.nan_to_num(found, posinf=0.0))


def about(head: AffineHead, z: Float64, box: Box, norm: Norm) -> dict[str, Any]:
    """What claims about distances of z (n, d) in a norm are about, by field."""
    factor = np.zeros((0, head.dimension)) if norm.factor is None else norm.factor
    asked = {"features": z, "order": f"{norm.order:g}", "factor": factor}
    return {"weight": head.weight, "bias": head.bias, "lo": box.lo, "hi": box.hi} | asked


def needs_inside(z: Float64, box: Box) -> None:
    """Refuse features outside the box: BadArgument."""
    if len(z) and not box.contains(z).all():
        raise BadArgument(f"norm: distances other than L2 need features inside the domain ({box.name})")


def nearest_change(head: AffineHead, z: Float64, domain: Domain, norm: Norm) -> NearestChange:
    """The nearest point of the domain, in the norm, at which another class is as high, for z (n, d) in it.

    Raises BadArgument for features outside the domain or a hull domain.
    """
    if not isinstance(domain, Box):
        raise BadArgument("norm: distances other than L2 are offered in 'space', 'orthant' or a Box")
    needs_inside(z, domain)
    found = margins_of_block(head, z)
    own, rows = found.classes, np.arange(len(z))
    lead = np.maximum(found.margins - 2 * found.error, 0.0)
    dual = np.stack([_dual_above(head.weight[c] - head.weight, norm) for c in range(head.classes)])
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(lead == 0, 0.0, lead / dual[own] * (1 - 8 * UNIT))
    apart[rows, own] = np.inf
    best, rival = np.full(len(z), np.inf), apart.argmin(axis=1)
    rival = np.where(rival == own, (own + 1) % head.classes, rival)  # where none is ever reached
    kept: list[tuple[Ints, Ints, Float64]] = []
    ball, ball_rival = apart.min(axis=1), rival
    for rank in range(head.classes - 1):
        column = np.argsort(apart, axis=1, kind="stable")[:, rank]
        open_rows = np.flatnonzero(apart[rows, column] < best)
        k = column[open_rows]
        if not len(open_rows):
            break
        v = head.weight[own[open_rows]] - head.weight[k]
        way = way_to_halfspace(z[open_rows], v, lead[open_rows, k], domain, norm)
        lower = np.maximum(way.lower, apart[open_rows, k])
        kept.append((open_rows, k, way.push))
        closer = lower < best[open_rows]
        best[open_rows[closer]], rival[open_rows[closer]] = lower[closer], k[closer]
    move, upper = _moves(head, z, own, rival, lead, found.error, domain, norm)
    needed = [apart[r, k] < best[r] for r, k, _ in kept] if domain.name != "space" else []
    parts = [(r[n], k[n], p[n]) for (r, k, p), n in zip(kept, needed)]
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, head.dimension)))
    push_of, rivals, push = (np.concatenate(list(part)) for part in zip(*parts, nothing))
    claim = NearestInNorm(
        **about(head, z, domain, norm),
        tied=np.stack([own, rival], axis=1),
        lower=best,
        upper=upper,
        move=move,
        push_of=push_of,
        rival=rivals,
        push=csr_array(push),
    )
    step = move if norm.factor is None else move @ norm.factor.T
    points = np.where(np.isfinite(upper)[:, None], np.clip(z + step, domain.lo, domain.hi), np.nan)
    return NearestChange(own, rival, best, upper, points, ball, ball_rival, claim)


def _dual_above(v: Float64, norm: Norm) -> Float64:
    """The dual norm of rows that are themselves rounded, rounded up; zero where they are equal."""
    d = v.shape[1]
    error = norm.dual_length_of_error(np.abs(v) * (d + 8) * UNIT)
    return norm.dual_length(v) * (1 + 4 * (d + 8) * UNIT) + error


def _moves(
    head: AffineHead, z: Float64, own: Ints, rival: Ints, lead: Float64, error: Float64, box: Box, norm: Norm
) -> tuple[Float64, Float64]:
    """Moves a little beyond the boundary, so that the rival is surely no lower there, and their lengths."""
    rows = np.arange(len(z))
    move, upper = np.zeros_like(z), np.full(len(z), np.inf)
    v = head.weight[own] - head.weight[rival]
    for room in ROOMS:
        todo = np.flatnonzero(np.isinf(upper))
        if not len(todo):
            break
        unit = error[rows, rival][todo] + UNIT * (np.abs(v[todo]) * (1 + np.abs(z[todo]))).sum(axis=1)
        inner = box if norm.factor is None else shrunk(box, room * UNIT * (1 + float(np.abs(z).max())))
        way = way_to_halfspace(z[todo], v[todo], lead[todo, rival[todo]] + room * unit, inner, norm)
        y = way.move
        if norm.factor is None:
            y = within(z[todo], y, box)
        p = z[todo] + (y if norm.factor is None else y @ norm.factor.T)
        offset = (head.bias[own] - head.bias[rival])[todo]
        size = (np.abs(v[todo]) * (np.abs(z[todo]) + np.abs(p))).sum(axis=1) + np.abs(offset)
        doubt = 4 * gamma(2 * head.dimension + 8, np.float64) * size
        behind = np.einsum("ij,ij->i", v[todo], p) + offset
        far = (
            0.0
            if norm.factor is None
            else 4
            * gamma(head.dimension + 8, np.float64)
            * (np.abs(z[todo]) + np.abs(y) @ np.abs(norm.factor.T))
        )
        inside = ((p - far >= box.lo) & (p + far <= box.hi)).all(axis=1)
        fine = inside & (behind + doubt <= 0)
        move[todo[fine]] = y[fine]
        upper[todo[fine]] = norm.size(y[fine]) * (1 + 4 * (head.dimension + 8) * UNIT)
    return move, upper


def shrunk(box: Box, by: float) -> Box:
    """The box without a rim, where it is wide enough."""
    wide = box.hi - box.lo > 4 * by
    return Box(np.where(wide, box.lo + by, box.lo), np.where(wide, box.hi - by, box.hi))


def within(z: Float64, y: Float64, box: Box) -> Float64:
    """Moves shortened by a rounding where z + y, exactly, would leave the box."""
    for side, sign in ((box.lo, 1.0), (box.hi, -1.0)):
        bound = np.where(np.isfinite(side), side, z)
        reach = bound - z
        back = reach - bound
        lost = (bound - (reach - back)) + (-z - back)  # bound − z is reach + lost, exactly (Knuth)
        last = np.where(sign * lost > 0, np.nextafter(reach, sign * np.inf), reach)
        y = np.where(np.isfinite(side) & (sign * (y - last) < 0), last, y)
    return y
