"""Linear functions below a network's values over a set of images: one backward pass a function.

Each operation that bends stands as its value at the image in the middle plus a line in the movement of its
input; the slopes are what automatic differentiation carries back, and what a line leaves out is counted. Any
slope gives a bound, so that slopes may be chosen by gradient. What is left out is counted either at the ends
of each entry by itself (Zhang et al., arXiv 1811.00866), or at a price of Σ Δ², of which a Euclidean ball has
only so much for all entries together; by duality every price ≥ 0 gives a bound, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32
from featgeom.pixels.counting import count_bend, count_rounding
from featgeom.pixels.ends import WIDER, Ends, call_of, lengths, tensors
from featgeom.pixels.loose import Loose
from featgeom.pixels.operators import REGISTRY
from featgeom.pixels.rules import known_call, plain_name
from featgeom.pixels.spelling import Spelling
from featgeom.pixels.stretches import stretched

SLACK = 1e-9  # of the size of all terms of a bound: float64 rounds by far less
LOST = 1e-280  # more than these lose to underflow
MULTIPLIERS = 24
DIFFERS = "no bounds: the network does not do the same for every image"


@dataclass
class Line:
    """What was chosen for one operation: a slope for each coefficient, another added, the log of a price.

    Of the slopes (rows, ...) and ``more`` (rows, ...) the coefficient a becomes a · slope + more. None is
    chosen anew, and ``more`` None is nothing.
    """

    slope: Tensor | None = None
    more: Tensor | None = None
    price: Tensor | None = None


class Relaxed(TorchFunctionMode):
    """Runs a network as it is, but backward through lines instead of what bends.

    ``loose`` holds what goes into each operation that bends, in order; ``lines`` what was chosen for it,
    filled in by the first pass where nothing was. ``error`` (rows,) is, after a backward pass, a lower bound
    on what the lines leave out, ``left`` what each live entry has of it, ``size`` the sum of the absolute
    values of its parts, and ``rounded`` (rows,) more than all that float64 rounded adds to what is picked: in
    the values at the image what each operation rounds, times its coefficients, and in the coefficients what
    they are rounded by, times the movement of what they are of. For this a bound on the movement of each
    tensor is kept. The pass ends at the first operation that bends of which ``loose`` says nothing.
    """

    def __init__(self, loose: Sequence[Loose], lines: list[Line] | None = None) -> None:
        super().__init__()
        self.loose = loose
        self.lines = lines or [Line() for _ in loose]
        self.met = 0
        # what depends on the image, as `IntervalPass` sees it, and its movement (rows,); None in float32
        self.derived: Any = WeakTensorKeyDictionary()
        self.clear()

    def clear(self) -> None:
        """Before another backward pass."""
        self.error: Any = 0.0
        self.size: Any = 0.0
        self.rounded: Any = 0.0
        self.left: dict[int, Tensor] = {}

    def run(self, network: nn.Module, x: Tensor, moved: Tensor) -> Tensor:
        """The values at x, or, where ends are lacking, what goes into the first operation without any.

        The images move by ``moved`` (rows,).
        """
        start = x.clone()
        self.derived[start] = moved if x.dtype == torch.float64 else None
        try:
            with exact_float32(), self, Spelling(self.derived):
                values: Tensor = network(start)
        except _Reached as reached:
            return reached.values
        if self.met != len(self.loose):
            raise Unsupported(DIFFERS)
        return values

    def pull(self, at: int, z: Tensor, a: Tensor) -> Tensor:
        """The coefficients of what goes into an operation, from those of what comes out; counts its error."""
        here, line = self.loose[at], self.lines[at]
        bend = here.bend
        assert bend is not None
        result = here.sure * (a.unsqueeze(1) if bend.windowed else a)
        self.left[at] = a.new_zeros(len(a), 0)
        if not len(here.live):
            return result
        z, a = z[..., here.live], a[:, here.live]
        if line.price is None:
            with torch.no_grad():
                line.slope, line.price = self._priced(at, z, a)
        price = line.price.exp()
        assert line.slope is not None
        slope, weight = bend.learned(line.slope, a, z), a.unsqueeze(1) if bend.windowed else a
        c = weight * slope if line.more is None else weight * slope + line.more
        error, size = bend.error(a, c, z, here.lower, here.upper, price[:, None])
        self.left[at] = error
        cost = price * here.energy.square()
        self.error = self.error + error.sum(1) - cost
        self.size = self.size + size.sum(1) + cost.detach()
        return result.index_copy(result.ndim - 1, here.live, c)

    def _priced(self, at: int, z: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes and the log of a price (rows,): of a guess and of none, the better."""
        here, slopes, prices, values = self.loose[at], [], [], []
        bend, lower, upper = here.bend, here.lower, here.upper
        assert bend is not None
        tiny = torch.finfo(z.dtype).tiny
        guess = bend.penalty(a, z, lower, upper, here.energy).clamp_min(tiny)
        for price in (guess, torch.full_like(guess, tiny)):
            slopes.append(bend.line(a, z, lower, upper, price[:, None]))
            c = (a.unsqueeze(1) if bend.windowed else a) * slopes[-1]
            error, _ = bend.error(a, c, z, lower, upper, price[:, None])
            values.append(error.sum(1) - price * here.energy.square())
            prices.append(price)
        better = values[0] > values[1]
        slope = torch.where(better.view(-1, *(1,) * (z.ndim - 1)), slopes[0], slopes[1])
        return slope, torch.where(better, prices[0], prices[1]).log()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network, whose own `no_grad` is not heeded."""
        call = call_of(func, args, kwargs, self.derived)
        if call is None:
            return func(*args, **(kwargs or {}))
        args, kwargs, held = call
        moved = [self.derived[t] for t in held]
        with torch.enable_grad():
            result, away = self._run(func, args, kwargs, moved)
        for tensor in tensors(result):
            self.derived[tensor] = away
        return result

    def _run(self, func: Any, args: Any, kwargs: Any, moved: list[Any]) -> tuple[Any, Tensor | None]:
        """The result, and how far it moves."""
        name, away = plain_name(func.__name__), moved[0]
        if name not in REGISTRY:
            result = func(*args, **kwargs)
            if away is not None and isinstance(result, Tensor):
                if known_call(name, args, kwargs, self.derived):
                    away = stretched(func, name, args, kwargs, self.derived, moved, result)
                    count_rounding(func, name, args, kwargs, result, away, self._round)
                else:  # on a side path that leads to no logit
                    away = torch.full_like(away, math.inf)
            return result, away
        x = args[0]
        if self.met == len(self.loose):
            raise _Reached(x)
        here = self.loose[self.met]
        self.met += 1
        bend = here.bend
        if bend is None:  # on a side path that leads to no logit
            return func(*args, **kwargs), None if away is None else torch.full_like(away, math.inf)
        if here.takes != x.shape[1:]:
            raise Unsupported(DIFFERS)
        bent: Tensor = _Bend.apply(bend.windows(x), self.met - 1, self)  # type: ignore[no-untyped-call]
        bent = bent.view(len(x), *here.gives)
        if away is not None:
            away = torch.minimum(away, here.moves) * (here.stretch(x).clamp_min(1.0) * WIDER)
            count_bend(bend, x, bent, away, self._round)
        inplace = kwargs.get("inplace") or func.__name__ != name
        return (x.copy_(bent) if inplace and not bend.windowed else bent), away

    def _round(self, more: Tensor) -> None:
        self.rounded = self.rounded + more


class _Reached(Exception):
    """The pass has come to something that bends without ends."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


class _Bend(torch.autograd.Function):
    """The operation itself; backward, a line."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, at: int, mode: Relaxed) -> Tensor:
        ctx.kept = z.clone(), at, mode
        bend = mode.loose[at].bend
        assert bend is not None
        return bend.at(z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        z, at, mode = ctx.kept
        return mode.pull(at, z, grads[0]), None, None


class Pass:
    """A network run once on images x (rows, c, h, w), for any number of backward passes through lines.

    ``room`` are the ends of the movement of x, ``radius`` (rows,) that of the Euclidean balls (inf: none).
    """

    def __init__(
        self,
        network: nn.Module,
        x: Tensor,
        loose: Sequence[Loose],
        room: Ends,
        radius: Tensor,
        lines: list[Line] | None = None,
        mode: Relaxed | None = None,
    ) -> None:
        self.mode = mode or Relaxed(loose, lines)
        self.room, self.radius = room, radius
        self.move = torch.zeros_like(x).flatten(1)  # where the last linear function is least
        self.leaf = x.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            self.values = self.mode.run(network, self.leaf, self._far()).flatten(1)

    def _far(self) -> Tensor:
        """How far each image can move (rows,)."""
        low, high = self.room
        far = lengths(torch.maximum(high, -low)).expand(len(self.leaf))
        return torch.minimum(far, self.radius * WIDER)

    def below(self, pick: Callable[[Tensor], Tensor], learning: bool = False) -> tuple[Tensor, Tensor]:
        """A linear function below pick(values): its value at x, and its least change, both (rows,).

        Their sum is a lower bound on pick(values) wherever the image moves inside the room and the ball.
        ``values`` are flat: the network's, or what goes into the first operation without ends. Slack for
        rounding is taken off. While ``learning`` the results are functions of what is chosen in the lines.
        """
        value, slope = self.line(pick, learning)
        low, high = (end.flatten(1) for end in self.room)
        change, self.move = least_change(slope, low, high, self.radius)
        return value - SLACK * (self.size() - change.detach()) - LOST, change

    def line(self, pick: Callable[[Tensor], Tensor], learning: bool = False) -> tuple[Tensor, Tensor]:
        """The linear function's value at x (rows,), without slack, and its slope (rows, pixels)."""
        self.mode.clear()
        with torch.enable_grad():
            picked = pick(self.values)
        (slope,) = torch.autograd.grad(
            picked, self.leaf, torch.ones_like(picked), retain_graph=True, create_graph=learning
        )
        return picked.detach() + self.mode.error, slope.flatten(1)

    def size(self) -> Tensor:
        """Of the terms of what `line` returned last: what its rounding is measured by (rows,)."""
        size: Tensor = self.values.detach().abs().amax(1) + self.mode.size + self.mode.rounded / SLACK
        return size


def entry(unit: Tensor, sign: float | Tensor, values: Tensor) -> Tensor:
    """One entry of each row, times its sign."""
    return sign * values.gather(1, unit[:, None])[:, 0]


def bounded_below(
    network: nn.Module,
    x: Tensor,
    loose: Sequence[Loose],
    picks: Sequence[Callable[[Tensor], Tensor]],
    room: Ends,
    radius: Tensor,
) -> Iterator[Ends]:
    """For each pick what `Pass.below` finds, with lines chosen for it without learning."""
    found = Pass(network, x, loose, room, radius)
    for pick in picks:
        found.mode.lines = [Line() for _ in loose]
        with torch.no_grad():
            yield found.below(pick)


def least_change(slope: Tensor, low: Tensor, high: Tensor, radius: Tensor) -> Ends:
    """A lower bound on slope · δ over low ≤ δ ≤ high, ‖δ‖ ≤ radius, and a δ near the least.

    Shapes (n, m), (n, m), (n, m), (n,) → (n,), (n, m). By duality every multiplier λ ≥ 0 of the ball gives a
    bound, and the best of a few is taken; without bounds in the way it is −radius · ‖slope‖. The box must
    hold 0; a radius of inf leaves the box alone.

    >>> one = torch.ones(1, 2, dtype=torch.float64)
    >>> least_change(one, -9 * one, one, torch.tensor([2.0]))[0].item()  # −2 √2
    -2.8284271247461903
    >>> least_change(one, 0 * one, one, torch.tensor([2.0]))[0].item()
    0.0
    """
    corner = torch.minimum(slope * low, slope * high).sum(1)
    vertex = torch.where(slope.detach() > 0, low, high)
    if (radius == math.inf).all():
        return corner, vertex
    length = slope.norm(dim=1)
    tiny = torch.finfo(slope.dtype).tiny
    finite = torch.where(radius < math.inf, radius, 1.0)
    with torch.no_grad():
        weight = (length / (2 * finite)).clamp_min(tiny)
        best, chosen = torch.full_like(length, -math.inf), weight
        for _ in range(MULTIPLIERS):
            move = torch.clamp(-slope / (2 * weight[:, None]), low, high)
            reached = move.norm(dim=1)
            value = (slope * move).sum(1) + weight * (reached.square() - finite.square())
            chosen = torch.where(value > best, weight, chosen)
            best = torch.maximum(best, value)
            weight = (weight * (reached / finite)).clamp_min(tiny)
        move = torch.clamp(-slope / (2 * chosen[:, None]), low, high)
        constant = chosen * (move.square().sum(1) - finite.square())
    bounded = torch.maximum((slope * move).sum(1) + constant, -length * finite)
    best = torch.where(radius < math.inf, torch.maximum(bounded, corner), corner)
    return best, torch.where((radius < math.inf)[:, None], move, vertex)
