"""Claims about how few features must change before another class is as high."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.certificates.claim import Verdict, proved_if, refuted
from featgeom.certificates.samples import SamplesInBox
from featgeom.exact.fields import floats, whole
from featgeom.exact.numbers import fraction


@dataclass(frozen=True, eq=False)
class FewestFeatures(SamplesInBox):
    """At no point of the box that differs from features_i in fewer than ``lower[i]`` coordinates is any logit
    as high as that of ``tied[i, 0]``, and at one that differs in ``upper[i]`` that of ``tied[i, 1]`` is.

    ``move`` leads to that point; an ``upper`` of d + 1 claims none. A coordinate j takes at most
    |v_j| times its room from the margin over a rival, v the difference of their rows; so fewer than ``lower``
    take at most the sum of as many of the largest.
    """

    counted: ClassVar[str] = "n"

    tied: Ints = whole("n", 2, below="c")
    lower: Ints = whole("n")
    upper: Ints = whole("n")
    move: Float64 = floats("n", "d")

    def statement(self, i: int) -> str:
        """The statement in words."""
        own, k = self.tied[i]
        shown = f"; with {self.upper[i]} class {k} is" if self.upper[i] <= self.weight.shape[1] else ""
        return (
            f"{self.whose(i)}, in {self.where}: with fewer than {self.lower[i]} features changed none is as "
            f"high as class {own}{shown}"
        )

    def decide(self, i: int) -> Verdict:
        """The move, then every rival."""
        own, k = (int(c) for c in self.tied[i])
        if own == k:
            return refuted("a class is no rival of itself")
        z = [fraction(value) for value in self.features[i]]
        if self.upper[i] <= len(z):
            p = [a + fraction(step) for a, step in zip(z, self.move[i], strict=True)]
            low = any(np.isfinite(side) and x < fraction(side) for x, side in zip(p, self.lo, strict=True))
            high = any(np.isfinite(side) and x > fraction(side) for x, side in zip(p, self.hi, strict=True))
            if low or high:
                return refuted("the move leaves the box")
            if np.count_nonzero(self.move[i]) > self.upper[i]:
                return refuted("the move changes more features than stated")
            v, offset = self.head.combination(own, {k: Fraction(1)})
            if sum((a * x for a, x in zip(v, p, strict=True)), offset) > 0:
                return refuted("the rival is behind where the move leads")
        others = (c for c in range(len(self.weight)) if c != own and self.lower[i] > 0)
        return proved_if(all(self._far(z, own, c, int(self.lower[i]) - 1) for c in others), "fewer may do")

    def _far(self, z: list[Fraction], own: int, k: int, count: int) -> bool:
        """Whether no ``count`` coordinates take all of the margin over class ``k``."""
        v, offset = self.head.combination(own, {k: Fraction(1)})
        gains = []
        for a, x, low, high in zip(v, z, self.lo, self.hi, strict=True):
            side = low if a > 0 else high
            if a and np.isinf(side) and count:
                return False
            gains.append(max(a * (x - fraction(side)), Fraction(0)) if a and count else Fraction(0))
        taken = sum(sorted(gains, reverse=True)[:count], Fraction(0))
        return sum((a * x for a, x in zip(v, z, strict=True)), offset) > taken
