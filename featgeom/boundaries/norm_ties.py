"""The closest ties of two classes in a norm that is not the Euclidean one.

Where no third class interferes, the tie is the nearest point of a hyperplane, in closed form. Where one does,
it is a linear program (L1, L∞) or a least-distance program (a norm with a factor). Either way the multipliers
of the classes give one half-space that holds all ties, and the distance to it is a proved lower bound; of two
points a little to either side of the tie, with all other classes below, the farther is an upper one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.bounds import logit_error
from featgeom.certificates.norms import TieInNorm
from featgeom.exact.rounding import UNIT, gamma
from featgeom.head import AffineHead
from featgeom.norms import Norm
from featgeom.regions.domains import Box
from featgeom.regions.norm_radius import ROOMS, about, shortest, shrunk, way_to_halfspace, within

Found = tuple[Float64, Float64] | None  # a move (d,) and multipliers (C,)


@dataclass(frozen=True, eq=False)
class Question:
    """Where two classes tie near a sample z (d,), the first of them that of the sample."""

    head: AffineHead
    z: Float64
    tied: tuple[int, int]
    box: Box
    norm: Norm

    @cached_property
    def gaps(self) -> Float64:
        """How fast the first class gains on each other, (C, d)."""
        return self.head.weight[self.tied[0]] - self.head.weight

    @cached_property
    def leads(self) -> Float64:
        """By how much the first class leads each other at the sample, (C,)."""
        logits = self.head.logits(self.z[None])[0]
        return np.asarray(logits[self.tied[0]] - logits)

    @cached_property
    def errors(self) -> Float64:
        """Bounds on the rounding of the leads, (C,)."""
        error = logit_error(self.head.weight, self.head.bias, self.z[None])[0]
        return np.asarray(error + error[self.tied[0]] + 2 * UNIT * np.abs(self.leads))

    def after(self, move: Float64) -> Float64:
        """The point to which a move leads."""
        return self.z + (move if self.norm.factor is None else self.norm.factor @ move)

    def nearest(self, beside: float = 0.0, below: float = 0.0) -> Found:
        """The shortest move to where the first class leads the second by ``beside`` and both lead all others
        by ``below``, and the multipliers of these conditions; None where none was found."""
        rival = self.tied[1]
        under = below + max(beside, 0.0)
        others = np.setdiff1d(np.arange(self.head.classes), self.tied)
        margin = self.leads[rival] - beside
        v = np.copysign(1.0, margin) * self.gaps[rival]
        way = way_to_halfspace(self.z[None], v[None], np.abs(np.array([margin])), self.box, self.norm)
        multipliers = np.zeros(self.head.classes)
        multipliers[rival] = -np.copysign(1.0, margin)
        reached = self.leads + self.gaps @ (self.after(way.move[0]) - self.z)
        arrived = abs(reached[rival] - beside) <= 1e-9 * (abs(margin) + np.abs(self.leads).max())
        if arrived and (reached[others] >= under).all():
            return way.move[0], multipliers
        program = _least_distance if self.norm.factor is not None else _linear
        found = program(self, others, under - self.leads[others], -margin)
        if found is None:
            return None
        move, multipliers[np.append(others, rival)] = found
        return move, multipliers

    def bound(self, multipliers: Float64) -> tuple[float, Float64]:
        """How far, at least, multipliers show all ties to be, and with which ``push`` (d,)."""
        v, margin = -(multipliers @ self.gaps), -float(multipliers @ self.leads)
        size, terms = np.abs(multipliers), len(multipliers) + 4
        doubt = float(size @ (self.errors + terms * UNIT * np.abs(self.leads)))
        if margin <= doubt:
            return 0.0, np.zeros_like(v)
        way = way_to_halfspace(self.z[None], v[None], np.array([margin - doubt]), self.box, self.norm)
        push = way.push[0]
        widest = size @ (np.abs(self.head.weight[self.tied[0]]) + np.abs(self.head.weight))
        error = self.norm.dual_length_of_error(terms * UNIT * widest[None])[0]
        dual = self.norm.dual_length((v - push)[None])[0]
        if not np.isfinite(way.lower[0]) or dual == 0:
            return 0.0, push
        return float(way.lower[0] * dual / (dual + error) * (1 - 8 * UNIT)), push

    def beside(self, first: int, second: int, sign: float, tie: Float64) -> Float64 | None:
        """A move to a little to one side of the ``tie`` (a move), where the first of these classes is surely
        no lower than the second, and no other exceeds either; None where there is none within some roundings.
        """
        size = np.abs(self.z) + np.abs(self.after(tie) - self.z)
        unit = float((self.errors + UNIT * np.abs(self.gaps) @ size).max())
        for room in (0.0, *ROOMS):
            found = self._inside(room * float(size.max())).nearest(sign * room * unit, room * unit)
            if found is None:
                continue
            move = found[0]
            if self.norm.factor is None:
                move = within(self.z[None], move[None], self.box)[0]
            if self._sure(move, first, second):
                return move
        return None

    def _inside(self, rim: float) -> Question:
        """The same question, where moves are stretched, in a box without a rim of so many roundings."""
        if self.norm.factor is None:
            return self
        return replace(self, box=shrunk(self.box, rim * UNIT))

    def _sure(self, move: Float64, first: int, second: int) -> bool:
        """Whether, rounding aside, the move stays in the box and the second class comes second, or ties."""
        head, z, p, d = self.head, self.z, self.after(move), len(self.z)
        if self.norm.factor is not None:
            far = 4 * gamma(d + 8, np.float64) * (np.abs(z) + np.abs(self.norm.factor) @ np.abs(move))
            if ((p - far < self.box.lo) | (p + far > self.box.hi)).any():
                return False
        v, offset = head.weight[second] - head.weight, head.bias[second] - head.bias
        lead = v @ p + offset
        lead[first] *= -1
        lead[second] = np.inf
        moved = np.abs(z) + np.abs(p)
        if self.norm.factor is not None:
            moved += np.abs(self.norm.factor) @ np.abs(move)
        return bool((lead >= 4 * gamma(2 * d + 8, np.float64) * (np.abs(v) @ moved + np.abs(offset))).all())


def _linear(question: Question, others: Ints, right: Float64, value: float) -> Found:
    """L1 and L∞: in the parts of the move that are not negative, or with a bound on all of its entries.

    The rows are taken at length 1, and the move in units of the farthest of them.
    """
    z, box, d, rival = question.z, question.box, len(question.z), question.tied[1]
    sizes = np.linalg.norm(question.gaps, axis=1)
    sizes[sizes == 0] = 1.0
    rows, row = question.gaps[others] / sizes[others, None], question.gaps[rival] / sizes[rival]
    right, value = right / sizes[others], value / sizes[rival]
    length = max(abs(value), float(np.abs(right).max(initial=0.0))) or 1.0
    down, up = (box.lo - z) / length, (box.hi - z) / length
    if question.norm.order == 1:
        cost, bounds = np.ones(2 * d), np.stack([np.zeros(2 * d), np.append(up, -down)], axis=1)
        under, limit, equal = csr_array(np.hstack([-rows, rows])), -right / length, np.append(row, -row)
    else:
        cost = np.append(np.zeros(d), 1.0)
        bounds = np.append(np.stack([down, up], axis=1), [[0.0, np.inf]], axis=0)
        ones = csr_array(np.ones((d, 1)))
        sides = [hstack([eye_array(d), -ones]), hstack([-eye_array(d), -ones])]
        under = vstack([csr_array(np.hstack([-rows, np.zeros((len(rows), 1))])), *sides], format="csr")
        limit, equal = np.append(-right / length, np.zeros(2 * d)), np.append(row, 0.0)
    program: Any = linprog  # the stubs do not know sparse tables
    found = program(cost, under, limit, equal[None], [value / length], bounds, method="highs-ds")
    if found.status != 0:
        return None
    move = found.x[:d] - found.x[d:] if question.norm.order == 1 else found.x[:d]
    kept = np.maximum(-found.ineqlin.marginals[: len(rows)], 0.0) / sizes[others]
    return move * length, np.append(kept, found.eqlin.marginals[0] / sizes[rival])


def _least_distance(question: Question, others: Ints, right: Float64, value: float) -> Found:
    """A norm with a factor: Lawson and Hanson's program, with the equation as two inequalities."""
    z, box, factor = question.z, question.box, question.norm.factor
    assert factor is not None
    low, high = np.flatnonzero(np.isfinite(box.lo)), np.flatnonzero(np.isfinite(box.hi))
    rows, row = question.gaps[others] @ factor, question.gaps[question.tied[1]] @ factor
    table = np.vstack([rows, row, -row, factor[low], -factor[high]])
    limit = np.concatenate([right, [value, -value], (box.lo - z)[low], (z - box.hi)[high]])
    found = shortest(table, limit)
    if found is None:
        return None
    move, duals = found
    m = len(rows)
    return move, np.append(duals[:m], duals[m] - duals[m + 1])


def ties_in_norm(head: AffineHead, z: Float64, owner: Ints, tied: Ints, box: Box, norm: Norm) -> TieInNorm:
    """The claim about the nearest tie of ``tied`` (m, 2) to each of the samples ``owner`` (m,) of z (n, d).

    The first class of a pair is that of the sample. Bounds are 0 and inf where nothing was found.
    """
    m, d = len(owner), head.dimension
    multipliers, push = np.zeros((m, head.classes)), np.zeros((m, d))
    ahead, behind = np.zeros((m, d)), np.zeros((m, d))
    lower, upper = np.zeros(m), np.full(m, np.inf)
    for i in range(m):
        own, rival = int(tied[i, 0]), int(tied[i, 1])
        question = Question(head, z[owner[i]], (own, rival), box, norm)
        found = question.nearest()
        if found is None or not found[1].any():
            continue
        multipliers[i] = found[1] / np.abs(found[1]).max()
        lower[i], push[i] = question.bound(multipliers[i])
        tie = found[0]
        first, second = question.beside(own, rival, 1.0, tie), question.beside(rival, own, -1.0, tie)
        if first is not None and second is not None:
            ahead[i], behind[i] = first, second
            upper[i] = norm.size(np.stack([first, second])).max() * (1 + 4 * (d + 8) * UNIT)
    return TieInNorm(
        **about(head, z, box, norm),
        owner=owner,
        tied=tied,
        lower=lower,
        upper=upper,
        ahead=ahead,
        behind=behind,
        multipliers=csr_array(multipliers),
        push=csr_array(push),
    )
