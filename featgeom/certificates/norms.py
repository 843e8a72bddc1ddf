"""Claims about the nearest change of class, and the nearest tie, in any norm: L1, L2, L∞, or a stretched one.

A norm is ‖δ‖ = min ‖y‖_p over y with F y = δ. From below, an affine function v·p + b is kept above zero by
multipliers t of the bounds: where t_j > 0 the bound lo_j is finite, where t_j < 0 hi_j, so at every p of the
box v·p + b ≥ (v − t)·p + Σ t_j bound_j + b, which by Hölder's inequality is not negative within the distance
((v − t)·z + Σ t_j bound_j + b) / ‖Fᵀ(v − t)‖_q of z, and positive nearer than that. From above, a move y is
evidence of itself; two moves, of a tie between where they lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints
from featgeom.certificates.claim import PROVED, Verdict, refuted, undecided
from featgeom.certificates.hulls import row_of
from featgeom.certificates.samples import SamplesInBox
from featgeom.decimals import no_less, no_more
from featgeom.exact.fields import floats, sparse, whole, word
from featgeom.exact.numbers import at_least, at_most, fraction, square

NAMES = {"1": "the L1 norm", "2": "the L2 norm", "inf": "the Linf norm"}

Vector = list[Fraction]


def _along(v: Vector, p: Vector) -> Fraction:
    return sum((a * b for a, b in zip(v, p, strict=True) if a and b), Fraction(0))


@dataclass(frozen=True, eq=False)
class _InNorm(SamplesInBox):
    """Distances of samples in a box, in the norm of an order and a factor; no factor is the identity."""

    order: str = word(*NAMES)
    factor: Float64 = floats("f", "d")

    def misfit(self) -> str:
        """The box has points, and a factor is square."""
        if len(self.factor) not in (0, self.weight.shape[1]):
            return "the factor of the norm is not square"
        return self.domain.misfit

    @cached_property
    def _columns(self) -> list[list[tuple[int, Fraction]]]:
        """The entries of each column of the factor that are not zero."""
        return [[(int(j), fraction(column[j])) for j in np.flatnonzero(column)] for column in self.factor.T]

    @property
    def norm(self) -> str:
        """What to call the norm in print."""
        return "the Mahalanobis norm stored" if len(self.factor) else NAMES[self.order]

    def _where(self, sample: int) -> str:
        return f"{self.whose(sample)}, in {self.where} and in {self.norm}"

    def _sample(self, sample: int) -> Vector:
        return [fraction(value) for value in self.features[sample]]

    def _kept(
        self, sample: int, lower: float, v: Vector, offset: Fraction, push: tuple[Ints, Float64]
    ) -> bool:
        """Whether v·p + offset is positive at all p of the box nearer than ``lower`` to the sample."""
        rest, height = list(v), offset
        for j, t in zip(*push, strict=True):
            side = self.lo[j] if t > 0 else self.hi[j]
            if np.isinf(side):
                return False
            rest[j] -= fraction(t)
            height += fraction(t) * fraction(side)
        total = height + _along(rest, self._sample(sample))
        if len(self.factor):
            rest = [sum((a * rest[j] for j, a in column), Fraction(0)) for column in self._columns]
        if not any(rest):
            return total > 0
        if total <= 0 or lower == np.inf:
            return False
        if self.order == "2":
            return at_least(total, lower, square(rest))
        sizes = [abs(a) for a in rest]
        return total >= fraction(lower) * (max(sizes) if self.order == "1" else sum(sizes, Fraction(0)))

    def _reached(self, sample: int, upper: float, move: Float64) -> tuple[Vector, str]:
        """The point z + F y to which a move y leads, and why it does not count, or nothing."""
        y = [fraction(value) for value in move]
        step = y
        if len(self.factor):
            step = [Fraction(0)] * len(y)
            for value, column in zip(y, self._columns, strict=True):
                for j, a in column:
                    step[j] += a * value
        p = [z + a for z, a in zip(self._sample(sample), step, strict=True)]
        low = any(np.isfinite(side) and x < fraction(side) for x, side in zip(p, self.lo, strict=True))
        high = any(np.isfinite(side) and x > fraction(side) for x, side in zip(p, self.hi, strict=True))
        if low or high:
            return p, "the move leaves the box"
        if self.order == "2":
            fine = at_most(square(y), upper)
        else:
            sizes = [abs(a) for a in y]
            fine = (sum(sizes, Fraction(0)) if self.order == "1" else max(sizes)) <= fraction(upper)
        return p, "" if fine else "the move is longer than stated"

    def _lead(self, p: Vector, own: int, k: int) -> Fraction:
        v, offset = self.head.combination(own, {k: Fraction(1)})
        return offset + _along(v, p)


@dataclass(frozen=True, eq=False)
class NearestInNorm(_InNorm):
    """No logit exceeds that of ``tied[i, 0]`` at any point of the box nearer than ``lower[i]`` to features_i,
    and at one that is no farther than ``upper[i]`` that of ``tied[i, 1]`` is no lower.

    ``move`` leads to that point. A row of ``push`` (r, d) keeps the class ``rival`` out of statement
    ``push_of``; where a rival has none, its hyperplane is far enough.
    """

    counted: ClassVar[str] = "n"

    tied: Ints = whole("n", 2, below="c")
    lower: Float64 = floats("n", low=0, infinite="+")
    upper: Float64 = floats("n", low=0, infinite="+")
    move: Float64 = floats("n", "d")
    push_of: Ints = whole("r", below="n")
    rival: Ints = whole("r", below="c")
    push: csr_array = sparse("r", "d")

    def statement(self, i: int) -> str:
        """The statement in words."""
        own, k = self.tied[i]
        return (
            f"{self._where(i)}: class {own} has the largest logit up to a distance of "
            f"{no_more(self.lower[i], 9)}, and class {k} one no lower within {no_less(self.upper[i], 9)}"
        )

    @cached_property
    def _rows(self) -> list[dict[int, int]]:
        rows: list[dict[int, int]] = [{} for _ in range(len(self))]
        for row, (i, k) in enumerate(zip(self.push_of, self.rival, strict=True)):
            rows[i][int(k)] = row
        return rows

    def decide(self, i: int) -> Verdict:
        """The move, then every rival."""
        own, k = (int(c) for c in self.tied[i])
        if own == k:
            return refuted("a class is no rival of itself")
        if self.upper[i] < np.inf:
            p, fault = self._reached(i, self.upper[i], self.move[i])
            if fault or self._lead(p, own, k) > 0:
                return refuted(fault or "the rival is behind where the move leads")
        leads = self.head.leads(self.features[i], own)
        if min(leads) < 0:
            return refuted(f"class {leads.index(min(leads))} beats class {own} at the sample itself")
        nothing = (np.zeros(0, np.int64), np.zeros(0))
        for c in range(len(self.weight)) if self.lower[i] > 0 else ():
            row = self._rows[i].get(c)
            push = nothing if row is None else row_of(self.push, row)
            lead = self.head.combination(own, {c: Fraction(1)})
            if c != own and not self._kept(i, self.lower[i], *lead, push):
                return undecided(f"class {c} is not kept out of that distance")
        return PROVED


@dataclass(frozen=True, eq=False)
class TieInNorm(_InNorm):
    """The two classes ``tied[i]`` tie, and no other exceeds them, at no point of the box nearer than
    ``lower[i]`` to the sample ``owner[i]``, and at one that is no farther than ``upper[i]``.

    Where ``ahead`` leads the first of the two is no lower than the second, where ``behind`` does no higher,
    and neither is lower than any other class: so they tie at a point between, as near as the farther of these
    two. At a tie Σ λ_k (l_first − l_k) is not negative, with the ``multipliers`` λ_k ≥ 0 of all classes but
    the second, whose sign is free: with ``push``, it is negative nearer than ``lower``.
    """

    counted: ClassVar[str] = "m"

    owner: Ints = whole("m", below="n")
    tied: Ints = whole("m", 2, below="c")
    lower: Float64 = floats("m", low=0, infinite="+")
    upper: Float64 = floats("m", low=0, infinite="+")
    ahead: Float64 = floats("m", "d")
    behind: Float64 = floats("m", "d")
    multipliers: csr_array = sparse("m", "c")
    push: csr_array = sparse("m", "d")

    def statement(self, i: int) -> str:
        """The statement in words."""
        own, k = self.tied[i]
        return (
            f"{self._where(int(self.owner[i]))}: classes {own} and {k} tie with no other above them nowhere "
            f"nearer than {no_more(self.lower[i], 9)}, and somewhere within {no_less(self.upper[i], 9)}"
        )

    def decide(self, i: int) -> Verdict:
        """Both moves, then the multipliers."""
        own, k = (int(c) for c in self.tied[i])
        sample, others = int(self.owner[i]), [c for c in range(len(self.weight)) if c not in self.tied[i]]
        if own == k:
            return refuted("a class does not tie with itself")
        for move, higher, lower in ((self.ahead[i], own, k), (self.behind[i], k, own)):
            if self.upper[i] == np.inf:
                break
            p, fault = self._reached(sample, self.upper[i], move)
            if fault or self._lead(p, higher, lower) < 0:
                return refuted(fault or f"class {lower} exceeds class {higher} where it should not")
            if any(self._lead(p, lower, c) < 0 for c in others):
                return refuted("another class exceeds both where a move leads")
        if self.lower[i] == 0:
            return PROVED
        classes, values = row_of(self.multipliers, i)
        if any(m < 0 and c != k for c, m in zip(classes, values, strict=True)):
            return refuted("a multiplier is negative")
        shares = {int(c): -fraction(m) for c, m in zip(classes, values, strict=True)}
        lead = self.head.combination(own, shares) if shares else ([Fraction(0)] * len(self.lo), Fraction(0))
        if not self._kept(sample, self.lower[i], *lead, row_of(self.push, i)):
            return undecided("the multipliers do not keep the tie that far")
        return PROVED
