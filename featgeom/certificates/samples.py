"""What claims about single samples in a box stand on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from featgeom.arrays import Float64, Floats
from featgeom.certificates.claim import Claim
from featgeom.exact.domains import ExactDomain
from featgeom.exact.fields import floats, stored
from featgeom.exact.heads import ExactHead


@dataclass(frozen=True, eq=False)
class SamplesInBox(Claim):
    """A head, a box, and the samples that are asked about."""

    subjects: ClassVar = {"head": ("weight", "bias"), "domain": ("lo", "hi"), "points": ("features",)}

    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    lo: Float64 = floats("d", infinite="-")
    hi: Float64 = floats("d", infinite="+")
    features: Floats = stored("n", "d")

    @cached_property
    def head(self) -> ExactHead:
        """The head in integers."""
        return ExactHead(self.weight, self.bias)

    @cached_property
    def domain(self) -> ExactDomain:
        """The box, exactly."""
        return ExactDomain(self.lo, self.hi, self.features[:0])

    @property
    def where(self) -> str:
        """What to call the box in print."""
        return self.called("domain", self.domain.name)

    def whose(self, i: int) -> str:
        """What to call sample ``i`` in print."""
        return f"number {i} of {self.called('points', 'the samples')}"

    def misfit(self) -> str:
        """The box has points."""
        return self.domain.misfit
