"""How far float64 rounds what a network computes at an image: by operation, times its effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.exact.rounding import gamma
from featgeom.models.classifier import exact_float32
from featgeom.pixels.ends import CONSTANTS, tensors, terms_of
from featgeom.pixels.operators import REGISTRY
from featgeom.pixels.rules import plain_name


def count_rounding(func: Any, args: Any, kwargs: Any, result: Any, told: Callable[[Tensor], object]) -> None:
    """Have each backward pass tell (rows,) more than what this operation rounded adds to what is picked.

    Nothing is told of float32, which decides nothing.
    """
    if not (isinstance(result, Tensor) and result.requires_grad and result.dtype == torch.float64):
        return
    size, roundings = terms_of(func, plain_name(func.__name__), args, kwargs, result)
    if size and result.ndim:
        each = gamma(roundings, "float64") * size
        result.register_hook(lambda c: told(each * c.detach().abs().flatten(1).sum(1)))


class Counting(TorchFunctionMode):
    """Runs a network as it is; a backward pass then leaves in ``total`` what was rounded on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.total: Any = 0.0
        self.derived: Any = WeakTensorKeyDictionary()

    def run(self, network: nn.Module, x: Tensor) -> Tensor:
        """The values at x (rows, c, h, w)."""
        start = x.clone()
        self.derived[start] = True
        with exact_float32(), self:
            values: Tensor = network(start)
        return values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network, whose own `no_grad` is not heeded."""
        kwargs = dict(kwargs or {})
        if not any(t in self.derived for t in tensors((args, kwargs))) or func.__name__ in CONSTANTS:
            return func(*args, **kwargs)
        with torch.enable_grad():
            result = func(*args, **kwargs)
            if plain_name(func.__name__) not in REGISTRY:
                count_rounding(func, args, kwargs, result, self._tell)
        for tensor in tensors(result):
            self.derived[tensor] = True
        return result

    def _tell(self, more: Tensor) -> None:
        self.total = self.total + more


def rounding_of(network: nn.Module, x: Tensor, pick: Callable[[Tensor], Tensor]) -> Tensor:
    """More than pick(values) (rows,) was rounded by at x (rows, c, h, w), as far as slopes at x tell."""
    mode = Counting()
    leaf = x.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        picked = pick(mode.run(network, leaf))
    torch.autograd.grad(picked.sum(), leaf)
    total: Tensor = mode.total + torch.zeros_like(picked.detach())
    return total
