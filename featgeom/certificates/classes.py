"""Classes of features: which logit is largest, by how much, and whether float32 can change that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact import rationals
from featgeom.exact.affine import exact_margins, margin_screen, row_blocks
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.exact.float32 import float32_needs
from featgeom.status import Status, status_array

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class ClassClaim(Claim):
    """The logit of class ``own`` exceeds every other at each point by ``margin`` or more, and no less than 0.

    Where ``float32``, every evaluation of the head in float32 that rounds to nearest, with the features, the
    weights and the bias first rounded to float32 and summed in any order, gives that class, too.
    """

    kind: ClassVar[str] = "class"
    subjects: ClassVar[tuple[str, ...]] = ("points", "weight", "bias")

    points: NDArray[np.floating[Any]]
    weight: Float64
    bias: Float64
    own: Ints
    margin: Float64
    float32: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.own)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        also = ", also when evaluated in float32" if self.float32[i] else ""
        return (
            f"feature {i} has class {self.own[i]} by a margin of at least {self.margin[i]:.6g} logits{also}"
        )

    def check(self) -> Verdicts:
        """Decide every class."""
        n = len(self.own)
        misfit = self._misfit()
        if misfit:
            return refuted(n, misfit)
        status, reasons = status_array(n, Status.PROVED), [""] * n
        for block in row_blocks(n, max(self.weight.shape)):
            for i, (found, reason) in self._check_block(block).items():
                status[i], reasons[i] = found, reason
        return Verdicts(status, tuple(reasons))

    def _misfit(self) -> str:
        n = len(self.own)
        if not is_array_of(self.weight, (None, None)):
            return "the weight is not a matrix"
        classes, d = self.weight.shape
        if not is_array_of(self.points, (n, d)) or not is_array_of(self.bias, (classes,)):
            return "points, weight and bias do not fit together"
        if not is_index_of(self.own, (n,), classes):
            return "own is not one class a feature"
        if not is_array_of(self.margin, (n,)) or (self.margin < 0).any():
            return "margin is not one number a feature, zero or more"
        if not is_array_of(self.float32, (n,)) or self.float32.dtype != bool:
            return "float32 is not one truth value a feature"
        return ""

    def _check_block(self, block: slice) -> dict[int, tuple[Status, str]]:
        own, points = self.own[block], self.points[block]
        margins, error = margin_screen(points, self.weight, self.bias, own)
        lower = margins - error
        lower[np.arange(len(own)), own] = np.inf
        failures: dict[int, tuple[Status, str]] = {}
        needs = float32_needs(points, self.weight, self.bias, own)
        for i in np.flatnonzero(self.float32[block] & ~(lower > needs).all(axis=1)):
            failures[int(i) + block.start] = Status.UNDECIDED, "float32 may give another class"
        rows, rivals = np.nonzero(lower < self.margin[block][:, None])
        if len(rows):
            values = exact_margins(points[rows], self.weight, self.bias, own[rows], rivals)
            for i, k, value in zip((rows + block.start).tolist(), rivals, values, strict=True):
                if value < rationals.fraction(self.margin[i]):
                    failures[i] = Status.REFUTED, f"its margin over class {k} is {float(value):.6g}"
        return failures
