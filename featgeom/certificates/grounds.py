"""What claims about cells stand on: a head and a domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim
from featgeom.exact.ground import Ground

Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class GroundClaim(Claim):
    """A claim about the cells of a head in a domain."""

    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "vertices")

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    vertices: Floating

    @property
    def ground(self) -> Ground:
        """The head on its domain."""
        return Ground(self.weight, self.bias, self.lo, self.hi, self.vertices)
