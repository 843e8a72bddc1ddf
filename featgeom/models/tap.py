"""A network seen from pixel space, tapped at the layer that reads its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from featgeom.errors import Unsupported
from featgeom.models.pixel_spec import PixelSpec

Reduction = Literal["flatten", "mean"]
Ending = Literal["logits", "log_softmax", "softmax"]


@dataclass(frozen=True)
class Tap:
    """Where features and logits are read off while the network runs.

    ``layer`` is the name of the layer that maps features to logits and ``call`` which of its calls in one
    pass it is. ``reduction`` brings that layer's input and output to one vector an image: 'mean' where
    global average pooling follows a 1x1 convolution, since the mean and the affine map commute. ``ending``
    says what the network's own output is: the logits, or their (log-)softmax.
    """

    layer: str
    call: int
    kind: str
    reduction: Reduction = "flatten"
    ending: Ending = "logits"

    def describe(self) -> str:
        """For people: the layer, and what was done to reach the logits."""
        line = f"{self.kind} '{self.layer}'"
        if self.reduction == "mean":
            line += ", its input averaged over the map"
        if self.ending != "logits":
            line += f"; the network ends in {self.ending}, whose input is taken as the logits"
        return line


class Normalise(nn.Module):
    """(x − mean) / std by channel; the identity where a PixelSpec has none."""

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, pixels: PixelSpec) -> None:
        super().__init__()
        for name, value in (("mean", pixels.mean), ("std", pixels.std)):
            column = None if value is None else torch.tensor(value).view(-1, 1, 1)
            self.register_buffer(name, column, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in pixel space → the same shape as the network wants it."""
        return x if self.mean is None or self.std is None else (x - self.mean) / self.std


@dataclass(frozen=True)
class Call:
    """One call of a layer: what went in, and what came out."""

    layer: str
    module: nn.Module
    call: int
    value: Tensor
    output: Tensor


def record_calls(module: nn.Module, x: Tensor, only: str | None = None) -> tuple[list[Call], object]:
    """Run ``module`` and list, in order of return, each call that maps one tensor to one tensor.

    With ``only``, the calls of that layer alone. The second result is what the network returned.
    """
    calls: list[Call] = []
    counts: dict[str, int] = {}
    handles = []

    def watch(name: str, layer: nn.Module) -> None:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            index = counts[name] = counts.get(name, -1) + 1
            given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            if given and isinstance(output, Tensor):
                calls.append(Call(name, layer, index, given[0], output))

        handles.append(layer.register_forward_hook(hook, with_kwargs=True))

    try:
        if only is not None:
            watch(only, module.get_submodule(only))
        else:
            for name, layer in module.named_modules():
                watch(name, layer)
        output = module(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls, output


def reduce_map(value: Tensor, reduction: Reduction) -> Tensor:
    """(n, ...) → (n, d)."""
    return value.mean(dim=tuple(range(2, value.ndim))) if reduction == "mean" else value.flatten(1)


def network_output(output: object) -> Tensor:
    """The tensor (n, C) in what a network returned: itself, the first of several, or its ``logits``."""
    if isinstance(output, Mapping) and "logits" in output:
        output = output["logits"]
    elif hasattr(output, "logits"):
        output = output.logits
    elif isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise Unsupported(f"the network returns a {type(output).__name__}, not a tensor of logits")
    return output.flatten(1)


class TappedNetwork(nn.Module):
    """Pixel space (n, c, h, w) → (features (n, d), logits (n, C)) in one pass, differentiable."""

    def __init__(self, module: nn.Module, pixels: PixelSpec, tap: Tap) -> None:
        super().__init__()
        self.normalise = Normalise(pixels)
        self.module = module
        self.tap = tap

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of one batch."""
        calls, output = record_calls(self.module, self.normalise(x), self.tap.layer)
        call = next(call for call in calls if call.call == self.tap.call)
        features = reduce_map(call.value, self.tap.reduction)
        if self.tap.ending == "logits":
            return features, network_output(output)
        return features, reduce_map(call.output, self.tap.reduction)


class Backbone(nn.Module):
    """φ: pixel space (n, c, h, w) → features (n, d)."""

    def __init__(self, tapped: TappedNetwork) -> None:
        super().__init__()
        self.tapped = tapped

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        return self.tapped(x)[0]


class Network(nn.Module):
    """Pixel space (n, c, h, w) → logits (n, C)."""

    def __init__(self, tapped: TappedNetwork) -> None:
        super().__init__()
        self.tapped = tapped

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.tapped(x)[1]
