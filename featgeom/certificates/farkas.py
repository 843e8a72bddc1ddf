"""Claims that something happens nowhere in a domain, by Farkas' lemma: multipliers that contradict it
everywhere.

Let Σ_k λ_k (l_own − l_k) be nowhere positive in the domain. Where own has the largest logit, perhaps in a tie
with some classes T, every l_own − l_k is at least 0, and is 0 for k in T. So with λ_k ≥ 0 for all k outside T
the sum is at least 0 there: a contradiction if it is below 0 in the whole domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints
from featgeom.certificates.cells import OnDomain
from featgeom.certificates.claim import PROVED, Verdict, refuted, undecided
from featgeom.certificates.hulls import row_of
from featgeom.exact.domains import ExactDomain
from featgeom.exact.fields import sparse, whole
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import fraction, solve
from featgeom.exact.rounding import TINY, gamma

ENTRIES_AT_ONCE = 1 << 21
SLIGHT = 1 << 30

Multipliers = dict[int, Fraction]  # by class


def completed(
    head: ExactHead, domain: ExactDomain, own: int, row: tuple[Ints, Float64], solved: Ints
) -> Multipliers | None:
    """The exact multipliers meant by a row of floats, some of which are to be ``solved`` for.

    Where the domain has no bound, the sum must not rise, which rounded multipliers miss by a rounding. So
    those solved for are not the stored ones, but the exact ones with which, the others as stored, the slope
    vanishes in every coordinate that has no bounds, and in every one that lacks one and in which the stored
    multipliers give a slope of at most 2^-30 Σ |λ_k (w_own − w_k)|. None if there is no such solution, or
    more than one.
    """
    values = {int(k): fraction(value) for k, value in zip(*row, strict=True)}
    if own in values or not set(solved.tolist()) <= set(values):
        return None
    if not len(solved) or domain.is_hull:
        return values
    slope, _ = head.combination(own, values)
    gains = abs(head.weight[own] - head.weight[list(values)]) * Fraction(2) ** head.exponent
    sizes = np.dot(np.array([abs(value) for value in values.values()], dtype=object), gains)
    slight = np.array([abs(a) * SLIGHT <= size for a, size in zip(slope, sizes, strict=True)])
    up, down = np.isposinf(domain.hi), np.isneginf(domain.lo)
    vanish = np.flatnonzero((up & down) | ((up | down) & slight))
    fixed = {k: value for k, value in values.items() if k not in solved}
    rest = head.combination(own, fixed)[0] if fixed else [Fraction(0)] * len(slope)
    right = [-rest[j] / Fraction(2) ** head.exponent for j in vanish]
    common = lcm(*(value.denominator for value in right))
    across = (head.weight[own] - head.weight[solved])[:, vanish].T
    solution = solve(across, [value * common for value in right]) if len(vanish) else None
    if solution is None:
        return None
    return fixed | {int(k): value / common for k, value in zip(solved, solution, strict=True)}


class _Nowhere(OnDomain):
    """Statements that hold nowhere; ``multipliers`` (m, C) are the evidence, ``solved`` marks as `completed`
    says."""

    counted: ClassVar[str] = "m"
    strictly: ClassVar[bool] = (
        True  # the sum must be negative; else not positive, where a λ outside T is not 0
    )

    multipliers: csr_array
    solved: csr_array

    def classes(self, i: int) -> tuple[int, list[int]]:
        """The class that is to win nowhere, and those it ties with (T)."""
        raise NotImplementedError

    def screened(self) -> NDArray[np.bool_]:
        """Rows that are negative in the whole domain by more than float64 can have rounded.

        A sum over C classes is off by γ_{C+1} times the sum of the magnitudes, and by underflow; adding this
        to it is off by u, and a rounded sum is below 0 only where the sum is. γ_{2C+4} is more than both.
        """
        proved = np.zeros(len(self), dtype=bool)
        factor = 1.001 * gamma(2 * len(self.weight) + 4, np.float64)
        step = max(1, ENTRIES_AT_ONCE // max(self.weight.shape))
        for start in range(0, len(self), step):
            rows = slice(start, min(len(self), start + step))
            sums, sizes = self.multipliers[rows].toarray(), abs(self.multipliers[rows]).toarray()
            total, size = sums.sum(axis=1)[:, None], sizes.sum(axis=1)[:, None]
            mine = np.array([self.classes(i)[0] for i in range(rows.start, rows.stop)])
            wrong = sums < 0
            for at in range(len(sums)):
                wrong[at, self.classes(start + at)[1]] = False
                wrong[at, mine[at]] = sums[at, mine[at]] != 0
            with np.errstate(over="ignore", invalid="ignore"):
                slope = total * self.weight[mine] - sums @ self.weight
                doubt = (
                    factor * (size * np.abs(self.weight[mine]) + sizes @ np.abs(self.weight))
                    + len(sums[0]) * TINY
                )
                height = total[:, 0] * self.bias[mine] - sums @ self.bias
                doubt_h = factor * (size[:, 0] * np.abs(self.bias[mine]) + sizes @ np.abs(self.bias))
                reach = self.domain.highest_above(slope, doubt)
                highest = height + doubt_h + reach + len(sums[0]) * TINY
            as_stored = np.diff(self.solved[rows].indptr) == 0
            proved[rows] = as_stored & ~wrong.any(axis=1) & (highest < 0)
        return proved

    def decide(self, i: int) -> Verdict:
        """The supremum of the sum over the domain, in rationals."""
        own, tied = self.classes(i)
        if own in tied or len(set(tied)) < len(tied):
            return refuted("a class does not tie with itself")
        row, marks = row_of(self.multipliers, i), row_of(self.solved, i)[0]
        found = completed(self.head, self.domain, own, row, marks)
        if not found or any(value < 0 for k, value in found.items() if k not in tied):
            return undecided("the multipliers are negative, or not determined")
        highest = self.domain.highest(*self.head.combination(own, found))
        weakly = not self.strictly and any(value > 0 for k, value in found.items() if k not in tied)
        fine = highest is not None and (highest < 0 or (weakly and highest == 0))
        return PROVED if fine else undecided("the multipliers do not exclude it")


@dataclass(frozen=True, eq=False)
class EmptyCell(_Nowhere):
    """Nowhere in the domain does the class of ``own`` have the largest logit, not even in a tie."""

    own: Ints = whole("m", below="c")
    multipliers: csr_array = sparse("m", "c")
    solved: csr_array = sparse("m", "c")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        return f"class {self.own[i]} has the largest logit nowhere in {self.where}"

    def classes(self, i: int) -> tuple[int, list[int]]:
        """One class alone."""
        return int(self.own[i]), []


@dataclass(frozen=True, eq=False)
class CellsApart(_Nowhere):
    """Nowhere in the domain do the two classes of ``pairs`` tie strictly above all others.

    At such a tie every other margin is positive, so a sum that is nowhere positive suffices, where a class
    other than the second has a multiplier.
    """

    strictly: ClassVar[bool] = False

    pairs: Ints = whole("m", 2, below="c")
    multipliers: csr_array = sparse("m", "c")
    solved: csr_array = sparse("m", "c")

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet nowhere in {self.where}, apart from others"

    def classes(self, i: int) -> tuple[int, list[int]]:
        """The first class, tied with the second."""
        return int(self.pairs[i, 0]), [int(self.pairs[i, 1])]


@dataclass(frozen=True, eq=False)
class EmptyTie(_Nowhere):
    """At no point of the domain do the classes ``tied[i]`` (m, k) tie with no other class above them."""

    tied: Ints = whole("m", "k", below="c")
    multipliers: csr_array = sparse("m", "c")
    solved: csr_array = sparse("m", "c")

    def statement(self, i: int) -> str:
        """The statement in words."""
        names = ", ".join(str(int(k)) for k in self.tied[i])
        return f"classes {names} tie nowhere in {self.where} with no other above them"

    def classes(self, i: int) -> tuple[int, list[int]]:
        """The first class, tied with the others."""
        return int(self.tied[i, 0]), [int(k) for k in self.tied[i, 1:]]
