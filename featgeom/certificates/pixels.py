"""Claims about images that a search found: inside the bounds, how far they moved, which features they reach.

What features an image has only the network can say: these claims hold them as it gave them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of
from featgeom.exact.rationals import dot, fraction, norm2
from featgeom.status import Status

Row = tuple[Status, str]


def _distance2(a: Any, b: Any) -> Fraction:
    """The exact squared distance of two vectors, whatever their magnitudes."""
    return norm2(a) - 2 * dot(a, b) + norm2(b)


@dataclass(frozen=True, eq=False)
class ImageClaim(Claim):
    """Every value of image i lies in [low, high], and image i is at most ``distance[i]`` from ``start[i]``.

    Both are vectors of pixel space, (n, m).
    """

    kind: ClassVar[str] = "image"
    subjects: ClassVar[tuple[str, ...]] = ("start",)

    start: Any
    images: Any
    low: float
    high: float
    distance: Any

    def __len__(self) -> int:
        return len(self.distance)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return (
            f"image {i} lies in [{self.low:g}, {self.high:g}], at most {self.distance[i]:.9g} from its start"
        )

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        n = len(self.distance)
        if not is_array_of(self.distance, (n,)) or not is_array_of(self.images, (n, None)):
            return refuted(n, "images and distances do not fit together")
        if not is_array_of(self.start, self.images.shape):
            return refuted(n, "images and starts do not fit together")
        return Verdicts.collect(list(self._rows()))

    def _rows(self) -> Iterator[Row]:
        for start, image, distance in zip(self.start, self.images, self.distance, strict=True):
            if not (image.min(initial=self.high) >= self.low and image.max(initial=self.low) <= self.high):
                yield Status.REFUTED, "a value lies outside the bounds"
            elif distance < 0 or _distance2(image, start) > fraction(distance) ** 2:
                yield Status.REFUTED, "the image is farther from its start than stated"
            else:
                yield Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class ReachedClaim(Claim):
    """The features ``found[i]`` (n, d) are within ``residual[i]`` · ‖target‖ of ``targets[i]``.

    Where the target is zero, they are within ``residual[i]`` of it.
    """

    kind: ClassVar[str] = "reached-features"
    subjects: ClassVar[tuple[str, ...]] = ("targets",)

    targets: Any
    found: Any
    residual: Any

    def __len__(self) -> int:
        return len(self.residual)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return f"the features found for target {i} are within {self.residual[i]:.9g} of its length"

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        n = len(self.residual)
        fits = is_array_of(self.residual, (n,)) and is_array_of(self.targets, (n, None))
        if not fits or not is_array_of(self.found, self.targets.shape):
            return refuted(n, "features, targets and residuals do not fit together")
        return Verdicts.collect(list(self._rows()))

    def _rows(self) -> Iterator[Row]:
        for target, found, residual in zip(self.targets, self.found, self.residual, strict=True):
            scale = norm2(target) or Fraction(1)
            if residual < 0 or _distance2(found, target) > fraction(residual) ** 2 * scale:
                yield Status.REFUTED, "the features are farther from the target than stated"
            else:
                yield Status.PROVED, ""
