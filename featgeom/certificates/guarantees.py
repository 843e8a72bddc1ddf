"""Claims about hulls and cells: the hull of features lies in the cell of one class, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted
from featgeom.exact.fields import floats, stored, whole
from featgeom.exact.heads import ExactHead, least_margins
from featgeom.exact.numbers import fraction


@dataclass(frozen=True, eq=False)
class _OfAHull(Claim):
    subjects: ClassVar = {"points": ("points",), "head": ("weight", "bias")}

    points: Floats = stored("n", "d", some=True)
    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    own: int = whole(below="c")

    def _whose(self) -> str:
        return self.called("points", f"{len(self.points):,} features")


@dataclass(frozen=True, eq=False)
class GuaranteedHull(_OfAHull):
    """At every point of the hull of ``points`` the logit of ``own`` exceeds any other by ``margin`` > 0.

    And the hull scaled by ``inflation`` about ``centre`` stays in the cell (all of feature space, if inf).
    Margins are affine, so their minimum over the hull is at a vertex: the evidence is the points.
    """

    margin: float = floats(low=0)
    centre: Float64 = floats("d")
    inflation: float = floats(low=0, infinite="+")

    def statement(self, i: int) -> str:
        """The statement in words."""
        return (
            f"every point of the hull of {self._whose()} has class {self.own} with a margin of at least "
            f"{self.margin:.6g} logits, by the head in exact arithmetic, and stays in its cell if scaled by "
            f"{self.inflation:.6g} about its centre; nothing is said of which features images can reach"
        )

    def misfit(self) -> str:
        """A margin is positive."""
        return "" if self.margin > 0 else "there is no margin"

    def decide(self, i: int) -> Verdict:
        """The least margins over all points, and those of the centre."""
        least = least_margins(self.points, self.weight, self.bias, self.own)
        middle = ExactHead(self.weight, self.bias).leads(self.centre, self.own)
        for k in np.flatnonzero(np.arange(len(least)) != self.own):
            if least[k] < fraction(self.margin):
                return refuted(f"the margin over class {k} is {float(least[k]):.6g} at some point")
            if self.inflation == np.inf:
                stays = least[k] >= middle[k] >= 0
            else:
                stays = min(middle[k], middle[k] + fraction(self.inflation) * (least[k] - middle[k])) >= 0
            if not stays:
                return refuted(f"scaled by that factor, the hull meets the cell of class {k}")
        return PROVED


@dataclass(frozen=True, eq=False)
class BrokenHull(_OfAHull):
    """Each of the points ``breakers`` has a logit for its class of ``rivals`` no less than that for ``own``.

    So the hull of ``points`` is not strictly inside the cell of ``own``.
    """

    counted: ClassVar[str] = "m"

    breakers: Ints = whole("m", below="n", rising=True)
    rivals: Ints = whole("m", below="c")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        return (
            f"number {self.breakers[i]} of {self._whose()} does not lie strictly inside the cell of class "
            f"{self.own}: class {self.rivals[i]} has as large a logit"
        )

    def decide(self, i: int) -> Verdict:
        """The margin of a point over its rival, exactly."""
        k = int(self.rivals[i])
        if k == self.own:
            return refuted("a class is no rival of itself")
        lead = ExactHead(self.weight[[self.own, k]], self.bias[[self.own, k]]).leads(
            self.points[self.breakers[i]], 0
        )
        return proved_if(lead[1] <= 0, "its own class has the larger logit")
