"""Claims about the cells of a head in a domain: what they share, the balls and rays they hold, their bounds.

The domain is the box [lo, hi], or the hull of ``vertices`` if there are any. Evidence is built from *bases*:
points of the box or, in a hull, non-negative weights over its vertices, taken at their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, refuted, undecided
from featgeom.certificates.hulls import row_of
from featgeom.exact.domains import ExactDomain
from featgeom.exact.fields import floats, stored, whole
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import fraction, scaled
from featgeom.exact.rounding import TINY, U, gamma, product_error

ENTRIES_AT_ONCE = 1 << 18  # of logits: they stay in the cache of a core


@dataclass(frozen=True, eq=False)
class OnDomain(Claim):
    """What claims about cells stand on: a head and a domain."""

    subjects: ClassVar = {"head": ("weight", "bias"), "domain": ("lo", "hi", "vertices")}

    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    lo: Float64 = floats("d", infinite="-")
    hi: Float64 = floats("d", infinite="+")
    vertices: Floats = stored("v", "d")

    @cached_property
    def domain(self) -> ExactDomain:
        """The domain, exactly."""
        return ExactDomain(self.lo, self.hi, self.vertices)

    @cached_property
    def head(self) -> ExactHead:
        """The head in integers."""
        return ExactHead(self.weight, self.bias)

    @property
    def where(self) -> str:
        """What to call the domain in print."""
        return self.called("domain", self.domain.name)

    def misfit(self) -> str:
        """The domain has points."""
        return self.domain.misfit


class WithBases(OnDomain):
    """Claims whose evidence is built from bases."""

    bases: Any

    def misfit(self) -> str:
        """Bases are weights in a hull and points elsewhere."""
        if self.domain.is_hull != isinstance(self.bases, csr_array):
            return "bases are weights where the domain is a hull, points where it is a box"
        return self.domain.misfit

    def base_fault(self, base: int) -> str:
        """Why a base is no point of the domain, or nothing."""
        if self.domain.is_hull:
            return "" if row_of(self.bases, base)[1].any() else "the weights of a base are all zero"
        inside = ((self.bases[base] >= self.lo) & (self.bases[base] <= self.hi)).all()
        return "" if inside else "a base is outside the domain"

    def base_logits(self, base: int) -> list[Fraction]:
        """The exact logits (C,) of one base."""
        if not self.domain.is_hull:
            (values,), exponent = self.head.logits(self.bases[[base]])
            return [scaled(value, exponent) for value in values]
        rows, weights = row_of(self.bases, base)
        shares = [fraction(weight) for weight in weights]
        values, exponent = self.head.logits(self.vertices[rows])
        total = sum(shares, Fraction(0))
        mixed = sum(
            share * np.array([scaled(v, exponent) for v in row]) for share, row in zip(shares, values)
        )
        return [value / total for value in mixed]


@dataclass(frozen=True, eq=False)
class CellsMeet(WithBases):
    """Somewhere in the domain the two classes of ``pairs`` tie, strictly above all others.

    The evidence is a segment of the domain, from base ``ends[i, 0]`` to base ``ends[i, 1]``, and two places
    on it: at each both classes beat all others, at ``steps[i, 0]`` the first is no lower than the second, at
    ``steps[i, 1]`` no higher. Logits are affine on the segment, so they tie between the two.
    """

    counted: ClassVar[str] = "m"

    bases: Any = floats("b", "d", mixed=("b", "v"))
    pairs: Ints = whole("m", 2, below="c")
    ends: Ints = whole("m", 2, below="b")
    steps: Float64 = floats("m", 2, low=0, high=1)

    def statement(self, i: int) -> str:
        """Statement ``i`` in words."""
        c, j = self.pairs[i]
        return f"the cells of classes {c} and {j} meet in {self.where}, apart from all others"

    def _screen(self, bases: Ints) -> tuple[Float64, Float64]:
        """Logits of some bases (b, C), and bounds on their rounding errors.

        Shares w/Σw and their sums over m weights are off by γ_{2m+8}, and by m underflows; infinite where
        float64 overflows.
        """
        hull, chosen = self.domain.is_hull, self.bases[bases]
        used = np.unique(chosen.indices) if hull else np.zeros(0, np.int64)
        z = (self.vertices[used] if hull else chosen).astype(np.float64)
        with np.errstate(all="ignore"):
            logits = z @ self.weight.T + self.bias
            error = 1.001 * (product_error(z, self.weight, np.float64) + U * np.abs(logits))
            if hull:
                mix = chosen[:, used].multiply(1 / chosen.sum(axis=1)[:, None]).tocsr()
                most = int(np.diff(mix.indptr).max(initial=0))
                rounding = gamma(2 * most + 8, np.float64) * (mix @ np.abs(logits))
                rounding += most * TINY * (1 + np.abs(logits).max(initial=0.0))
                logits, error = mix @ logits, 1.001 * (mix @ error + rounding)
        good = np.isfinite(logits) & np.isfinite(error)
        return np.where(good, logits, 0.0), np.where(good, error, np.inf)

    def screened(self) -> NDArray[np.bool_]:
        """Both places of each pair, where float64 keeps the classes apart."""
        fine = np.array([not self.base_fault(base) for base in range(self.bases.shape[0])], dtype=bool)
        proved: NDArray[np.bool_] = np.asarray(fine[self.ends].all(axis=1))
        step = max(1, ENTRIES_AT_ONCE // len(self.weight))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            bases, ends = np.unique(self.ends[rows], return_inverse=True)
            logits, error = self._screen(bases)
            a, b = ends.reshape(-1, 2).T
            first, second = self.pairs[rows].T
            index = np.arange(len(a))
            for place, sign in ((0, 1.0), (1, -1.0)):
                s = self.steps[rows, place][:, None]
                with np.errstate(over="ignore", invalid="ignore"):
                    here = (1 - s) * logits[a] + s * logits[b]
                    # (1 − s) a + s b takes four roundings of terms no larger than the greater of the two
                    size = np.maximum(np.abs(logits[a]), np.abs(logits[b]))
                    bound = 1.001 * (np.maximum(error[a], error[b]) + 4 * U * size + 4 * TINY)
                    lead = sign * (here[index, first] - here[index, second])
                    lower = np.minimum(*((here - bound)[index, k] for k in (first, second)))
                    above = here + bound
                    above[index, first] = above[index, second] = -np.inf
                    proved[rows] &= lead > 1.001 * (bound[index, first] + bound[index, second])
                    proved[rows] &= lower > above.max(axis=1)
        return proved

    def decide(self, i: int) -> Verdict:
        """Both places, exactly."""
        first, second = (int(k) for k in self.pairs[i])
        if first == second:
            return refuted("a class does not meet itself")
        faults = [self.base_fault(int(end)) for end in self.ends[i]]
        if any(faults):
            return refuted("".join(faults[:1]) or faults[1])
        ends = [self.base_logits(int(end)) for end in self.ends[i]]
        for place, sign in ((0, 1), (1, -1)):
            s = fraction(self.steps[i, place])
            here = [(1 - s) * a + s * b for a, b in zip(*ends, strict=True)]
            if sign * (here[first] - here[second]) < 0:
                return undecided("the two classes do not change order along the segment")
            others = [v for k, v in enumerate(here) if k not in (first, second)]
            if others and max(others) >= min(here[first], here[second]):
                return undecided("another class is as high on the segment")
        return PROVED
