"""Claims about images that a search found: inside the bounds, how far they moved, which features they reach.

What features an image has only the network can say: these claims hold them as it gave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Floats
from featgeom.certificates.claim import Claim, Verdict, proved_if, refuted
from featgeom.decimals import exactly, no_less
from featgeom.exact.fields import floats, stored
from featgeom.exact.numbers import apart2, fraction, norm2


@dataclass(frozen=True, eq=False)
class MovedImage(Claim):
    """Every value of image i lies in [low, high], and image i is at most ``distance[i]`` from ``start[i]``.

    Both are vectors of pixel space, (n, m).
    """

    counted: ClassVar[str] = "n"
    subjects: ClassVar = {"start": ("start",), "images": ("images",)}

    start: Floats = stored("n", "m")
    images: Floats = stored("n", "m")
    low: float = floats()
    high: float = floats()
    distance: Float64 = floats("n", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        which = f"number {i} of {self.called('images', 'the images')}"
        far = f"at most {no_less(self.distance[i], 9)} from that of {self.called('start', 'the starts')}"
        return f"{which} lies in [{exactly(self.low)}, {exactly(self.high)}], {far}"

    def decide(self, i: int) -> Verdict:
        """Every value, and the distance."""
        image, start = (x[i].astype(np.float64) for x in (self.images, self.start))
        if not ((image >= self.low) & (image <= self.high)).all():
            return refuted("a value lies outside the bounds")
        fine = apart2(image, start) <= fraction(self.distance[i]) ** 2
        return proved_if(fine, "the image is farther from its start than stated")


@dataclass(frozen=True, eq=False)
class ReachedFeatures(Claim):
    """The features ``found[i]`` (n, d) are within ``residual[i]`` · ‖target‖ of ``targets[i]``.

    Where the target is zero, they are within ``residual[i]`` of it.
    """

    counted: ClassVar[str] = "n"
    subjects: ClassVar = {"targets": ("targets",), "found": ("found",)}

    targets: Floats = stored("n", "d")
    found: Floats = stored("n", "d")
    residual: Float64 = floats("n", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        which = f"number {i} of {self.called('targets', 'the targets')}"
        residual = no_less(self.residual[i], 9)
        if not self.targets[i].any():
            return f"the features found for {which}, which is zero, are within {residual} of it"
        return f"the features found for {which} are within {residual} of its length"

    def decide(self, i: int) -> Verdict:
        """The distance, beside the length of the target."""
        target, found = (x[i].astype(np.float64) for x in (self.targets, self.found))
        fine = apart2(found, target) <= fraction(self.residual[i]) ** 2 * (norm2(target) or Fraction(1))
        return proved_if(fine, "the features are farther from the target than stated")
