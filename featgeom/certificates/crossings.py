"""Claims about the cells along a segment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of
from featgeom.exact.heads import ExactHead
from featgeom.exact.rationals import fraction
from featgeom.status import Status

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CrossingClaim(Claim):
    """Statement i: along the segment from ``start[i]`` to ``end[i]`` the largest logit belongs, to within
    ``error[i]`` logits, to class ``cells[j]`` on the parameters ``enter[j]`` to ``leave[j]``, for j from
    ``first[i]`` to ``first[i + 1]``; these intervals follow each other from 0 to 1.

    On an interval the largest logit less the class's own is a convex function of the parameter, so the check
    of both ends is the check of the interval.
    """

    weight: Array
    bias: Array
    start: Array
    end: Array
    first: Array
    cells: Array
    enter: Array
    leave: Array
    error: Array

    kind: ClassVar[str] = "crossings"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "start", "end")

    def __len__(self) -> int:
        return len(self.error)

    def statement(self, i: int) -> str:
        """The statement in words."""
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        names = " → ".join(str(int(k)) for k in self.cells[part])
        at = ", ".join(f"{t:.6g}" for t in self.leave[part][:-1])
        return f"segment {i} runs through the cells {names}" + (f", changing at t = {at}" if at else "")

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        count = len(self)
        reason = self._misfit(count)
        if reason:
            return refuted(count, reason)
        head = ExactHead(self.weight, self.bias)
        return Verdicts.collect([self._check(head, i) for i in range(count)])

    def _misfit(self, count: int) -> str:
        if not isinstance(self.weight, np.ndarray) or self.weight.ndim != 2:
            return "the head is not a matrix"
        classes, d = self.weight.shape
        if not (is_array_of(self.weight, (classes, d)) and is_array_of(self.bias, (classes,))):
            return "weight and bias of the head do not fit together"
        if not (is_array_of(self.start, (count, d)) and is_array_of(self.end, (count, d))):
            return "the segments have the wrong shape"
        if not is_array_of(self.error, (count,)) or not is_array_of(self.first, (count + 1,)):
            return "the evidence has the wrong length"
        pieces = len(self.cells) if isinstance(self.cells, np.ndarray) else 0
        if not all(is_array_of(x, (pieces,)) for x in (self.cells, self.enter, self.leave)):
            return "the pieces have the wrong length"
        if self.first.dtype.kind not in "iu" or self.cells.dtype.kind not in "iu":
            return "the pieces are not indices"
        steps = np.diff(self.first.astype(np.int64))
        if self.first[0] != 0 or self.first[-1] != pieces or (steps < 1).any():
            return "the pieces do not belong to the segments"
        if pieces and not (self.cells.min() >= 0 and self.cells.max() < classes):
            return "a class does not exist"
        return ""

    def _check(self, head: ExactHead, i: int) -> tuple[Status, str]:
        pieces = range(int(self.first[i]), int(self.first[i + 1]))
        at = Fraction(0)
        a, b, error = head.logits(self.start[i]), head.logits(self.end[i]), fraction(self.error[i])
        for j in pieces:
            if fraction(self.enter[j]) != at or self.leave[j] < self.enter[j]:
                return Status.REFUTED, "the pieces do not follow each other"
            at = fraction(self.leave[j])
            for t in (fraction(self.enter[j]), at):
                logits = [x + t * (y - x) for x, y in zip(a, b, strict=True)]
                if max(logits) - logits[int(self.cells[j])] > error:
                    return Status.REFUTED, f"class {int(self.cells[j])} does not win on its piece"
        if at != 1:
            return Status.REFUTED, "the pieces do not reach the end"
        return Status.PROVED, ""
