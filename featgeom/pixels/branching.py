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

from featgeom.pixels.balls import Balls, entry, lead, rows_at_once
from featgeom.pixels.ends import Bent, Ends
from featgeom.pixels.parts import Parts, cat_lines, copied, doubled, halved, joined, leaf, update
from featgeom.pixels.relaxation import Line, Pass

STEPS = 60  # of gradient, for the slopes of a whole ball
FEW = 15  # for those of the entries of a layer
LEARNED = 128  # so many bounds of entries at most
AGAIN = 12  # for those of its parts, which start from the whole's
RATE, PRICE_RATE = 0.04, 0.2
LAST = 0.1  # of the rates, at the last step
STALE = 8  # steps without gain after which learning ends
GAIN = 1e-3  # of the distance to 0: what counts as one
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
        self.memory: dict[int, list[Line]] = {}  # what was learned for each rival, for the next radius

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
        whole = Parts(asked, [here.at(rows) for here in bent], self._remembered(asked, len(bent)))
        value, left = self._learned(balls, whole, STEPS, until)
        self.memory = {int(k): whole.at(torch.tensor([i])).lines for i, k in enumerate(asked)}
        if (value > 0).all():
            return True
        return split and self._split(balls, radius, whole, value, left, until)

    def _remembered(self, rivals: Tensor, layers: int) -> list[Line]:
        """Lines to start from, if there are some for all of these rivals."""
        if not all(int(k) in self.memory for k in rivals):
            return [Line() for _ in range(layers)]
        return [cat_lines(list(each)) for each in zip(*(self.memory[int(k)] for k in rivals), strict=True)]

    def _narrowed(self, balls: Balls, units: int, until: float, bent: list[Bent], here: Bent) -> Ends:
        """The ends of what goes into an operation; with learned lines, where few of its entries need them."""
        assert here.bend is not None
        lower, upper = balls.narrowed(self.again, units, until, bent, here)
        flat = here.bend.asked(lower, upper).flatten(1)[0]
        unit = torch.nonzero(flat)[:, 0].repeat(2)
        if not 0 < len(unit) <= min(LEARNED, rows_at_once([*bent, here])) or not bent:
            return lower, upper
        sign = lower.new_ones(len(unit))
        sign[len(unit) // 2 :] = -1
        rows = torch.zeros_like(unit)
        parts = Parts(rows, [one.at(rows) for one in bent], [Line() for _ in bent])
        best, _, _ = self._block(balls, parts, FEW, until, partial(entry, unit, sign), self.again)
        low, high = lower.flatten(1), upper.flatten(1)  # views
        up, down = best.chunk(2)
        unit = unit[: len(up)]
        low[0, unit] = torch.maximum(low[0, unit], up)
        high[0, unit] = torch.minimum(high[0, unit], -down)
        return lower, upper

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
            count = max(1, rows_at_once(parts.bent) // 2)
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
        rows = torch.arange(len(parts.rivals), device=parts.rivals.device)
        for block in rows.split(rows_at_once(parts.bent)):
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
            learned = self._learn(balls, parts, exact.mode.lines, pick, steps, until)
            exact.mode.lines = learned
            with torch.no_grad():
                value, change = exact.below(pick)
            better = value + change > best
            best, left = torch.where(better, value + change, best), self._left(exact)
            if network is self.network:
                self._try(balls, exact)
        return best, left, exact.mode.lines

    @torch.enable_grad()
    def _learn(
        self, balls: Balls, parts: Parts, lines: list[Line], pick: partial[Tensor], steps: int, until: float
    ) -> list[Line]:
        """The lines by which float32 found the greatest bounds."""
        start = [leaf(line) for line in lines]
        slopes = [t for line in start for t in (line.slope, line.more) if t is not None]
        prices = [line.price for line in start if line.price is not None]
        rough = self._pass(balls, replace(parts, lines=start), self.rough)
        groups = [{"params": slopes, "lr": RATE}, {"params": prices, "lr": PRICE_RATE}]
        adam = torch.optim.Adam([group for group in groups if group["params"]], betas=(0.9, 0.99))
        best = torch.full((len(parts.rivals),), -math.inf, device=self.x.device)
        kept = [copied(line) for line in start]
        stale = 0
        for step in range(steps):
            for group, rate in zip(adam.param_groups, (RATE, PRICE_RATE), strict=False):
                group["lr"] = rate * LAST ** (step / steps)
            value, change = rough.below(pick, learning=True)
            total = value + change
            now = total.detach()
            gained = now > best + GAIN * best.abs().clamp_max(1e30)
            stale = 0 if gained.any() else stale + 1
            better = now > best
            best = torch.where(better, now, best)
            for line, good in zip(start, kept, strict=True):
                update(good, line, better)
            if stale >= STALE or (best > 0).all() or thread_time() > until:
                break
            gradients = torch.autograd.grad(
                -total.sum(), [*slopes, *prices], retain_graph=True, allow_unused=True
            )
            for parameter, gradient in zip([*slopes, *prices], gradients, strict=True):
                parameter.grad = gradient
            adam.step()
        return [doubled(line) for line in kept]

    def _pass(self, balls: Balls, parts: Parts, network: nn.Module) -> Pass:
        rough = network is self.rough
        cast = (lambda t: t.float()) if rough else (lambda t: t)
        n = len(parts.rivals)
        low, high = balls.room
        room = cast(low).expand(n, *low.shape[1:]), cast(high).expand(n, *high.shape[1:])
        bent = [
            replace(b, lower=cast(b.lower), upper=cast(b.upper), energy=cast(b.energy)) for b in parts.bent
        ]
        x = cast(self.x).expand(n, *self.x.shape[1:])
        return Pass(network, x, bent, room, cast(balls.euclid).expand(n), parts.lines)

    def _left(self, found: Pass) -> list[Tensor]:
        """What each entry leaves out, in the layers that can be split; elsewhere nothing."""
        return [
            found.mode.left[i]
            if i in found.mode.left and here.bend is not None and here.bend.kinks
            else found.leaf.new_zeros(len(found.leaf), 1)
            for i, here in enumerate(found.mode.bent)
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
