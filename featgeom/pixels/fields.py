"""Which pixels an entry of a convolutional network may depend on: a box, told by its row and its column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

NOWHERE = 1 << 30  # the start of a span without pixels


@dataclass(frozen=True)
class Field:
    """Of a tensor (n, c, h, w) the spans of pixels, from and before which, of its rows and of its columns.

    ``rows`` is (h, 2), ``columns`` (w, 2). What sees no pixel has a span that starts behind its end.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of_image(cls, shape: Sequence[int]) -> Field:
        """Each pixel sees itself."""
        return cls(*(torch.stack([torch.arange(n), torch.arange(n) + 1], 1) for n in shape[-2:]))


def field_after(name: str, args: Any, kwargs: Any, before: list[Field | None], after: Tensor) -> Field | None:
    """What is seen after an operation, or None where that is not known (then: the whole image).

    ``name`` is that of the torch function, or "bend" for one that takes each entry by itself.

    >>> image, weight, after = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)
    >>> field_after("conv2d", (image, weight), {}, [Field.of_image((1, 4, 4))], after).rows
    tensor([[0, 3],
            [1, 4]])
    """
    known = [field for field in before if field is not None]
    if after.ndim != 4 or not known or len(known) < len(before):
        return None
    if name in WINDOWS:
        kernel, stride, padding, dilation = WINDOWS[name](*args[1:], **kwargs)
        spans = (known[0].rows, known[0].columns)
        sizes = zip(spans, after.shape[-2:], *map(_pair, (kernel, stride, padding, dilation)), strict=True)
        return Field(*(_window(*size) for size in sizes))
    if name not in ALIKE or any(_size(field) != tuple(after.shape[-2:]) for field in known):
        return None
    return Field(_union([field.rows for field in known]), _union([field.columns for field in known]))


def spacing(spans: Tensor) -> int:
    """The least distance at which, and beyond which, entries of a row or a column see different pixels.

    >>> spacing(torch.tensor([[0, 2], [0, 3], [1, 4], [2, 4]]))
    3
    """
    onward = spans[:, 0].flip(0).cummin(0).values.flip(0)  # the first pixel that any from here on sees
    return next(t for t in range(1, len(spans) + 1) if (spans[:-t, 1] <= onward[t:]).all())


def owners(inner: Tensor, outer: Tensor) -> Tensor:
    """Of each of these spans (m, 2) which of the others (k, 2), that share no pixel, holds it; k for none."""
    within = (inner[:, None, 0] >= outer[None, :, 0]) & (inner[:, None, 1] <= outer[None, :, 1])
    return torch.where(within.any(1), within.to(torch.uint8).argmax(1), len(outer))


ALIKE = {
    "bend",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "__rsub__",
    "batch_norm",
    "clone",
    "contiguous",
    "cat",
    "flip",
}


def _convolution(
    weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> tuple[Any, Any, Any, Any]:
    kernel = tuple(weight.shape[-2:])
    if isinstance(padding, str):
        same = padding == "same"
        padding = tuple((k - 1) * d // 2 if same else 0 for k, d in zip(kernel, _pair(dilation), strict=True))
    return kernel, stride, padding, dilation


def _max_pool(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any
) -> Any:
    return kernel_size, stride or kernel_size, padding, dilation


def _avg_pool(kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any) -> Any:
    return kernel_size, stride or kernel_size, padding, 1


WINDOWS: dict[str, Callable[..., tuple[Any, Any, Any, Any]]] = {
    "conv2d": _convolution,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
}


def _window(spans: Tensor, count: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    taps = (torch.arange(count) * stride - padding)[:, None] + dilation * torch.arange(kernel)
    inside = (taps >= 0) & (taps < len(spans))
    met = spans[taps.clamp(0, len(spans) - 1)]
    starts = torch.where(inside, met[..., 0], NOWHERE).amin(1)
    return torch.stack([starts, torch.where(inside, met[..., 1], 0).amax(1)], 1)


def _union(spans: list[Tensor]) -> Tensor:
    both = torch.stack(spans)
    return torch.stack([both[..., 0].amin(0), both[..., 1].amax(0)], 1)


def _size(field: Field) -> tuple[int, int]:
    return len(field.rows), len(field.columns)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[-1])) if isinstance(value, (tuple, list)) else (int(value), int(value))
