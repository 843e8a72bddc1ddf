"""Claims about hulls and cells: the hull of features lies in the cell of one class, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted
from featgeom.decimals import no_more
from featgeom.exact.fields import floats, stored, whole
from featgeom.exact.heads import ExactHead, least_margin_bounds, least_margins
from featgeom.exact.numbers import fraction
from featgeom.exact.rounding import TINY, UNIT, U, gamma, lengths_above


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
            f"{no_more(self.margin, 6)} logits, by the head in exact arithmetic, and stays in its cell if "
            f"scaled by {no_more(self.inflation, 6)} about its centre; nothing is said of which features "
            "images can reach"
        )

    def misfit(self) -> str:
        """A margin is positive."""
        return "" if self.margin > 0 else "there is no margin"

    def decide(self, i: int) -> Verdict:
        """The margins of points and centre; exactly, where a screen leaves them open."""
        rivals = np.flatnonzero(self._open())
        rows = [self.own, *rivals]
        middles = ExactHead(self.weight[rows], self.bias[rows]).leads(self.centre, 0)[1:]
        leasts = least_margins(self.points, self.weight, self.bias, self.own, rivals)
        for k, least, middle in zip(rivals, leasts, middles, strict=True):
            if least < fraction(self.margin):
                return refuted(f"the margin over class {k} is {float(least):.6g} at some point")
            if self.inflation == np.inf:
                stays = least >= middle >= 0
            else:
                stays = min(middle, middle + fraction(self.inflation) * (least - middle)) >= 0
            if not stays:
                return refuted(f"scaled by that factor, the hull meets the cell of class {k}")
        return PROVED

    def _open(self) -> NDArray[np.bool_]:
        """The rivals (C,) for which float64 does not prove all that is claimed.

        With the least margin m and the centre's c inside their bounds, c + t (m − c) = t m + (1 − t) c is at
        least t m⁻ + (1 − t) c⁻ (c⁺ for t > 1): two products, a difference and a sum are rounded.
        """
        about, lengths = (self.weight, self.bias, self.own), lengths_above(self.weight)
        low, _ = least_margin_bounds(self.points, *about, lengths=lengths)
        centre_low, centre_high = least_margin_bounds(self.centre[None], *about, lengths=lengths)
        t = self.inflation
        with np.errstate(over="ignore", invalid="ignore"):
            if t == np.inf:
                stays = low >= centre_high
            else:
                hull, centre = t * low, (1 - t) * (centre_low if t <= 1 else centre_high)
                stays = hull + centre > 8 * UNIT * (np.abs(hull) + np.abs(centre)) + TINY
            is_open = ~((low >= self.margin) & (centre_low >= 0) & stays)
        is_open[self.own] = False
        return is_open


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

    def screened(self) -> NDArray[np.bool_]:
        """The points at which float64 proves that another class has the larger logit.

        A logit is off by `product_error`, and by u of its size for the bias.
        """
        z = self.points[self.breakers].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            lead, doubt = np.zeros(len(z)), np.zeros(len(z))
            for sign, k in ((1.0, np.full(len(z), self.own)), (-1.0, self.rivals)):
                w, b = self.weight[k], self.bias[k]
                logit = np.einsum("ij,ij->i", z, w) + b
                size = gamma(z.shape[1] + 1, np.float64) * lengths_above(z) * lengths_above(w)
                doubt += size + z.shape[1] * TINY + U * np.abs(logit)
                lead += sign * logit
            return np.asarray(lead < -1.001 * (doubt + U * np.abs(lead)) - TINY)

    def decide(self, i: int) -> Verdict:
        """The margin of a point over its rival, exactly."""
        k = int(self.rivals[i])
        if k == self.own:
            return refuted("a class is no rival of itself")
        lead = ExactHead(self.weight[[self.own, k]], self.bias[[self.own, k]]).leads(
            self.points[self.breakers[i]], 0
        )
        return proved_if(lead[1] <= 0, "its own class has the larger logit")
