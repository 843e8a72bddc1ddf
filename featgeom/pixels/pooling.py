"""Max pooling, and what an average of a window's entries in its place leaves out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from featgeom.pixels.bends import FIXED_POINT, Bend


class Pool(Bend):
    """The largest entry of each window (max pooling); entries are (n, window, channels · places)."""

    windowed = True
    convex = True

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> None:
        pair = [
            (int(v[0]), int(v[-1])) if isinstance(v, (tuple, list)) else (int(v), int(v))
            for v in (kernel_size, stride or kernel_size, padding, dilation)
        ]
        self.kernel, self.stride, self.padding, self.dilation = pair
        shared = math.prod(math.ceil(k / s) for k, s in zip(self.kernel, self.stride, strict=True))
        self.shared = shared if self.dilation == (1, 1) else math.prod(self.kernel)
        super().__init__(
            lambda z: functional.max_pool2d(z, self.kernel, self.stride, self.padding, self.dilation),
            0.0,
            math.sqrt(self.shared),
        )

    def windows(self, z: Tensor) -> Tensor:
        """Each window by itself, so that those which overlap are bounded one by one."""
        up, aside = self.padding
        padded = functional.pad(z, (aside, aside, up, up), value=-math.inf)
        flat = functional.unfold(padded, self.kernel, self.dilation, 0, self.stride)
        return flat.unflatten(1, (z.shape[1], -1)).transpose(1, 2).flatten(2)

    def at(self, z: Tensor) -> Tensor:
        """The largest of each."""
        return z.amax(1)

    def learned(self, slope: Tensor, a: Tensor, z: Tensor) -> Tensor:
        """Where the largest is bounded from above; else that of the leading entry."""
        return torch.where(a.unsqueeze(1) < 0, slope, self.slope(z))

    def leaders(self, z: Tensor) -> Tensor:
        """Where the largest entry of each window (n, windows) stands in its channel."""
        call = functional.max_pool2d
        return call(z, self.kernel, self.stride, self.padding, self.dilation, return_indices=True)[1].flatten(
            1
        )

    def members(self, shape: tuple[int, ...]) -> Tensor:
        """The entries of each window (windows, some) among those of one image, −1 beyond its rim."""
        number = torch.arange(math.prod(shape), dtype=torch.float64).view(1, *shape)
        return self.windows(number)[0].T.clamp_min(-1).long()

    def settled(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Where one entry is never less than the others."""
        leads = lower.argmax(1, keepdim=True)
        only = torch.zeros_like(lower).scatter(1, leads, 1.0)
        others = upper.masked_fill(only > 0, -math.inf).amax(1)
        return lower.gather(1, leads)[:, 0] >= others, only

    def line(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor) -> Tensor:
        """Where a < 0, a share for each entry that can be moved to lead; else all to the leading one."""
        best, leads = z.max(1, keepdim=True)
        weight, only = a.unsqueeze(1), torch.zeros_like(z).scatter(1, leads, 1.0)
        tiny = torch.finfo(z.dtype).tiny
        far = weight.abs() * self.shared / (2 * price).clamp_min(tiny).unsqueeze(1)
        reach = torch.minimum(far, upper - lower)
        share = torch.where(z > -math.inf, (1 - (best - z) / reach.clamp_min(tiny)).clamp_min(0), 0.0)
        share = torch.where(upper.gather(1, leads) > lower.gather(1, leads), share, only).nan_to_num(0.0)
        share = torch.maximum(share, only)
        return torch.where(weight < 0, share / share.sum(1, keepdim=True), only)

    def slope(self, z: Tensor) -> Tensor:
        """That of the leading entry."""
        return torch.zeros_like(z).scatter(1, z.argmax(1, keepdim=True), 1.0)

    def leftover(self, z: Tensor, down: Tensor, up: Tensor) -> Tensor:
        """By how much another entry can come to lead."""
        z, down, up = (self.windows(t) for t in (z, down, up))
        best, leads = z.max(1, keepdim=True)
        others = (up + down.gather(1, leads) - (best - z)).scatter(1, leads, 0.0)
        return torch.where(z > -math.inf, others, 0.0).amax(1)

    def middle(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, float]:
        """A like share for each that can lead: the largest is their average by other weights."""
        can = (upper >= lower.amax(1, keepdim=True)).to(lower)
        count = can.sum(1, keepdim=True)
        far = (1 - 1 / count).clamp_min(0).sqrt()
        return can / count, float(far.max()) * math.sqrt(self.shared) if far.numel() else 0.0

    def penalty(self, a: Tensor, z: Tensor, lower: Tensor, upper: Tensor, energy: Tensor) -> Tensor:
        """Of a tie of two, a line leaves out a² / 8 price."""
        top = z.topk(min(2, z.shape[1]), 1).values
        gap = top[:, 0] - top[:, -1]
        gap = gap if z.shape[1] > 1 else torch.full_like(gap, math.inf)
        down, tiny = (-a).clamp_min(0), torch.finfo(z.dtype).tiny
        unit = (math.sqrt(8) * energy).clamp_min(tiny)
        price = down.norm(dim=1) / unit
        for _ in range(FIXED_POINT):
            near = torch.where(2 * price[:, None] * gap <= down, down, 0.0)
            price = (price + near.norm(dim=1) / unit) / 2
        return price * self.shared

    def error(
        self, a: Tensor, c: Tensor, z: Tensor, lower: Tensor, upper: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of a the coefficients (n, all) of the largest, and c (n, window, all).

        Where a ≥ 0, the largest is no less than the entry that leads at z, with whose slope it is exact;
        where a < 0, each entry is taken for the largest in turn, and the worst counts.
        """
        best, leads = z.max(1, keepdim=True)
        weight, price = a.unsqueeze(1), price.unsqueeze(1) / self.shared
        real = z > -math.inf
        zero = torch.zeros_like(z)
        gap, low, high = (torch.where(real, t, zero) for t in (best - z, lower - z, upper - z))
        double = (2 * price).clamp_min(torch.finfo(z.dtype).tiny)

        def least(slope: Tensor) -> Tensor:
            """Of slope · Δ + price · Δ², entry by entry."""
            move = torch.minimum(torch.maximum(-slope.detach() / double, low), high).detach()
            return slope * move + price * move.square()

        alone = least(-c)
        together = alone.sum(1, keepdim=True)
        turns = together - alone + least(weight - c) - weight * gap
        first = turns.gather(1, leads)[:, 0]
        worst = torch.where(real, turns, math.inf).amin(1)
        with torch.no_grad():
            reach = torch.maximum(high, -low)
            size = ((weight.abs() + c.abs()) * (reach + gap)).sum(1)
        return torch.where(a < 0, worst, first), size
