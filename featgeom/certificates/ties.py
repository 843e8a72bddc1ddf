"""Claims about the closest points at which classes tie and no other beats them.

Such a point is given by the classes that are active there and the coordinates that are at a bound of the box:
the closest point to z at which these hold is the solution of a linear system, found and examined in
rationals. That none is nearer is shown by multipliers, by weak duality.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints
from featgeom.certificates.claim import PROVED, Verdict, proved_if, refuted, undecided
from featgeom.certificates.hulls import row_of
from featgeom.certificates.samples import SamplesInBox
from featgeom.decimals import between
from featgeom.exact.fields import floats, sparse, whole
from featgeom.exact.heads import gaps_above, row_blocks, screened_margins
from featgeom.exact.numbers import Integers, any_solution, at_least, at_most, fraction, integers, scaled
from featgeom.exact.rounding import U, lengths_above


@dataclass(frozen=True, eq=False)
class _ClosestTies(SamplesInBox):
    """Ties of the classes ``tied`` nearest to the sample ``owner``, and their two kinds of proof."""

    counted: ClassVar[str] = "m"

    owner: Ints = whole("m", below="n")
    tied: Ints = whole("m", "k", below="c")
    active: csr_array = sparse("m", "c")
    fixed: csr_array = sparse("m", "d")
    lower: Float64 = floats("m", low=0)
    upper: Float64 = floats("m", low=0, infinite="+")

    def misfit(self) -> str:
        """The box has points, and a tie is of two classes or more."""
        return self.domain.misfit or ("" if self.tied.shape[1] > 1 else "one class does not tie")

    def _within(self, i: int) -> Verdict:
        """Whether there is such a tie within ``upper``: the one that the active classes and bounds determine.

        With the fixed coordinates at their bounds, let q be the sample. The closest point at which the active
        classes tie is q − Nᵀ (N Nᵀ)⁻¹ r, where the rows of N are the differences of their weights in the
        other coordinates, and r those of their logits at q. In integers, p = P · 2^low / share.
        """
        own, tied, head = int(self.tied[i, 0]), self.tied[i].tolist(), self.head
        rest = [k for k in dict.fromkeys([*tied, *row_of(self.active, i)[0].tolist()]) if k != own]
        if len(set(tied)) < len(tied):
            return refuted("a class does not tie with itself")
        at, side = row_of(self.fixed, i)
        z = self.features[self.owner[i]].astype(np.float64)
        q = z.copy()
        q[at] = np.where(side > 0, self.hi[at], self.lo[at])
        if not np.isfinite(q).all():
            return refuted("a coordinate is fixed where there is no bound")
        (start, begin, lo, hi), exponent = integers(np.stack([z, q, *self._sides]))
        low, free = min(exponent, 0), np.setdiff1d(np.arange(len(z)), at)
        start, begin, lo, hi = (x << (exponent - low) for x in (start, begin, lo, hi))
        normals = head.weight[own] - head.weight[rest]
        apart = np.dot(normals, begin) + ((head.bias[own] - head.bias[rest]) << -low)
        across = normals[:, free]
        found = any_solution(np.dot(across, across.T), apart)
        if found is None:
            return undecided("the active classes tie nowhere on these bounds")
        share = lcm(*(x.denominator for x in found))
        p = begin * share
        p[free] -= np.dot(np.array([int(x * share) for x in found], dtype=object), across)
        below, above = (p < lo * share) & np.isfinite(self.lo), (p > hi * share) & np.isfinite(self.hi)
        if below.any() or above.any():
            return refuted("the point lies outside the domain")
        for k in self._near(p, share, low, own):
            lead = np.dot(head.weight[own] - head.weight[k], p) + (head.bias[own] - head.bias[k]) * (
                share << -low
            )
            if lead < 0:  # the tied ones tie, by the equations
                return refuted(f"class {k} beats the tie")
        far2 = scaled(int(((p - start * share) ** 2).sum()), 2 * low) / share**2
        return proved_if(at_most(far2, self.upper[i]), "the tie is farther away than stated")

    def _near(self, p: Integers, share: int, low: int, own: int) -> Ints:
        """The classes that float64 cannot tell to be below ``own`` at p; rounding p moves a margin by u ‖p‖
        ‖w‖."""
        try:
            point = np.array([[int(value) / (share << -low) for value in p]])
        except OverflowError:
            return np.arange(len(self.weight))
        margins, error = screened_margins(point, self.weight, self.bias, np.array([own]))
        moved = U * lengths_above(point) * (self._lengths + self._lengths[own])
        return np.flatnonzero(~(margins[0] > 1.001 * (error[0] + moved)))

    @cached_property
    def _lengths(self) -> Float64:
        return lengths_above(self.weight)

    @cached_property
    def _sides(self) -> list[Float64]:
        """The bounds of the box, 0 where there are none."""
        return [np.where(np.isfinite(side), side, 0.0) for side in (self.lo, self.hi)]

    def _none_nearer(self, i: int, tied: list[int], row: tuple[Ints, Float64]) -> bool:
        """Whether these multipliers prove that every tie of ``tied`` is at least ``lower`` away, by weak
        duality.

        Let a = Σ λ_k (w_r − w_k) and c = Σ λ_k (b_r − b_k), with λ_k ≥ 0 for all k that need not tie. At a
        tie z + δ the sum a·(z + δ) + c is not negative, so half its squared distance is at least min over the
        box of Σ (½ δ_j² − a_j δ_j) − a·z − c: coordinate by coordinate, a_j brought into the box. No
        multiplier at all leaves the distance of the box.
        """
        classes, values = row
        if any(m < 0 and int(k) not in tied for k, m in zip(classes, values, strict=True)):
            return False
        factors, power = integers(values)
        head, own = self.head, tied[0]
        a = np.dot(factors, head.weight[own] - head.weight[classes])
        c = np.dot(factors, head.bias[own] - head.bias[classes])
        z = self.features[self.owner[i]].astype(np.float64)
        (z, lo, hi), exponent = integers(np.stack([z, *self._sides]))
        e = min(power + head.exponent, exponent)
        a, c = a << (power + head.exponent - e), c << (power + head.exponent - e)
        z, lo, hi = (x << (exponent - e) for x in (z, lo, hi))
        move = np.where(np.isfinite(self.lo), np.maximum(a, lo - z), a)
        move = np.where(np.isfinite(self.hi), np.minimum(move, hi - z), move)
        twice = scaled(int((move * (move - 2 * a) - 2 * a * z).sum()), 2 * e) - 2 * scaled(int(c), e)
        return fraction(self.lower[i]) ** 2 <= twice


@dataclass(frozen=True, eq=False)
class Tie(_ClosestTies):
    """The closest point of the box to its sample at which the classes ``tied[i]`` tie and no other beats them
    is between ``lower[i]`` and ``upper[i]`` away.

    The sample is row ``owner[i]`` of ``features``. At the point that shows the upper bound the classes
    ``active`` tie as well, and the coordinates ``fixed`` are at their lower (−1) or upper (1) bound.
    ``multipliers`` (m, C) belong to l_r − l_k with r = tied[i, 0]. A lower of 0 and an upper of inf claim
    nothing.
    """

    multipliers: csr_array = sparse("m", "c")

    def statement(self, i: int) -> str:
        """The statement in words."""
        names, whose = ", ".join(str(int(k)) for k in self.tied[i]), self.whose(int(self.owner[i]))
        return (
            f"{whose}: the closest point of {self.where} at which the classes {names} tie and no "
            f"other beats them is {between(self.lower[i], self.upper[i], 9)} away"
        )

    def decide(self, i: int) -> Verdict:
        """The point, then the multipliers."""
        found = PROVED if self.upper[i] == np.inf else self._within(i)
        if found is not PROVED or self.lower[i] == 0:
            return found
        fine = self._none_nearer(i, self.tied[i].tolist(), row_of(self.multipliers, i))
        return proved_if(fine, "the multipliers do not prove the lower bound")


@dataclass(frozen=True, eq=False)
class NearestTie(_ClosestTies):
    """Class ``tied[i, 0]`` has the largest logit at the sample, and the closest point of the box at which it
    ties with any other class that no third beats is between ``lower[i]`` and ``upper[i]`` away; so far that
    of ``tied[i, 1]``.

    The upper bound is proved as in `Tie`. For the lower one every rival must be excluded: by the distance of
    its hyperplane, or by the multipliers of a row of ``rival_multipliers`` (r, C), which belongs to statement
    ``rival_of`` and class ``rival``.
    """

    rival_of: Ints = whole("r", below="m")
    rival: Ints = whole("r", below="c")
    rival_multipliers: csr_array = sparse("r", "c")

    def statement(self, i: int) -> str:
        """The statement in words."""
        whose = self.whose(int(self.owner[i]))
        return (
            f"at {whose} no logit exceeds that of class {int(self.tied[i, 0])}, whose closest tie "
            f"in {self.where} with any class is {between(self.lower[i], self.upper[i], 9)} away, so "
            f"far with class {int(self.tied[i, 1])}"
        )

    def misfit(self) -> str:
        """The box has points, and a nearest tie is of two classes."""
        return super().misfit() or ("" if self.tied.shape[1] == 2 else "a nearest tie is of two classes")

    @cached_property
    def _rows(self) -> list[dict[int, int]]:
        """The rows of multipliers of each statement, by rival."""
        rows: list[dict[int, int]] = [{} for _ in range(len(self))]
        for row, (i, k) in enumerate(zip(self.rival_of, self.rival, strict=True)):
            rows[i][int(k)] = row
        return rows

    @cached_property
    def _open(self) -> list[Ints]:
        """The rivals of each statement that float64 cannot tell to be behind, and their boundary far
        enough."""
        found: list[Ints] = []
        gaps = {int(c): gaps_above(self.weight, int(c)) for c in np.unique(self.tied[:, 0])}
        for block in row_blocks(len(self), max(self.weight.shape)):
            own = self.tied[block, 0]
            margins, error = screened_margins(self.features[self.owner[block]], self.weight, self.bias, own)
            with np.errstate(over="ignore", invalid="ignore"):
                need = np.nextafter(self.lower[block, None] * np.stack([gaps[int(c)] for c in own]), np.inf)
            far = margins - error > need
            far[np.arange(len(own)), own] = True
            found += [np.flatnonzero(~row) for row in far]
        return found

    def decide(self, i: int) -> Verdict:
        """The point, then every rival."""
        own = int(self.tied[i, 0])
        found = PROVED if self.upper[i] == np.inf else self._within(i)
        if found is not PROVED:
            return found
        for k in self._open[i].tolist():
            lead = self.head.lead(self.features[self.owner[i]], own, k)
            if lead < 0:
                return refuted(f"class {k} beats class {own} at the sample itself")
            gap2 = self.head.gap2(own, k)
            if self.lower[i] == 0 or (lead and at_least(lead, self.lower[i], gap2)):
                continue
            row = self._rows[i].get(k)
            if row is None or not self._none_nearer(i, [own, k], row_of(self.rival_multipliers, row)):
                return refuted(f"class {k} is not excluded")
        return PROVED
