"""Whether a class holds in a ball: lines whose slopes are learned, then the ball split at kinks.

Sources: Xu et al., arXiv 2011.13824 (slopes by gradient); Wang et al., arXiv 2103.06624 (multipliers of what
a split says, which are slopes beyond those of the two sides); Bunel et al., arXiv 1711.00455 (branch and
bound).
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from time import thread_time

import torch
from torch import Tensor, nn

from featgeom.pixels.balls import Balls, lead, rows_at_once
from featgeom.pixels.ends import Bent, Ends
from featgeom.pixels.learning import GAIN, learned
from featgeom.pixels.loose import Loose
from featgeom.pixels.near import Near
from featgeom.pixels.parts import Parts, cat_lines, halved, joined, leaf
from featgeom.pixels.relaxation import Line, Pass, entry

STEPS = 60  # of gradient, for the slopes of a whole ball
FEW = 15  # for those of the entries of a layer: what they gain beyond, splitting gains sooner
LEARNED = 128  # so many bounds of entries at most
AGAIN = 12  # for those of its parts, which start from the whole's
PARTS = 1 << 24  # entries of what bends, in all parts of a ball


class Prover:
    """Tries to prove, by the clock of `thread_time`, that one image's class holds in balls around it."""

    def __init__(
        self,
        network: nn.Module,
        x: Tensor,
        source: Tensor,
        rivals: Tensor,
        bounds: tuple[float, float],
        norm: float,
    ) -> None:
        self.network, self.again = network, copy.deepcopy(network)
        self.rough = copy.deepcopy(network).to(dtype=torch.float32)  # to learn with, not to decide
        self.x, self.source, self.rivals = x, source.reshape(()), rivals
        self.bounds, self.norm = bounds, norm
        self.nearest = math.inf  # the distance of an image of another class that was met

    def holds(self, radius: float, units: int, until: float, split: bool) -> bool:
        """Whether no rival can win in the ball."""
        balls = Balls(self.x, self.x.new_full((1,), radius), self.bounds, self.norm)
        narrow = partial(self._narrowed, balls, units, until) if units else None
        (lower, upper), bent = balls.intervals(self.network, narrow)
        # so put that ends which are no numbers (inf − inf) decide nothing
        asked = self.rivals[~(lower[0, self.source] > upper[0, self.rivals])]
        if not len(asked):
            return True
        rows = torch.zeros_like(asked)
        loose = [Loose.of(here).at(rows) for here in bent]
        whole = Parts(asked, loose, [Line() for _ in loose])
        value, left = self._learned(balls, whole, STEPS, until)
        if (value > 0).all():
            return True
        return split and self._split(balls, radius, whole, value, left, until)

    def near(self, until: float) -> float:
        """The radius of a ball, small where the network is deep, in which no rival can win."""
        return Near(self.again, self.x, self.source, self.rivals, self.norm).largest(until)

    def _narrowed(self, balls: Balls, units: int, until: float, bent: list[Bent], here: Bent) -> Bent:
        """The ends of what goes into an operation; with learned lines, where few of its entries need them."""
        here = balls.narrowed(self.again, units, until, bent, here)
        assert here.bend is not None
        low, high = here.lower.flatten(1), here.upper.flatten(1)  # views
        unit = torch.nonzero(here.bend.asked(low, high)[0])[:, 0]
        if bent and 0 < 2 * len(unit) <= min(LEARNED, rows_at_once([*bent, here])):
            self._narrow_learned(balls, unit, until, bent, (low, high))
        return balls.tightened(self.again, units, until, bent, here)

    def _narrow_learned(self, balls: Balls, unit: Tensor, until: float, bent: list[Bent], ends: Ends) -> None:
        """Narrows the ends (1, all) of these entries in place, by lines learned for each."""
        low, high = ends
        both = unit.repeat(2)
        sign = torch.ones(len(both), dtype=low.dtype)
        sign[len(unit) :] = -1
        rows = torch.zeros_like(both)
        parts = Parts(rows, [Loose.of(one).at(rows) for one in bent], [Line() for _ in bent])
        best, _, _ = self._block(balls, parts, FEW, until, partial(entry, both, sign), self.again)
        up, down = best.chunk(2)
        low[0, unit] = torch.maximum(low[0, unit], up.nan_to_num(-math.inf))
        high[0, unit] = torch.minimum(high[0, unit], (-down).nan_to_num(math.inf))

    def _split(
        self, balls: Balls, radius: float, parts: Parts, value: Tensor, left: list[Tensor], until: float
    ) -> bool:
        """Best first: the worst parts are halved where most is left out, until none is left or time is up."""
        while True:
            open_ = torch.nonzero(~(value > 0))[:, 0]
            if not len(open_):
                return True
            if thread_time() > until or len(open_) > PARTS // parts.entries or self.nearest <= radius:
                return False
            parts, value, left = parts.at(open_), value[open_], [t[open_] for t in left]
            count = max(1, rows_at_once(parts.loose) // 2)
            order = value.argsort()
            now, later = order[:count], order[count:]
            halves = halved(parts.at(now), [t[now] for t in left])
            found, more = self._learned(balls, halves, AGAIN, until)
            if len(found) == len(now) and not (found > value[now] + GAIN * value[now].abs()).any():
                return False  # nothing left to split, nor to learn
            rest = parts.at(later)
            parts = joined(rest, halves)
            value = torch.cat([value[later], found])
            left = [torch.cat([one[later], other]) for one, other in zip(left, more, strict=True)]

    def _learned(self, balls: Balls, parts: Parts, steps: int, until: float) -> tuple[Tensor, list[Tensor]]:
        """Lower bounds (rows,) on the lead over each part's rival, by learned lines; what these leave out."""
        values, lefts, lines = [], [], []
        rows = torch.arange(len(parts.rivals))
        for block in rows.split(rows_at_once(parts.loose)):
            some = parts.at(block)
            pick = partial(lead, self.source.expand(len(block)), some.rivals)
            value, left, learned = self._block(balls, some, steps, until, pick, self.network)
            values.append(value)
            lefts.append(left)
            lines.append(learned)
        parts.lines = [cat_lines(list(each)) for each in zip(*lines, strict=True)]
        return torch.cat(values), [torch.cat(each) for each in zip(*lefts, strict=True)]

    def _block(
        self, balls: Balls, parts: Parts, steps: int, until: float, pick: partial[Tensor], network: nn.Module
    ) -> tuple[Tensor, list[Tensor], list[Line]]:
        """Lower bounds on what is picked, what their lines leave out, and the lines."""
        exact = self._pass(balls, parts, network)
        with torch.no_grad():
            value, change = exact.below(pick)
        best = value + change
        left = self._left(exact)
        if steps and not (best > 0).all() and thread_time() < until:
            start = [leaf(line) for line in exact.mode.lines]
            rough = self._pass(balls, replace(parts, lines=start), self.rough)
            exact.mode.lines = learned(
                start, lambda: torch.add(*rough.below(pick, learning=True)), steps, until, 0.0
            )
            with torch.no_grad():
                value, change = exact.below(pick)
            better = value + change > best
            best, left = torch.where(better, value + change, best), self._left(exact)
            if network is self.network:
                self._try(balls, exact)
        return best, left, exact.mode.lines

    def _pass(self, balls: Balls, parts: Parts, network: nn.Module) -> Pass:
        rough = network is self.rough
        cast = (lambda t: t.float()) if rough else (lambda t: t)
        n = len(parts.rivals)
        low, high = balls.room
        room = cast(low).expand(n, *low.shape[1:]), cast(high).expand(n, *high.shape[1:])
        loose = [here.to(torch.float32) if rough else here for here in parts.loose]
        x = cast(self.x).expand(n, *self.x.shape[1:])
        return Pass(network, x, loose, room, cast(balls.euclid).expand(n), parts.lines)

    def _left(self, found: Pass) -> list[Tensor]:
        """What each entry leaves out, in the layers that can be split; elsewhere nothing."""
        none = torch.zeros(len(found.leaf), 0)
        return [
            found.mode.left.get(i, none).detach() if here.kinks else none
            for i, here in enumerate(found.mode.loose)
        ]

    def _try(self, balls: Balls, found: Pass) -> None:
        """Runs the network on the images at which the linear functions are least."""
        images = (self.x + found.move.view_as(found.leaf)).clamp(*self.bounds)
        with torch.no_grad():
            logits = self.network(images)
        lost = logits[:, self.rivals].amax(1) > logits[:, self.source]
        away = (images - self.x).flatten(1)
        length = away.norm(dim=1) if self.norm == 2 else away.abs().amax(1)
        self.nearest = min(self.nearest, float(torch.where(lost, length, math.inf).min()))
