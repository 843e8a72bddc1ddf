"""What a search still lacks: how far features are from goals, and where that can be told by a derivative."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from featgeom.pixels.derivatives import PixelFunction
from featgeom.pixels.opened import opened


@dataclass(frozen=True)
class Gaps:
    """The way to goals (n, k), for features φ or, where they come out of a ReLU, for what goes into it.

    ``f`` is one or the other, and ``shut`` says which. Behind a ReLU no goal can lie below 0, and one of 0 is
    met by whatever goes in that is not positive.
    """

    f: PixelFunction
    shut: bool
    goals: Tensor
    scale: Tensor
    features: PixelFunction

    @classmethod
    def of(cls, f: PixelFunction, goals: Tensor, start: Tensor) -> Gaps:
        """For these goals; ``start`` (n, m) are vectors to try the network with."""
        scale = goals.norm(dim=1)
        before = opened(f, start[:1]) if len(start) else None
        return cls(before or f, before is not None, goals, torch.where(scale > 0, scale, 1.0), f)

    def at(self, rows: Tensor) -> Gaps:
        """Of these rows."""
        return Gaps(self.f, self.shut, self.goals[rows], self.scale[rows], self.features)

    def closed(self) -> Gaps:
        """Of the features themselves: short of a goal, a feature may better be shut than far below 0."""
        return Gaps(self.features, False, self.goals, self.scale, self.features)

    def residual(self, x: Tensor) -> Tensor:
        """‖φ(x) − goals‖ of x (n, m), relative to the length of the goals."""
        return self.relative(self.f(x))

    def relative(self, values: Tensor) -> Tensor:
        """The same, from the values of ``f``."""
        return ((values.clamp_min(0) if self.shut else values) - self.goals).norm(dim=1) / self.scale

    def missing(self, values: Tensor) -> Tensor:
        """What has to be added to the values of ``f`` (n, k)."""
        if not self.shut:
            return self.goals - values
        lacks = self.goals.clamp_min(0) - values
        return torch.where((self.goals <= 0) & (values <= 0), 0.0, lacks)

    def linear(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is missing at x (n, k), and the derivatives (n, k, m) of what is not met anyway."""
        wanted = ((self.goals > 0) | (self.f(x) > 0)).any(0) if self.shut else None
        values, rows = self.f.jacobian(x, wanted)
        missing = self.missing(values)
        if self.shut:
            rows = torch.where(((self.goals > 0) | (values > 0))[..., None], rows, 0.0)
        return missing, rows
