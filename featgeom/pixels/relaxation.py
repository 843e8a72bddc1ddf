"""Linear functions below a ReLU network's values over a set of images: one backward pass a function.

Each ReLU and each max pooling, whose input is known to lie between two ends, is bounded by a line below or a
line above, whichever the sign of its coefficient asks for; the coefficients are what automatic
differentiation carries back. Source: Zhang et al., arXiv 1811.00866 (CROWN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32
from featgeom.pixels.interval import Ends

SLACK = 1e-9  # of the size of all terms of a bound: float64 rounds by far less
MULTIPLIERS = 24


class Relaxed(TorchFunctionMode):
    """Runs a network as it is, but backward through lines instead of ReLU and max pooling.

    ``bent`` holds the ends (rows, ...) of what goes into each of them, in order; ``error`` (rows,) is, after
    a backward pass, what the linear function gives at the images beyond the network's own value, and
    ``size`` the sum of the absolute values of its parts. The pass ends at the first of them without ends.
    """

    def __init__(self, bent: list[Ends]) -> None:
        super().__init__()
        self.bent = bent
        self.met = 0
        self.error: Tensor | float = 0.0
        self.size: Tensor | float = 0.0

    def run(self, network: nn.Module, x: Tensor) -> Tensor:
        """The values at x, or, where ends are lacking, the input of the first ReLU without any."""
        try:
            with exact_float32(), self:
                values: Tensor = network(x.clone())
        except _Reached as reached:
            values = reached.values
        return values

    def add(self, change: Tensor) -> None:
        """Count what a line differs at the images, times its coefficient."""
        self.error = self.error + change.flatten(1).sum(1)
        self.size = self.size + change.flatten(1).abs().sum(1)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        name = func.__name__.removesuffix("_")
        if name not in {"relu", "max_pool2d"}:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs.pop("input")
        if not x.requires_grad:
            return func(x, *args[1:], **kwargs)
        if self.met == len(self.bent):
            raise _Reached(x)
        lower, upper = self.bent[self.met]
        self.met += 1
        if not lower.numel():  # on a side path that leads to no logit
            return func(x, *args[1:], **kwargs)
        if lower.shape != x.shape:
            raise Unsupported("no bounds: the network does not do the same for every image")
        if name == "max_pool2d":
            return _max_pool(self, x, lower, upper, *args[1:], **kwargs)
        result: Tensor = _Line.apply(x, lower, upper, self)  # type: ignore[no-untyped-call]
        return x.copy_(result) if kwargs.get("inplace") or func.__name__ == "relu_" else result


class _Reached(Exception):
    """The pass has come to a ReLU or pooling without ends."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


class _Line(torch.autograd.Function):
    """ReLU; backward, the line above it where the coefficient is negative, else a line below."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, lower: Tensor, upper: Tensor, mode: Relaxed) -> Tensor:
        ctx.kept = z.clone(), lower, upper, mode
        return z.relu()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        z, lower, upper, mode = ctx.kept
        (g,) = grads
        bends = (lower < 0) & (upper > 0)
        above = torch.where(bends, upper / (upper - lower).clamp_min(1e-300), (lower >= 0).to(z))
        below = torch.where(bends, (upper > -lower).to(z), (lower >= 0).to(z))
        slope = torch.where(g < 0, above, below)
        height = torch.where(bends & (g < 0), -lower * above, torch.zeros_like(z))
        mode.add(g * (slope * z + height - z.relu()))
        return g * slope, None, None, None


class _Largest(torch.autograd.Function):
    """The largest entry of each window; backward, an entry or a constant that bounds it."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, lower: Tensor, upper: Tensor, mode: Relaxed) -> Tensor:
        ctx.kept = z.clone(), lower, upper, mode
        return z.amax(2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        z, lower, upper, mode = ctx.kept
        (g,) = grads
        least, chosen = lower.max(2, keepdim=True)
        others = upper.scatter(2, chosen, -math.inf).amax(2, keepdim=True)
        entry = (g.unsqueeze(2) >= 0) | (others <= least)
        g = g.unsqueeze(2)
        bound = torch.where(entry, z.gather(2, chosen), upper.amax(2, keepdim=True))
        mode.add(g * (bound - z.amax(2, keepdim=True)))
        return (
            torch.zeros_like(z).scatter(2, chosen, torch.where(entry, g, torch.zeros_like(g))),
            None,
            None,
            None,
        )


def _max_pool(
    mode: Relaxed, x: Tensor, lower: Tensor, upper: Tensor, kernel_size: Any, stride: Any = None,
    padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any,
) -> Tensor:  # fmt: skip
    """Max pooling by windows, so that overlapping ones are bounded one by one."""
    (high, wide), (up, aside) = (
        v if isinstance(v, (tuple, list)) else (v, v) for v in (kernel_size, padding)
    )

    def windows(t: Tensor) -> Tensor:
        t = functional.pad(t, (aside, aside, up, up), value=-math.inf)
        return functional.unfold(t, (high, wide), dilation, 0, stride or kernel_size).unflatten(
            1, (t.shape[1], -1)
        )

    flat: Tensor = _Largest.apply(windows(x), windows(lower), windows(upper), mode)  # type: ignore[no-untyped-call]
    shape = functional.max_pool2d(lower, kernel_size, stride, padding, dilation).shape
    return flat.view(shape)


def bounded_below(
    network: nn.Module,
    x: Tensor,
    bent: list[Ends],
    picks: Sequence[Callable[[Tensor], Tensor]],
    room: Ends,
    radius: Tensor,
) -> Iterator[Ends]:
    """For each pick a linear function below pick(values): its value at x, and its least change.

    It is a function of the pixels. Both results are (rows,), and their sum is a lower bound on pick(values)
    wherever the image moves by at most ``radius`` (rows,) and within ``room``. ``values`` are flat: the
    network's, or what goes into its first ReLU or pooling that ``bent`` has no ends for. Slack for rounding
    is taken off.
    """
    mode = Relaxed(bent)
    leaf = x.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        values = mode.run(network, leaf).flatten(1)
    for pick in picks:
        mode.error = mode.size = 0.0
        with torch.enable_grad():
            picked = pick(values)
        (slope,) = torch.autograd.grad(picked, leaf, torch.ones_like(picked), retain_graph=True)
        value = picked.detach() + mode.error
        change = least_change(slope.flatten(1), room[0].flatten(1), room[1].flatten(1), radius)
        size = values.detach().abs().amax(1) + mode.size - change
        yield value - SLACK * size, change


def least_change(slope: Tensor, low: Tensor, high: Tensor, radius: Tensor) -> Tensor:
    """A lower bound on slope · δ over low ≤ δ ≤ high, ‖δ‖ ≤ radius: (n, m), (n, m), (n, m), (n,) → (n,).

    By duality every multiplier λ ≥ 0 of the ball gives one, and the best of a few is taken; without bounds
    in the way it is −radius · ‖slope‖. The box must hold 0.

    >>> one = torch.ones(1, 2, dtype=torch.float64)
    >>> least_change(one, -9 * one, one, torch.tensor([2.0])).item()  # −2 √2
    -2.8284271247461903
    >>> least_change(one, 0 * one, one, torch.tensor([2.0])).item()
    0.0
    """
    length = slope.norm(dim=1)
    weight = (length / (2 * radius)).clamp_min(1e-300)
    best = torch.maximum(-length * radius, torch.minimum(slope * low, slope * high).sum(1))
    for _ in range(MULTIPLIERS):
        move = torch.clamp(-slope / (2 * weight[:, None]), low, high)
        reached = move.norm(dim=1)
        value = (slope * move).sum(1) + weight * (reached.square() - radius.square())
        best = torch.maximum(best, value)
        weight = (weight * (reached / radius)).clamp_min(1e-300)
    return best
