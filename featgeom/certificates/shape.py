"""The shape of one cell: a point of it, the ball it holds, the directions in which it has no end."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.bases import bases_misfit, exact_base_logits
from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.certificates.grounds import GroundClaim
from featgeom.certificates.multipliers import multipliers_misfit
from featgeom.exact import rationals
from featgeom.exact.affine import difference_norm2
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.exact.ground import Ground
from featgeom.status import Status

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Verdict = tuple[Status, str]


@dataclass(frozen=True, eq=False)
class InscribedBallClaim(GroundClaim):
    """The cell of ``own`` holds a ball of ``radius`` about base i of the domain, and none beyond ``upper``.

    In a box the ball lies in the box as well; in a hull only its centre does. For the bound, non-negative
    ``multipliers`` μ: with a = Σ μ_k (w_own − w_k), every such ball has
    r (Σ μ_k ‖w_own − w_k‖ + ‖a‖_1) ≤ sup over the domain of Σ μ_k (l_own − l_k) (without ‖a‖_1 in a hull).
    Nor does the ball reach beyond half the least side of a box.
    A radius of zero says that the base is in the cell.
    """

    kind: ClassVar[str] = "inscribed-ball"

    bases: NDArray[np.floating[Any]] | csr_array
    own: Ints
    radius: Float64
    upper: Float64
    multipliers: csr_array
    solved: csr_array

    def __len__(self) -> int:
        return len(self.own)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        return (
            f"the largest ball in the cell of class {self.own[i]} in {self.ground.name} has a radius of at "
            f"least {self.radius[i]:.6g} and at most {self.upper[i]:.6g}"
        )

    def check(self) -> Verdicts:
        """Decide every ball."""
        n, classes = len(self.own), len(self.weight)
        misfit = self.ground.misfit or _own_misfit(self.own, n, classes)
        misfit = misfit or bases_misfit(self.ground, self.bases)
        if not misfit and self.bases.shape[0] != n:
            misfit = "there is not one base a ball"
        for values in (self.radius, self.upper):
            if not isinstance(values, np.ndarray) or values.shape != (n,) or not (values >= 0).all():
                misfit = misfit or "a radius is not a number, zero or more"
        misfit = misfit or multipliers_misfit(self.multipliers, self.solved, (n, classes))
        if misfit:
            return refuted(n, misfit)
        return Verdicts.collect([self._check_one(i) for i in range(n)])

    def _check_one(self, i: int) -> Verdict:
        c = int(self.own[i])
        if not np.isfinite(self.radius[i]):
            return Status.REFUTED, "no ball of the evidence is infinite"
        radius = rationals.fraction(self.radius[i])
        if not self.ground.is_hull and radius > 0:
            centre = self.bases[i]
            for side in (self.lo, self.hi):
                gaps = [
                    abs(rationals.fraction(v) - rationals.fraction(z))
                    for v, z in zip(side, centre, strict=True)
                    if np.isfinite(v)
                ]
                if gaps and min(gaps) < radius:
                    return Status.REFUTED, "the ball leaves the box"
        logits = exact_base_logits(self.ground, self.bases, i)
        for k, value in enumerate(logits):
            if k == c:
                continue
            need = radius * radius * difference_norm2(self.weight, c, k) if radius > 0 else Fraction(0)
            if not rationals.root_at_most(need, logits[c] - value):
                return Status.REFUTED, f"the ball meets the cell of class {k}"
        return (Status.PROVED, "") if np.isinf(self.upper[i]) else self._check_upper(i, c)

    def _check_upper(self, i: int, c: int) -> Verdict:
        upper = rationals.fraction(self.upper[i])
        sides = [
            rationals.fraction(high) - rationals.fraction(low)
            for low, high in zip(self.lo, self.hi, strict=True)
            if np.isfinite(low) and np.isfinite(high)
        ]
        if sides and not self.ground.is_hull and min(sides) <= 2 * upper:
            return Status.PROVED, ""
        row = self.multipliers[[i]].toarray()[0]
        found = self.ground.completed(c, row, self.solved[[i]].toarray()[0])
        if not found or row[c] != 0 or min(found.values()) < 0:
            return Status.UNDECIDED, "the multipliers of the bound are negative, or not determined"
        highest = self.ground.highest_exactly(c, found)
        if highest is None:
            return Status.UNDECIDED, "the bound is not finite"
        size = Fraction(0)
        for k, factor in found.items():
            size += factor * root_below(difference_norm2(self.weight, c, k))
        if not self.ground.is_hull:
            factors = [sum(found.values(), Fraction(0)), *(-f for f in found.values())]
            slope = rationals.combination(factors, self.weight[[c, *found]])
            size += sum((abs(a) for a in slope), Fraction(0))
        if highest <= upper * size:
            return Status.PROVED, ""
        return Status.UNDECIDED, "the multipliers do not give that upper bound"


@dataclass(frozen=True, eq=False)
class RayClaim(Claim):
    """From base i of the domain, the ray along ``rays[i]`` stays in the cell of ``own`` for ever.

    Where ``wide``, no boundary of the cell or the domain accompanies it, so the cell holds balls of any size.
    """

    kind: ClassVar[str] = "cell-ray"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias")

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    bases: NDArray[np.floating[Any]]
    own: Ints
    rays: Float64
    wide: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.own)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        size = "and holds balls of any size" if self.wide[i] else "along one direction at least"
        return f"the cell of class {self.own[i]} in {self._ground.name} has no end, {size}"

    @property
    def _ground(self) -> Ground:
        return Ground(self.weight, self.bias, self.lo, self.hi, np.zeros((0, self.weight.shape[1])))

    def check(self) -> Verdicts:
        """Decide every ray."""
        n, (classes, d) = len(self.own), self.weight.shape
        misfit = self._ground.misfit or _own_misfit(self.own, n, classes)
        misfit = misfit or bases_misfit(self._ground, self.bases)
        if not misfit and not (is_array_of(self.rays, (n, d)) and len(self.bases) == n):
            misfit = "there is not one base and one ray a cell"
        if not isinstance(self.wide, np.ndarray) or self.wide.shape != (n,) or self.wide.dtype != bool:
            misfit = misfit or "wide is not one truth value a ray"
        if misfit:
            return refuted(n, misfit)
        return Verdicts.collect([self._check_one(i) for i in range(n)])

    def _check_one(self, i: int) -> Verdict:
        c, ray, wide = int(self.own[i]), self.rays[i], bool(self.wide[i])
        below, above = np.isfinite(self.lo), np.isfinite(self.hi)
        if not ray.any():
            return Status.REFUTED, "the ray has no direction"
        if (below & (ray < 0)).any() or (above & (ray > 0)).any():
            return Status.REFUTED, "the ray leaves the domain"
        if wide and ((below | above) & (ray == 0)).any():
            return Status.REFUTED, "the ray follows the boundary of the domain"
        start = exact_base_logits(self._ground, self.bases, i)
        along = exact_base_logits(Ground(self.weight, 0 * self.bias, *_space(len(ray))), ray[None, :], 0)
        for k in range(len(self.weight)):
            rise = along[c] - along[k]
            if start[c] < start[k] or rise < 0:
                return Status.REFUTED, f"the ray meets the cell of class {k}"
            if wide and rise == 0 and (self.weight[c] != self.weight[k]).any():
                return Status.REFUTED, f"the ray follows the boundary with class {k}"
        return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class BoundedCellClaim(Claim):
    """The cell of ``own`` in the box [lo, hi] is bounded.

    Suppose it held a ray u, and its largest entry in magnitude were u_i. For any μ ≥ 0 the vector
    y = Σ μ_k (w_k − w_own) has y·u ≤ 0. The evidence is one row of ``multipliers`` for each sign that u_i
    may have (one row may serve all), in the order of the coordinates, + before −, with which y_i of that
    sign outweighs everything else in y that can be negative: a contradiction.
    """

    kind: ClassVar[str] = "bounded-cell"
    subjects: ClassVar[tuple[str, ...]] = ("weight",)

    weight: Float64
    lo: Float64
    hi: Float64
    own: int
    multipliers: csr_array

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The statement in words."""
        return f"the cell of class {self.own} in the domain is bounded"

    def check(self) -> Verdicts:
        """Decide it."""
        classes = len(self.weight)
        ground = Ground(self.weight, np.zeros(classes), self.lo, self.hi, np.zeros((0, self.weight.shape[1])))
        misfit = ground.misfit
        if isinstance(self.own, bool) or not isinstance(self.own, int | np.integer):
            misfit = misfit or "the class is not a number"
        elif not 0 <= self.own < classes:
            misfit = misfit or "the class is out of range"
        rows = self.multipliers.shape[0] if isinstance(self.multipliers, csr_array) else 0
        misfit = misfit or multipliers_misfit(self.multipliers, self.multipliers, (rows, classes))
        if misfit:
            return refuted(1, misfit)
        if (self.multipliers.data < 0).any():
            return Verdicts.collect([(Status.UNDECIDED, "a multiplier is negative")])
        return Verdicts.collect([self._check()])

    def _check(self) -> Verdict:
        signs = open_signs(self.lo, self.hi)
        rows = self.multipliers.toarray()
        if len(rows) not in (1, len(signs)) and signs:
            return Status.UNDECIDED, "there is not one row for each open direction"
        vectors = [self._vector(row) for row in rows]
        for number, (i, sign) in enumerate(signs):
            y = vectors[0] if len(vectors) == 1 else vectors[number]
            against = Fraction(0)
            for j, value in enumerate(y):
                if j != i and not (np.isfinite(self.lo[j]) and np.isfinite(self.hi[j])):
                    against += self._against(j, value)
            if not sign * y[i] > against:
                return Status.UNDECIDED, "the multipliers leave a direction open"
        return Status.PROVED, ""

    def _vector(self, row: Float64) -> list[Fraction]:
        used = np.flatnonzero(row)
        factors = [rationals.fraction(row[k]) for k in used]
        return rationals.combination(
            [-sum(factors, Fraction(0)), *factors], self.weight[[int(self.own), *used.tolist()]]
        )

    def _against(self, j: int, value: Fraction) -> Fraction:
        if np.isfinite(self.lo[j]):
            return max(Fraction(0), -value)
        return max(Fraction(0), value) if np.isfinite(self.hi[j]) else abs(value)


def open_signs(lo: Float64, hi: Float64) -> list[tuple[int, int]]:
    """The coordinates and signs in which a ray may go for ever in a box, in order."""
    result = []
    for i, (low, high) in enumerate(zip(lo, hi, strict=True)):
        if np.isposinf(high):
            result.append((i, 1))
        if np.isneginf(low):
            result.append((i, -1))
    return result


def root_below(square: Fraction) -> Fraction:
    """A rational number not above √square, and close to it.

    >>> root_below(Fraction(9, 4))
    Fraction(3, 2)
    """
    from math import isqrt

    shift = 1 << 128
    return Fraction(isqrt(square.numerator * shift * shift // square.denominator), shift)


def _own_misfit(own: object, n: int, classes: int) -> str:
    return "" if is_index_of(own, (n,), classes) else "own is not a list of classes"


def _space(d: int) -> tuple[Float64, Float64, Float64]:
    return np.full(d, -np.inf), np.full(d, np.inf), np.zeros((0, d))
