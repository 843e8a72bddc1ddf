"""Claims about one cell: the largest ball it holds, the rays that stay in it, and that it is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints
from featgeom.certificates.cells import WithBases
from featgeom.certificates.claim import PROVED, Claim, Verdict, refuted, undecided
from featgeom.certificates.farkas import completed
from featgeom.certificates.hulls import row_of
from featgeom.decimals import no_less, no_more
from featgeom.exact.domains import ExactDomain
from featgeom.exact.fields import floats, sparse, truths, whole
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import at_least, fraction, root_below


@dataclass(frozen=True, eq=False)
class InscribedBall(WithBases):
    """The cell of ``own`` holds a ball of ``radius`` about base i of the domain, and none beyond ``upper``.

    In a box the ball lies in the box as well; in a hull only its centre does. For the bound, non-negative
    ``multipliers`` μ, not all 0: with a = Σ μ_k (w_own − w_k), every such ball has r (Σ μ_k ‖w_own − w_k‖ +
    ‖a‖_1) ≤ sup over the domain of Σ μ_k (l_own − l_k) (without ‖a‖_1 in a hull). Nor does the ball reach
    beyond half the least side of a box. A radius of 0 says that the base is in the cell.
    """

    counted: ClassVar[str] = "m"

    bases: Any = floats("m", "d", mixed=("m", "v"))
    own: Ints = whole("m", below="c")
    radius: Float64 = floats("m", low=0)
    upper: Float64 = floats("m", low=0, infinite="+")
    multipliers: csr_array = sparse("m", "c", low=0)
    solved: csr_array = sparse("m", "c")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        bounds = f"at least {no_more(self.radius[i], 6)} and at most {no_less(self.upper[i], 6)}"
        if self.domain.is_hull:
            ball = (
                f"the largest ball with its centre in {self.where} in which class {self.own[i]} always wins"
            )
        else:
            ball = f"the largest ball in the cell of class {self.own[i]} in {self.where}"
        return f"{ball} has a radius of {bounds}"

    def decide(self, i: int) -> Verdict:
        """The ball within the box and the cell, then the bound."""
        own, fault = int(self.own[i]), self.base_fault(i)
        if fault:
            return refuted(fault)
        radius = fraction(self.radius[i])
        if not self.domain.is_hull:
            ends = ((fraction(z) - radius, fraction(z) + radius) for z in self.bases[i])
            box = zip(self.lo, self.hi, strict=True)
            if any(a < low or b > high for (a, b), (low, high) in zip(ends, box, strict=True)):
                return refuted("the ball leaves the box")
        logits = self.base_logits(i)
        for k in np.flatnonzero(np.arange(len(logits)) != own):
            if not at_least(logits[own] - logits[k], self.radius[i], self.head.gap2(own, int(k))):
                return refuted(f"the ball meets the cell of class {k}")
        return PROVED if self.upper[i] == np.inf else self._decide_upper(i, own)

    def _decide_upper(self, i: int, own: int) -> Verdict:
        upper, in_box = fraction(self.upper[i]), not self.domain.is_hull
        bounded = np.isfinite(self.lo) & np.isfinite(self.hi)
        sides = [
            fraction(h) - fraction(low) for low, h in zip(self.lo[bounded], self.hi[bounded], strict=True)
        ]
        if in_box and sides and min(sides) <= 2 * upper:
            return PROVED
        row, marks = row_of(self.multipliers, i), row_of(self.solved, i)[0]
        found = completed(self.head, self.domain, own, row, marks)
        if not found or min(found.values()) < 0:
            return undecided("the multipliers of the bound are negative, or not determined")
        slope, offset = self.head.combination(own, found)
        highest = self.domain.highest(slope, offset)
        size = sum((value * root_below(self.head.gap2(own, k)) for k, value in found.items()), Fraction(0))
        size += sum((abs(a) for a in slope), Fraction(0)) if in_box else 0
        if highest is None or size == 0 or highest > upper * size:
            return undecided("the multipliers do not give that upper bound")
        return PROVED


class _InABox(Claim):
    lo: Float64
    hi: Float64

    @property
    def _box(self) -> ExactDomain:
        return ExactDomain(self.lo, self.hi, np.zeros((0, len(self.lo))))

    def misfit(self) -> str:
        """The box has points."""
        return self._box.misfit

    @property
    def where(self) -> str:
        """What to call the domain in print."""
        return self.called("domain", self._box.name)


@dataclass(frozen=True, eq=False)
class CellRay(_InABox):
    """From base i of the box [lo, hi], the ray along ``rays[i]`` stays in the cell of ``own`` for ever.

    Where ``wide``, no boundary of the cell or the box accompanies it, so the cell holds balls of any size.
    """

    counted: ClassVar[str] = "m"
    subjects: ClassVar = {"head": ("weight", "bias"), "domain": ("lo", "hi")}

    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    lo: Float64 = floats("d", infinite="-")
    hi: Float64 = floats("d", infinite="+")
    bases: Float64 = floats("m", "d")
    own: Ints = whole("m", below="c")
    rays: Float64 = floats("m", "d")
    wide: NDArray[np.bool_] = truths("m")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        size = "and holds balls of any size" if self.wide[i] else "along one direction at least"
        return f"the cell of class {self.own[i]} in {self.where} has no end, {size}"

    def decide(self, i: int) -> Verdict:
        """The base, then how the ray runs to every side and every class."""
        own, ray, wide = int(self.own[i]), self.rays[i], bool(self.wide[i])
        below, above = np.isfinite(self.lo), np.isfinite(self.hi)
        if not ((self.bases[i] >= self.lo) & (self.bases[i] <= self.hi)).all():
            return refuted("the base is outside the domain")
        if not ray.any():
            return refuted("the ray has no direction")
        if (below & (ray < 0)).any() or (above & (ray > 0)).any():
            return refuted("the ray leaves the domain")
        if wide and ((below | above) & (ray == 0)).any():
            return refuted("the ray follows the boundary of the domain")
        starts = ExactHead(self.weight, self.bias).leads(self.bases[i], own)
        rises = ExactHead(self.weight, 0 * self.bias).leads(ray, own)
        for k, (start, rise) in enumerate(zip(starts, rises, strict=True)):
            if start < 0 or rise < 0:
                return refuted(f"the ray meets the cell of class {k}")
            if wide and rise == 0 and (self.weight[own] != self.weight[k]).any():
                return refuted(f"the ray follows the boundary with class {k}")
        return PROVED


@dataclass(frozen=True, eq=False)
class BoundedCell(_InABox):
    """The cell of ``own`` in the box [lo, hi] is bounded.

    Suppose it held a ray u, and its largest entry in magnitude were u_i. For any μ ≥ 0 the vector
    y = Σ μ_k (w_k − w_own) has y·u ≤ 0. The evidence is one row of ``multipliers`` for each sign that u_i
    may have (one row may serve all), in the order of the coordinates, + before −, with which y_i of that
    sign outweighs everything else in y that can be negative: a contradiction.
    """

    subjects: ClassVar = {"head": ("weight",), "domain": ("lo", "hi")}

    weight: Float64 = floats("c", "d")
    lo: Float64 = floats("d", infinite="-")
    hi: Float64 = floats("d", infinite="+")
    own: int = whole(below="c")
    multipliers: csr_array = sparse("r", "c", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return f"the cell of class {self.own} in {self.where} is bounded"

    def decide(self, i: int) -> Verdict:
        """Every direction in which the box is open."""
        signs, rows = self._box.open_signs, self.multipliers.shape[0]
        if signs and rows not in (1, len(signs)):
            return undecided("there is not one row for each open direction")
        head = ExactHead(self.weight, np.zeros(len(self.weight)))
        for number, (j, sign) in enumerate(signs):
            row = row_of(self.multipliers, 0 if rows == 1 else number)
            multipliers = {int(k): -fraction(value) for k, value in zip(*row, strict=True)}
            y = head.combination(self.own, multipliers)[0] if multipliers else [Fraction(0)] * len(self.lo)
            against = sum((self._against(k, value) for k, value in enumerate(y) if k != j), Fraction(0))
            if not sign * y[j] > against:
                return undecided("the multipliers leave a direction open")
        return PROVED

    def _against(self, j: int, value: Fraction) -> Fraction:
        """How much coordinate j can take off, where the ray's largest entry is 1."""
        up, down = np.isposinf(self.hi[j]), np.isneginf(self.lo[j])
        return max(Fraction(0), -value if up else Fraction(0), value if down else Fraction(0))
