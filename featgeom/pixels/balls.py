"""Balls of pixel space, and what a network's values can be over the images in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import thread_time

import torch
from torch import Tensor, nn

from featgeom.pixels.crowds import Crowd, below_crowd, crowded
from featgeom.pixels.ends import Bent, Ends, Narrow
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.loose import Loose
from featgeom.pixels.movement import movements
from featgeom.pixels.relaxation import bounded_below, entry

OUTWARD = -math.inf, math.inf
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
        ends = x - reach, x + reach  # rounded, by half of the way to the next number at most
        low, high = (end.nextafter(torch.full_like(end, e)) for end, e in zip(ends, OUTWARD, strict=True))
        self.low, self.high = low.clamp_min(bounds[0]), high.clamp_max(bounds[1])

    @property
    def room(self) -> Ends:
        """The ends of the movement of the images."""
        return self.low - self.x, self.high - self.x

    def intervals(self, network: nn.Module, narrow: Narrow | None = None) -> tuple[Ends, list[Bent]]:
        """The ends of the network's values, and what goes into each operation that bends."""
        bounds = IntervalPass(self.low, self.high, self.x, self.euclid, narrow)
        ends = bounds.run(network)
        return ends, bounds.bent

    def below(self, network: nn.Module, sample: Tensor, loose: list[Loose], picks: list[Pick]) -> list[Ends]:
        """`bounded_below` for each of these samples, which may repeat."""
        low, high = self.room
        room = low[sample], high[sample]
        rows = [here.at(sample) for here in loose]
        return list(bounded_below(network, self.x[sample], rows, picks, room, self.euclid[sample]))

    def narrowed(self, network: nn.Module, units: int, until: float, bent: list[Bent], here: Bent) -> Bent:
        """The ends of what goes into an operation, narrowed by linear functions.

        Asked where they would help, in images of which at most ``units`` entries need it, until the clock of
        `thread_time` says ``until``. The network is a copy of the one whose run this interrupts.
        """
        assert here.bend is not None
        lower, upper = (end.flatten(1).clone() for end in (here.lower, here.upper))
        asked = here.bend.asked(lower, upper)
        loose = [Loose.of(one) for one in bent]
        for i in torch.nonzero(asked.any(1))[:, 0].tolist():
            crowd = crowded(here, bent, torch.nonzero(asked[i])[:, 0])
            if crowd is not None and len(crowd.phase) <= units:
                asked[i] = False
                self._narrow_crowd(network, i, loose, crowd, (lower[i], upper[i]), until)
        asked &= asked.sum(1, keepdim=True) <= units
        for part in torch.nonzero(asked).split(rows_at_once([*bent, here])):
            if thread_time() > until:
                break
            sample, unit = part.T
            picks: list[Pick] = [partial(entry, unit, 1.0), partial(entry, unit, -1.0)]
            up, down = (value + change for value, change in self.below(network, sample, loose, picks))
            lower[sample, unit] = torch.maximum(lower[sample, unit], up.nan_to_num(-math.inf))
            upper[sample, unit] = torch.minimum(upper[sample, unit], (-down).nan_to_num(math.inf))
        return replace(here, lower=lower.view_as(here.lower), upper=upper.view_as(here.upper))

    def tightened(self, network: nn.Module, most: int, until: float, bent: list[Bent], here: Bent) -> Bent:
        """One image's layer with less movement, if at most so many of its entries move at all."""
        assert here.bend is not None
        lower, upper = here.lower.flatten(1), here.upper.flatten(1)
        moves, bends = here.bend.moves(lower, upper)[0], here.bend.asked(lower, upper)[0]
        every = int(moves.sum()) <= most
        unit = torch.nonzero(moves if every else bends)[:, 0]
        if self.euclid[0] == math.inf or not 0 < len(unit) <= most:
            return here
        loose = [Loose.of(one) for one in bent]
        groups = [bends[unit], torch.ones_like(unit, dtype=torch.bool)]
        at_once = rows_at_once([*bent, here])
        found = movements(network, self.x, loose, unit, groups, self.room, self.euclid, at_once, until)
        if found is None:
            return here
        live, whole = found
        energy = torch.minimum(here.energy, whole) if every else here.energy
        return replace(here, energy=energy, tight=live[None])

    def _narrow_crowd(
        self, network: nn.Module, i: int, loose: list[Loose], crowd: Crowd, ends: Ends, until: float
    ) -> None:
        """Narrows the ends (all,) of entries of one image in place."""
        row, (low, high) = torch.tensor([i]), self.room
        mine = [here.at(row) for here in loose]
        step = rows_at_once(loose)
        for first in range(0, len(crowd.phase), step):
            if thread_time() > until:
                break
            part = crowd.part(first, first + step)
            for end, sign in zip(ends, (1.0, -1.0), strict=True):
                found = below_crowd(
                    network, self.x[row], mine, part, sign, (low[row], high[row]), self.euclid[row]
                )
                found = torch.maximum(sign * end[part.unit], found.nan_to_num(-math.inf))
                end[part.unit] = sign * found


def lead(own: Tensor, other: Tensor, values: Tensor) -> Tensor:
    """By how much one class beats another."""
    return (values.gather(1, own[:, None]) - values.gather(1, other[:, None]))[:, 0]


def rows_at_once(bent: Sequence[Bent | Loose]) -> int:
    """How many images one forward and backward pass may take."""
    each = sum(here.size for here in bent)
    return max(1, min(256, ENTRIES // max(1, each)))
