"""Hulls in a cell: the hull of features lies in the cell of one class, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact import rationals
from featgeom.exact.affine import exact_margins, least_margins
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.status import Status

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GuaranteedHullClaim(Claim):
    """At every point of the hull of ``points`` the logit of ``own`` exceeds any other by ``margin`` > 0.

    And the hull scaled by ``inflation`` about ``centre`` stays in the cell (all of feature space, if inf).
    Margins are affine, so their minimum over the hull is at a vertex: the evidence is the points.
    """

    kind: ClassVar[str] = "guaranteed-hull"
    subjects: ClassVar[tuple[str, ...]] = ("points", "weight", "bias")

    points: NDArray[np.floating[Any]]
    weight: Float64
    bias: Float64
    own: int
    margin: float
    centre: Float64
    inflation: float

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The statement in words."""
        return (
            f"every point of the hull of these {len(self.points)} features has class {self.own} with a "
            f"margin of at least {self.margin:.6g} logits, and stays in its cell if scaled by "
            f"{self.inflation:.6g} about its centre; nothing is said of which features images can reach"
        )

    def check(self) -> Verdicts:
        """Decide it."""
        return Verdicts.collect([self._check()])

    def _check(self) -> tuple[Status, str]:
        misfit = _misfit(self.points, self.weight, self.bias, self.own)
        if misfit or not is_array_of(self.centre, (self.weight.shape[1],)):
            return Status.REFUTED, misfit or "the centre is not a point of feature space"
        if not 0 < self.margin < np.inf or not self.inflation >= 0:
            return Status.REFUTED, "a margin must be positive and finite, an inflation not negative"
        least = least_margins(self.points, self.weight, self.bias, self.own)
        for k, value in enumerate(least):
            if k != self.own and value < Fraction(self.margin):
                return Status.REFUTED, f"the margin over class {k} is {float(value):.6g} at some point"
        rivals = np.array([k for k in range(len(self.weight)) if k != self.own])
        centres = np.broadcast_to(self.centre, (len(rivals), len(self.centre)))
        middle = exact_margins(centres, self.weight, self.bias, np.full(len(rivals), self.own), rivals)
        for k, m in zip(rivals, middle, strict=True):
            if m < 0 or not self._inflates(m, least[k]):
                return Status.REFUTED, f"scaled by that factor, the hull meets the cell of class {k}"
        return Status.PROVED, ""

    def _inflates(self, middle: Fraction, least: Fraction) -> bool:
        if np.isinf(self.inflation):
            return least >= middle
        factor = rationals.fraction(self.inflation)
        return middle + factor * (least - middle) >= 0


@dataclass(frozen=True, eq=False)
class BrokenHullClaim(Claim):
    """Each of the points ``breakers`` has a logit for its class of ``rivals`` no less than that for ``own``.

    So the hull of ``points`` is not strictly inside the cell of ``own``.
    """

    kind: ClassVar[str] = "broken-hull"
    subjects: ClassVar[tuple[str, ...]] = ("points", "weight", "bias")

    points: NDArray[np.floating[Any]]
    weight: Float64
    bias: Float64
    own: int
    breakers: NDArray[np.integer[Any]]
    rivals: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.breakers)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        return (
            f"feature {self.breakers[i]} does not lie strictly inside the cell of class {self.own}: "
            f"class {self.rivals[i]} has as large a logit"
        )

    def check(self) -> Verdicts:
        """Decide every breaker."""
        n = len(self)
        misfit = _misfit(self.points, self.weight, self.bias, self.own)
        for values, limit in ((self.breakers, len(self.points)), (self.rivals, len(self.weight))):
            if not is_index_of(values, (n,), limit):
                misfit = misfit or "breakers and rivals are not indices"
        if not misfit and (self.rivals == self.own).any():
            misfit = "a class is no rival of itself"
        if misfit:
            return refuted(n, misfit)
        margins = exact_margins(
            self.points[self.breakers], self.weight, self.bias, np.full(n, self.own), self.rivals
        )
        return Verdicts.collect(
            [
                (Status.PROVED, "") if m <= 0 else (Status.REFUTED, "its own class has the larger logit")
                for m in margins
            ]
        )


def _misfit(points: object, weight: object, bias: object, own: object) -> str:
    if not isinstance(weight, np.ndarray) or not is_array_of(weight, (None, None)):
        return "the weight is not a matrix"
    classes, d = weight.shape
    if not is_array_of(points, (None, d)) or not is_array_of(bias, (classes,)):
        return "points, weight and bias do not fit together"
    if isinstance(points, np.ndarray) and len(points) == 0:
        return "there are no points"
    if isinstance(own, bool) or not isinstance(own, int | np.integer) or not 0 <= own < classes:
        return "the class is out of range"
    return ""
