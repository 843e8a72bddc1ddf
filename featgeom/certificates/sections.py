"""Claims about where a convex hull meets a plane."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of
from featgeom.exact.products import integers
from featgeom.exact.rationals import combination, dot, fraction, lowest
from featgeom.status import Status

Array = NDArray[Any]
Row = tuple[Status, str]


def _highest(points: Array, origin: Array, normals: Array) -> list[Fraction]:
    """The exact maximum over all points of ⟨normal, point − origin⟩, for each normal."""
    tops = lowest(points, -normals)
    return [-top - dot(origin, normal) for top, normal in zip(tops, normals, strict=True)]


def _misfit(claim: Any) -> str:
    """Why points and plane do not fit together; empty where they do."""
    if not isinstance(claim.points, np.ndarray) or claim.points.ndim != 2 or not len(claim.points):
        return "there are no points"
    d = claim.points.shape[1]
    if not is_array_of(claim.points, (None, d)):
        return "the points are not numbers"
    if not (is_array_of(claim.origin, (d,)) and is_array_of(claim.basis, (2, d))):
        return "the plane has the wrong shape"
    return ""


@dataclass(frozen=True, eq=False)
class SectionClaim(Claim):
    """With m directions, statement i < m: every point p of the plane that is in the hull has, in coordinates
    of the plane, ⟨Bν_i, p⟩ ≤ ``offsets[i]``, where B are the axes and ν_i is ``normals[i]``. Statement m + j:
    the point ``places[j]`` of the plane is within ``errors[j]`` of the hull.

    The first is ⟨ν_i, x − origin⟩ ≤ offset for every x of the hull. The second is shown by the ``weights``
    (m, n), taken relative to their sum.
    """

    points: Array
    origin: Array
    basis: Array
    normals: Array
    offsets: Array
    places: Array
    weights: csr_array
    errors: Array

    kind: ClassVar[str] = "section"
    subjects: ClassVar[tuple[str, ...]] = ("points",)

    def __len__(self) -> int:
        return 2 * len(self.normals)

    def statement(self, i: int) -> str:
        """The statement in words."""
        m = len(self.normals)
        if i < m:
            a, b = self.basis @ self.normals[i]
            return f"on the plane the hull satisfies {a:.6g} u + {b:.6g} v ≤ {self.offsets[i]:.9g}"
        u, v = self.places[i - m]
        return f"the point ({u:.9g}, {v:.9g}) of the plane is within {self.errors[i - m]:.2g} of the hull"

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        reason = _misfit(self) or self._misfit()
        if reason:
            return refuted(len(self), reason)
        heights = _highest(self.points, self.origin, self.normals)
        rows: list[Row] = [
            (Status.PROVED, "")
            if height <= fraction(offset)
            else (Status.REFUTED, "a point of the hull lies beyond")
            for height, offset in zip(heights, self.offsets, strict=True)
        ]
        return Verdicts.collect([*rows, *(self._check_place(i) for i in range(len(self.normals)))])

    def _misfit(self) -> str:
        m, (n, d) = len(self.normals), self.points.shape
        if not (is_array_of(self.normals, (m, d)) and is_array_of(self.offsets, (m,))):
            return "normals or offsets have the wrong shape"
        if not (is_array_of(self.places, (m, 2)) and is_array_of(self.errors, (m,))):
            return "the places have the wrong shape"
        w = self.weights
        if not isinstance(w, csr_array) or w.shape != (m, n) or not np.isfinite(w.data).all():
            return "the weights have the wrong shape"
        try:
            w.check_format(full_check=True)
        except (ValueError, TypeError):
            return "the weights are not a matrix"
        return ""

    def _check_place(self, i: int) -> Row:
        start, end = self.weights.indptr[i], self.weights.indptr[i + 1]
        weights = [fraction(w) for w in self.weights.data[start:end]]
        total = sum(weights, Fraction(0))
        if not weights or min(weights) < 0 or total <= 0:
            return Status.REFUTED, "the weights are not those of a convex combination"
        members = self.points[self.weights.indices[start:end]]
        inside = combination([w / total for w in weights], members)
        u, v = (fraction(x) for x in self.places[i])
        square = Fraction(0)
        for x, o, a, b in zip(inside, self.origin, *self.basis, strict=True):
            square += (x - fraction(o) - u * fraction(a) - v * fraction(b)) ** 2
        if self.errors[i] < 0 or square > fraction(self.errors[i]) ** 2:
            return Status.REFUTED, "the combination is farther from the place than stated"
        return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class EmptySectionClaim(Claim):
    """One statement: the hull does not meet the plane.

    All points, and so the hull, are within ``reach`` of the origin; and ⟨normal, x − origin⟩ ≤ offset, which
    no point of the plane within that reach satisfies, since offset < −√2 · 1.01 · reach · ‖B normal‖.
    """

    points: Array
    origin: Array
    basis: Array
    normal: Array
    offset: float
    reach: float

    kind: ClassVar[str] = "empty section"
    subjects: ClassVar[tuple[str, ...]] = ("points",)

    def __len__(self) -> int:
        return 1

    def statement(self, i: int) -> str:
        """The statement in words."""
        return "the hull does not meet the plane"

    def check(self) -> Verdicts:
        """Decide the statement exactly."""
        reason = _misfit(self)
        if not reason and not is_array_of(self.normal, (self.points.shape[1],)):
            reason = "the normal has the wrong shape"
        if reason or not np.isfinite([self.offset, self.reach]).all():
            return refuted(1, reason or "offset or reach is not a number")
        return Verdicts.collect([self._check()])

    def _check(self) -> Row:
        values, at = integers(np.vstack([self.points.astype(np.float64), self.origin[None]]))
        moved = values[:-1] - values[-1]
        farthest = Fraction(int((moved * moved).sum(axis=1).max())) * Fraction(4) ** at
        reach = fraction(self.reach)
        if farthest > reach * reach:
            return Status.REFUTED, "a point is out of reach"
        if _highest(self.points, self.origin, self.normal[None])[0] > fraction(self.offset):
            return Status.REFUTED, "a point of the hull lies beyond the offset"
        gram = [[dot(a, b) for b in self.basis] for a in self.basis]
        if any(abs(gram[i][j] - (i == j)) > Fraction(1, 1000) for i in (0, 1) for j in (0, 1)):
            return Status.REFUTED, "the axes of the plane are not orthonormal"
        tilt2 = sum(dot(a, self.normal) ** 2 for a in self.basis)
        # a point of the plane within reach has coordinates of length at most 1.01 · reach
        if self.offset >= 0 or fraction(self.offset) ** 2 <= 2 * tilt2 * (reach * Fraction(101, 100)) ** 2:
            return Status.REFUTED, "the plane within reach is not excluded"
        return Status.PROVED, ""
