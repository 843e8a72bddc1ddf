"""What the few names mean that a checkpoint's tensors are made with: our own makers of plain values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint
from featgeom.reading.inert import Global, Inert
from featgeom.reading.limits import check_spread
from featgeom.reading.stored import Storage, Stored, Typed, steps_between, strided, unusable, whole_numbers

QUANTISED = (
    "a statically quantised tensor: such a network rounds its activations too, which weights in a network "
    "of floating point do not reproduce; export it, or save the weights before quantisation"
)
META = "a tensor on the device 'meta', which has no values; save the weights from a real device"
LAZY = "a parameter of a lazy layer that has never run; run the network once before saving"
NESTED = "a nested tensor"
SUBCLASS = "a tensor of a class that keeps its numbers elsewhere"
STORAGES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexDouble": torch.complex128, "ComplexFloat": torch.complex64,
    "QInt8": torch.qint8, "QUInt8": torch.quint8, "QInt32": torch.qint32,
}  # fmt: skip


def storage_type(kind: Any) -> torch.dtype | None:
    """The type of number of ``torch.FloatStorage`` and the like; None for storages without one."""
    name = kind.name.rpartition(".")[2] if isinstance(kind, Global) else ""
    if name in ("UntypedStorage", "_UntypedStorage"):
        return None
    found = STORAGES.get(name.removesuffix("Storage"))
    if found is None:
        raise BadCheckpoint(f"a tensor of unknown kind ({name or type(kind).__name__})")
    return found


def tensor_type(kind: Any) -> torch.dtype:
    """The type named ``torch.float32`` and the like."""
    found = getattr(torch, kind.name.removeprefix("torch."), None) if isinstance(kind, Global) else None
    if not isinstance(found, torch.dtype):
        raise BadCheckpoint(f"a tensor of a type that this torch does not know ({str(kind)[:60]})")
    return found


def _tensor(source: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Any:
    if not isinstance(source, Typed):
        return NotImplemented
    return strided(source.storage, source.dtype or torch.uint8, offset, shape, stride)


def _tensor_of_type(source: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Any:
    if not isinstance(source, Typed):
        return NotImplemented
    return strided(source.storage, tensor_type(rest[2]), offset, shape, stride)


def _itself(value: Any, *_: Any) -> Any:
    return value


def _quantised(source: Any, offset: Any, shape: Any, *_: Any) -> Stored:
    return unusable(QUANTISED, torch.float32, shape)


def _meta(dtype: Any, shape: Any, *_: Any) -> Stored:
    return unusable(META, tensor_type(dtype), shape)


def _sparse(layout: Any, data: Any, *_: Any) -> Any:
    kind = layout.args[0] if isinstance(layout, Inert) and layout.args else getattr(layout, "name", "")
    if kind != "torch.sparse_coo" or not isinstance(data, tuple) or len(data) < 3:
        return unusable(f"a tensor of layout {kind or 'unknown'}; save it dense")
    places, values, shape = data[0], data[1], whole_numbers(data[2])
    if not isinstance(places, Stored) or not isinstance(values, Stored) or len(places.shape) != 2:
        return NotImplemented
    count = math.prod(shape)
    check_spread(f"a sparse tensor of shape {shape}", count * values.dtype.itemsize, 0)

    def load() -> Tensor:
        where, numbers = places.tensor(), values.tensor()
        sizes = torch.tensor(shape).view(-1, 1)
        if where.shape != (len(shape), numbers.shape[0]) or numbers.ndim != 1:
            raise BadCheckpoint("a sparse tensor whose indices and values do not go together")
        if bool((where < 0).any()) or bool((where >= sizes).any()):
            raise BadCheckpoint("a sparse tensor with an index outside of its shape")
        dense = torch.zeros(shape, dtype=numbers.dtype)
        return dense.index_put_(tuple(where), numbers, accumulate=True)

    return Stored(values.dtype, shape, load)


def _of_class(maker: Any, kind: Any, args: Any, *_: Any) -> Any:
    known = TORCH.get(maker.name) if isinstance(maker, Global) else None
    return known(*args) if known is not None and isinstance(args, tuple) else NotImplemented


def _device_tensor(data: Any, *_: Any) -> Any:
    return data if isinstance(data, Stored) else as_stored(data)


def _lazy(*_: Any) -> Stored:
    return unusable(LAZY)


def _ordered(pairs: Any = (), *_: Any) -> Any:
    """OrderedDict(), and the form of Python 2, OrderedDict([[key, value], ...])."""
    if not isinstance(pairs, list | tuple):
        return NotImplemented
    named = [tuple(pair) for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
    return {key: value for key, value in named if isinstance(key, str | int)}


def _encoded(text: Any, encoding: Any = "utf-8", *_: Any) -> Any:
    """Bytes as protocol 2 writes them."""
    plain = isinstance(text, str) and encoding in ("latin1", "latin-1", "utf-8", "ascii")
    return text.encode(encoding, "replace") if plain else NotImplemented


def _numbers(content: Any, kind: Any, shape: Any, order: Any = "C", *_: Any) -> Any:
    """An array of numpy as protocol 5 writes it."""
    made = _array(content, numpy_type(kind), shape, order != "C")
    return NotImplemented if made is None else made


def as_stored(value: Any) -> Stored | None:
    """The tensor that an inert object stands for: an array of numpy, a parameter around one; else None."""
    if isinstance(value, Stored):
        return value
    if not isinstance(value, Inert):
        return None
    if value.name.endswith("multiarray._reconstruct") and isinstance(value.state, tuple):
        _, shape, kind, columns_first, content = value.state[-5:]
        return _array(content, numpy_type(kind), shape, bool(columns_first))
    if value.name.endswith(("nn.parameter.Parameter", "nn.parameter.Buffer", "autograd.variable.Variable")):
        inner = [*value.args, *(value.state if isinstance(value.state, tuple) else ())]
        return next((part for part in inner if isinstance(part, Stored)), None)
    return None


def numpy_type(kind: Any) -> np.dtype[Any] | None:
    """The type that an inert ``numpy.dtype`` names, where it is one of plain numbers."""
    code = kind.args[0] if isinstance(kind, Inert) and kind.args else None
    if not isinstance(code, str) or len(code) > 4 or code[:1] not in "fiub?c":
        return None
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "="
    try:
        return np.dtype(code).newbyteorder("<" if order == "<" else ">" if order == ">" else "=")
    except (TypeError, ValueError):
        return None


def _array(content: Any, kind: np.dtype[Any] | None, shape: Any, columns_first: bool) -> Stored | None:
    if isinstance(content, str):
        content = content.encode("latin1", "replace")
    if kind is None or not isinstance(content, bytes | bytearray):
        return None
    shape = whole_numbers(shape)
    try:
        dtype = torch.from_numpy(np.empty(0, kind.newbyteorder("="))).dtype
    except TypeError:
        return None
    swapped, steps = kind.byteorder == ">", steps_between(shape, columns_first)
    return strided(Storage(len(content), lambda: bytearray(content), swapped), dtype, 0, shape, steps)


TORCH: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_parameter": _itself,
    "torch._utils._rebuild_parameter_with_state": _itself,
    "torch._utils._rebuild_qtensor": _quantised,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_nested_tensor": lambda *_: unusable(NESTED),
    "torch._utils._rebuild_wrapper_subclass": lambda *_: unusable(SUBCLASS),
    "torch._utils._rebuild_device_tensor_from_numpy": _device_tensor,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _device_tensor,
    "torch._tensor._rebuild_from_type": _of_class,
    "torch._tensor._rebuild_from_type_v2": _of_class,
    "torch.nn.parameter.UninitializedParameter": _lazy,
    "torch.nn.parameter.UninitializedBuffer": _lazy,
}
MAKERS: dict[str, Callable[..., Any]] = {
    **TORCH,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": lambda *_: {},
    "torch.Size": lambda values=(): tuple(values) if isinstance(values, list | tuple) else NotImplemented,
    "_codecs.encode": _encoded,
    "numpy.core.numeric._frombuffer": _numbers,
    "numpy._core.numeric._frombuffer": _numbers,
}
