"""Functions that curve the more the further: what is known of them is known between ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from featgeom.pixels.bends import WIDER, Call, Smooth


class Curved(Smooth):
    """A function whose first and second derivatives each rise or fall throughout, as those of exp do.

    They are given as ``first`` and ``second``. A function of what is ``positive`` is bounded only where both
    ends are; elsewhere nothing is known.
    """

    def __init__(
        self, value: Call, first: Call, second: Call, positive: bool = False, bottom: float | None = None
    ) -> None:
        super().__init__(value, -math.inf, math.inf, math.inf, bottom, known_to=0.0)
        self.first, self.second, self.positive = first, second, positive

    def ends(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Those at both ends."""
        low, high = super().ends(lower, upper)
        known = self._known(lower) & (low <= high)
        return torch.where(known, low, -math.inf), torch.where(known, high, math.inf)

    def rounding(self, z: Tensor) -> Tensor:
        """Of the library's functions, in the last digits."""
        return 1e-14 * self.value(z).abs() + 1e-300

    def slopes(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest slope between these ends, entry by entry."""
        return self._between(self.first, lower, upper)

    def steep(self, lower: Tensor, upper: Tensor) -> Tensor:
        """The greatest absolute slope between these ends."""
        least, most = self.slopes(lower, upper)
        return torch.maximum(most, -least)

    def curving(self, lower: Tensor, upper: Tensor) -> Tensor:
        """The greatest absolute second derivative."""
        least, most = self._between(self.second, lower, upper)
        return torch.maximum(most, -least)

    def stretch(self, lower: Tensor, upper: Tensor) -> Tensor:
        """By the steepest of each row."""
        return (
            self.steep(lower, upper).flatten(1).amax(1) if lower[:1].numel() else lower.new_zeros(len(lower))
        )

    def middle(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, float]:
        """The slope in the middle of those between these ends."""
        least, most = self.slopes(lower, upper)
        share = (most - least) / 2
        return (least + most) / 2, float(share.max()) * WIDER if share.numel() else 0.0

    def leftover(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """By the second derivative in reach."""
        reach = torch.maximum(down, up)
        return (self.curving(z - down, z + up) * reach.square() / 2 * WIDER).flatten(1)

    def _between(self, derivative: Call, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        one, other = derivative(lower), derivative(upper)
        low, high = torch.minimum(one, other), torch.maximum(one, other)
        slack = 1e-12 * torch.maximum(one.abs(), other.abs())
        known = self._known(lower)
        return torch.where(known, low - slack, -math.inf), torch.where(known, high + slack, math.inf)

    def _known(self, lower: Tensor) -> Tensor:
        return lower > 0 if self.positive else ~lower.isnan()
