"""What claims state, asked again as convex programs.

A statement says that some value lies between two bounds. Here each kind of claim that a convex program can
answer has a function that gives the programs (the value is the least of theirs) and the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.claim import Claim
from featgeom.certificates.classes import ClassBall
from featgeom.certificates.extent import EnclosingBall, HullSupport
from featgeom.certificates.farkas import CellsApart, EmptyCell, EmptyTie
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.hulls import HullDistance, HullMembership, HullVertices
from featgeom.certificates.machines import Inseparable, Machine
from featgeom.certificates.norms import NearestInNorm, TieInNorm
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.certificates.shapes import InscribedBall
from featgeom.certificates.ties import NearestTie, Tie
from featgeom.formulations import cells, hulls, machines
from featgeom.head import AffineHead
from featgeom.norms import Norm
from featgeom.regions.domains import Box, Domain, Hull

TIGHT = 1e-9  # relative: how near a value is that a claim bounds from one side, and tightly


@dataclass(frozen=True)
class Question:
    """Programs of which the least value is asked for, the bounds stated for it, and the size of the data.

    A value of inf means that no point satisfies the conditions. ``size`` is the largest number in the data,
    in the units of the value: what a solver's tolerance is relative to. With ``above`` the value is more than
    ``lower``, by whatever little. ``scale`` is what a tolerance has to be small beside, where the bounds are
    0 or infinite.
    """

    programs: Iterable[cp.Problem]
    lower: float
    upper: float
    size: float
    above: bool = False
    scale: float = 0.0


def question(claim: Claim, i: int) -> Question | None:
    """What statement ``i`` of a claim says, or None where no convex program answers it.

    >>> from featgeom import ConvexHull
    >>> found = question(ConvexHull([[0.0], [1.0]]).project([[3.0]]).certificate, 0)
    >>> round(float(found.upper), 9), round(float(next(iter(found.programs)).solve()), 6)
    (2.0, 2.0)
    """
    asked = QUESTIONS.get(type(claim))
    return None if asked is None else asked(claim, i)


def _size(*arrays: NDArray[Any]) -> float:
    return max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)


def _negated(program: cp.Problem) -> cp.Problem:
    """The same program to be minimised."""
    return cp.Problem(cp.Minimize(-program.objective.args[0]), program.constraints)


def _head(claim: Any) -> AffineHead:
    return AffineHead(claim.weight, claim.bias)


def _domain(claim: Any) -> Domain:
    vertices = getattr(claim, "vertices", None)
    return Box(claim.lo, claim.hi) if vertices is None or not len(vertices) else Hull(vertices)


def _distance(claim: HullDistance, i: int) -> Question:
    q, size = claim.queries[i], _size(claim.points, claim.queries[i])
    return Question([hulls.projection(claim.points, q)], float(claim.lower[i]), float(claim.upper[i]), size)


def _in_or_out(points: Any, q: Any, inside: bool, normal: Any) -> Question:
    """Distance 0 inside; outside, more than 0 and at least the distance to the plane that separates."""
    normal = np.asarray(normal, np.float64)
    ahead = (points.astype(np.float64) - q) @ normal / max(float(np.linalg.norm(normal)), 1e-300)
    bounds = (0.0, 0.0) if inside else (max(float(ahead.min()), 0.0), np.inf)
    return Question([hulls.projection(points, q)], *bounds, _size(points, q), above=not inside)


def _membership(claim: HullMembership, i: int) -> Question:
    q = claim.queries[claim.rows[i]].astype(np.float64)
    return _in_or_out(claim.points, q, bool(claim.inside[i]), claim.normal[i])


def _vertex(claim: HullVertices, i: int) -> Question | None:
    row = int(claim.rows[i])
    others = np.delete(claim.points, row, axis=0)
    if not len(others):
        return None
    q = claim.points[row].astype(np.float64)
    return _in_or_out(others, q, bool(claim.inside[i]), claim.normal[i])


def _separation(claim: HullSeparation, i: int) -> Question:
    size = _size(claim.points_a, claim.points_b)
    return Question([hulls.separation(claim.points_a, claim.points_b)], claim.lower, claim.upper, size)


def _overlap(claim: HullOverlap, i: int) -> Question:
    size = _size(claim.points_a, claim.points_b)
    return Question([hulls.separation(claim.points_a, claim.points_b)], 0.0, 0.0, size)


def _support(claim: HullSupport, i: int) -> Question:
    u = claim.directions[i]
    size = _size(claim.points) * float(np.abs(u).sum())
    return Question([hulls.support(claim.points, u)], float(claim.lower[i]), float(claim.upper[i]), size)


def _ball(claim: EnclosingBall, i: int) -> Question:
    return Question([hulls.enclosing_ball(claim.points)], claim.lower, claim.upper, _size(claim.points))


def _near_rivals(head: AffineHead, z: Any, own: int, reach: float) -> list[int]:
    """The rivals whose hyperplane is not beyond ``reach`` (and some room): no other can tie nearer."""
    logits = head.logits(z[None])[0]
    gaps = np.linalg.norm(head.weight[own] - head.weight, axis=1)
    near = logits[own] - logits <= gaps * min(reach, 1e300) * (1 + 1e-3) + 1e-6
    return [int(k) for k in np.flatnonzero(near | np.isinf(reach)) if k != own]


def _radius(claim: ClassBall, i: int) -> Question:
    head, domain, own = _head(claim), _domain(claim), int(claim.own[i])
    z, radius = claim.points[i].astype(np.float64), float(claim.radius[i])
    rivals = _near_rivals(head, z, own, radius)
    programs = (cells.boundary(head, z, k, domain) for k in rivals)
    return Question(programs, radius, radius * (1 + TIGHT), _size(z) + _reach(head, own, rivals))


def _reach(head: AffineHead, own: int, rivals: Iterable[int]) -> float:
    """How far from 0 the boundaries with these rivals are: the size of bias over weight, at most."""
    others = np.fromiter(rivals, int)
    gaps = np.linalg.norm(head.weight[own] - head.weight[others], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(head.bias[own] - head.bias[others]) / gaps
    return float(np.max(far[np.isfinite(far)], initial=0.0))


def _norm(claim: NearestInNorm | TieInNorm) -> Norm:
    return Norm(float(claim.order), claim.factor if len(claim.factor) else None)


def _in_norm(claim: NearestInNorm, i: int) -> Question:
    head, z, own, norm = (
        _head(claim),
        claim.features[i].astype(np.float64),
        int(claim.tied[i, 0]),
        _norm(claim),
    )
    logits, dual = head.logits(z[None])[0], norm.dual_length(head.weight[own] - head.weight)
    reach = min(float(claim.upper[i]), 1e300)
    near = np.flatnonzero(logits[own] - logits <= dual * reach * (1 + 1e-3) + 1e-6)
    rivals = [int(k) for k in near if k != own]
    programs = (cells.boundary(head, z, k, _domain(claim), norm) for k in rivals)
    size = _size(z) + _reach(head, own, rivals)
    return Question(programs, float(claim.lower[i]), float(claim.upper[i]), size)


def _tie(claim: Tie | TieInNorm, i: int) -> Question:
    head, z = _head(claim), claim.features[claim.owner[i]].astype(np.float64)
    size = _size(z) + _reach(head, int(claim.tied[i, 0]), claim.tied[i, 1:])
    norm = _norm(claim) if isinstance(claim, TieInNorm) else 2
    program = cells.tie(head, z, claim.tied[i], _domain(claim), norm)
    return Question([program], float(claim.lower[i]), float(claim.upper[i]), size)


def _nearest_tie(claim: NearestTie, i: int) -> Question:
    head, z, own = _head(claim), claim.features[claim.owner[i]].astype(np.float64), int(claim.tied[i, 0])
    rivals = _near_rivals(head, z, own, float(claim.upper[i]))
    programs = (cells.tie(head, z, [own, k], _domain(claim)) for k in rivals)
    size = _size(z) + _reach(head, own, rivals)
    return Question(programs, float(claim.lower[i]), float(claim.upper[i]), size)


def _lead(claim: Any, classes: Any, lower: float, upper: float) -> Question:
    """How far above all others these classes can stand, negated: positive where they do so nowhere.

    It is asked of the head in units of its largest row, and without what all logits have in common.
    """
    weight, bias = (array - array.mean(axis=0) for array in (claim.weight, claim.bias))
    unit = float(np.linalg.norm(weight, axis=1).max(initial=0.0)) or 1.0
    program = _negated(cells.lead(AffineHead(weight / unit, bias / unit), classes, _domain(claim)))
    return Question([program], lower, upper, max(1.0, _size(bias / unit)), scale=1.0)


def _empty_cell(claim: EmptyCell, i: int) -> Question:
    return _lead(claim, [claim.own[i]], 0.0, np.inf)


def _empty_tie(claim: EmptyTie, i: int) -> Question:
    return _lead(claim, claim.tied[i], 0.0, np.inf)


def _apart(claim: CellsApart, i: int) -> Question:
    return _lead(claim, claim.pairs[i], 0.0, np.inf)


def _meet(claim: CellsMeet, i: int) -> Question:
    return _lead(claim, claim.pairs[i], -np.inf, 0.0)


def _inscribed(claim: InscribedBall, i: int) -> Question:
    """A ball of radius 0 says that the cell has a point."""
    head, own, radius = _head(claim), int(claim.own[i]), float(claim.radius[i])
    if radius == 0 and claim.upper[i] == np.inf:
        return _lead(claim, [own], -np.inf, 0.0)
    largest = cells.chebyshev(head, own, _domain(claim))
    no_larger = [largest.var_dict["radius"] <= 2 * radius + 1]  # a cell may hold balls of any size
    program = _negated(cp.Problem(largest.objective, largest.constraints + no_larger))
    others = [k for k in range(head.classes) if k != own]
    size = _size(claim.lo, claim.hi, claim.vertices) + _reach(head, own, others)
    return Question([program], -float(claim.upper[i]), -radius, size)


def _inflated(claim: GuaranteedHull, i: int) -> Question | None:
    if not np.isfinite(claim.inflation):
        return None
    program = _negated(cells.inflation(_head(claim), claim.points, claim.own))
    return Question([program], -claim.inflation * (1 + TIGHT), -claim.inflation, 1.0)


def _machine(claim: Machine, i: int) -> Question:
    program = machines.machine(claim.x, claim.y, claim.c, claim.freedom)
    return Question([program], claim.lower, claim.upper, 0.0)


def _inseparable(claim: Inseparable, i: int) -> Question:
    return Question([machines.machine(claim.x, claim.y, np.inf, claim.freedom)], np.inf, np.inf, 1.0)


QUESTIONS: dict[type[Claim], Callable[[Any, int], Question | None]] = {
    HullDistance: _distance,
    HullMembership: _membership,
    HullVertices: _vertex,
    HullSeparation: _separation,
    HullOverlap: _overlap,
    HullSupport: _support,
    EnclosingBall: _ball,
    ClassBall: _radius,
    NearestInNorm: _in_norm,
    Tie: _tie,
    TieInNorm: _tie,
    NearestTie: _nearest_tie,
    EmptyCell: _empty_cell,
    EmptyTie: _empty_tie,
    CellsApart: _apart,
    CellsMeet: _meet,
    InscribedBall: _inscribed,
    GuaranteedHull: _inflated,
    Machine: _machine,
    Inseparable: _inseparable,
}
