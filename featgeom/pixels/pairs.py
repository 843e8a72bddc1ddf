"""A network at one image with twice the digits of float64, and a bound on what is rounded even so.

Each number is a pair, the sum of a float64 and of a smaller one (Dekker, Numerische Mathematik 18, 1971).
Products of weights are cut into parts of so few digits that float64 adds them up exactly (Ozaki et al.,
Numerical Algorithms 59, 2012). Deep networks may enlarge what the first layers round by 10^13: of twice the
digits enough are left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.exact.rounding import TINY
from featgeom.models.classifier import exact_float32
from featgeom.pixels.ends import AVERAGE, WEIGHTED, WIDER, call_of, lengths, rounded_by, tensors
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.products import Product
from featgeom.pixels.rules import known_call, plain_name
from featgeom.pixels.spelling import Spelling
from featgeom.pixels.stretches import FEW, batch_norm_of, stretched, summands

Pair = tuple[Tensor, Tensor]
PARTS = 5  # into which numbers are cut
RELATIVE = 2.0**-96  # more than pairs are rounded by in one sum, product or quotient of them
SPLITTER = 2.0**27 + 1


class Precise(TorchFunctionMode):
    """Runs a network on pairs; ``met`` holds what goes into each operation that bends.

    Each is a pair and a bound (1,) on the Euclidean distance from the values in real arithmetic.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: Any = WeakTensorKeyDictionary()  # the second number of each, and the bound
        self.met: list[tuple[Tensor, Tensor, Tensor]] = []

    def run(self, network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The values at one image x (1, c, h, w), as a pair, and the bound."""
        start = x.clone()
        self.known[start] = torch.zeros_like(x), x.new_zeros(1)
        with torch.no_grad(), exact_float32(), self, Spelling(self.known):
            values: Tensor = network(start)
        return values, *self.known[values]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        made = call_of(func, args, kwargs, self.known)
        if made is None:
            return func(*args, **(kwargs or {}))
        args, kwargs, held = made
        name = plain_name(func.__name__)
        inplace = bool(kwargs.pop("inplace", False)) or name != func.__name__
        if not known_call(name, args, kwargs, self.known):  # leads to no logit
            result = func(*args, **kwargs)
            for t in tensors(result):
                self.known[t] = (
                    torch.full_like(t, math.nan, dtype=torch.float64),
                    held[0].new_full((1,), math.nan),
                )
            return result
        call = getattr(torch, name, func) if inplace else func
        (high, low), off = self._called(call, name, args, kwargs, held)
        if inplace:
            high = args[0].copy_(high)
        self.known[high] = low, off
        return high

    def _called(
        self, func: Any, name: str, args: Any, kwargs: Any, held: list[Tensor]
    ) -> tuple[Pair, Tensor]:
        if name in REGISTRY:
            return self._bent(name, *args, **kwargs)
        pairs = [self._pair(t) for t in held]
        result, error = _affine(func, name, args, kwargs, self.known, pairs)
        off = stretched(func, name, args, kwargs, self.known, [self.known[t][1] for t in held], result[0])
        return result, off + lengths(error)

    def _bent(self, name: str, x: Tensor, *args: Any, **kwargs: Any) -> tuple[Pair, Tensor]:
        bend, (high, low), off = find_bend(name, args, kwargs), self._pair(x), self.known[x][1]
        assert bend is not None
        self.met.append((high.clone(), low, off))
        shape = bend.value(high).shape
        reach = low.abs() + off
        near = high - reach, high + reach
        off = off * (bend.stretch(*near) * WIDER)
        if isinstance(bend, Product):
            found = times(*((high[:, i], low[:, i]) for i in (0, 1)))
            return found, off + lengths(RELATIVE * found[0].abs() + TINY)
        if bend.windowed:
            one, other = bend.windows(high), bend.windows(low)
            best = one.amax(1, keepdim=True)
            other = torch.where(one == best, other.nan_to_num(neginf=0.0), -math.inf).amax(1)
            return (best[:, 0].view(shape), other.view(shape)), off
        if bend.kinks and bend.least == 0:
            above = (high > 0) | ((high == 0) & (low > 0))
            return (torch.where(above, high, 0.0), torch.where(above, low, 0.0)), off
        value, slope = bend.value(high), bend.slope(high).view(shape)
        curved = bend.curving(*near) * low.square()
        kink = torch.where((high.abs() <= low.abs()) & bend.kinks, low.abs(), 0.0)
        return (value, slope * low), off + lengths(bend.rounding(high) + curved + kink + 1e-15 * low.abs())

    def _pair(self, t: Tensor) -> Pair:
        return two_sum(t, self.known[t][0])


def _affine(
    func: Any, name: str, args: Any, kwargs: Any, known: Any, pairs: list[Pair]
) -> tuple[Pair, Tensor]:
    """What an affine operation makes of pairs, and more than that is rounded by, entry by entry."""
    if name in WEIGHTED:
        return _weighted(func, pairs[0], *args[1:], **kwargs)
    if name == "batch_norm":
        return _normed(pairs[0], *batch_norm_of(func, args, kwargs))
    numbers = [i for i, t in enumerate(args) if isinstance(t, Tensor) and t in known]
    if name in {"add", "sub", "mul", "div", "__rsub__"}:
        both = iter(pairs)
        one, other = (
            next(both) if i in numbers else _constant(t, pairs[0][0]) for i, t in enumerate(args[:2])
        )
        if name == "__rsub__":
            one, other = other, one
        if name in {"sub", "__rsub__"}:
            other = -other[0], -other[1]
        calls: dict[str, Callable[[Pair, Pair], Pair]] = {"mul": times, "div": over}
        result = calls.get(name, plus)(one, other)
        size = one[0].abs() + other[0].abs() if name in {"add", "sub", "__rsub__"} else result[0].abs()
        return result, RELATIVE * size + TINY
    parts = []
    for which in (0, 1):
        each = [pair[which] for pair in pairs]
        plain = {k: 0.0 if which and k == "value" else v for k, v in kwargs.items()}
        rest = args[1:3] if which and name == "pad" else args[1:]
        parts.append(func(each if name == "cat" else each[0], *rest, **plain))
    error = torch.zeros_like(parts[0])
    if name in AVERAGE:
        error = rounded_by(
            func(pairs[0][0].abs(), *args[1:], **kwargs), summands(name, args, kwargs, parts[0]) + FEW
        )
    return (parts[0], parts[1]), error


def _weighted(
    func: Any, x: Pair, weight: Tensor, bias: Tensor | None = None, *rest: Any, **kw: Any
) -> tuple[Pair, Tensor]:
    terms = weight[0].numel()
    digits = (53 - math.ceil(math.log2(terms)) - 3) // 2
    (some, rest_x), (other, rest_w) = cut(x[0], digits), cut(weight, digits)
    total = func(torch.zeros_like(x[0]), weight, bias, *rest, **kw)
    low = torch.zeros_like(total)
    size = total.abs() + func(x[0].abs(), weight.abs(), None, *rest, **kw)
    for i, part in enumerate(some):
        for one in other[: PARTS - i]:
            total, more = two_sum(total, func(part, one, None, *rest, **kw))
            low = low + more
    low = low + func(x[1], weight, None, *rest, **kw)
    widest = float(x[0].abs().amax()), float(weight.abs().amax())
    dropped = terms * PARTS * 2.0 ** (2 - digits * PARTS) * widest[0] * widest[1]
    dropped += 2 * terms * (rest_x * widest[1] + rest_w * widest[0])
    small = rounded_by(func(x[1].abs(), weight.abs(), None, *rest, **kw), terms + FEW)
    error = small + 2.0**-98 * PARTS**2 * size + dropped + terms * PARTS**2 * TINY
    return two_sum(total, low), error


def cut(t: Tensor, digits: int) -> tuple[list[Tensor], float]:
    """Parts that add up to t, each of so few binary digits, but for what is less than the second result."""
    top = 2.0 ** math.ceil(math.log2(max(float(t.abs().amax()), TINY)))
    parts, unit = [], top
    for _ in range(PARTS):
        unit = unit * 2.0**-digits
        if unit < 2.0**-900:
            break
        part = (t / unit).round() * unit  # exact, but for the choice of the nearest
        parts.append(part)
        t = t - part
    return parts, float(t.abs().amax())


def _normed(
    x: Pair, mean: Tensor | None, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Pair, Tensor]:
    like = x[0]
    column = (1, -1, *(1,) * (like.ndim - 2))

    def shaped(t: Tensor) -> Pair:
        return _constant(t.double().view(column), like)

    whole = var.double().view(column)
    error, slope = torch.zeros_like(like), torch.ones_like(whole)
    spread = two_sum(whole, torch.full_like(whole, eps))
    root = spread[0].sqrt()
    product = two_product(root, root)
    rest = ((spread[0] - product[0]) - product[1] + spread[1]) / (2 * root)
    slope = slope / root
    if mean is not None:
        x = plus(x, (-shaped(mean)[0], shaped(mean)[1]))
        error = RELATIVE * (like.abs() + mean.double().view(column).abs())
    if weight is not None:
        x, slope = times(x, shaped(weight)), slope * weight.double().view(column).abs()
    x = over(x, two_sum(root, rest))
    error = error * slope * 2 + 8 * RELATIVE * x[0].abs()
    if bias is not None:
        x = plus(x, shaped(bias))
        error = error + RELATIVE * (x[0].abs() + 2 * bias.double().view(column).abs())
    return x, error + TINY


def _constant(value: Any, like: Tensor) -> Pair:
    t = torch.as_tensor(value, dtype=like.dtype)
    return t, torch.zeros_like(t)


def two_sum(a: Tensor, b: Tensor) -> Pair:
    """The rounded sum, and what it was rounded by."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Tensor, b: Tensor) -> Pair:
    """The rounded product, and what it was rounded by."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Tensor) -> Pair:
    wide = SPLITTER * a
    high = wide - (wide - a)
    return high, a - high


def plus(a: Pair, b: Pair) -> Pair:
    """The sum of two pairs."""
    high, low = two_sum(a[0], b[0])
    more, rest = two_sum(a[1], b[1])
    high, low = two_sum(high, low + more)
    return two_sum(high, low + rest)


def times(a: Pair, b: Pair) -> Pair:
    """The product of two pairs."""
    high, low = two_product(a[0], b[0])
    return two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def over(a: Pair, b: Pair) -> Pair:
    """The quotient of two pairs."""
    first = a[0] / b[0]
    product = times((first, torch.zeros_like(first)), b)
    rest = plus(a, (-product[0], -product[1]))
    second = rest[0] / b[0]
    product = times((second, torch.zeros_like(second)), b)
    rest = plus(rest, (-product[0], -product[1]))
    high, low = two_sum(first, second)
    return two_sum(high, low + rest[0] / b[0])
