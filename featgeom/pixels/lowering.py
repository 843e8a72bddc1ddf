"""A network as a table of layers, call by call of what it does to one image (`featgeom.exact.layers`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.arrays import Floats, Ints
from featgeom.errors import Unsupported
from featgeom.exact.layers import KINDS, WIDTH
from featgeom.models.classifier import exact_float32
from featgeom.pixels.bends import Kinked
from featgeom.pixels.ends import AVERAGE, CONSTANTS, DROPOUT, QUESTIONS, REARRANGE, tensors
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.pooling import Pool
from featgeom.pixels.rules import known_call, plain_name

MOST = 1 << 27  # entries of a derivative by which an average is told


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network as a ``table`` of layers with the ``numbers`` and the ``index`` that it points into."""

    table: Ints
    numbers: Floats
    index: Ints


def lower(network: nn.Module, shape: tuple[int, ...]) -> Lowered:
    """What the network does to one image (c, h, w), in float64.

    Raises Unsupported, with the name of the operation, where it is not made of affine layers, additions,
    average and max pooling, ReLU and LeakyReLU.

    >>> lower(nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()).double().eval(), (1, 2, 2)).table[:, :3]
    array([[ 0,  0, -1],
           [ 4,  1, -1]])
    """
    mode, image = _Lowering(), torch.full((1, *shape), 0.5, dtype=torch.float64)
    mode.values[image] = 0
    with torch.no_grad(), exact_float32(), mode:
        made = network(image)
    if made not in mode.values:
        raise _refused(mode.lost.get(made, "what it returns does not depend on the image"))
    return mode.told(mode.values[made])


class _Lowering(TorchFunctionMode):
    """Keeps a row of the table for each call, and of each tensor the value that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.values: Any = WeakTensorKeyDictionary()
        self.lost: Any = WeakTensorKeyDictionary()
        self.rows: list[list[Any]] = []  # with arrays and None where the table has places

    def told(self, value: int) -> Lowered:
        """What leads to a value, and nothing else."""
        needed = {value}
        for v in range(value, 0, -1):
            if v in needed:
                row = self.rows[v - 1]
                needed |= {row[1], row[2]} if KINDS[row[0]] == "sum" else {row[1]}
        kept = [v for v in sorted(needed) if v]
        if not kept:
            raise Unsupported("no proof: the features are the image itself")
        new = {0: 0, **{v: i + 1 for i, v in enumerate(kept)}}
        table = np.full((len(kept), WIDTH), -1, dtype=np.int64)
        numbers, index = [np.zeros(0)], [np.zeros(0, np.int64)]
        for i, v in enumerate(kept):
            kind, one, other, *rest = self.rows[v - 1]
            table[i, :3] = kind, new[one], new[other] if KINDS[kind] == "sum" else -1
            for k, item in enumerate(rest, 3):
                if isinstance(item, np.ndarray):
                    table[i, k] = _place(numbers if item.dtype.kind == "f" else index, item.ravel())
                elif item is not None:
                    table[i, k] = item
        together = np.concatenate(numbers)
        with np.errstate(over="ignore"):
            small = together.astype(np.float32)
        exact = np.array_equal(small.astype(np.float64), together)
        return Lowered(table, small if exact else together, np.concatenate(index))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call."""
        kwargs = dict(kwargs or {})
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        held = [t for t in tensors((args, kwargs)) if t in self.values or t in self.lost]
        name = func.__name__
        if not held or name in CONSTANTS:
            return func(*args, **kwargs)
        if name in QUESTIONS:
            answer = func(*args, **kwargs)
            return self._lose(answer, name) if isinstance(answer, Tensor) else answer
        lost = next((self.lost[t] for t in held if t in self.lost), "")
        plain = plain_name(name)
        inplace = bool(kwargs.pop("inplace", False)) or plain != name
        if lost or not known_call(plain, args, kwargs, self.values):
            if inplace or "out" in kwargs or (name.endswith("_") and not name.endswith("__")):
                raise _refused(lost or name)
            return self._lose(func(*args, **kwargs), lost or name)
        plainly = getattr(torch, plain, func) if inplace else func
        try:
            result, value = self._call(plainly, plain, args, kwargs)
        except _Unknown:
            if inplace:
                raise _refused(name) from None
            return self._lose(func(*args, **kwargs), name)
        if not inplace:
            self.values[result] = value
            return result
        place = args[0].untyped_storage().data_ptr()
        for other in list(self.values):  # views change too, and what is known of them no longer holds
            if other is not args[0] and other.untyped_storage().data_ptr() == place:
                del self.values[other]
                self.lost[other] = name
        args[0].copy_(result)
        self.values[args[0]] = value
        return args[0]

    def _lose(self, result: Any, name: str) -> Any:
        found = list(tensors(result))
        if not found:  # a number or a truth told the network of its image
            raise _refused(name)
        for tensor in found:
            self.lost[tensor] = name
        return result

    def _call(self, func: Any, name: str, args: Any, kwargs: Any) -> tuple[Tensor, int]:
        """The result of a call, and the value that it is."""
        if name in REGISTRY:
            return self._bent(name, args, kwargs)
        result: Tensor = func(*args, **kwargs)
        if name in DROPOUT:
            return result, self.values[args[0]]
        if name == "conv2d":
            return result, self._conv(*args, **kwargs)
        if name == "linear":
            return result, self._linear(*args, **kwargs)
        if name == "cat":
            return result, self._joined(func, args, kwargs, result)
        if name in REARRANGE:
            at = _numbered(lambda t: func(t, *args[1:], **kwargs), args[0])
            return result, self._gathered(self.values[args[0]], at, args[0].numel())
        if name in AVERAGE:
            return result, self._averaged(func, args, kwargs)
        held = [t for t in args[:2] if isinstance(t, Tensor) and t in self.values]
        if len(held) == 2:
            if held[0].shape != held[1].shape:
                raise _Unknown
            one, other = (self.values[t] for t in held)
            other = other if name == "add" else self._scaled(other, weight=torch.tensor([-1.0]))
            return result, self._row("sum", one, other)
        if result.shape != held[0].shape:
            raise _Unknown
        if name == "batch_norm":
            return result, self._normalised(func, args, kwargs)
        return result, self._by_constants(name, args, kwargs)

    def _row(self, kind: str, value: int, *rest: Any) -> int:
        self.rows.append([KINDS.index(kind), value, *(rest or (-1,))])
        return len(self.rows)

    def _conv(
        self, x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> int:  # fmt: skip
        if isinstance(padding, str) or x.ndim != 4:
            raise _Unknown
        pairs = [n for v in (stride, padding, dilation) for n in _pair(v)]
        size = [*weight.shape[:2], *x.shape[2:], *weight.shape[2:]]
        return self._row("conv", self.values[x], -1, _held(weight), _held(bias), *size, *pairs, groups)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> int:
        if x.ndim != 2 or len(x) != 1:
            raise _Unknown
        one = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]
        return self._row("conv", self.values[x], -1, _held(weight), _held(bias), *weight.shape, *one)

    def _gathered(self, value: int, at: np.ndarray, n: int) -> int:
        """The entries at (size,) or, added up, at (terms, size); −1 is 0."""
        if at.ndim == 1 and np.array_equal(at, np.arange(n)):
            return value
        at = np.atleast_2d(at)
        return self._row("gather", value, -1, at, *at.shape)

    def _joined(self, func: Any, args: Any, kwargs: Any, result: Tensor) -> int:
        parts = list(args[0])
        if not all(isinstance(t, Tensor) and t in self.values for t in parts):
            raise _Unknown
        total = None
        for i, part in enumerate(parts):

            def alone(t: Tensor, i: int = i) -> Tensor:
                return func(
                    [t if j == i else torch.zeros_like(p) for j, p in enumerate(parts)], *args[1:], **kwargs
                )  # type: ignore[no-any-return]

            here = self._gathered(self.values[part], _numbered(alone, part), -1)
            total = here if total is None else self._row("sum", total, here)
        assert total is not None
        return total

    def _averaged(self, func: Any, args: Any, kwargs: Any) -> int:
        """Equal shares of some entries for each that comes out."""
        x = args[0]
        ones = torch.ones_like(x)
        if func(ones, *args[1:], **kwargs).numel() * x.numel() > MOST:
            raise _Unknown
        with torch.enable_grad():
            shares = jacobian(lambda t: func(t, *args[1:], **kwargs).flatten(), ones)
        shares = shares.flatten(1).numpy()
        real = shares > 0
        most = shares.max(axis=1)
        if not np.array_equal(np.where(real, most[:, None], 0.0), shares) or not (most > 0).all():
            raise _Unknown
        divisor = np.round(1 / most)
        if not (np.abs(divisor * most - 1) < 1e-12).all():
            raise _Unknown
        order = np.argsort(~real, axis=1, kind="stable")[:, : int(real.sum(axis=1).max())]
        at = np.where(np.take_along_axis(real, order, 1), order, -1).T
        value = self._gathered(self.values[x], at, -1)
        return value if (divisor == 1).all() else self._scaled(value, divisor=torch.from_numpy(divisor))

    def _by_constants(self, name: str, args: Any, kwargs: Any) -> int:
        """Each entry by itself."""
        at = next(i for i, t in enumerate(args) if isinstance(t, Tensor) and t in self.values)
        x, value = args[at], self.values[args[at]]
        minus = torch.tensor([-1.0])
        if name == "neg":
            return self._scaled(value, weight=minus)
        given = torch.as_tensor(args[1 - at], dtype=torch.float64)
        given = _by_channels(given.broadcast_to(x.shape))
        if name == "add":
            return self._scaled(value, bias=given)
        if name == "mul":
            return self._scaled(value, weight=given)
        if name == "div" and at == 0:
            return self._scaled(value, divisor=given)
        if name == "sub" and at == 0:
            return self._scaled(value, mean=given)
        if name in {"sub", "__rsub__"}:
            return self._scaled(value, weight=minus.expand(given.shape), bias=given)
        raise _Unknown

    def _normalised(self, func: Any, args: Any, kwargs: Any) -> int:
        names = ["running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"]
        if func is not functional.batch_norm:  # torch.batch_norm, whose arguments come in another order
            names = [*names[2:4], *names[:2], *names[4:]]
        given = dict(zip(names, args[1:], strict=False)) | kwargs
        if given.get("running_mean") is None or given.get("running_var") is None:
            raise _Unknown
        places = [_held(given.get(name)) for name in ("running_mean", "running_var", "weight", "bias")]
        epsilon = _held(torch.tensor([given.get("eps", 1e-5)], dtype=torch.float64))
        return self._row("normalise", self.values[args[0]], -1, *places, args[0].shape[1], epsilon)

    def _scaled(self, value: int, **given: Tensor) -> int:
        """(x − mean) weight / divisor + bias, with what is given for each channel."""
        names = ("mean", "divisor", "weight", "bias")
        places = [_held(given.get(name)) for name in names]
        return self._row("scale", value, -1, *places, len(next(iter(given.values()))))

    def _bent(self, name: str, args: Any, kwargs: Any) -> tuple[Tensor, int]:
        x, bend = args[0], find_bend(name, args[1:], kwargs)
        if isinstance(bend, Kinked):
            share = _held(torch.tensor([bend.least], dtype=torch.float64))
            return bend.value(x), self._row("kink", self.values[x], -1, share)
        if not isinstance(bend, Pool):
            raise _Unknown
        at = bend.members(tuple(x.shape[1:])).numpy().T
        return bend.value(x), self._row("max", self.values[x], -1, at, *at.shape)


class _Unknown(Exception):
    """A call for which the table has no kind of layer."""


def _refused(name: str) -> Unsupported:
    return Unsupported(
        f"no proof: the features depend on the operation '{name}', which no layer of a proof does "
        "(known: affine layers, batch normalisation, ReLU, LeakyReLU, average and max pooling, additions)"
    )


def _held(values: Tensor | None) -> np.ndarray | None:
    """Numbers of a row of the table."""
    return None if values is None else values.detach().double().flatten().numpy().copy()


def _place(kept: list[np.ndarray], values: np.ndarray) -> int:
    """Where values stand that are put behind all others."""
    place = sum(map(len, kept))
    kept.append(values)
    return place


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[-1])) if isinstance(value, (tuple, list)) else (int(value), int(value))


def _numbered(func: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """Which entry of x each is that a call returns which moves entries about; −1 where it is 0."""
    number = torch.arange(1, x.numel() + 1, dtype=torch.float64).view(x.shape)
    if func(torch.zeros_like(number)).any():
        raise _Unknown
    return func(number).flatten().long().numpy() - 1


def _by_channels(values: Tensor) -> Tensor:
    """One value (1, c, ...) for all entries, or for each channel, where these are equal; else all of them."""
    flat = values.flatten(1)
    if (flat == flat[:, :1]).all():
        return flat[0, :1]
    channels = values[0].reshape(values.shape[1], -1)
    return channels[:, 0] if (channels == channels[:, :1]).all() else flat[0]
