"""Small balls around one image, for networks so deep that ends of every entry say nothing.

Near an image the network is its own linear function there, but for the few bends that the ball reaches. How
far an entry can move is told by the length of its gradient, and by what each bend before it leaves over,
times what that does to the entry: columns of the same linear function. So bounds do not grow from layer to
layer as intervals do; they hold as long as few entries bend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import thread_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.models.classifier import exact_float32
from featgeom.pixels.bends import Bend
from featgeom.pixels.counting import rounding_of
from featgeom.pixels.ends import CONSTANTS, WIDER, tensors, terms_of
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.rules import plain_name

ROUNDING = 1e-11  # of the terms of an entry: float64 rounds by far less
AT_ONCE = 8  # columns in one run of the network: more leave the cache
LIVE = 4000  # bends that a ball may reach
TRIES = 12  # radii
SHORT = 256  # of the radius at which the linear function alone would vanish: the first
FACTOR, CLOSE = 2.0, 1.05  # between radii that are tried, at most and at least


@dataclass
class Met:
    """An operation that bends, as it is at the image: what goes in, its slopes, and the shape it gives.

    ``rounding`` is more than what goes in, and what led to it, was rounded by.
    """

    bend: Bend
    z: Tensor
    slope: Tensor
    gives: torch.Size
    rounding: float


class Tangent(TorchFunctionMode):
    """Runs a network with its slopes at one image in place of what bends.

    The first run, at the image itself and without ``met``, finds these. Others keep in ``moved`` by what the
    inputs of each bend differ from those of the first row, and add ``pushes`` (rows − 1, entries) to what
    comes out of the bend of number ``pushed``.
    """

    def __init__(self, met: list[Met] | None = None) -> None:
        super().__init__()
        self.first = met is None
        self.met: list[Met] = met or []
        self.at, self.rounding = 0, 0.0
        self.derived: Any = WeakTensorKeyDictionary()
        self.pushed, self.pushes = -1, torch.empty(0)
        self.moved: dict[int, Tensor] = {}

    def run(self, network: nn.Module, x: Tensor) -> Tensor:
        """The values; ``moved`` holds (rows − 1, entries) for each bend."""
        self.at, self.moved = 0, {}
        start = x.clone()
        self.derived[start] = True
        with torch.no_grad(), exact_float32(), self:
            values: Tensor = network(start)
        return values

    def slack(self, values: Tensor) -> float:
        """More than these values, and what led to them, were rounded by in the first run."""
        return max(self.rounding, ROUNDING * float(values.abs().amax()))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        if not any(t in self.derived for t in tensors((args, kwargs))) or func.__name__ in CONSTANTS:
            return func(*args, **kwargs)
        name = plain_name(func.__name__)
        result = self._bent(func, name, args, kwargs) if name in REGISTRY else func(*args, **kwargs)
        if self.first and name not in REGISTRY and isinstance(result, Tensor):
            size, _ = terms_of(func, name, args, kwargs, result)
            self.rounding = max(self.rounding, ROUNDING * size)
        for tensor in tensors(result):
            self.derived[tensor] = True
        return result

    def _bent(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        x, rest = (args[0], args[1:]) if args else (kwargs.pop("input"), ())
        bend = find_bend(name, rest, kwargs)
        if bend is None:  # on a side path that leads to no logit
            return func(x, *rest, **kwargs)  # type: ignore[no-any-return]
        if self.first:
            slope, gives = bend.slope(bend.windows(x)), bend.value(x).shape[1:]
            self.met.append(Met(bend, x.clone(), slope, gives, self.slack(x)))
            return func(x, *rest, **kwargs)  # type: ignore[no-any-return]
        here = self.met[self.at]
        self.moved[self.at] = (x[1:] - x[:1]).flatten(1)
        result = here.slope * bend.windows(x).nan_to_num(neginf=0.0)
        result = (result.sum(1) if bend.pools else result).view(len(x), *here.gives)
        if self.at == self.pushed:
            result[1:] += self.pushes.view(-1, *here.gives)
        self.at += 1
        inplace = kwargs.get("inplace") or func.__name__ != name
        return x.copy_(result) if inplace and not bend.pools else result


class Near:
    """One image x (1, c, h, w) and what the network's linear function there does to each entry."""

    def __init__(self, network: nn.Module, x: Tensor, source: Tensor, rivals: Tensor, norm: float) -> None:
        self.network, self.x, self.norm = network, x, norm
        first = Tangent()
        with torch.no_grad():
            logits = network(x)[0]
        first.run(network, x)
        self.source, self.rivals = source, rivals
        self.lead = logits[source] - logits[rivals]
        # what is rounded on the way may be multiplied later
        self.rounding = first.slack(logits) + torch.cat(
            [self._rounded(part) for part in rivals.split(AT_ONCE)]
        )
        self.tangent = Tangent(first.met)
        self.lengths: list[Tensor] = []
        self.slope = torch.empty(0)

    def _rounded(self, rivals: Tensor) -> Tensor:
        """More than the lead over these was rounded by, at the image."""
        rows = torch.arange(len(rivals))
        x = self.x.expand(len(rivals), *self.x.shape[1:])
        return rounding_of(self.network, x, lambda values: values[:, self.source] - values[rows, rivals])

    def prepare(self, until: float) -> bool:
        """Finds what each pixel does to each entry that bends, and to the lead; False where time is up."""
        m, slopes = self.x.numel(), []
        total: list[Any] = [0.0] * len(self.tangent.met)
        for part in torch.arange(m).split(AT_ONCE):
            if thread_time() > until:
                return False
            images = torch.zeros(len(part) + 1, m, dtype=self.x.dtype)
            images[torch.arange(len(part)) + 1, part] = 1.0
            values = self.tangent.run(self.network, images.view(-1, *self.x.shape[1:]))
            slopes.append(self._leads(values[1:] - values[:1]))
            for at, moved in self.tangent.moved.items():
                total[at] = total[at] + self._sizes(moved).sum(0)
        self.lengths = [self._length(each) for each in total]
        self.slope = self._length(self._sizes(torch.cat(slopes)).sum(0))
        return True

    def holds(self, radius: float, until: float) -> bool:
        """Whether no rival can win in the ball, for all that its bends leave over."""
        down = [radius * length for length in self.lengths]
        up = [radius * length for length in self.lengths]
        lead, count = self.lead - radius * self.slope, 0
        for at, here in enumerate(self.tangent.met):
            reach = [t[at].view(here.z.shape) * WIDER + here.rounding for t in (down, up)]
            left = here.bend.leftover(here.z, *reach)[0]
            live = torch.nonzero(left > 0)[:, 0]
            count += len(live)
            if count > LIVE or not torch.isfinite(left).all():
                return False
            for part in live.split(AT_ONCE):
                if thread_time() > until or not (lead > 0).all():
                    return False
                lead = lead - self._push(at, part, left, (down, up))
        return bool((lead > self.rounding).all())

    def _push(self, at: int, part: Tensor, left: Tensor, reach: tuple[list[Tensor], list[Tensor]]) -> Tensor:
        """What these entries' leftovers can do to the lead; and, added to ``reach``, to later entries."""
        run, n = self.tangent, len(part)
        run.pushed, run.pushes = at, torch.zeros(n, len(left), dtype=left.dtype)
        run.pushes[torch.arange(n), part] = left[part]
        values = run.run(self.network, torch.zeros_like(self.x).expand(n + 1, *self.x.shape[1:]))
        run.pushed = -1
        convex = run.met[at].bend.convex

        def sides(moved: Tensor) -> tuple[Tensor, Tensor]:
            falls, rises = (-moved).clamp_min(0).sum(0), moved.clamp_min(0).sum(0)
            return (falls, rises) if convex else (falls + rises, falls + rises)

        for later in range(at + 1, len(self.lengths)):
            for side, more in zip(reach, sides(run.moved[later]), strict=True):
                side[later] = side[later] + more
        return sides(self._leads(values[1:] - values[:1]))[0]

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
