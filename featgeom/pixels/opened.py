"""Features before the ReLU that they come out of: where it is shut, these still have a derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from featgeom.models.classifier import exact_float32
from featgeom.pixels.derivatives import PixelFunction

NAMES = ("relu", "relu_")


class Opened(nn.Module):
    """A network without one of its calls of ReLU, that of number ``shut``."""

    def __init__(self, network: nn.Module, shut: int) -> None:
        super().__init__()
        self.network, self.shut = network, shut

    def forward(self, x: Tensor) -> Tensor:
        """What the network would return, had it not called that ReLU."""
        with _Calls(self.shut):
            values: Tensor = self.network(x)
        return values


def opened(f: PixelFunction, x: Tensor) -> PixelFunction | None:
    """The features before a last ReLU, or None where there is none. ``x`` is one vector (1, m) to try with.

    That the features are what a ReLU returned is seen at x alone: it serves a search, and proves nothing.
    """
    with torch.no_grad(), exact_float32(), _Calls() as seen:
        values = f(x).flatten()
    for number, result in reversed(list(enumerate(seen.results))):
        if result.numel() == values.numel() and torch.equal(result.flatten().double(), values):
            return PixelFunction(Opened(f.module, number).eval(), f.shape, (f.low, f.high), f.device, f.dtype)
    return None


class _Calls(TorchFunctionMode):
    """Counts calls of ReLU and keeps their results; leaves that of number ``shut`` out."""

    def __init__(self, shut: int | None = None) -> None:
        super().__init__()
        self.shut, self.count = shut, 0
        self.results: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = kwargs or {}
        if func.__name__ not in NAMES:
            return func(*args, **kwargs)
        self.count += 1
        if self.shut == self.count - 1:
            return args[0] if args else kwargs["input"]
        result = func(*args, **kwargs)
        if self.shut is None:
            self.results.append(result.detach().clone())
        return result
