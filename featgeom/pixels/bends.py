"""Functions of a network's entries that bend, and what a line in place of one leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

WIDER = 1 + 1e-9  # of lengths: float64 rounds by far less
CELLS = 24  # into which the room of a smooth function is cut
FIXED_POINT = 4  # steps towards a price at which those that it lets leave their line are those that set it
Call = Callable[..., Tensor]


class Bend:
    """A function f of each entry z by itself, whose slope lies between ``least`` and ``most``.

    In the network's bounds f stands as f(z + Δ) ≥ or ≤ f(z) + a line in Δ, with z the value at the image
    in the middle. What a line leaves out is `error`; the ends of z + Δ are ``lower`` and ``upper``.
    """

    windowed = False  # whether it takes several entries for each that comes out
    kinks = False  # whether splitting at 0 leaves two lines
    convex = False  # whether f(z + Δ) ≥ f(z) + slope Δ

    def __init__(self, value: Call, least: float, most: float) -> None:
        self.value = value
        self.least, self.most = least, most

    def stretch(self, lower: Tensor, upper: Tensor) -> Tensor | float:
        """By how much f may stretch distances (rows,) between these ends; here, between any."""
        return max(abs(self.least), abs(self.most))

    def curving(self, lower: Tensor, upper: Tensor) -> Tensor | float:
        """The greatest absolute second derivative between these ends; 0 for what is made of lines."""
        return 0.0

    def ends(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest f between these ends; exact for a function that rises."""
        return self.value(lower), self.value(upper)

    def rounding(self, z: Tensor) -> Tensor:
        """More than `value` rounds at z."""
        return 1e-15 * self.value(z).abs()

    def asked(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Where narrower ends would help."""
        return lower < upper

    def moves(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Where f can change at all."""
        return lower < upper

    def windows(self, z: Tensor) -> Tensor:
        """The entries (n, all), or (n, window, all) of pooling; `error` takes any part of the last."""
        return z.flatten(1)

    def at(self, z: Tensor) -> Tensor:
        """f of entries as `windows` gives them (n, all)."""
        return self.value(z)

    def settled(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Where these ends, as `windows` gives them, leave one line (n, all), and its slope as they are."""
        return lower >= upper, torch.zeros_like(lower)

    def middle(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, float]:
        """A slope for each entry, and by what share of their movement f's own ones can differ from it."""
        return torch.full_like(lower, (self.least + self.most) / 2), (self.most - self.least) / 2

    def slope(self, z: Tensor) -> Tensor:
        """One between ``least`` and ``most`` for each entry of `windows`: f's own, where it has one."""
        with torch.enable_grad():
            at = z.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.value(at).sum(), at)
        return slope

    def leftover(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """No less than |f(z + Δ) − f(z) − slope Δ| where −down ≤ Δ ≤ up, entry by entry of what comes out."""
        return (self.most - self.least) * torch.maximum(down, up).flatten(1)

    def penalty(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, energy: Tensor) -> Tensor:
        """A good price (rows,) of the square of a movement, for coefficients a of f and Σ Δ² ≤ energy²."""
        raise NotImplementedError

    def line(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor) -> Tensor:
        """A good slope of the line, for coefficients a of f."""
        raise NotImplementedError

    def learned(self, slope: Tensor, a: Tensor, z: Tensor) -> Tensor:
        """A slope as it was learned, where one may be."""
        return slope

    def error(
        self, a: Tensor, c: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """No more than a (f(z + Δ) − f(z)) − c Δ + price Δ² for any Δ in the room; the size of its terms."""
        raise NotImplementedError


class Kinked(Bend):
    """max(z, share · z), 0 ≤ share ≤ 1: ReLU and LeakyReLU."""

    kinks = True
    convex = True

    def __init__(self, share: float = 0.0) -> None:
        super().__init__(lambda z: functional.leaky_relu(z, share) if share else z.relu(), share, 1.0)

    def ends(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Those at both ends; one that is multiplied by the share is rounded outward."""
        low, high = self.value(lower), self.value(upper)
        if not self.least:
            return low, high
        return low - 1e-15 * low.abs(), high + 1e-15 * high.abs()

    def asked(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Where the kink is between the ends."""
        return (lower < 0) & (upper > 0)

    def moves(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Not where f is 0 throughout."""
        return (lower < upper) & ((upper > 0) | (self.least > 0))

    def settled(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """On either side of the kink; ends that are no numbers settle nothing."""
        return (lower >= 0) | (upper <= 0), self.least + (self.most - self.least) * (lower >= 0).to(lower)

    def leftover(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """What is beyond the kink."""
        beyond = torch.where(z > 0, down - z, up + z)
        return (self.most - self.least) * beyond.clamp_min(0).flatten(1)

    def penalty(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, energy: Tensor) -> Tensor:
        """Of a kink at z, a line leaves out a² / 16 price; those far from their kink leave out nothing."""
        a = torch.where(self.asked(lower, upper), -a, 0.0).clamp_min(0).flatten(1) * (self.most - self.least)
        far, tiny = z.flatten(1).abs(), torch.finfo(z.dtype).tiny
        price = a.norm(dim=1) / (4 * energy).clamp_min(tiny)
        for _ in range(FIXED_POINT):
            near = torch.where(4 * price[:, None] * far <= a, a, 0.0)
            price = (price + near.norm(dim=1) / (4 * energy).clamp_min(tiny)) / 2
        return price

    def line(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor) -> Tensor:
        """Over what a movement can pay for: where f is bounded from above its chord, else the wider side."""
        reach = a.abs() * (self.most - self.least) / (4 * price).clamp_min(torch.finfo(z.dtype).tiny)
        low, high = torch.maximum(lower, z - reach), torch.minimum(upper, z + reach)
        chord = high.clamp_min(0) / (high.clamp_min(0) - low.clamp_max(0)).clamp_min(
            torch.finfo(z.dtype).tiny
        )
        return self.least + (self.most - self.least) * torch.where(a < 0, chord, (high > -low).to(z))

    def error(
        self, a: Tensor, c: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Exact: on each side of the kink it is a parabola that opens upwards, or a line."""
        low, high = lower - z, upper - z
        with torch.no_grad():
            kink = torch.minimum(torch.maximum(-z, low), high)
            double = (2 * price).clamp_min(torch.finfo(z.dtype).tiny)
            right = torch.minimum(torch.maximum((c - a * self.most) / double, kink), high)
            left = torch.maximum(torch.minimum((c - a * self.least) / double, kink), low)

        def at(move: Tensor) -> Tensor:
            return a * (self.value(z + move) - self.value(z)) - c * move + price * move.square()

        one, other = at(right), at(left)
        with torch.no_grad():
            reach = torch.maximum(right.abs(), left.abs())
            size = (a.abs() + c.abs()) * (reach + z.abs()) + price * reach.square()
        return torch.minimum(one, other), size


class Smooth(Bend):
    """A function whose second derivative is nowhere beyond ``curvature``.

    It rises throughout, or falls, or, where ``bottom`` is given, falls to the left of that one place and
    rises to the right of it; where that is, is known to ``known_to``.
    """

    def __init__(
        self,
        value: Call,
        least: float,
        most: float,
        curvature: float,
        bottom: float | None = None,
        known_to: float = 1e-6,
    ) -> None:
        super().__init__(value, least, most)
        self.curvature, self.bottom, self.known_to = curvature, bottom, known_to

    def steep(self, lower: Tensor, upper: Tensor) -> Tensor | float:
        """The greatest absolute slope between these ends, entry by entry."""
        return max(abs(self.least), abs(self.most))

    def curving(self, lower: Tensor, upper: Tensor) -> Tensor | float:
        """The same everywhere."""
        return self.curvature

    def ends(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Those at both ends, or at the bottom between them."""
        one, other = self.value(lower), self.value(upper)
        low, high = torch.minimum(one, other), torch.maximum(one, other)
        if self.bottom is not None:
            off = 10 * self.known_to
            least = float(self.value(torch.tensor(self.bottom, dtype=torch.float64))) - off * self.known_to
            inside = (lower < self.bottom + off) & (upper > self.bottom - off)
            low = torch.where(inside, low.clamp_max(least), low)
        slack = self.rounding(lower) + self.rounding(upper)
        return low - slack, high + slack

    def rounding(self, z: Tensor) -> Tensor:
        """Of the library's exponential."""
        return 1e-14 * (1 + z.abs())

    def penalty(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, energy: Tensor) -> Tensor:
        """What the curvature asks for at most."""
        return (a.abs() * self.curving(lower, upper)).flatten(1).amax(1) / 8

    def line(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor) -> Tensor:
        """The chord."""
        wide = upper - lower
        with torch.enable_grad():
            at = z.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.value(at).sum(), at)
        chord = (self.value(upper) - self.value(lower)) / wide.clamp_min(1e-6)
        return torch.where(wide > 1e-6, chord, slope)

    def error(
        self, a: Tensor, c: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Between two places h apart a function is no more than |its second derivative| h² / 8 below both."""
        low, wide = lower - z, upper - lower
        least, here = torch.full_like(a * z, math.inf), self.value(z)
        for i in range(CELLS + 1):
            move = low + wide * (i / CELLS)
            value = a * (self.value(z + move) - here) - c * move + price * move.square()
            least = torch.minimum(least, value)
        bend = (a.abs() * self.curving(lower, upper) + 2 * price) * WIDER
        reach = wide + low.abs()
        moved = self.steep(lower, upper) * (z.abs() + reach)
        size = a.abs() * (here.abs() + 1 + moved) + c.abs() * reach + price * reach.square()
        return least - bend * (wide / CELLS).square() / 8, size.detach()
