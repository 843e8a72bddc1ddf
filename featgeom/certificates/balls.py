"""Balls in one cell: every point of the domain within a radius of a feature has its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact import rationals
from featgeom.exact.affine import (
    difference_norm2,
    difference_norms,
    exact_margins,
    margin_screen,
    row_blocks,
)
from featgeom.exact.boxes import least_distance
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.exact.rounding import unit_roundoff
from featgeom.status import Status, status_array

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

U = unit_roundoff(np.float64)


@dataclass(frozen=True, eq=False)
class BallClaim(Claim):
    """No logit at points_i exceeds its own class's, nor at any z' of the box with ‖z' − points_i‖ < radius_i.

    Against a rival k this holds if the margin is at least radius · ‖w_own − w_k‖. Where that is not so, the
    box must help. For v = w_own − w_k and any y that differs from v only in coordinates where v_i − y_i > 0
    and lo_i is finite, or v_i − y_i < 0 and hi_i is finite, the margin at z' of the box is at least
    y·z' + Σ (v_i − y_i) bound_i + b_own − b_k, and that is positive within the distance
    (y·z + Σ (v_i − y_i) bound_i + b_own − b_k) / ‖y‖ of z. The evidence for such a pair is one number τ, the
    entry (i, k) of ``steps``: y_i = (z_i − bound_i)/τ where z − τv leaves the box. (τ = inf gives y = 0: if
    nothing else is left of y, the rival wins nowhere in the box.)
    """

    kind: ClassVar[str] = "ball"
    subjects: ClassVar[tuple[str, ...]] = ("points", "weight", "bias")

    points: NDArray[np.floating[Any]]
    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    own: Ints
    radius: Float64
    steps: csr_array

    def __len__(self) -> int:
        return len(self.radius)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        whole = np.isneginf(self.lo).all() and np.isposinf(self.hi).all()
        where = "of feature space" if whole else "of the feature domain (a box)"
        return (
            f"every point {where} closer than {self.radius[i]:.6g} to feature {i} has class {self.own[i]}, "
            "by the head; nothing is said of images"
        )

    def check(self) -> Verdicts:
        """Decide every radius."""
        n = len(self)
        if self._misfit():
            return refuted(n, self._misfit())
        status, reasons = status_array(n, Status.PROVED), [""] * n
        for block in row_blocks(n, max(self.weight.shape)):
            for i, (found, reason) in self._check_block(block).items():
                status[i], reasons[i] = found, reason
        return Verdicts(status, tuple(reasons))

    def _misfit(self) -> str:
        n, (classes, d) = len(self.radius), self.weight.shape
        if not is_array_of(self.points, (n, d)) or not is_array_of(self.weight, (None, d)):
            return "points and weight do not fit together"
        if not is_array_of(self.bias, (classes,)):
            return "the bias does not fit the weight"
        if not is_index_of(self.own, (n,), classes):
            return "own is not one class a feature"
        if self.radius.shape != (n,) or not (self.radius >= 0).all():
            return "radius is not one number a feature, zero or more"
        if any(side.shape != (d,) or np.isnan(side).any() for side in (self.lo, self.hi)):
            return "the box does not fit the weight"
        if self.steps.shape != (n, classes):
            return "steps do not fit features and classes"
        return ""

    def _check_block(self, block: slice) -> dict[int, tuple[Status, str]]:
        """The statements of a block that are not proved, with their verdicts."""
        own = self.own[block]
        margins, error = margin_screen(self.points[block], self.weight, self.bias, own)
        norms = np.zeros_like(margins)
        for c in np.unique(own):
            norms[own == c] = difference_norms(self.weight, int(c))
        radius = self.radius[block][:, None]
        with np.errstate(invalid="ignore", over="ignore"):
            need = np.where(norms == 0, 0.0, radius * norms * (1 + 4 * U))
            proved = (margins - error >= need) & (margins - error > 0)
        proved[np.arange(len(own)), own] = True
        failures: dict[int, tuple[Status, str]] = {}
        rows, rivals = np.nonzero(~proved)
        if len(rows) == 0:
            return failures
        boxed = self._proved_in_box(rows + block.start, rivals)
        for i, k in zip(rows[~boxed] + block.start, rivals[~boxed], strict=True):
            verdict = self._check_pair(int(i), int(k))
            settled = int(i) in failures and failures[int(i)][0] is Status.REFUTED
            if verdict[0] is not Status.PROVED and not settled:
                failures[int(i)] = verdict
        return failures

    def _proved_in_box(self, rows: NDArray[np.int64], rivals: NDArray[np.int64]) -> NDArray[np.bool_]:
        step = np.asarray(self.steps[rows, rivals]).ravel()
        own = self.own[rows].astype(np.int64)
        found = least_distance(
            self.points[rows].astype(np.float64), self.weight, self.bias, self.lo, self.hi, own, rivals, step
        )
        return (step > 0) & (found >= self.radius[rows])

    def _check_pair(self, i: int, k: int) -> tuple[Status, str]:
        """One feature against one rival, in rational arithmetic."""
        c = int(self.own[i])
        z = self.points[i].astype(np.float64)
        margin = exact_margins(z[None, :], self.weight, self.bias, np.array([c]), np.array([k]))[0]
        if margin < 0:
            return Status.REFUTED, f"class {k} beats class {c} at the feature itself"
        if self.radius[i] == 0:
            return Status.PROVED, ""
        square = difference_norm2(self.weight, c, k)
        if square == 0:
            return (Status.PROVED, "") if margin > 0 else (Status.UNDECIDED, "two classes tie everywhere")
        if np.isfinite(self.radius[i]):
            r = rationals.fraction(self.radius[i])
            if rationals.root_at_most(r * r * square, margin):
                return Status.PROVED, ""
            whole = np.isneginf(self.lo).all() and np.isposinf(self.hi).all()
            if whole:
                return Status.REFUTED, f"class {k} is reached within that radius"
        return Status.UNDECIDED, f"the evidence does not keep class {k} out of that radius"
