"""Balls of pixel space, and what a network's values can be over the images in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from time import thread_time

import torch
from torch import Tensor, nn

from featgeom.pixels.ends import Bent, Ends, Narrow
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.relaxation import bounded_below

ENTRIES = 1 << 22  # inputs of what bends in one forward and backward pass

Pick = Callable[[Tensor], Tensor]


class Balls:
    """The images that differ from some x (n, c, h, w) by at most ``radius`` (n,), inside the bounds.

    ``norm`` is 2 or inf: the length of a difference is Euclidean, or that of its largest entry. ``low`` and
    ``high`` are the ends of the images, and ``euclid`` the Euclidean radius, which is inf for the norm inf.
    """

    def __init__(self, x: Tensor, radius: Tensor, bounds: tuple[float, float], norm: float) -> None:
        reach = radius.view(-1, 1, 1, 1)
        self.x = x
        self.euclid = radius if norm == 2 else torch.full_like(radius, math.inf)
        self.low, self.high = (x - reach).clamp_min(bounds[0]), (x + reach).clamp_max(bounds[1])

    @property
    def room(self) -> Ends:
        """The ends of the movement of the images."""
        return self.low - self.x, self.high - self.x

    def intervals(self, network: nn.Module, narrow: Narrow | None = None) -> tuple[Ends, list[Bent]]:
        """The ends of the network's values, and what goes into each operation that bends."""
        bounds = IntervalPass(self.low, self.high, self.x, self.euclid, narrow)
        ends = bounds.run(network)
        return ends, bounds.bent

    def below(self, network: nn.Module, sample: Tensor, bent: list[Bent], picks: list[Pick]) -> list[Ends]:
        """`bounded_below` for each of these samples, which may repeat."""
        low, high = self.room
        room = low[sample], high[sample]
        rows = [here.at(sample) for here in bent]
        return list(bounded_below(network, self.x[sample], rows, picks, room, self.euclid[sample]))

    def narrowed(self, network: nn.Module, units: int, until: float, bent: list[Bent], here: Bent) -> Ends:
        """The ends of what goes into an operation, narrowed by linear functions.

        Asked where they would help, in images of which at most ``units`` entries need it, until the clock of
        `thread_time` says ``until``. The network is a copy of the one whose run this interrupts.
        """
        assert here.bend is not None
        lower, upper = (end.flatten(1).clone() for end in (here.lower, here.upper))
        asked = here.bend.asked(lower, upper)
        asked &= asked.sum(1, keepdim=True) <= units
        for part in torch.nonzero(asked).split(rows_at_once([*bent, here])):
            if thread_time() > until:
                break
            sample, unit = part.T
            picks: list[Pick] = [partial(entry, unit, 1.0), partial(entry, unit, -1.0)]
            up, down = (value + change for value, change in self.below(network, sample, bent, picks))
            lower[sample, unit] = torch.maximum(lower[sample, unit], up)
            upper[sample, unit] = torch.minimum(upper[sample, unit], -down)
        return lower.view_as(here.lower), upper.view_as(here.upper)


def entry(unit: Tensor, sign: float | Tensor, values: Tensor) -> Tensor:
    """One entry of each row, times its sign."""
    return sign * values.gather(1, unit[:, None])[:, 0]


def lead(own: Tensor, other: Tensor, values: Tensor) -> Tensor:
    """By how much one class beats another."""
    return (values.gather(1, own[:, None]) - values.gather(1, other[:, None]))[:, 0]


def rows_at_once(bent: list[Bent]) -> int:
    """How many images one forward and backward pass may take."""
    each = sum(here.lower[0].numel() for here in bent if here.bend is not None)
    return max(1, min(256, ENTRIES // max(1, each)))
