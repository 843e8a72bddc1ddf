"""Cells and how they meet: which classes share a boundary in the domain, and which win nowhere in it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates import exact
from featgeom.certificates.affine import exact_logits
from featgeom.certificates.claim import Claim, Verdicts, is_array_of, refuted
from featgeom.certificates.ground import Ground
from featgeom.rounding import gamma, product_error, unit_roundoff
from featgeom.status import Status

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Verdict = tuple[Status, str]

ENTRIES_AT_ONCE = 1 << 21
U = unit_roundoff(np.float64)


@dataclass(frozen=True, eq=False)
class TieClaim(Claim):
    """Somewhere in the domain the two classes of ``pairs`` tie, strictly above all others.

    The evidence is a segment of the domain, from base ``ends[i, 0]`` to base ``ends[i, 1]``, and two places
    on it: at each both classes beat all others, at ``steps[i, 0]`` the first is no lower than the second, at
    ``steps[i, 1]`` no higher. Logits are affine on the segment, so they tie between the two. Bases are
    points of the box, or, in a hull, non-negative weights over its points.
    """

    kind: ClassVar[str] = "cells-meet"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "vertices")

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    vertices: NDArray[np.floating[Any]]
    bases: NDArray[np.floating[Any]] | csr_array
    pairs: Ints
    ends: Ints
    steps: Float64

    def __len__(self) -> int:
        return len(self.pairs)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet in {self._ground.name}, apart from all others"

    @property
    def _ground(self) -> Ground:
        return Ground(self.weight, self.bias, self.lo, self.hi, self.vertices)

    def point(self, i: int) -> Float64:
        """The point (d,) of pair ``i`` where the two tie, to the precision of float64."""
        ends = self.bases[self.ends[i]]
        if self._ground.is_hull:
            ends = (ends @ self.vertices) / ends.sum(axis=1)[:, None]
        first, second = self.pairs[i]
        lead = ends @ (self.weight[first] - self.weight[second]) + self.bias[first] - self.bias[second]
        middle = self.steps[i].mean()
        place = lead[0] / (lead[0] - lead[1]) if lead[0] != lead[1] else middle
        point: Float64 = (1 - place) * ends[0] + place * ends[1]
        return point

    def check(self) -> Verdicts:
        """Decide every pair."""
        misfit = self._ground.misfit or self._misfit()
        if misfit:
            return refuted(len(self), misfit)
        logits, error = base_logits(self._ground, self.bases)
        verdicts: list[Verdict] = []
        step = max(1, ENTRIES_AT_ONCE // len(self.weight))
        for start in range(0, len(self), step):
            rows = slice(start, min(len(self), start + step))
            proved = self._screen(rows, logits, error)
            for i, good in zip(range(rows.start, rows.stop), proved, strict=True):
                verdicts.append((Status.PROVED, "") if good else self._check_exactly(i))
        return Verdicts.collect(verdicts)

    def _misfit(self) -> str:
        n, classes = len(self.pairs), len(self.weight)
        if not is_array_of(self.pairs, (n, 2)) or self.pairs.dtype.kind not in "iu":
            return "pairs are not two classes each"
        if n and (self.pairs.min() < 0 or self.pairs.max() >= classes):
            return "a class is out of range"
        if (self.pairs[:, 0] == self.pairs[:, 1]).any():
            return "a class does not meet itself"
        reason = bases_misfit(self._ground, self.bases)
        if reason:
            return reason
        if not is_array_of(self.ends, (n, 2)) or self.ends.dtype.kind not in "iu":
            return "ends are not two bases each"
        if n and (self.ends.min() < 0 or self.ends.max() >= self.bases.shape[0]):
            return "a base is out of range"
        if not is_array_of(self.steps, (n, 2)) or not ((self.steps >= 0) & (self.steps <= 1)).all():
            return "steps are not places on a segment"
        return ""

    def _screen(self, rows: slice, logits: Float64, error: Float64) -> NDArray[np.bool_]:
        a, b = self.ends[rows].T
        first, second = self.pairs[rows].T
        index = np.arange(len(a))
        proved = np.ones(len(a), dtype=bool)
        for place, sign in ((0, 1.0), (1, -1.0)):
            s = self.steps[rows, place][:, None]
            with np.errstate(over="ignore", invalid="ignore"):
                here = (1 - s) * logits[a] + s * logits[b]
                bound = np.maximum(error[a], error[b]) + 4 * U * np.maximum(
                    np.abs(logits[a]), np.abs(logits[b])
                )
                low, high = here - 1.001 * bound, here + 1.001 * bound
                tie = sign * (here[index, first] - here[index, second])
                proved &= tie > 1.001 * (bound[index, first] + bound[index, second])
                lower = np.minimum(low[index, first], low[index, second])
                high[index, first] = high[index, second] = -np.inf
                proved &= lower > high.max(axis=1)
        return proved

    def _check_exactly(self, i: int) -> Verdict:
        first, second = (int(k) for k in self.pairs[i])
        ends = [exact_base_logits(self._ground, self.bases, int(e)) for e in self.ends[i]]
        for place, sign in ((0, 1), (1, -1)):
            s = exact.fraction(self.steps[i, place])
            here = [(1 - s) * a + s * b for a, b in zip(*ends, strict=True)]
            if sign * (here[first] - here[second]) < 0:
                return Status.UNDECIDED, "the two classes do not change order along the segment"
            others = [v for k, v in enumerate(here) if k not in (first, second)]
            if others and max(others) >= min(here[first], here[second]):
                return Status.UNDECIDED, "another class is as high on the segment"
        return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class NoTieClaim(Claim):
    """Nowhere in the domain do the two classes of ``pairs`` tie strictly above all others.

    The evidence is a row of ``multipliers``, non-negative but for the second class, with which
    Σ_k multipliers_k (l_first − l_k) is nowhere positive in the domain (nowhere zero, if only the second
    class has one). At a tie strictly above all others it would be positive (zero). In coordinates without
    bounds the sum must not vary at all; so the multipliers marked in ``solved`` are not those stored, but
    the exact ones with which, the others as stored, it does not.
    """

    kind: ClassVar[str] = "cells-apart"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "vertices")

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    vertices: NDArray[np.floating[Any]]
    pairs: Ints
    multipliers: csr_array
    solved: csr_array

    def __len__(self) -> int:
        return len(self.pairs)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet nowhere in {self._ground.name}, apart from others"

    @property
    def _ground(self) -> Ground:
        return Ground(self.weight, self.bias, self.lo, self.hi, self.vertices)

    def check(self) -> Verdicts:
        """Decide every pair."""
        n, classes = len(self), len(self.weight)
        misfit = self._ground.misfit
        if not is_array_of(self.pairs, (n, 2)) or self.pairs.dtype.kind not in "iu":
            misfit = misfit or "pairs are not two classes each"
        elif n and (self.pairs.min() < 0 or self.pairs.max() >= classes):
            misfit = misfit or "a class is out of range"
        elif (self.pairs[:, 0] == self.pairs[:, 1]).any():
            misfit = misfit or "a class does not meet itself"
        misfit = misfit or multipliers_misfit(self.multipliers, self.solved, (n, classes))
        if misfit:
            return refuted(n, misfit)
        first, second = self.pairs.T
        return check_multipliers(self._ground, first, second, self.multipliers, self.solved)


@dataclass(frozen=True, eq=False)
class EmptyCellClaim(Claim):
    """Nowhere in the domain does the class of ``own`` have the largest logit, not even in a tie.

    The evidence is a row of non-negative ``multipliers`` with which Σ_k multipliers_k (l_own − l_k) is
    negative in the whole domain; ``solved`` as in `NoTieClaim`.
    """

    kind: ClassVar[str] = "empty-cell"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "vertices")

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    vertices: NDArray[np.floating[Any]]
    own: Ints
    multipliers: csr_array
    solved: csr_array

    def __len__(self) -> int:
        return len(self.own)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        ground = Ground(self.weight, self.bias, self.lo, self.hi, self.vertices)
        return f"class {self.own[i]} has the largest logit nowhere in {ground.name}"

    def check(self) -> Verdicts:
        """Decide every class."""
        n, classes = len(self), len(self.weight)
        ground = Ground(self.weight, self.bias, self.lo, self.hi, self.vertices)
        misfit = ground.misfit
        if not is_array_of(self.own, (n,)) or self.own.dtype.kind not in "iu":
            misfit = misfit or "own is not a list of classes"
        elif n and (self.own.min() < 0 or self.own.max() >= classes):
            misfit = misfit or "a class is out of range"
        misfit = misfit or multipliers_misfit(self.multipliers, self.solved, (n, classes))
        if misfit:
            return refuted(n, misfit)
        return check_multipliers(ground, self.own, None, self.multipliers, self.solved)


def multipliers_misfit(multipliers: object, solved: object, shape: tuple[int, int]) -> str:
    """Why multipliers are none, or nothing."""
    for matrix in (multipliers, solved):
        if not isinstance(matrix, csr_array) or matrix.shape != shape:
            return "multipliers do not fit the classes"
        if not is_array_of(matrix.data, (None,)):
            return "a multiplier is not finite"
    return ""


def check_multipliers(
    ground: Ground, own: Ints, free: Ints | None, multipliers: csr_array, solved: csr_array
) -> Verdicts:
    """Whether each row, non-negative but at class ``free``, makes Σ multipliers_k (l_own − l_k) low enough.

    Low enough is negative in the whole domain, or nowhere positive if a class other than ``free`` has a
    multiplier (which without ``free`` is not enough).
    """
    verdicts: list[Verdict] = []
    step = max(1, ENTRIES_AT_ONCE // max(ground.weight.shape))
    for start in range(0, len(own), step):
        rows = slice(start, min(len(own), start + step))
        block, marks = multipliers[rows].toarray(), solved[rows].toarray()
        bounds = ground.highest(own[rows], block)
        for i, row, mark, bound in zip(range(rows.start, rows.stop), block, marks, bounds, strict=True):
            spared = None if free is None else int(free[i])
            signed = row if spared is None else np.delete(row, spared)
            if row[own[i]] != 0:
                verdicts.append((Status.UNDECIDED, "a multiplier stands at its own class"))
            elif bound < 0 and not mark.any() and not (signed < 0).any():
                verdicts.append((Status.PROVED, ""))
            else:
                verdicts.append(_check_row_exactly(ground, int(own[i]), spared, row, mark))
    return Verdicts.collect(verdicts)


def _check_row_exactly(ground: Ground, own: int, free: int | None, row: Float64, solved: Float64) -> Verdict:
    found = ground.completed(own, row, solved)
    if found is None or any(value < 0 for k, value in found.items() if k != free):
        return Status.UNDECIDED, "the multipliers are negative, or not determined"
    highest = ground.highest_exactly(own, found)
    weakly = free is not None and any(value > 0 for k, value in found.items() if k != free)
    if highest is not None and (highest < 0 or (weakly and highest == 0)):
        return Status.PROVED, ""
    return Status.UNDECIDED, "the multipliers do not exclude it"


def bases_misfit(ground: Ground, bases: object) -> str:
    """Why bases are not points of the domain, or nothing."""
    if ground.is_hull:
        if not isinstance(bases, csr_array) or bases.shape[1] != len(ground.vertices):
            return "bases are not weights over the hull's points"
        if not is_array_of(bases.data, (None,)) or (bases.data < 0).any():
            return "a weight is negative"
        if bases.shape[0] and (bases.sum(axis=1) <= 0).any():
            return "the weights of a base are all zero"
        return ""
    if not isinstance(bases, np.ndarray) or not is_array_of(bases, (None, ground.weight.shape[1])):
        return "bases are not points of feature space"
    if not ((bases >= ground.lo) & (bases <= ground.hi)).all():
        return "a base is outside the domain"
    return ""


def base_logits(ground: Ground, bases: Any) -> tuple[Float64, Float64]:
    """Logits of the bases (m, C), and bounds on their rounding errors."""
    points = ground.vertices if ground.is_hull else bases
    used = np.unique(bases.indices) if ground.is_hull else np.arange(len(points))
    z = points[used].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        logits = z @ ground.weight.T + ground.bias
        error = 1.001 * (product_error(z, ground.weight, np.float64) + U * np.abs(logits))
        if ground.is_hull:
            mix = bases[:, used].multiply(1 / bases.sum(axis=1)[:, None]).tocsr()
            longest = int(np.diff(mix.indptr).max(initial=0))
            rounding = gamma(2 * longest + 8, np.float64) * (mix @ np.abs(logits))
            logits, error = mix @ logits, 1.001 * (mix @ error + rounding)
    good = np.isfinite(logits) & np.isfinite(error)
    return np.where(good, logits, 0.0), np.where(good, error, np.inf)


def exact_base_logits(ground: Ground, bases: Any, base: int) -> list[Fraction]:
    """The exact logits (C,) of one base."""
    classes = np.arange(len(ground.weight))
    if not ground.is_hull:
        rows = np.broadcast_to(bases[base], (len(classes), bases.shape[1]))
        return exact_logits(rows, ground.weight, ground.bias, classes)
    row = bases[[base]].tocoo()
    weights = [exact.fraction(w) for w in row.data]
    total = sum(weights, Fraction(0))
    result = [Fraction(0)] * len(classes)
    for w, vertex in zip(weights, row.coords[1], strict=True):
        point = np.broadcast_to(ground.vertices[vertex], (len(classes), ground.vertices.shape[1]))
        for k, value in enumerate(exact_logits(point, ground.weight, ground.bias, classes)):
            result[k] += w / total * value
    return result
