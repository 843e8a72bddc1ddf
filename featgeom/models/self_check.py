"""The self-check: whether W·φ(x) + b is what the network computed, and decides as it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.errors import NoAffineHead
from featgeom.head import AffineHead

TOLERANCE = 1e-4  # of the logits' spread: what float32 arithmetic may do on the way
ROUNDING = 8  # units in the last place of the sum of all terms |w·φ| + |b|


@dataclass(frozen=True)
class SelfCheck:
    """W·φ(x) + b beside the network's logits on a batch.

    ``residual`` is their largest difference; ``spread`` the largest difference between two logits of one
    image; ``rounding`` what the number type may have done to the sum (0 where that need not be asked);
    ``disagreements`` how many of the ``images`` head and network put into different classes.
    """

    residual: float
    spread: float
    rounding: float
    disagreements: int
    images: int

    @property
    def passes(self) -> bool:
        """Whether the difference is small beside the spread, or no more than rounding."""
        return self.residual <= max(TOLERANCE * self.spread, self.rounding)

    def __or__(self, other: SelfCheck) -> SelfCheck:
        """Both together, as of one batch."""
        return SelfCheck(
            max(self.residual, other.residual),
            max(self.spread, other.spread),
            max(self.rounding, other.rounding),
            self.disagreements + other.disagreements,
            self.images + other.images,
        )

    def describe(self) -> str:
        """In words, with whatever is not as it should be."""
        line = f"|W·φ(x) + b − logits| ≤ {self.residual:.2g}, logits differ by up to {self.spread:.3g}"
        if not self.disagreements:
            return f"{line}, the same class on all of {self.images:,} images"
        return f"{line}, BUT ANOTHER CLASS on {self.disagreements:,} of {self.images:,} images"


def check_head(
    features: NDArray[Any], logits: NDArray[Any], head: AffineHead, unit: float | None = None
) -> SelfCheck:
    """Compare W·φ + b with logits (n, C). ``unit`` is the rounding unit of the type that computed them.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> check = check_head(np.float32([[1, 0], [0, 2]]), np.float32([[1, 0], [0.5, 0]]), head)
    >>> check.residual, check.disagreements, check.passes
    (2.0, 1, False)
    """
    computed = features @ head.weight.T + head.bias
    given = np.asarray(logits, np.float64)
    residual = float(np.abs(computed - given).max(initial=0.0))
    spread, rounding = float(np.ptp(given, axis=1).max(initial=0.0)), 0.0
    if residual > TOLERANCE * spread:
        size = np.abs(features) @ np.abs(head.weight).T + np.abs(head.bias)
        unit = float(np.finfo(logits.dtype).eps) if unit is None else unit
        rounding = ROUNDING * unit * float(size.max(initial=0.0))
    return SelfCheck(
        residual,
        spread,
        rounding,
        int((computed.argmax(axis=1) != given.argmax(axis=1)).sum()),
        len(given),
    )


def require(check: SelfCheck, whose: str) -> None:
    """Raise NoAffineHead, with the figures, for a check that does not pass."""
    if not check.passes:
        raise NoAffineHead(
            f"{whose}: W·φ(x) + b misses the logits by {check.residual:.3g}, which differ by up to "
            f"{check.spread:.3g}; another class on {check.disagreements:,} of {check.images:,} images"
        )
