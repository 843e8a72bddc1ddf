"""A network seen from pixel space, tapped where its last reading takes the features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from featgeom.errors import Unsupported
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.tape import WATCHED, flat_arguments, function_name, returned_at

Ending = Literal["logits", "log_softmax", "softmax", "sigmoid", "log_sigmoid"]


@dataclass(frozen=True)
class Point:
    """A place in a network's pass: an argument of a torch function that is called while a layer runs.

    ``call`` counts the functions of `WATCHED` that were called in ``layer`` before it; for a Linear or a
    convolution that is which of its calls in one pass it is. ``reduction`` brings what lies there,
    (n, ...), to one vector an image: 'flatten', 'mean' over all positions of the channels of ``axis``, or
    'position 0', one of them alone.
    """

    layer: str
    call: int
    kind: str
    reduction: str = "flatten"
    operand: int = 0
    axis: int = 1

    def reduce(self, value: Tensor) -> Tensor:
        """(n, ...) → (n, d)."""
        if self.reduction == "flatten":
            return value.flatten(1)
        others = tuple(d for d in range(1, value.ndim) if d != self.axis % value.ndim)
        if self.reduction == "mean":
            return value.mean(dim=others)
        return value.movedim(self.axis, 1).flatten(2)[:, :, int(self.reduction.rpartition(" ")[2])]

    def spread(self, reduced: Tensor, like: Tensor) -> Tensor:
        """(n, d) → a value of the shape of ``like`` whose reduction it is."""
        if self.reduction == "flatten":
            return reduced.reshape(like.shape)
        moved = like.movedim(self.axis, 1)
        column = reduced.reshape(*reduced.shape, *[1] * (moved.ndim - 2))
        if self.reduction == "mean":
            return column.expand(moved.shape).movedim(1, self.axis).contiguous()
        full = torch.zeros_like(moved.flatten(2))
        full[:, :, int(self.reduction.rpartition(" ")[2])] = reduced
        return full.reshape(moved.shape).movedim(1, self.axis).contiguous()

    def describe(self) -> str:
        """For people: the layer, and what is done to its input."""
        line = f"{self.kind} '{self.layer}'" if self.layer else f"{self.kind} in the network's own forward"
        if self.reduction == "mean":
            return f"{line}, its input averaged over the map"
        return line if self.reduction == "flatten" else f"{line}, its input at {self.reduction}"


@dataclass(frozen=True)
class Tap:
    """Where features and logits are read off while the network runs.

    The features are what ``points`` hold, joined. The logits are the network's own ``output``, by where it
    stands in what the network returns; where the network goes on to their (log-)softmax or sigmoid
    (``ending``), they are what goes in at ``before``. ``one_logit`` says that there is one logit l alone,
    which is read as the two logits (0, l).
    """

    points: tuple[Point, ...]
    output: str = ""
    ending: Ending = "logits"
    before: Point | None = None
    one_logit: bool = False

    @property
    def layer(self) -> str:
        """The layer that reads the features; the last of several."""
        return self.points[-1].layer

    @property
    def call(self) -> int:
        """Which call of `layer` it is."""
        return self.points[-1].call

    @property
    def kind(self) -> str:
        """What `layer` is."""
        return self.points[-1].kind

    @property
    def reduction(self) -> str:
        """How what `layer` takes is brought to one vector an image."""
        return self.points[-1].reduction

    def describe(self) -> str:
        """For people: the layers, and what was done to reach the logits."""
        line = " and ".join(point.describe() for point in self.points)
        if len(self.points) > 1:
            line += ", whose inputs are joined"
        if self.ending != "logits":
            line += f"; the network ends in {self.ending}, whose input is taken as the logits"
        return line + ("; its one logit l is read as the two logits (0, l)" if self.one_logit else "")

    def to_json(self) -> dict[str, Any]:
        """Plain values; what has its usual value is left out."""
        first, *others = self.points
        record = _plain(first) | {"ending": self.ending}
        if others:
            record["joined"] = [_plain(point) for point in others]
        if self.before is not None:
            record["before"] = _plain(self.before)
        if self.output:
            record["output"] = self.output
        return record | ({"one_logit": True} if self.one_logit else {})


def _plain(point: Point) -> dict[str, Any]:
    usual = {"operand": 0, "axis": 1}
    return {key: value for key, value in asdict(point).items() if usual.get(key) != value}


class Normalise(nn.Module):
    """(x − mean) / std by channel, in the network's own order; the identity where a PixelSpec has none."""

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, pixels: PixelSpec) -> None:
        super().__init__()
        for name, value in (("mean", pixels.mean), ("std", pixels.std)):
            column = None if value is None else torch.tensor(value).view(-1, 1, 1)
            self.register_buffer(name, column, persistent=False)
        self.reverses = pixels.reversed_channels

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in pixel space → the same shape as the network wants it."""
        if self.mean is not None and self.std is not None:
            x = (x - self.mean) / self.std
        return x.flip(1) if self.reverses else x


@dataclass
class _Watch(TorchFunctionMode):
    """Keeps what the watched calls of one layer take, by their number and the argument's place."""

    wanted: dict[int, int]
    seen: dict[int, Tensor] = field(default_factory=dict)
    count: int = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call while the layer runs."""
        if function_name(func) in WATCHED:
            operand = self.wanted.get(self.count)
            if operand is not None:
                self.seen[self.count] = flat_arguments(args, kwargs or {})[operand]
            self.count += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def watching(module: nn.Module, points: list[Point]) -> Iterator[Callable[[Point], Tensor]]:
    """Watch the points while ``module`` runs; gives a function to ask what lay there, afterwards."""
    watches: dict[str, _Watch] = {}
    for point in points:
        watches.setdefault(point.layer, _Watch({})).wanted[point.call] = point.operand
    with ExitStack() as stack:
        for layer, watch in watches.items():
            if not layer:
                stack.enter_context(watch)
                continue
            part = module.get_submodule(layer)
            before = part.register_forward_pre_hook(lambda *_, w=watch: _begin(w))
            after = part.register_forward_hook(lambda *_, w=watch: _end(w), always_call=True)
            stack.callback(before.remove)
            stack.callback(after.remove)
        yield lambda point: _seen(watches[point.layer], point)


def _seen(watch: _Watch, point: Point) -> Tensor:
    if point.call not in watch.seen:
        raise Unsupported(
            f"the network takes another way for these images: {point.describe()} was not reached"
        )
    return watch.seen[point.call]


def _begin(watch: _Watch) -> None:
    watch.__enter__()


def _end(watch: _Watch) -> None:
    watch.__exit__(None, None, None)


def columns(output: Tensor) -> Tensor:
    """(n,), (n, C) or (n, C, 1, 1) → (n, C)."""
    return output.reshape(len(output), -1)


def only_batch(module: nn.Module) -> int | None:
    """The only number of images that a network takes at a time, where a stored program has one."""
    only: int | None = getattr(module, "batch", None)
    return only


def filled(images: Tensor, count: int) -> Tensor:
    """The first ``count`` images; where there are fewer, the last one again and again behind them."""
    if len(images) >= count:
        return images[:count]
    return torch.cat([images, images[-1:].expand(count - len(images), *images.shape[1:])])


class TappedNetwork(nn.Module):
    """Pixel space (n, c, h, w) → (features (n, d), logits (n, C)) in one pass, differentiable."""

    def __init__(self, module: nn.Module, pixels: PixelSpec, tap: Tap) -> None:
        super().__init__()
        self.normalise = Normalise(pixels)
        self.module = module
        self.tap = tap

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of one batch."""
        only = only_batch(self.module)
        if only is None or len(x) == only:
            return self._pass(x)
        parts = [self._pass(filled(part, only)) for part in x.split(only)]
        features, logits = (torch.cat(part)[: len(x)] for part in zip(*parts, strict=True))
        return features, logits

    def _pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        tap = self.tap
        points = [*tap.points, *([tap.before] if tap.before else [])]
        with watching(self.module, points) as seen:
            returned = self.module(self.normalise(x))
        parts = [point.reduce(seen(point)) for point in tap.points]
        features = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        output = returned_at(returned, tap.output) if tap.before is None else seen(tap.before)
        logits = output if output.ndim == 2 else columns(output)
        return features, torch.cat([torch.zeros_like(logits), logits], 1) if tap.one_logit else logits


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
