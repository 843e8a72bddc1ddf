"""The product of two entries, both of which depend on the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from featgeom.pixels.bends import WIDER, Bend

NEAR = 1e-6  # relatively: a price so near to half the coefficient leaves too few digits
LOST = 1e-280  # squares below lose digits to underflow


class Product(Bend):
    """x · y of each pair; what goes in is (n, 2, ...), with entries (n, 2, all).

    What a line leaves out is a (Δx Δy) and what it differs by from the slopes (y, x). Over the ends it is
    least at one of four corners; at a price of at least a / 2 the squares make up for it everywhere.
    """

    windowed = True

    def __init__(self) -> None:
        super().__init__(lambda z: z[:, 0] * z[:, 1], -math.inf, math.inf)

    def stretch(self, lower: Tensor, upper: Tensor) -> Tensor:
        """By the length of the longest pair of factors."""
        largest = torch.maximum(lower.abs(), upper.abs()).flatten(2)
        each = largest.square().sum(1).sqrt() * WIDER
        return each.amax(1) if each.shape[1] else each.new_zeros(len(each))

    def ends(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest of four."""
        corners = torch.stack([x[:, 0] * y[:, 1] for x in (lower, upper) for y in (lower, upper)])
        low, high = corners.amin(0), corners.amax(0)
        slack = 1e-15 * torch.maximum(low.abs(), high.abs()) + 1e-300
        known = low <= high
        return torch.where(known, low - slack, -math.inf), torch.where(known, high + slack, math.inf)

    def rounding(self, z: Tensor) -> Tensor:
        """Of one product."""
        return 1e-15 * self.value(z).abs() + 1e-300

    def windows(self, z: Tensor) -> Tensor:
        """Each pair."""
        return z.flatten(2)

    def settled(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Where neither factor moves."""
        return (lower >= upper).all(1), torch.zeros_like(lower)

    def middle(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, float]:
        """The other factor in the middle; it differs by half of what that can change."""
        slope, far = ((lower + upper) / 2).flip(1), (upper - lower) / 2
        return slope, float(far.square().sum(1).sqrt().max()) * WIDER if far.numel() else 0.0

    def slope(self, z: Tensor) -> Tensor:
        """The other factor."""
        return z.flip(1)

    def leftover(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """The product of what both move."""
        far = torch.maximum(down, up)
        return (far[:, 0] * far[:, 1]).flatten(1) * WIDER

    def penalty(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, energy: Tensor) -> Tensor:
        """What makes the squares of both movements no less than the product."""
        return a.abs().amax(1) / 2 * (1 + 10 * NEAR)

    def line(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor) -> Tensor:
        """That at z."""
        return z.flip(1)

    def error(
        self, a: Tensor, c: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The least of the corners without the price, or of the parabola that opens upwards, wherever."""
        low, high, rest = lower - z, upper - z, a.unsqueeze(1) * z.flip(1) - c

        def at(x: Tensor, y: Tensor) -> Tensor:
            return a * (x * y) + rest[:, 0] * x + rest[:, 1] * y

        corners = [at(x[:, 0], y[:, 1]) for x in (low, high) for y in (low, high)]
        least = torch.stack(corners).amin(0)
        double = 2 * price
        under = double.square() - a.square()
        # of a x y + p (x² + y²) + r · (x, y), where 2 p > |a| by enough digits
        convex = (double > a.abs() * (1 + NEAR)) & (under > LOST)
        under = torch.where(convex, under, 1.0)
        squares = double * rest.square().sum(1) - 2 * a * rest[:, 0] * rest[:, 1]
        open_ = torch.where(convex, -squares / (2 * under), -math.inf)
        with torch.no_grad():
            reach = torch.maximum(low.abs(), high.abs())
            size = a.abs() * (reach[:, 0] * reach[:, 1]) + (rest.abs() * reach).sum(1)
            size = size + ((a.unsqueeze(1) * z.flip(1)).abs() + c.abs()).mul(reach).sum(1)
            size = size + torch.where(open_ > least, -open_, 0.0)
        return torch.maximum(least, open_), size
