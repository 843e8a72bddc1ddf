"""The operators of ONNX that classifiers are made of, as functions of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from featgeom.errors import Unsupported
from featgeom.programs.operators import LARGEST

Attributes = Mapping[str, Any]
TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64,
    9: torch.bool, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16,
}  # fmt: skip


def whole(value: Any) -> list[int]:
    """A tensor of sizes or axes as numbers."""
    return [int(number) for number in value.flatten().tolist()] if isinstance(value, Tensor) else list(value)


def _bounded(shape: Sequence[int]) -> list[int]:
    if math.prod(max(length, 1) for length in shape) > LARGEST:
        raise Unsupported(f"its graph makes a tensor of shape {tuple(shape)}: refused")
    return list(shape)


def _pads(
    at: Attributes, x: Tensor, kernel: Sequence[int], steps: Sequence[int], spread: Sequence[int]
) -> list[int]:
    """What is put around an image, as torch orders it: left, right, top, bottom."""
    axes = len(kernel)
    auto = at.get("auto_pad", b"NOTSET").decode()
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads: list[int] = []
        for axis in range(axes - 1, -1, -1):
            size = x.shape[2 + axis]
            reach = (kernel[axis] - 1) * spread[axis] + 1
            total = max((-(-size // steps[axis]) - 1) * steps[axis] + reach - size, 0)
            less, more = total // 2, total - total // 2
            pads += [less, more] if auto == "SAME_UPPER" else [more, less]
        return pads
    both = [0] * (2 * axes) if auto == "VALID" else list(at.get("pads", [0] * (2 * axes)))
    return [both[axis + side * axes] for axis in range(axes - 1, -1, -1) for side in (0, 1)]


def _conv(at: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = weight.ndim - 2
    steps, spread = list(at.get("strides", [1] * axes)), list(at.get("dilations", [1] * axes))
    pads = _pads(at, x, weight.shape[2:], steps, spread)
    even = [pads[2 * (axes - 1 - axis)] for axis in range(axes)]
    if any(pads[2 * i] != pads[2 * i + 1] for i in range(axes)):
        x, even = functional.pad(x, pads), [0] * axes
    convolve = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}[axes]
    return convolve(x, weight, bias, steps, even, spread, at.get("group", 1))


def _conv_transpose(at: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = weight.ndim - 2
    pads = list(at.get("pads", [0] * (2 * axes)))
    if axes != 2 or pads[:axes] != pads[axes:] or "output_shape" in at:
        raise Unsupported("its graph has a ConvTranspose of a kind that is not run here")
    return torch.conv_transpose2d(
        x, weight, bias, list(at.get("strides", [1, 1])), pads[:2], list(at.get("output_padding", [0, 0])),
        at.get("group", 1), list(at.get("dilations", [1, 1])),
    )  # fmt: skip


def _pool(at: Attributes, x: Tensor, largest: bool) -> Tensor:
    kernel = list(at["kernel_shape"])
    axes = len(kernel)
    steps, spread = list(at.get("strides", [1] * axes)), list(at.get("dilations", [1] * axes))
    pads = _pads(at, x, kernel, steps, spread)
    ceil = bool(at.get("ceil_mode", 0))
    even = [pads[2 * (axes - 1 - axis)] for axis in range(axes)]
    uneven = any(pads[2 * i] != pads[2 * i + 1] for i in range(axes)) or any(
        2 * e > k for e, k in zip(even, kernel)
    )
    if axes > 2:
        raise Unsupported("its graph pools over more than two axes")
    if largest:
        if uneven:
            x, even = functional.pad(x, pads, value=float("-inf")), [0] * axes
        pool = functional.max_pool2d if axes == 2 else functional.max_pool1d
        return pool(x, kernel, steps, even, spread, ceil_mode=ceil)
    counted = bool(at.get("count_include_pad", 0))
    mean = functional.avg_pool2d if axes == 2 else functional.avg_pool1d
    if uneven and counted:
        x, even = functional.pad(x, pads), [0] * axes
    elif uneven:
        ones = functional.pad(torch.ones_like(x[:1, :1]), pads)
        padded = mean(functional.pad(x, pads), kernel, steps, 0, ceil)
        return padded / mean(ones, kernel, steps, 0, ceil)
    return mean(x, kernel, steps, even, ceil, counted)


def _gemm(at: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """A·B + C; as a Linear layer wherever it is one."""
    a = a.T if at.get("transA") else a
    scale, part = at.get("alpha", 1.0), at.get("beta", 1.0)
    b = b if at.get("transB") else b.T
    b = b if scale == 1.0 else b * scale
    offset = c if c is None or part == 1.0 else c * part
    if offset is None or (offset.ndim == 1 and len(offset) == len(b)):
        return functional.linear(a, b, offset)
    return functional.linear(a, b) + offset


def _norm(at: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    if at.get("training_mode"):
        raise Unsupported("its graph was exported in training mode; call model.eval() before the export")
    return functional.batch_norm(x, mean, var, scale, bias, False, 0.0, at.get("epsilon", 1e-5))


def _layer_norm(at: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = at.get("axis", -1) % x.ndim
    return functional.layer_norm(x, list(x.shape[axis:]), scale, bias, at.get("epsilon", 1e-5))


def _instance_norm(at: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return functional.instance_norm(x, None, None, scale, bias, True, 0.0, at.get("epsilon", 1e-5))


def _group_norm(at: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = at["num_groups"]
    if len(scale) == x.shape[1]:
        return functional.group_norm(x, groups, scale, bias, at.get("epsilon", 1e-5))
    each = x.shape[1] // groups
    return functional.group_norm(
        x, groups, scale.repeat_interleave(each), bias.repeat_interleave(each), at.get("epsilon", 1e-5)
    )


def _reshape(at: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = whole(shape)
    if not at.get("allowzero"):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(at: Attributes, x: Tensor) -> Tensor:
    axis = at.get("axis", 1)
    return x.flatten(1) if axis == 1 and x.ndim > 1 else x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(at: Attributes, x: Tensor, axes: Any = None) -> Tensor:
    chosen = at.get("axes") if axes is None else whole(axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(at: Attributes, x: Tensor, axes: Any = None) -> Tensor:
    chosen = whole(at["axes"] if axes is None else axes)
    for axis in sorted(axis % (x.ndim + len(chosen)) for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _slice(
    at: Attributes, x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Tensor:
    first = whole(at["starts"] if starts is None else starts)
    last = whole(at["ends"] if ends is None else ends)
    along = whole(axes) if axes is not None else list(at.get("axes", range(len(first))))
    strides = whole(steps) if steps is not None else [1] * len(first)
    for start, end, axis, step in zip(first, last, along, strides):
        if step < 0:
            places = torch.tensor(range(x.shape[axis])[slice(start, None if end < -(1 << 31) else end, step)])
            x = x.index_select(axis, places.long().to(x.device))
        else:
            where = [slice(None)] * x.ndim
            where[axis] = slice(start, end, step)
            x = x[tuple(where)]
    return x


def _gather(at: Attributes, x: Tensor, places: Tensor) -> Tensor:
    axis = at.get("axis", 0) % x.ndim
    places = torch.where(places < 0, places + x.shape[axis], places).long()
    if places.ndim == 0:
        return x.select(axis, int(places))
    picked = x.index_select(axis, places.flatten())
    return picked.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


def _split(at: Attributes, x: Tensor, sizes: Any = None) -> Any:
    axis, chosen = at.get("axis", 0), at.get("split") if sizes is None else whole(sizes)
    if chosen is None:
        parts = at.get("num_outputs", at["outputs"])
        chosen = -(-x.shape[axis] // parts)
    return list(x.split(chosen, dim=axis))


def _pad(at: Attributes, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    both = whole(at["pads"] if pads is None else pads)
    count = len(both) // 2
    along = whole(axes) if axes is not None else list(range(count))
    flat = [0] * (2 * x.ndim)
    for place, axis in enumerate(along):
        flat[2 * (x.ndim - 1 - axis % x.ndim)] = both[place]
        flat[2 * (x.ndim - 1 - axis % x.ndim) + 1] = both[place + count]
    _bounded(
        [
            length + abs(flat[2 * (x.ndim - 1 - i)]) + abs(flat[2 * (x.ndim - 1 - i) + 1])
            for i, length in enumerate(x.shape)
        ]
    )
    mode = at.get("mode", b"constant").decode()
    if mode == "constant":
        number = at.get("value", 0.0) if value is None else float(value)
        return functional.pad(x, flat, value=number)
    return functional.pad(x, flat[: 2 * (x.ndim - 2)], mode={"edge": "replicate", "reflect": "reflect"}[mode])


def _softmax(at: Attributes, x: Tensor, logarithm: bool) -> Tensor:
    axis = at.get("axis", -1 if at["version"] >= 13 else 1)
    compute = torch.log_softmax if logarithm else torch.softmax
    if at["version"] >= 13 or axis % x.ndim == x.ndim - 1:
        return compute(x, axis)
    return compute(x.flatten(axis), axis).reshape(x.shape)


def _reduced(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduce(at: Attributes, x: Tensor, axes: Any = None) -> Tensor:
        chosen = at.get("axes") if axes is None else whole(axes)
        if not chosen:
            if at.get("noop_with_empty_axes"):
                return x
            chosen = list(range(x.ndim))
        return compute(x, tuple(chosen), bool(at.get("keepdims", 1)))

    return reduce


def _clip(at: Attributes, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    least = at.get("min") if low is None else low.to(x.dtype)
    most = at.get("max") if high is None else high.to(x.dtype)
    return x if least is None and most is None else torch.clamp(x, least, most)


def _resize(at: Attributes, x: Tensor, _: Any = None, scales: Any = None, sizes: Any = None) -> Tensor:
    mode, place = (
        at.get("mode", b"nearest").decode(),
        at.get("coordinate_transformation_mode", b"half_pixel").decode(),
    )
    shape = (
        whole(sizes)
        if sizes is not None and sizes.numel()
        else [int(n * s) for n, s in zip(x.shape, scales.tolist())]
    )
    _bounded(shape)
    if (
        mode == "nearest"
        and place == "asymmetric"
        and at.get("nearest_mode", b"") == b"floor"
        and x.ndim == 4
    ):
        return functional.interpolate(x, shape[2:], mode="nearest")
    if (
        mode in ("linear", "cubic")
        and place in ("half_pixel", "pytorch_half_pixel", "align_corners")
        and x.ndim == 4
    ):
        kind = {"linear": "bilinear", "cubic": "bicubic"}[mode]
        if kind == "bilinear" or abs(at.get("cubic_coeff_a", -0.75) + 0.75) < 1e-6:
            return functional.interpolate(x, shape[2:], mode=kind, align_corners=place == "align_corners")
    raise Unsupported(f"its graph resizes by {mode}, {place}, which is not run here")


def _div(_: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _range(_: Attributes, start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    _bounded([int(abs((end - start) / step)) + 1])
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype, device=start.device)


def _many(compute: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def fold(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = compute(first, other)
        return first

    return fold


def _plain(compute: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, *args: compute(*args)


def _filled(at: Attributes, shape: Tensor) -> Tensor:
    value = at.get("value")
    fill = torch.zeros(1) if value is None else value
    return fill.to(shape.device).expand(_bounded(whole(shape))).clone()


PLAIN: dict[str, Callable[..., Any]] = {
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Reciprocal": torch.reciprocal,
    "Softsign": functional.softsign,
    "Softplus": functional.softplus,
    "Mish": functional.mish,
    "HardSwish": functional.hardswish,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Sign": torch.sign,
    "Round": torch.round,
    "Not": torch.logical_not,
    "Identity": lambda x: x,
    "Sub": torch.sub,
    "Pow": torch.pow,
    "MatMul": torch.matmul,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "Less": torch.lt,
    "GreaterOrEqual": torch.ge,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "Where": torch.where,
    "Add": torch.add,
    "Mul": torch.mul,
    "Dropout": lambda x, *_: x,
    "IsNaN": torch.isnan,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), True),
    "GlobalMaxPool": lambda x: x.amax(tuple(range(2, x.ndim)), True),
    "Expand": lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(_bounded(whole(shape))))),
    "Size": lambda x: torch.tensor(x.numel(), device=x.device),
}

OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: _plain(compute) for name, compute in PLAIN.items()},
    "PRelu": lambda at, x, slope: torch.where(x < 0, x * slope, x),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": lambda at, x: _pool(at, x, True),
    "AveragePool": lambda at, x: _pool(at, x, False),
    "Gemm": _gemm,
    "BatchNormalization": _norm,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Pad": _pad,
    "Clip": _clip,
    "Resize": _resize,
    "Div": _div,
    "Range": _range,
    "ConstantOfShape": _filled,
    "Softmax": lambda at, x: _softmax(at, x, False),
    "LogSoftmax": lambda at, x: _softmax(at, x, True),
    "LeakyRelu": lambda at, x: functional.leaky_relu(x, at.get("alpha", 0.01)),
    "Elu": lambda at, x: functional.elu(x, at.get("alpha", 1.0)),
    "Celu": lambda at, x: functional.celu(x, at.get("alpha", 1.0)),
    "Selu": lambda at, x: (
        at.get("gamma", 1.0507010221481323) * functional.elu(x, at.get("alpha", 1.6732631921768188))
    ),
    "HardSigmoid": lambda at, x: torch.clamp(x * at.get("alpha", 0.2) + at.get("beta", 0.5), 0, 1),
    "Gelu": lambda at, x: functional.gelu(x, approximate=at.get("approximate", b"none").decode()),
    "Transpose": lambda at, x: x.permute(list(at.get("perm", range(x.ndim - 1, -1, -1)))),
    "Concat": lambda at, *parts: torch.cat(parts, dim=at["axis"]),
    "Shape": lambda at, x: torch.tensor(list(x.shape)[at.get("start", 0) : at.get("end")], device=x.device),
    "Cast": lambda at, x: x.to(TYPES[at["to"]]),
    "CastLike": lambda at, x, other: x.to(other.dtype),
    "Tile": lambda at, x, times: x.repeat(_bounded(whole(times))),
    "Trilu": lambda at, x, k=None: (torch.triu if at.get("upper", 1) else torch.tril)(
        x, 0 if k is None else int(k)
    ),
    "Einsum": lambda at, *parts: torch.einsum(at["equation"].decode(), *parts),
    "ArgMax": lambda at, x: x.argmax(at.get("axis", 0), bool(at.get("keepdims", 1))),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceProd": _reduced(lambda x, axes, keep: x.prod(axes[0], keep)),
    "Sum": _many(torch.add),
    "Mean": lambda at, *parts: sum(parts) / len(parts),
    "Max": _many(torch.maximum),
    "Min": _many(torch.minimum),
    "Mod": lambda at, a, b: torch.fmod(a, b) if at.get("fmod") else torch.remainder(a, b),
    "DepthToSpace": lambda at, x: _depth_to_space(at, x),
    "LRN": lambda at, x: functional.local_response_norm(
        x, at["size"], at.get("alpha", 1e-4), at.get("beta", 0.75), at.get("bias", 1.0)
    ),
}


def _depth_to_space(at: Attributes, x: Tensor) -> Tensor:
    if at.get("mode", b"DCR") != b"CRD":
        raise Unsupported("its graph has a DepthToSpace of a kind that is not run here")
    return functional.pixel_shuffle(x, at["blocksize"])
