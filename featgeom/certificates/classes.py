"""Claims about features under a head: their class, by how much, also in float32, and within which radius."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, refuted, undecided
from featgeom.certificates.hulls import row_of
from featgeom.decimals import no_more
from featgeom.exact.domains import ExactDomain
from featgeom.exact.fields import floats, sparse, stored, truths, whole
from featgeom.exact.float32 import float32_needs
from featgeom.exact.heads import ExactHead, gaps_above, row_blocks, screened_margins
from featgeom.exact.numbers import at_least, fraction, square
from featgeom.exact.rounding import lengths_above


@dataclass(frozen=True, eq=False)
class _OfFeatures(Claim):
    counted: ClassVar[str] = "n"

    points: Floats = stored("n", "d")
    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    own: Ints = whole("n", below="c")

    @cached_property
    def head(self) -> ExactHead:
        """The head in integers."""
        return ExactHead(self.weight, self.bias)

    def _of(self, i: int) -> str:
        return f"number {i} of {self.called('points', 'the features')}"


@dataclass(frozen=True, eq=False)
class ClassMargin(_OfFeatures):
    """The logit of class ``own`` exceeds every other at each point by ``margin`` or more, and no less than 0.

    Where ``float32``, every evaluation of the head in float32 that rounds to nearest, with the features, the
    weights and the bias first rounded to float32 and summed in any order, gives that class, too.
    """

    subjects: ClassVar = {"points": ("points",), "head": ("weight", "bias")}

    margin: Float64 = floats("n", low=0)
    float32: NDArray[np.bool_] = truths("n")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        also = ", also when evaluated in float32" if self.float32[i] else ""
        if self.margin[i] == 0:
            return f"at {self._of(i)} no logit exceeds that of class {self.own[i]}; one may be as large{also}"
        margin = no_more(self.margin[i], 6)
        return f"{self._of(i)} has class {self.own[i]} by a margin of at least {margin} logits{also}"

    def screened(self) -> NDArray[np.bool_]:
        """Margins beyond what is claimed and, where claimed, beyond what float32 can change."""
        proved, lengths = np.zeros(len(self), dtype=bool), lengths_above(self.weight)
        for block in row_blocks(len(self), max(self.weight.shape), self.points):
            points, own, rows = self.points[block], self.own[block], np.arange(len(self.own[block]))
            margins, error = screened_margins(points, self.weight, self.bias, own, lengths)
            lower = margins - error
            lower[rows, own] = np.inf
            needs = float32_needs(points, self.weight, self.bias, own)
            safe = (lower > needs).all(axis=1) | ~self.float32[block]
            proved[block] = (lower >= self.margin[block][:, None]).all(axis=1) & safe
        return proved

    def decide(self, i: int) -> Verdict:
        """The exact margins to all other classes."""
        own, points = int(self.own[i]), self.points[[i]]
        leads = self.head.leads(self.points[i], own)
        needs = float32_needs(points, self.weight, self.bias, self.own[[i]])[0]
        for k in np.flatnonzero(np.arange(len(leads)) != own):
            if leads[k] < fraction(self.margin[i]):
                return refuted(f"its margin over class {k} is {float(leads[k]):.6g}")
            if self.float32[i] and not leads[k] > needs[k]:
                return undecided(f"float32 may give class {k}")
        return PROVED


@dataclass(frozen=True, eq=False)
class ClassBall(_OfFeatures):
    """No logit at points_i exceeds that of its own class, nor at any z' of the box with ‖z' − points_i‖ <
    radius_i.

    Against a rival k this holds if the margin is at least radius · ‖v‖ for v = w_own − w_k. Where that is not
    so, the box must help. Let y differ from v only in coordinates j where v_j > y_j and lo_j is finite (take
    bound_j = lo_j), or v_j < y_j and hi_j is finite (bound_j = hi_j). The margin at z' of the box is then at
    least y·z' + height, with height = Σ (v_j − y_j) bound_j + b_own − b_k, so it is positive within the
    distance (y·z + height) / ‖y‖ of z. The evidence is one number τ > 0, the entry (i, k) of ``steps``:
    y_j = (z_j − bound_j)/τ where z_j − τ v_j leaves the box, 0 if τ = inf.
    """

    subjects: ClassVar = {"points": ("points",), "head": ("weight", "bias"), "domain": ("lo", "hi")}

    lo: Float64 = floats("d", infinite="-")
    hi: Float64 = floats("d", infinite="+")
    radius: Float64 = floats("n", low=0, infinite="+")
    steps: csr_array = sparse("n", "c", low=0, infinite="+")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        if self.radius[i] == 0:
            return f"at {self._of(i)} no logit exceeds that of class {self.own[i]}; one may be as large"
        where = self.called("domain", ExactDomain(self.lo, self.hi, self.points[:0]).name)
        return (
            f"at every point of {where} closer than {no_more(self.radius[i], 6)} to {self._of(i)} class "
            f"{self.own[i]} has the largest logit; nothing is said of images"
        )

    def misfit(self) -> str:
        """The box has points."""
        return ExactDomain(self.lo, self.hi, self.points[:0]).misfit

    def screened(self) -> NDArray[np.bool_]:
        """Margins that suffice in all of feature space."""
        proved, lengths = np.zeros(len(self), dtype=bool), lengths_above(self.weight)
        gaps = np.stack([gaps_above(self.weight, c) for c in range(len(self.weight))])
        for block in row_blocks(len(self), max(self.weight.shape), self.points):
            own = self.own[block]
            margins, error = screened_margins(self.points[block], self.weight, self.bias, own, lengths)
            with np.errstate(over="ignore", invalid="ignore"):
                need = np.nextafter(self.radius[block][:, None] * gaps[own], np.inf)
            fine = (margins - error >= need) & (margins - error > 0)  # NaN, of an infinite radius, is not
            fine[np.arange(len(own)), own] = True
            proved[block] = fine.all(axis=1)
        return proved

    def decide(self, i: int) -> Verdict:
        """Every rival, in rational arithmetic."""
        own, radius = int(self.own[i]), self.radius[i]
        leads = self.head.leads(self.points[i], own)
        if min(leads) < 0:
            return refuted(f"class {leads.index(min(leads))} beats class {own} at the feature itself")
        rivals, steps = row_of(self.steps, i)
        for k in np.flatnonzero(np.arange(len(leads)) != own):
            gap2 = self.head.gap2(own, int(k))
            far = gap2 == 0 and leads[k] > 0
            if radius == 0 or far or (radius < np.inf and at_least(leads[k], radius, gap2)):
                continue
            step = steps[rivals == k]
            if np.isinf(self.lo).all() and np.isinf(self.hi).all() and gap2:
                return refuted(f"class {k} is reached within that radius")
            if not len(step) or not step[0] > 0 or not self._out_of_reach(i, int(k), step[0]):
                return undecided(f"the evidence does not keep class {k} out of that radius")
        return PROVED

    def _out_of_reach(self, i: int, k: int, step: float) -> bool:
        """Whether the box keeps the boundary with class ``k`` out of the radius, by the step of the
        evidence."""
        v, height = self.head.combination(int(self.own[i]), {k: Fraction(1)})
        tau = None if step == np.inf else fraction(step)
        y: list[Fraction] = []
        for a, value, low, high in zip(v, self.points[i], self.lo, self.hi, strict=True):
            z = fraction(value)
            if tau is None:
                side = low if a > 0 else high if a < 0 else np.inf
            else:
                side = low if z - tau * a < low else high if z - tau * a > high else np.inf
            y.append(a if np.isinf(side) else (z - fraction(side)) / tau if tau else Fraction(0))
            height += 0 if np.isinf(side) else (a - y[-1]) * fraction(side)
        total = height + sum((a * fraction(z) for a, z in zip(y, self.points[i], strict=True)), Fraction(0))
        if not any(y):
            return total > 0
        return total > 0 and self.radius[i] < np.inf and at_least(total, self.radius[i], square(y))
