"""Bounds on everything a network computes over a set of images, found by running it once on both ends.

The lower and the upper end of each entry lie one behind the other in the batch, so that what is monotone
runs as it is; layers with weights are told apart by a torch function mode. No tracing, and no guessing: an
operation that is not listed here is named and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.errors import Unsupported
from featgeom.exact.rounding import gamma
from featgeom.models.classifier import exact_float32

Ends = tuple[Tensor, Tensor]
ROUNDINGS = 4096  # more than there are in one entry of any operation without weights

QUESTIONS = {
    "size",
    "dim",
    "ndimension",
    "numel",
    "nelement",
    "stride",
    "is_contiguous",
    "__len__",
    "__get__",
}
CONSTANTS = {"zeros_like", "ones_like", "new_zeros", "new_ones"}
REARRANGE = {"flatten", "view", "reshape", "squeeze", "contiguous", "clone", "__getitem__", "pad"}
DROPOUT = {"dropout", "dropout2d", "feature_dropout"}
AVERAGE = {"avg_pool2d", "adaptive_avg_pool2d", "mean", "sum"}
BY_CONSTANTS = {"add", "sub", "mul", "div", "neg", "__rsub__", "batch_norm"}
WEIGHTED = {"conv2d", "linear"}
IN_PLACE = {"relu_": "relu", "add_": "add", "sub_": "sub", "mul_": "mul", "div_": "div"}
BENT = {"relu", "max_pool2d"}


@dataclass(frozen=True)
class Known:
    """What is known of a tensor besides its ends.

    Of an image moved and scaled entry by entry: ``point``, its value at the centre of the ball, and
    ``scale``, by which each pixel's movement is multiplied, both twice in the batch as the ends are. Of a
    result of something that is not supported: its name, ``lost``.
    """

    point: Tensor | None = None
    scale: Tensor | None = None
    lost: str = ""


class IntervalPass(TorchFunctionMode):
    """Runs a network on the ends of a set of images; ``bent`` collects what went into ReLU and max pooling.

    The set is the box between ``low`` and ``high`` (n, c, h, w), cut with the balls of ``radius`` (n,)
    around ``centre``, which lie in it. ``narrow(bent, ends)`` may return narrower ends of what goes into the
    next ReLU or pooling after ``bent``. Ends are moved outward by more than float64 can have rounded.
    """

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        centre: Tensor,
        radius: Tensor,
        narrow: Callable[[list[Ends], Ends], Ends] | None = None,
    ) -> None:
        super().__init__()
        self.start = torch.cat([low, high])
        self.radius = radius
        self.narrow = narrow
        self.bent: list[Ends] = []
        self.known: Any = WeakTensorKeyDictionary()
        self.known[self.start] = Known(torch.cat([centre, centre]), torch.ones_like(self.start))

    def run(self, network: nn.Module) -> Ends:
        """The ends of the network's values. Raises Unsupported, naming what cannot be bounded."""
        with torch.no_grad(), exact_float32(), self:
            values = network(self.start)
        if values not in self.known:
            raise Unsupported("no bounds: what the network returns does not depend on the image")
        lost = self.known[values].lost
        if lost:
            raise _unsupported(lost)
        lower, upper = values.chunk(2)
        return lower, upper

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        held = [t for t in _tensors((args, kwargs)) if t in self.known]
        name = func.__name__
        if not held or name in CONSTANTS:
            return func(*args, **kwargs)
        if name in QUESTIONS:
            answer = func(*args, **kwargs)
            return answer if not isinstance(answer, Tensor) else self._lose(answer, name)
        lost = next((self.known[t].lost for t in held if self.known[t].lost), "")
        inplace = bool(kwargs.pop("inplace", False)) or name in IN_PLACE
        plain = IN_PLACE.get(name, name)
        if lost or not self._supported(plain, args, kwargs, held):
            if inplace or "out" in kwargs or (name.endswith("_") and not name.endswith("__")):
                raise _unsupported(lost or name)
            if plain in BENT:
                self.bent.append((torch.empty(0), torch.empty(0)))
            return self._lose(func(*args, **kwargs), lost or name)
        if not inplace:
            return self._apply(func, plain, args, kwargs)
        if self.known[args[0]].point is not None:
            raise _unsupported(f"{name} in place on the image")
        args[0].copy_(self._apply(getattr(torch, plain), plain, args, kwargs))
        return args[0]

    def _supported(self, name: str, args: Any, kwargs: Any, held: list[Tensor]) -> bool:
        """Whether the rules below hold for this call: no weights that depend on the image, no mixed rows."""
        x = args[0]
        if name == "cat":
            dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
            return not kwargs.get("out") and dim % held[0].ndim != 0
        if not isinstance(x, Tensor) or x not in self.known:
            return name in {"add", "sub", "mul"} and len(held) == 1 and not kwargs
        if name in {"add", "sub"}:
            return not kwargs
        if len(held) > 1 or (name in BENT and x.ndim < 2):
            return False
        if name == "div":
            return not kwargs
        if name in DROPOUT:
            return not kwargs.get("training", args[2] if len(args) > 2 else True)
        if name == "batch_norm":
            return not kwargs.get("training", args[5] if len(args) > 5 else False)
        if name in {"mean", "sum"}:
            dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
            dims = (dims,) if isinstance(dims, int) else dims
            return dims is not None and all(d % x.ndim for d in dims) and "dtype" not in kwargs
        if name == "max_pool2d":
            return not kwargs.get("ceil_mode") and not kwargs.get("return_indices")
        if name == "__getitem__":
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            whole = index[0] == slice(None) if isinstance(index[0], slice) else False
            return whole or (index[0] is Ellipsis and len(index) <= x.ndim)
        return name in REARRANGE | AVERAGE | BY_CONSTANTS | WEIGHTED | BENT

    def _apply(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        x = args[0]
        if name in WEIGHTED:
            return self._weighted(func, *args, **kwargs)
        if name in BENT:
            ends = _halves(x)
            ends = self.narrow(self.bent, ends) if self.narrow else ends
            self.bent.append((ends[0].clone(), ends[1].clone()))  # x may yet be changed in place
            return self._keep(func(torch.cat(ends), *args[1:], **kwargs), name)
        if name in REARRANGE | DROPOUT:
            known = self.known[x]
            ball = [None if t is None else func(t, *args[1:], **kwargs) for t in (known.point, known.scale)]
            if name == "pad" and ball[1] is not None:
                ball[1] = ball[1] - func(torch.zeros_like(x), *args[1:], **kwargs)
            return self._keep(func(*args, **kwargs), name, *ball)
        if name in AVERAGE or name == "cat" or len([t for t in args[:2] if self._is_held(t)]) == 2:
            return self._combined(func, name, args, kwargs)
        return self._by_constants(func, name, args, kwargs)

    def _weighted(
        self, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *rest: Any, **kw: Any
    ) -> Tensor:
        """|W| takes the radii, and the ball of the first layer the lengths of the rows of W."""
        lower, upper = _halves(x)
        centre, radius = (lower + upper) / 2, (upper - lower) / 2
        rounding = gamma(weight[0].numel() + 16, "float64")
        size = func(centre.abs() + radius, weight.abs(), None if bias is None else bias.abs(), *rest, **kw)
        middle, error = func(centre, weight, bias, *rest, **kw), rounding * size
        spread = func(radius, weight.abs(), None, *rest, **kw) + error
        low, high = middle - spread, middle + spread
        known = self.known[x]
        if known.point is not None and known.scale is not None:
            point, scale = _halves(known.point)[0], _halves(known.scale)[0]
            reach = func(scale.square(), weight.square(), None, *rest, **kw).clamp_min(0).sqrt()
            reach = reach * self.radius.view(-1, *(1,) * (reach.ndim - 1)) * (1 + rounding) + error
            value = func(point, weight, bias, *rest, **kw)
            low, high = torch.maximum(low, value - reach), torch.minimum(high, value + reach)
        return self._keep(torch.cat([low, high]), func.__name__)

    def _combined(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """Sums and averages of what is held, end by end."""
        result = func(*args, **kwargs)
        if name == "cat":
            return self._keep(result, name)
        size = [t.abs() if isinstance(t, Tensor) else t for t in args]
        if name == "sub":
            lower, upper = _halves(args[1])
            return self._keep(_outward(args[0] - torch.cat([upper, lower]), size[0] + size[1]), name)
        return self._keep(_outward(result, func(*size, **kwargs)), name)

    def _by_constants(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """Each entry by itself, rising or falling."""
        at = next(i for i, t in enumerate(args) if self._is_held(t))
        x = args[at]

        def run(t: Tensor) -> Tensor:
            return func(*args[:at], t, *args[at + 1 :], **kwargs)  # type: ignore[no-any-return]

        nought, known = run(torch.zeros_like(x)), self.known[x]
        one, other = _halves(run(x))
        result = torch.cat([torch.minimum(one, other), torch.maximum(one, other)])
        if result.shape != x.shape:
            return self._lose(result, name)
        result = _outward(result, result.abs() + 2 * nought.abs())
        if known.point is None or known.scale is None:
            return self._keep(result, name)
        return self._keep(result, name, run(known.point), run(known.scale) - nought)

    def _is_held(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value in self.known

    def _keep(
        self, result: Tensor, name: str, point: Tensor | None = None, scale: Tensor | None = None
    ) -> Tensor:
        if len(result) != len(self.start):
            return self._lose(result, name)
        self.known[result] = Known(point, scale)
        return result

    def _lose(self, result: Any, name: str) -> Any:
        found = list(_tensors(result))
        if not found:
            raise _unsupported(name)
        for tensor in found:
            self.known[tensor] = Known(lost=name)
        return result


def _unsupported(name: str) -> Unsupported:
    return Unsupported(
        f"no bounds: the network's logits depend on the operation '{name}', for which there is no rule here "
        "(known: affine layers, batch normalisation, ReLU, average and max pooling, additions)"
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def _halves(x: Tensor) -> Ends:
    lower, upper = x.chunk(2)
    return lower, upper


def _outward(ends: Tensor, size: Tensor) -> Tensor:
    """Both ends moved apart by more than rounding, for values of that size."""
    lower, upper = _halves(gamma(ROUNDINGS, "float64") * size)
    low, high = _halves(ends)
    return torch.cat([low - lower, high + upper])
