"""How far from a point of feature space the features of all images stay, at least.

A direction u of length 1 along which u · (φ(x) − z) ≥ d for every image x keeps all of them d away from z.
The set of images is split at kinks, and each part has a direction of its own, learned with the lines of its
bound. Only images are asked about whose features are as near to z as those of one that is known: others do no
harm. So the ends of what goes into a last ReLU are known from z.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import partial
from time import thread_time

import torch
from torch import Tensor, nn

from featgeom.pixels.balls import Balls, rows_at_once
from featgeom.pixels.ends import Bent, Ends, lengths
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.learning import GAIN, learned
from featgeom.pixels.loose import Loose
from featgeom.pixels.parts import Parts, cat_lines, halved, joined, leaf
from featgeom.pixels.relaxation import SLACK, Line, Pass

STEPS, AGAIN = 100, 15  # of gradient, for the set of all images and for parts of it
PARTS = 1 << 24  # entries of what bends, in all parts
CLOSE = 1e-3  # relatively: where the bound is as good as the distance found
NOTHING = Loose.of(Bent(None, torch.empty(0), torch.empty(0), torch.empty(0)))  # beside a direction


@dataclass(frozen=True)
class Reach:
    """What is known of the features of all images in a box: their ends, and what goes into what bends.

    ``last`` is the number of the operation that bends whose results the features are, or −1.
    """

    network: nn.Module
    room: Ends
    ends: Ends
    loose: list[Loose]
    last: int

    @classmethod
    def of(
        cls,
        network: nn.Module,
        shape: tuple[int, ...],
        bounds: tuple[float, float],
        seconds: float,
        units: int,
    ) -> Reach:
        """For images of this shape; so many seconds go into narrower ends of layers with so few entries."""
        grey = torch.full((1, *shape), sum(bounds) / 2, dtype=torch.float64)
        balls = Balls(grey, grey.new_full((1,), bounds[1] - bounds[0]), bounds, math.inf)
        again = copy.deepcopy(network)  # runs inside a run of the other
        narrow = partial(balls.narrowed, again, units, thread_time() + seconds) if seconds else None
        run = IntervalPass(balls.low, balls.high, grey, balls.euclid, narrow)
        lower, upper = (end.flatten(1) for end in run.run(network))
        loose = [Loose.of(here if here.bend is None else _from_any(here)) for here in run.bent]
        return cls(network, (balls.low, balls.high), (lower, upper), loose, run.made)

    def box_distance(self, z: Tensor) -> Tensor:
        """How far each of z (n, k) is from the box of all features' ends."""
        lower, upper = self.ends
        beyond = torch.maximum(lower - z, z - upper).nan_to_num(0.0, posinf=0.0).clamp_min(0)
        return beyond.norm(dim=1) * (1 - SLACK)


class Keeper:
    """How far all features stay from z (k,), at least; ``x`` (1, c, h, w) is the nearest image known."""

    def __init__(self, reach: Reach, rough: nn.Module, z: Tensor, x: Tensor) -> None:
        self.reach, self.rough, self.z, self.x = reach, rough, z, x
        with torch.no_grad():
            away = reach.network(x).flatten(1)[0] - z
        self.away = away
        self.found = float(away.norm()) * (1 + SLACK) + SLACK * float(z.norm() + away.abs().sum())

    def distance(self, best: float, until: float) -> float:
        """A bound, no less than ``best``, which is one, by the clock of `thread_time`."""
        loose = self._near()
        if loose is None:
            return self.found
        if not self.found > best or not float(self.away.norm()):
            return best
        lower, upper = self.reach.ends
        outward = self.z.clamp(lower[0], upper[0]) - self.z  # from z to the box of all ends, or to the image
        outward = outward if float(outward.norm()) else self.away
        direction = Line(outward[None] / outward.norm() * len(self.z) ** 0.5)
        lines = [*(Line() for _ in loose), direction]
        parts = Parts(torch.zeros(1, dtype=torch.int64), [*loose, NOTHING], lines)
        value, left = self._learned(parts, STEPS, until)
        value = value.clamp_min(best)
        while float(value.min()) < self.found * (1 - CLOSE):
            if thread_time() > until or len(value) > PARTS // parts.entries:
                break
            count = max(1, rows_at_once(parts.loose) // 2)
            order = value.argsort()
            now, later = order[:count], order[count:]
            worst = numbered(parts.at(now))
            halves = halved(worst, [t[now] for t in left])
            whole = value[now][halves.rivals]
            more, rest = self._learned(halves, AGAIN, until)
            if len(more) == len(now) and not (more > whole + GAIN * whole.abs()).any():
                break  # nothing left to split, nor to learn
            parts = joined(parts.at(later), halves)
            value = torch.cat([value[later], torch.maximum(more, whole)])  # a half is as far as the whole
            left = [torch.cat([one[later], other]) for one, other in zip(left, rest, strict=True)]
        return max(best, min(self.found, float(value.min())))

    def _near(self) -> list[Loose] | None:
        """What bends, for the images whose features are within ``found`` of z; None where there is none."""
        loose = list(self.reach.loose)
        if self.reach.last < 0:
            return loose
        here = loose[self.reach.last]
        if here.bend is None or not here.kinks or here.bend.windowed:
            return loose
        z = self.z[here.live]
        low, high = z - self.found, z + self.found  # where these are not negative, so is what goes in
        lower = torch.where(low > 0, torch.maximum(here.lower, low), here.lower)
        upper = torch.where(high >= 0, torch.minimum(here.upper, high), here.upper)
        if (lower > upper).any():
            return None
        loose[self.reach.last] = replace(here, lower=lower, upper=upper)
        return loose

    def _learned(self, parts: Parts, steps: int, until: float) -> tuple[Tensor, list[Tensor]]:
        """Bounds (rows,) for each part, by learned lines and directions; what these leave out."""
        values, lefts, lines = [], [], []
        for block in torch.arange(len(parts.rivals)).split(rows_at_once(parts.loose)):
            value, left, chosen = self._block(parts.at(block), steps, until)
            values.append(value)
            lefts.append(left)
            lines.append(chosen)
        parts.lines = [cat_lines(list(each)) for each in zip(*lines, strict=True)]
        return torch.cat(values), [torch.cat(each) for each in zip(*lefts, strict=True)]

    def _block(self, parts: Parts, steps: int, until: float) -> tuple[Tensor, list[Tensor], list[Line]]:
        first = self._pass(parts, parts.lines, self.reach.network)
        best, left = self._bound(first, parts.lines[-1]), _left(first, parts)
        before = [*first.mode.lines, parts.lines[-1]]
        if thread_time() > until:
            return best, left, before
        start = [leaf(line) for line in before]
        rough = self._pass(parts, start, self.rough)
        chosen = learned(start, lambda: self._guess(rough, start[-1]), steps, until, self.found)
        exact = self._pass(parts, chosen, self.reach.network)
        value = self._bound(exact, chosen[-1])
        return torch.maximum(best, value), _left(exact, parts), [*exact.mode.lines, chosen[-1]]

    def _bound(self, exact: Pass, direction: Line) -> Tensor:
        """How far features stay away along these directions; slack for rounding is taken off."""
        assert direction.slope is not None
        u = direction.slope.detach()
        with torch.no_grad():
            value, change = exact.below(lambda values: (u * (values - self.z)).sum(1))
        sizes = (u.abs() * (exact.values.detach().abs() + self.z.abs())).sum(1)
        value = value + change - SLACK * sizes
        return (value / u.norm(dim=1) * torch.where(value > 0, 1 - SLACK, 1 + SLACK)).nan_to_num(-math.inf)

    def _guess(self, rough: Pass, direction: Line) -> Tensor:
        """The same without slack, as a function of what is learned."""
        assert direction.slope is not None
        u = direction.slope / direction.slope.norm(dim=1, keepdim=True)
        z = self.z.to(u)
        value, change = rough.below(lambda values: (u * (values - z)).sum(1), learning=True)
        at_image = (u * (rough.values.detach() - z)).sum(1)
        return value + change + at_image - at_image.detach()  # of whose slope `below` does not tell

    def _pass(self, parts: Parts, lines: list[Line], network: nn.Module) -> Pass:
        """One run of the network at the image known, a row for each part."""
        dtype = torch.float32 if network is self.rough else torch.float64
        n = len(parts.rivals)
        x = self.x.to(dtype).expand(n, *self.x.shape[1:])
        low, high = ((end - self.x).to(dtype).expand_as(x) for end in self.reach.room)
        loose = [here.to(dtype) for here in parts.loose[:-1]]
        return Pass(network, x, loose, (low, high), x.new_full((n,), math.inf), lines[:-1])


def _from_any(here: Bent) -> Bent:
    """With a bound on the movement that is not from grey, but from any image."""
    return replace(here, energy=lengths(here.upper - here.lower).nan_to_num(math.inf, posinf=math.inf))


def numbered(parts: Parts) -> Parts:
    """The same parts, with their numbers in place of rivals."""
    return replace(parts, rivals=torch.arange(len(parts.rivals)))


def _left(found: Pass, parts: Parts) -> list[Tensor]:
    """What each entry leaves out, where it can be split; elsewhere nothing."""
    none = torch.zeros(len(found.leaf), 0, dtype=torch.float64)
    return [
        found.mode.left.get(i, none).detach() if here.kinks and i < len(found.mode.loose) else none
        for i, here in enumerate(parts.loose)
    ]
