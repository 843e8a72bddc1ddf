"""Claims about maximum-margin machines: how good the best one is, and that there is none.

For K > 2 classes a machine has one row a class; the margin of sample i to the rival class k is (w_y −
w_k)·x_i + b_y − b_k. For two it has one row; the margin is w·x_i + b for class 1, the negative for class 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Claim, Verdict, proved_if, refuted, undecided
from featgeom.decimals import between, exactly
from featgeom.exact.fields import floats, stored, whole, word
from featgeom.exact.heads import screened_margins
from featgeom.exact.numbers import dots, fraction, integers, norm2, scaled, shares_of_zero
from featgeom.exact.screens import lowest

BIASES = ("standard", "augmented", "none")


@dataclass(frozen=True, eq=False)
class Machine(Claim):
    """The least objective ½‖W‖² (+ ½‖b‖² if "augmented") + C Σ_i max_k (1 − margin_ik)₊ is in [lower, upper].

    ``upper`` is proved by ``weight`` (K, d) and ``bias`` (K,), one row for two classes, divided by their
    least margin where C = ∞; ``lower`` by the dual: whole ``multipliers`` (m, K) of the samples ``rows``
    (m,), whose combination of constraints the checker forms, balances against a free bias ("standard"), and
    scales as best it can. ``y`` numbers the classes of the samples from 0.
    """

    subjects: ClassVar = {"samples": ("x", "y")}

    x: Floats = stored("n", "d")
    y: Ints = whole("n")
    weight: Float64 = floats("k", "d")
    bias: Float64 = floats("k")
    rows: Ints = whole("m", below="n", rising=True)
    multipliers: Ints = whole("m", "k")
    c: float = floats(low=0, infinite="+")
    freedom: str = word(*BIASES)
    lower: float = floats(low=0)
    upper: float = floats(low=0, infinite="+")

    def statement(self, i: int) -> str:
        """The bounds in words."""
        kind = "hard-margin" if np.isinf(self.c) else f"C = {exactly(self.c)}"
        return (
            f"the least objective of the {kind} machine with {self.freedom} bias over "
            f"{self.called('samples', f'{len(self.x):,} samples')} lies "
            f"{between(self.lower, self.upper, 12)}"
        )

    def misfit(self) -> str:
        """Labels are classes of the machine."""
        # With a row more it is another problem: as two rows of three, two classes halve the objective.
        classes = max(2, int(self.y.max(initial=0)) + 1)
        if len(self.x) == 0 or len(self.weight) != (1 if classes == 2 else classes):
            return "there are no samples, or not one row a class"
        return "" if self.lower <= self.upper else "the bounds are the wrong way round"

    @property
    def _weight(self) -> Float64:
        """One row a class; class 0 of two has the row 0."""
        return np.vstack([0 * self.weight, self.weight]) if len(self.weight) == 1 else self.weight

    @property
    def _bias(self) -> Float64:
        return np.append(0.0, self.bias) if len(self.bias) == 1 else self.bias

    def decide(self, i: int) -> Verdict:
        """Both bounds, in exact arithmetic."""
        reason = self._upper_fails() or self._lower_fails()
        return proved_if(not reason, reason)

    def _upper_fails(self) -> str:
        if self.upper == np.inf:
            return ""
        if self.freedom == "none" and self.bias.any():
            return "a bias where there is to be none"
        size = sum((norm2(row) for row in self.weight), Fraction(0))
        size += norm2(self.bias) if self.freedom == "augmented" else 0
        upper = fraction(self.upper)
        if self.c == np.inf:
            least = self._least_margin()
            fine = least > 0 and size <= 2 * upper * least * least
        else:
            fine = size / 2 + fraction(self.c) * self._total_slack() <= upper
        return "" if fine else f"the machine does not reach {self.upper:.12g}"

    def _least_margin(self) -> Fraction:
        """The exact least margin over all samples and rivals."""
        weight, bias, found = self._weight, self._bias, []
        for own in np.unique(self.y).tolist():
            points = self.x[self.y == own].astype(np.float64)
            rivals = np.delete(np.arange(len(weight)), own)
            # w_y − w_k may not be a float, so x·w_y and −x·w_k are added as one product of doubled length.
            directions = np.hstack([np.repeat(weight[own][None], len(rivals), axis=0), -weight[rivals]])
            least = lowest(np.hstack([points, points]), directions)
            found += [a + fraction(bias[own]) - fraction(bias[k]) for a, k in zip(least, rivals, strict=True)]
        return min(found)

    def _total_slack(self) -> Fraction:
        """Σ_i max_k (1 − margin_ik)₊, exactly; constraints that float64 proves to hold are passed over."""
        weight, bias = self._weight, self._bias
        margins, error = screened_margins(self.x, weight, bias, self.y)
        open_ = ~(margins - error >= 1)
        open_[np.arange(len(self.y)), self.y] = False
        sample, rival = np.nonzero(open_)
        x, own = self.x[sample].astype(np.float64), self.y[sample]
        worst: dict[int, Fraction] = {}
        values = dots(np.hstack([x, x]), np.hstack([weight[own], -weight[rival]]))
        for i, c, k, value in zip(sample.tolist(), own, rival, values, strict=True):
            slack = 1 - value - fraction(bias[c]) + fraction(bias[k])
            worst[i] = max(worst.get(i, Fraction(0)), slack)
        return sum(worst.values(), Fraction(0))

    def _lower_fails(self) -> str:
        if self.lower == 0:
            return ""
        held, labels = self.multipliers.astype(object), self.y[self.rows]
        at = np.arange(len(labels))
        if len(self.weight) == 1:  # what a sample holds, it holds against the other class
            whole = np.zeros((len(labels), 2), dtype=object)
            whole[at, 1 - labels] = held[:, 0]
        else:
            whole = held
        if whole[at, labels].any():
            return "a sample holds a multiplier against its own class"
        each = whole.sum(axis=1)
        total = int(each.sum())
        if total == 0:
            return "no multiplier at all"
        signed = -whole
        signed[at, labels] = each
        signed = signed[:, -len(self.weight) :]
        balance = signed.sum(axis=0)
        if self.freedom == "standard" and balance.any():
            return "the multipliers do not balance"
        points, exponent = integers(self.x[self.rows].astype(np.float64))
        square = scaled(int((np.dot(signed.T, points) ** 2).sum()), 2 * exponent)
        square += sum(int(value) ** 2 for value in balance) if self.freedom == "augmented" else 0
        if self.c == np.inf:
            fine = 2 * fraction(self.lower) * square <= total * total
        else:
            limit = fraction(self.c) / int(each.max())
            factor = min(limit, total / square) if square else limit
            fine = fraction(self.lower) <= factor * total - factor * factor * square / 2
        return "" if fine else f"the multipliers do not prove {self.lower:.12g}"


@dataclass(frozen=True, eq=False)
class Inseparable(Claim):
    """No affine machine gives all samples a positive margin to all rivals.

    The constraints of the samples ``sample`` against the classes ``rival`` (both (k,)) combine to zero with
    non-negative weights, which the checker finds: they are unique.
    """

    subjects: ClassVar = {"samples": ("x", "y")}

    x: Floats = stored("n", "d")
    y: Ints = whole("n")
    sample: Ints = whole("k", below="n")
    rival: Ints = whole("k")
    classes: int = whole(low=2)
    freedom: str = word(*BIASES)

    def statement(self, i: int) -> str:
        """The statement in words."""
        through = " through the origin" if self.freedom == "none" else ""
        return (
            f"no machine{through} separates {self.called('samples', f'{len(self.x):,} samples')} of "
            f"{self.classes} classes: {len(self.sample)} of its constraints contradict each other"
        )

    def decide(self, i: int) -> Verdict:
        """The weights of the contradiction, solved for exactly."""
        labels = self.y[self.sample]
        if len(labels) == 0:
            return undecided("no contradiction is given")
        if max(labels.max(), self.rival.max()) >= self.classes or (labels == self.rival).any():
            return refuted("a constraint of no class, or of a class against itself")
        points = self.x[self.sample].astype(np.float64)
        if self.freedom != "none":
            points = np.hstack([points, np.ones((len(points), 1))])
        # The blocks of a row, one a class, sum to zero over the classes, so class 0 can be left out.
        rows = np.zeros((len(points), self.classes, points.shape[1]))
        rows[np.arange(len(points)), labels] = points
        rows[np.arange(len(points)), self.rival] = -points
        flat = rows[:, 1:].reshape(len(points), -1)
        shares = shares_of_zero(flat, 0 * flat)
        fine = shares is not None and min(shares) >= 0
        return proved_if(fine, "the constraints do not contradict each other")
