"""Small balls around one image, for networks so deep that ends of every entry say nothing.

Near an image the network is its own linear function there, but for the few bends that the ball reaches. How
far an entry can move is told by the length of its gradient, and by what each bend before it leaves over,
times what that does to the entry: columns of the same linear function. So bounds do not grow from layer to
layer as intervals do; they hold as long as few entries bend. What rounds at the image may open a bend, and
is told by running the network with twice the digits.
"""

from __future__ import annotations

import math
from time import thread_time
from typing import Any

import torch
from torch import Tensor, nn

from featgeom.pixels.ends import WIDER
from featgeom.pixels.pairs import Precise
from featgeom.pixels.relaxation import SLACK
from featgeom.pixels.tangent import Tangent

AT_ONCE = 8  # columns in one run of the network: more leave the cache
LIVE = 4000  # bends that a ball may reach
TRIES = 12  # radii
SHORT = 256  # of the radius at which the linear function alone would vanish: the first
FACTOR, CLOSE = 2.0, 1.05  # between radii that are tried, at most and at least


class Near:
    """One image x (1, c, h, w) and what the network's linear function there does to each entry."""

    def __init__(self, network: nn.Module, x: Tensor, source: Tensor, rivals: Tensor, norm: float) -> None:
        self.network, self.x, self.norm = network, x, norm
        self.source, self.rivals = source, rivals
        first, precise = Tangent(), Precise()
        logits = first.run(network, x)[0]
        self.lead = logits[source] - logits[rivals]
        self.tangent = Tangent(first.met)
        *true, off = precise.run(network, x)
        one, other = (self._leads(t)[0] for t in true)
        # more than the lead was rounded by, and what goes into each bend
        self.rounding = ((self.lead - one).abs() + other.abs() + 2 * off) * WIDER
        for here, (high, low, away) in zip(self.tangent.met, precise.met, strict=True):
            here.rounding = ((here.z - high).abs() + low.abs() + away) * WIDER
        self.lengths: list[Tensor] = []
        self.slope = torch.empty(0)

    def prepare(self, until: float) -> bool:
        """Finds what each pixel does to each entry that bends, and to the lead; False where time is up."""
        m, slopes = self.x.numel(), []
        total: list[Any] = [0.0] * len(self.tangent.met)
        off: list[Any] = [0.0] * (len(self.tangent.met) + 1)
        for part in torch.arange(m).split(AT_ONCE):
            if thread_time() > until:
                return False
            images = torch.zeros(len(part), m, dtype=self.x.dtype)
            images[torch.arange(len(part)), part] = 1.0
            values = self.tangent.run(self.network, images.view(-1, *self.x.shape[1:]))
            slopes.append(self._leads(values))
            for at, moved in self.tangent.moved.items():
                total[at] = total[at] + self._sizes(moved).sum(0)
            for at, more in self.tangent.off.items():
                off[at] = off[at] + self._sizes(more).sum(0)
        self.lengths = [
            self._length(each) + self._length(more) for each, more in zip(total, off[:-1], strict=True)
        ]
        self.slope = self._length(self._sizes(torch.cat(slopes)).sum(0)) + 2 * self._length(off[-1])
        return True

    def holds(self, radius: float, until: float) -> bool:
        """Whether no rival can win in the ball, for all that its bends leave over."""
        down = [radius * length for length in self.lengths]
        up = [radius * length for length in self.lengths]
        lead, count = self.lead - radius * self.slope, 0
        for at, here in enumerate(self.tangent.met):
            reach = [t[at].view(here.z.shape) * WIDER + here.rounding for t in (down, up)]
            left = here.bend.leftover(here.z, *reach)[0] * WIDER
            live = torch.nonzero(left > 0)[:, 0]
            count += len(live)
            if count > LIVE or not torch.isfinite(left).all():
                return False
            for part in live.split(AT_ONCE) if len(live) else ():
                if thread_time() > until or not (lead > 0).all():
                    return False
                lead = lead - self._push(at, part, left, (down, up))
        return bool((lead > self.rounding + SLACK * self.lead).all())

    def _push(self, at: int, part: Tensor, left: Tensor, reach: tuple[list[Tensor], list[Tensor]]) -> Tensor:
        """What these entries' leftovers can do to the lead; and, added to ``reach``, to later entries."""
        run, n = self.tangent, len(part)
        run.pushed, run.pushes = at, torch.zeros(n, len(left), dtype=left.dtype)
        run.pushes[torch.arange(n), part] = left[part]
        values = run.run(self.network, torch.zeros_like(self.x).expand(n, *self.x.shape[1:]))
        run.pushed = -1
        convex = run.met[at].bend.convex

        def sides(moved: Tensor, off: Tensor) -> tuple[Tensor, Tensor]:
            falls, rises = ((sign * moved).clamp_min(0).sum(0) + off for sign in (-1, 1))
            return (falls, rises) if convex else (falls + rises, falls + rises)

        for later in range(at + 1, len(self.lengths)):
            for side, more in zip(reach, sides(run.moved[later], run.off[later].sum()), strict=True):
                side[later] = side[later] + more
        return sides(self._leads(values), 2 * run.off[len(self.lengths)].sum())[0]

    def largest(self, until: float) -> float:
        """The greatest radius found that holds; 0 where none does."""
        if not (self.lead > 0).all() or not self.prepare(until):
            return 0.0
        high = float((self.lead / self.slope.clamp_min(1e-300)).min())
        low, radius = 0.0, high / SHORT
        for _ in range(TRIES):
            if thread_time() > until or (low and high < CLOSE * low):
                break
            if self.holds(radius, until):
                low = radius
            else:
                high = radius
            radius = min(FACTOR * low, math.sqrt(low * high)) if low else high / SHORT
        return low

    def _leads(self, moved: Tensor) -> Tensor:
        return moved[:, self.source, None] - moved[:, self.rivals]

    def _sizes(self, moved: Tensor) -> Tensor:
        return moved.square() if self.norm == 2 else moved.abs()

    def _length(self, total: Tensor) -> Tensor:
        return (total.sqrt() if self.norm == 2 else total) * WIDER
