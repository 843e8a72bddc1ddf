"""A network run on a batch of images, real ones or noise of the right size, to find its head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featgeom.errors import BadArgument, BadData, FeatgeomError
from featgeom.models.classifier import as_tensor, cannot_take, exact_float32, to_pixels
from featgeom.models.find_head import FoundHead, Hints, find_head
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.tap import Normalise, filled, only_batch

PROBES = 64  # images in the batch that finds the head
NOISE = 7  # images of noise, where there are no others; no layer is likely to be as wide
SIZES = (32, 28, 224, 64, 8, 16, 96, 128, 256, 299, 384)  # tried in turn where nothing tells the size


def probe_network(
    module: nn.Module,
    pixels: PixelSpec,
    images: NDArray[Any] | None,
    name: str,
    hints: Hints,
) -> tuple[PixelSpec, FoundHead]:
    """The head, and the pixel space with the shape that was run.

    Raises BadData for images that do not fit, BadArgument where no usual size runs, and what `find_head`
    raises.
    """

    def run(batch: Tensor) -> FoundHead:
        return _run(module, pixels, batch, name, hints)

    if images is not None:
        pixels.check_shape(images.shape)
        pixels.check_values(images)
        if len(images) == 0:
            raise BadData("probe: no images")
        found = run(as_tensor(images))
        c, h, w = images.shape[1:]
        return replace(pixels, shape=(c, h, w)), found
    hints = replace(hints, labels=None)
    if pixels.shape is not None:
        return pixels, run(_noise(pixels, pixels.shape))
    channels = len(pixels.mean) if pixels.mean else _channels(module)
    failures: list[str] = []
    own = () if pixels.preprocess is None else (max(pixels.preprocess.size_of(512, 512)),)
    for size in (*own, *SIZES):
        try:
            found = run(_noise(pixels, (channels, size, size)))
        except BadData as error:
            failures.append(str(error))
            continue
        if _takes(module, pixels, (channels, 2 * size, 2 * size), found):
            return pixels, found  # it takes images of any size
        return replace(pixels, shape=(channels, size, size)), found
    raise BadArgument(f"{name}: no usual image size runs; say its shape ({failures[0]})")


def _run(module: nn.Module, pixels: PixelSpec, images: Tensor, name: str, hints: Hints) -> FoundHead:
    only = only_batch(module)
    if only is not None:
        images, hints = filled(images, only), replace(hints, labels=None)
    example = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    try:
        with torch.no_grad(), exact_float32():
            x = Normalise(pixels).to(example)(to_pixels(images.to(example.device), example.dtype))
            return find_head(module, x, hints)
    except FeatgeomError:
        raise
    except Exception as error:  # whatever a network's own code raises
        raise cannot_take(tuple(images.shape[1:]), error, name) from error


def _takes(module: nn.Module, pixels: PixelSpec, shape: tuple[int, int, int], found: FoundHead) -> bool:
    """Whether images of another size have the same head."""
    try:
        other = _run(module, pixels, _noise(pixels, shape)[:2], "", Hints(logits=found.tap.output or None))
    except FeatgeomError:
        return False
    return other.head.weight.shape == found.head.weight.shape


def _noise(pixels: PixelSpec, shape: tuple[int, int, int]) -> Tensor:
    low, high = pixels.bounds
    generator = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(NOISE, *shape, generator=generator)


def _channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; 1 where the network has none."""
    known = getattr(module, "channels", None)  # a stored program says so
    if known is not None:
        return int(known)
    first = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    return first.in_channels if first is not None else 1
