"""Claims about maximum-margin machines: how good one is, and that there is none.

A machine has one row a class; the margin of sample i to the rival class k is (w_y − w_k)·x_i + b_y − b_k.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of
from featgeom.exact.products import dots, integers
from featgeom.exact.rationals import barycentric, fraction, lowest, norm2, scaled
from featgeom.exact.rounding import gamma
from featgeom.status import Status

Array = NDArray[Any]
BIASES = ("standard", "augmented", "none")


@dataclass(frozen=True, eq=False)
class MachineClaim(Claim):
    """The least objective ½‖W‖² (+ ½‖b‖² if "augmented") + C Σ_i max_k (1 − margin_ik)₊ is in [lower, upper].

    ``upper`` is proved by ``weight`` (K, d) and ``bias`` (K,), divided by their least margin where C = ∞;
    ``lower`` by the dual: whole ``multipliers`` (m, K) of the samples ``rows`` (m,), whose combination of
    constraints the checker forms, balances against a free bias ("standard"), and scales as best it can.
    """

    kind: ClassVar[str] = "machine"
    subjects: ClassVar[tuple[str, ...]] = ("x", "y")

    x: Array
    y: Array
    weight: Array
    bias: Array
    rows: Array
    multipliers: Array
    c: float
    freedom: str
    lower: float
    upper: float

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The bounds in words."""
        kind = "hard-margin" if np.isinf(self.c) else f"C = {self.c:g}"
        return (
            f"the least objective of the {kind} machine with {self.freedom} bias over "
            f"{len(self.x):,} samples of {len(self.weight)} classes lies between "
            f"{self.lower:.12g} and {self.upper:.12g}"
        )

    def check(self) -> Verdicts:
        """Both bounds, in exact arithmetic."""
        reason = self._malformed() or self._upper_fails() or self._lower_fails()
        return Verdicts.collect([(Status.REFUTED if reason else Status.PROVED, reason)])

    def _malformed(self) -> str:
        n, d = self.x.shape if is_array_of(self.x, (None, None)) else (0, 0)
        k = len(self.weight) if isinstance(self.weight, np.ndarray) else 0
        if n == 0 or k < 2 or not is_array_of(self.weight, (k, d)) or not is_array_of(self.bias, (k,)):
            return "samples, weight and bias do not fit together"
        if not is_array_of(self.y, (n,)) or not _within(self.y, k):
            return "labels that are no class of the machine"
        m = len(self.rows) if isinstance(self.rows, np.ndarray) else 0
        if not is_array_of(self.rows, (m,)) or not _within(self.rows, n):
            return "multipliers of samples that are not there"
        if not is_array_of(self.multipliers, (m, k)) or self.multipliers.dtype.kind not in "iu":
            return "the multipliers are not whole numbers of the right shape"
        if len(set(self.rows.tolist())) < m or (m and self.multipliers.min() < 0):
            return "a multiplier is negative, or given twice"
        if m and self.multipliers[np.arange(m), self.y[self.rows].astype(int)].any():
            return "a sample holds a multiplier against its own class"
        if not self.c > 0 or self.freedom not in BIASES or not self.lower <= self.upper:
            return "C, kind of bias or bounds make no sense"
        return ""

    def _upper_fails(self) -> str:
        if np.isposinf(self.upper):
            return ""
        size = sum((norm2(row) for row in self.weight), Fraction(0))
        if self.freedom == "augmented":
            size += norm2(self.bias)
        elif self.freedom == "none" and self.bias.any():
            return "a bias where there is to be none"
        upper = fraction(self.upper)
        if np.isposinf(self.c):
            least = min(margin for margin in _least_margins(self.x, self.y, self.weight, self.bias))
            fine = least > 0 and size <= 2 * upper * least * least
            return "" if fine else f"the machine does not reach {self.upper:.12g}"
        slack = _total_slack(self.x, self.y, self.weight, self.bias)
        fine = size / 2 + fraction(self.c) * slack <= upper
        return "" if fine else f"the machine does not reach {self.upper:.12g}"

    def _lower_fails(self) -> str:
        if self.lower <= 0:
            return ""
        labels = self.y[self.rows].astype(int)
        signed = -self.multipliers.astype(object)
        signed[np.arange(len(labels)), labels] = self.multipliers.astype(object).sum(axis=1)
        balance = signed.sum(axis=0)
        if self.freedom == "standard" and any(balance):
            return "the multipliers do not balance"
        total = int(self.multipliers.astype(object).sum())
        square = _combined_square(signed, self.x[self.rows])
        if self.freedom == "augmented":
            square += sum(int(value) ** 2 for value in balance)
        if total == 0:
            return "no multiplier at all"
        most = max(int(row.sum()) for row in self.multipliers.astype(object))
        if np.isposinf(self.c):
            fine = square == 0 or fraction(self.lower) * 2 * square <= total * total
        else:
            limit = fraction(self.c) / most
            factor = min(limit, total / square) if square else limit
            fine = fraction(self.lower) <= factor * total - factor * factor * square / 2
        return "" if fine else f"the multipliers do not prove {self.lower:.12g}"


@dataclass(frozen=True, eq=False)
class InseparableClaim(Claim):
    """No affine machine gives all samples a positive margin to all rivals.

    The constraints of the samples ``sample`` against the classes ``rival`` (both (k,)) combine to zero with
    non-negative weights, which the checker finds: they are unique.
    """

    kind: ClassVar[str] = "inseparable"
    subjects: ClassVar[tuple[str, ...]] = ("x", "y")

    x: Array
    y: Array
    sample: Array
    rival: Array
    classes: int
    freedom: str

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The statement in words."""
        through = " through the origin" if self.freedom == "none" else ""
        return (
            f"no machine{through} separates these {len(self.x):,} samples of {self.classes} classes: "
            f"{len(self.sample)} of its constraints contradict each other"
        )

    def check(self) -> Verdicts:
        """The weights of the contradiction, solved for exactly."""
        if not is_array_of(self.x, (None, None)) or not is_array_of(self.y, (len(self.x),)):
            return refuted(1, "samples and labels do not fit together")
        count = len(self.sample) if isinstance(self.sample, np.ndarray) else 0
        if count == 0:
            return Verdicts.collect([(Status.UNDECIDED, "no contradiction is given")])
        shapes = is_array_of(self.sample, (count,)) and is_array_of(self.rival, (count,))
        if not shapes or not _within(self.sample, len(self.x)) or not _within(self.rival, self.classes):
            return refuted(1, "constraints that are not there")
        labels = self.y[self.sample].astype(int)
        if not _within(labels, self.classes) or (labels == self.rival).any():
            return refuted(1, "a constraint of a class against itself")
        points = self.x[self.sample].astype(np.float64)
        if self.freedom != "none":
            points = np.hstack([points, np.ones((count, 1))])
        # The blocks of a row sum to zero over the classes, so class 0 can be left out.
        rows = np.zeros((count, self.classes, points.shape[1]))
        rows[np.arange(count), labels] = points
        rows[np.arange(count), self.rival] = -points
        flat = rows[:, 1:].reshape(count, -1)
        weights = barycentric(flat, np.zeros(flat.shape[1]))
        fine = weights is not None and min(weights) >= 0
        return Verdicts.collect(
            [
                (Status.PROVED, "")
                if fine
                else (Status.REFUTED, "the constraints do not contradict each other")
            ]
        )


def _within(values: Array, end: int) -> bool:
    return values.dtype.kind in "iu" and (values.size == 0 or (values.min() >= 0 and values.max() < end))


def _least_margins(x: Array, y: Array, weight: Array, bias: Array) -> list[Fraction]:
    """The exact least margin over all samples, for every pair of a class with samples and a rival."""
    result = []
    for own in np.unique(y).astype(int):
        points = x[y == own].astype(np.float64)
        rivals = [k for k in range(len(weight)) if k != own]
        # w_y − w_k may not be a float, so x·w_y and −x·w_k are added as one product of doubled length.
        directions = np.hstack([np.repeat(weight[own][None], len(rivals), axis=0), -weight[rivals]])
        least = lowest(np.hstack([points, points]), directions)
        offsets = [fraction(bias[own]) - fraction(bias[k]) for k in rivals]
        result += [value + offset for value, offset in zip(least, offsets, strict=True)]
    return result


def _total_slack(x: Array, y: Array, weight: Array, bias: Array) -> Fraction:
    """Σ_i max_k (1 − margin_ik)₊, exactly; constraints that float64 proves to hold are passed over."""
    points, labels = x.astype(np.float64), y.astype(int)
    rows = np.arange(len(points))
    logits = points @ weight.T + bias
    margins = logits[rows, labels][:, None] - logits
    norms = np.linalg.norm(weight, axis=1).max() * np.linalg.norm(points, axis=1) + np.abs(bias).max()
    open_ = margins - 4 * gamma(x.shape[1] + 4, np.float64) * norms[:, None] < 1
    open_[rows, labels] = False
    sample, rival = np.nonzero(open_)
    worst: dict[int, Fraction] = {}
    values, exponents = dots(
        np.hstack([points[sample], points[sample]]), np.hstack([weight[labels[sample]], -weight[rival]])
    )
    for i, k, value, exponent in zip(sample.tolist(), rival.tolist(), values, exponents, strict=True):
        offset = fraction(bias[labels[i]]) - fraction(bias[k])
        slack = 1 - scaled(int(value), int(exponent)) - offset
        worst[i] = max(worst.get(i, Fraction(0)), slack)
    return sum(worst.values(), Fraction(0))


def _combined_square(signed: Array, points: Array) -> Fraction:
    """‖Σ_i signed_i ⊗ x_i‖², exactly."""
    whole, exponent = integers(points.astype(np.float64))
    combined = signed.T @ whole
    return scaled(int((combined * combined).sum()), 2 * exponent)
