"""The linear function that a network is near one image: what it does to movements, and its rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.exact.rounding import TINY, gamma
from featgeom.models.classifier import exact_float32
from featgeom.pixels.bends import Bend
from featgeom.pixels.ends import AVERAGE, DROPOUT, REARRANGE, WEIGHTED, WIDER, call_of, lengths, tensors
from featgeom.pixels.energy import weight_norm
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.rules import known_call, plain_name
from featgeom.pixels.spelling import Spelling
from featgeom.pixels.stretches import FEW, averaging_norm, batch_norm_of, factor_of, stretched, summands


@dataclass
class Met:
    """An operation that bends, as it is at the image: what goes in, its slopes, and the shape it gives.

    ``rounding`` (1, ...) is more than what goes in was rounded by.
    """

    bend: Bend
    z: Tensor
    slope: Tensor
    gives: torch.Size
    rounding: Tensor


class Tangent(TorchFunctionMode):
    """Runs a network with its slopes at one image in place of what bends, and without what it adds.

    The first run, at the image itself and without ``met``, is of the network as it is, and finds these.
    Others are of the linear function: they keep in ``moved`` what goes into each bend (rows, entries), and
    add ``pushes`` (rows, entries) to what comes out of the bend of number ``pushed``. In ``off`` (rows,) each
    has a bound on the Euclidean length of what rounding did to it; the last is the values' own.
    """

    def __init__(self, met: list[Met] | None = None) -> None:
        super().__init__()
        self.first = met is None
        self.met: list[Met] = met or []
        self.at = 0
        self.derived: Any = WeakTensorKeyDictionary()  # what rounding did to it, and its length (rows,)
        self.pushed, self.pushes = -1, torch.empty(0)
        self.moved: dict[int, Tensor] = {}
        self.off: dict[int, Tensor] = {}
        self.calls = 0
        self.factors: dict[int, tuple[Any, Any]] = {}  # of each call: what it stretches, and is rounded by

    def run(self, network: nn.Module, x: Tensor) -> Tensor:
        """The values (rows, k)."""
        self.at, self.calls, self.moved, self.off = 0, 0, {}, {}
        start = x.clone()
        self.derived[start] = x.new_zeros(len(x)), lengths(start)
        with torch.no_grad(), exact_float32(), self, Spelling(self.derived):
            values: Tensor = network(start)
        self.off[len(self.met)] = self.derived[values][0]
        return values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        call = call_of(func, args, kwargs, self.derived)
        if call is None:
            return func(*args, **(kwargs or {}))
        args, kwargs, held = call
        name, off = plain_name(func.__name__), [self.derived[t][0] for t in held]
        if name in REGISTRY:
            result, away = self._bent(func, name, args, kwargs, off[0])
        elif self.first:
            result, away = func(*args, **kwargs), off[0]
        elif not known_call(name, args, kwargs, self.derived):  # leads to no logit
            result, away = func(*args, **kwargs), torch.full_like(off[0], math.inf)
        else:
            sizes = [self.derived[t][1] for t in held]  # what is changed in place is as it was
            result = _linear(func, name, args, kwargs, self.derived)
            away = self._away(func, name, args, kwargs, off, sizes, result)
        for tensor in tensors(result):
            length = away if self.first or not isinstance(result, Tensor) else lengths(tensor)
            self.derived[tensor] = away, length
        return result

    def _away(
        self,
        func: Any,
        name: str,
        args: Any,
        kwargs: Any,
        off: list[Tensor],
        sizes: list[Tensor],
        result: Tensor,
    ) -> Tensor:
        """What rounding did to a result (rows,)."""
        self.calls += 1
        size = sum(sizes)
        if len(off) > 1:
            away = stretched(func, name, args, kwargs, self.derived, off, result)
            return away if name == "cat" else away + gamma(FEW, "float64") * size
        if self.calls not in self.factors:
            norm = factor_of(func, name, args, kwargs, self.derived) * WIDER
            self.factors[self.calls] = norm, _rounded(func, name, args, kwargs, result, norm)
        norm, rounding = self.factors[self.calls]
        return off[0] * norm + (rounding * size + TINY * result.numel() if rounding else 0.0)

    def _bent(self, func: Any, name: str, args: Any, kwargs: Any, off: Tensor) -> tuple[Any, Tensor]:
        x, rest = args[0], args[1:]
        bend = find_bend(name, rest, kwargs)
        if bend is None:  # on a side path that leads to no logit
            return func(x, *rest, **kwargs), torch.full_like(off, math.inf)
        if self.first:
            slope, gives = bend.slope(bend.windows(x)), bend.value(x).shape[1:]
            self.met.append(Met(bend, x.clone(), slope, gives, torch.zeros_like(x)))
            return func(x, *rest, **kwargs), off
        here = self.met[self.at]
        self.moved[self.at], self.off[self.at] = x.flatten(1).clone(), off
        result = here.slope * bend.windows(x).nan_to_num(neginf=0.0)
        result = (result.sum(1) if bend.windowed else result).view(len(x), *here.gives)
        if self.at == self.pushed:
            result = result + self.pushes.view(-1, *here.gives)
        self.at += 1
        off = off * (bend.stretch(here.z, here.z) * WIDER) + gamma(FEW, "float64") * lengths(result)
        inplace = kwargs.get("inplace") or func.__name__ != name
        return (x.copy_(result) if inplace and not bend.windowed else result), off


def _linear(func: Any, name: str, args: Any, kwargs: Any, held: Any) -> Tensor:
    """An affine operation without what it adds."""
    result: Tensor
    if name in WEIGHTED:
        rest = {k: t for k, t in kwargs.items() if k != "bias"}
        result = func(*args[:2], *((None,) if len(args) > 2 else ()), *args[3:], **rest)
    elif name == "batch_norm":
        mean, var, weight, bias, eps = batch_norm_of(func, args, kwargs)
        nought = [None if t is None else torch.zeros_like(t) for t in (mean, bias)]
        result = functional.batch_norm(args[0], nought[0], var, weight, nought[1], False, 0.0, eps)
    elif name in {"add", "sub"} and not all(isinstance(t, Tensor) and t in held for t in args[:2]):
        result = args[0] if isinstance(args[0], Tensor) and args[0] in held else args[1]
        result = -result if name == "sub" and result is args[1] else result
    elif name == "__rsub__":
        result = -args[0]
    elif name == "pad":
        result = func(*args[:3], **{k: v for k, v in kwargs.items() if k != "value"})
    else:
        result = func(*args, **kwargs)
    return result


def _rounded(func: Any, name: str, args: Any, kwargs: Any, result: Tensor, norm: Any) -> Any:
    """By more than what share of the length that goes in `_linear` rounds its result."""
    if name in REARRANGE | DROPOUT:
        return 0.0
    each = gamma(summands(name, args, kwargs, result) + FEW, "float64")
    if name in WEIGHTED:
        rest = {k: t for k, t in kwargs.items() if k != "bias"}
        return each * weight_norm(func.__name__, args[0].shape, *args[1:2], *args[3:], sizes=True, **rest)
    return each * (averaging_norm(func, args, kwargs) if name in AVERAGE else 1 + norm)
