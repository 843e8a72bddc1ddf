"""Cells and how they meet: which classes share a boundary in the domain, and which win nowhere in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.bases import base_logits, bases_misfit, exact_base_logits
from featgeom.certificates.claim import Verdicts, refuted
from featgeom.certificates.grounds import GroundClaim
from featgeom.certificates.multipliers import check_multipliers, multipliers_misfit
from featgeom.exact import rationals
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.exact.rounding import unit_roundoff
from featgeom.status import Status

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Verdict = tuple[Status, str]

ENTRIES_AT_ONCE = 1 << 21
U = unit_roundoff(np.float64)


@dataclass(frozen=True, eq=False)
class TieClaim(GroundClaim):
    """Somewhere in the domain the two classes of ``pairs`` tie, strictly above all others.

    The evidence is a segment of the domain, from base ``ends[i, 0]`` to base ``ends[i, 1]``, and two places
    on it: at each both classes beat all others, at ``steps[i, 0]`` the first is no lower than the second, at
    ``steps[i, 1]`` no higher. Logits are affine on the segment, so they tie between the two. Bases are
    points of the box, or, in a hull, non-negative weights over its points.
    """

    kind: ClassVar[str] = "cells-meet"

    bases: NDArray[np.floating[Any]] | csr_array
    pairs: Ints
    ends: Ints
    steps: Float64

    def __len__(self) -> int:
        return len(self.pairs)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet in {self.ground.name}, apart from all others"

    def point(self, i: int) -> Float64:
        """The point (d,) of pair ``i`` where the two tie, to the precision of float64."""
        ends = self.bases[self.ends[i]]
        if self.ground.is_hull:
            ends = (ends @ self.vertices) / ends.sum(axis=1)[:, None]
        first, second = self.pairs[i]
        lead = ends @ (self.weight[first] - self.weight[second]) + self.bias[first] - self.bias[second]
        middle = self.steps[i].mean()
        place = lead[0] / (lead[0] - lead[1]) if lead[0] != lead[1] else middle
        point: Float64 = (1 - place) * ends[0] + place * ends[1]
        return point

    def check(self) -> Verdicts:
        """Decide every pair."""
        misfit = self.ground.misfit or _pairs_misfit(self.pairs, len(self), len(self.weight))
        misfit = misfit or bases_misfit(self.ground, self.bases) or self._misfit()
        if misfit:
            return refuted(len(self), misfit)
        logits, error = base_logits(self.ground, self.bases)
        verdicts: list[Verdict] = []
        step = max(1, ENTRIES_AT_ONCE // len(self.weight))
        for start in range(0, len(self), step):
            rows = slice(start, min(len(self), start + step))
            proved = self._screen(rows, logits, error)
            for i, good in zip(range(rows.start, rows.stop), proved, strict=True):
                verdicts.append((Status.PROVED, "") if good else self._check_exactly(i))
        return Verdicts.collect(verdicts)

    def _misfit(self) -> str:
        if not is_index_of(self.ends, (len(self), 2), self.bases.shape[0]):
            return "ends are not two bases each"
        if not is_array_of(self.steps, (len(self), 2)) or not ((self.steps >= 0) & (self.steps <= 1)).all():
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
        ends = [exact_base_logits(self.ground, self.bases, int(e)) for e in self.ends[i]]
        for place, sign in ((0, 1), (1, -1)):
            s = rationals.fraction(self.steps[i, place])
            here = [(1 - s) * a + s * b for a, b in zip(*ends, strict=True)]
            if sign * (here[first] - here[second]) < 0:
                return Status.UNDECIDED, "the two classes do not change order along the segment"
            others = [v for k, v in enumerate(here) if k not in (first, second)]
            if others and max(others) >= min(here[first], here[second]):
                return Status.UNDECIDED, "another class is as high on the segment"
        return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class NoTieClaim(GroundClaim):
    """Nowhere in the domain do the two classes of ``pairs`` tie strictly above all others.

    The evidence is a row of ``multipliers``, non-negative but for the second class, with which
    Σ_k multipliers_k (l_first − l_k) is nowhere positive in the domain (nowhere zero, if only the second
    class has one). At a tie strictly above all others it would be positive (zero). In coordinates without
    bounds the sum must not vary at all; so the multipliers marked in ``solved`` are not those stored, but
    the exact ones with which, the others as stored, it does not.
    """

    kind: ClassVar[str] = "cells-apart"

    pairs: Ints
    multipliers: csr_array
    solved: csr_array

    def __len__(self) -> int:
        return len(self.pairs)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet nowhere in {self.ground.name}, apart from others"

    def check(self) -> Verdicts:
        """Decide every pair."""
        n, classes = len(self), len(self.weight)
        misfit = self.ground.misfit or _pairs_misfit(self.pairs, n, classes)
        misfit = misfit or multipliers_misfit(self.multipliers, self.solved, (n, classes))
        if misfit:
            return refuted(n, misfit)
        first, second = self.pairs.T
        return check_multipliers(self.ground, first, second, self.multipliers, self.solved)


@dataclass(frozen=True, eq=False)
class EmptyCellClaim(GroundClaim):
    """Nowhere in the domain does the class of ``own`` have the largest logit, not even in a tie.

    The evidence is a row of non-negative ``multipliers`` with which Σ_k multipliers_k (l_own − l_k) is
    negative in the whole domain; ``solved`` as in `NoTieClaim`.
    """

    kind: ClassVar[str] = "empty-cell"

    own: Ints
    multipliers: csr_array
    solved: csr_array

    def __len__(self) -> int:
        return len(self.own)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        return f"class {self.own[i]} has the largest logit nowhere in {self.ground.name}"

    def check(self) -> Verdicts:
        """Decide every class."""
        n, classes = len(self), len(self.weight)
        misfit = self.ground.misfit
        if not misfit and not is_index_of(self.own, (n,), classes):
            misfit = "own is not a list of classes"
        misfit = misfit or multipliers_misfit(self.multipliers, self.solved, (n, classes))
        if misfit:
            return refuted(n, misfit)
        return check_multipliers(self.ground, self.own, None, self.multipliers, self.solved)


def _pairs_misfit(pairs: object, n: int, classes: int) -> str:
    """Why ``pairs`` are not two different classes each, or nothing."""
    if not is_index_of(pairs, (n, 2), classes):
        return "pairs are not two classes each"
    assert isinstance(pairs, np.ndarray)  # just checked
    return "a class does not meet itself" if (pairs[:, 0] == pairs[:, 1]).any() else ""
