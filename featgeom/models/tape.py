"""What a network computed, call by call: one entry for each torch function that a pass over a batch ran.

Functions are watched, not layers, so that ``x @ w.T`` in somebody's forward is seen as well as a Linear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary

IMAGE = 0  # the serial number of the batch that went in
READING = {"linear", "matmul", "__matmul__", "__rmatmul__", "mm", "addmm", "bmm", "baddbmm", "einsum",
           "tensordot", "conv1d", "conv2d", "conv3d", "convolution", "bilinear", "mv", "inner"}  # fmt: skip
ENDING = {"softmax": "softmax", "_softmax": "softmax", "log_softmax": "log_softmax",
          "_log_softmax": "log_softmax", "sigmoid": "sigmoid", "sigmoid_": "sigmoid", "expit": "sigmoid",
          "special_expit": "sigmoid", "log_sigmoid": "log_sigmoid", "logsigmoid": "log_sigmoid"}  # fmt: skip
WATCHED = READING | set(ENDING)  # the calls by whose number features and logits are found again
RANDOM = {"rand", "randn", "rand_like", "randn_like", "bernoulli", "bernoulli_", "normal_", "uniform_",
          "randint", "multinomial", "randperm", "poisson", "gumbel_softmax", "rrelu"}  # fmt: skip
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
            "feature_dropout", "dropout_"}  # fmt: skip
QUESTIONS = {"size", "dim", "numel", "stride", "is_contiguous", "__len__", "__set__", "item", "tolist"}


@dataclass(frozen=True)
class Ref:
    """A tensor that depends on the images, by its serial number."""

    serial: int


@dataclass(frozen=True)
class Call:
    """One call of a torch function on something that depends on the images.

    Tensors among ``args``, ``kwargs`` and ``result`` that depend on them stand as `Ref`, all others as they
    were. ``layer`` is the innermost module that was running, and ``count`` how many functions of `WATCHED`
    had been called while it ran.
    """

    func: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    layer: str
    count: int

    @property
    def inputs(self) -> list[int]:
        """The serial numbers of what went in."""
        return [leaf.serial for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Ref)]

    @property
    def outputs(self) -> list[int]:
        """The serial numbers of what came out, the changed argument of a call in place included."""
        return [leaf.serial for leaf in leaves(self.result) if isinstance(leaf, Ref)]


class Tape(TorchFunctionMode):
    """Runs a network once and keeps its calls in order."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.calls: list[Call] = []
        self.made_by: dict[int, int] = {}  # which call made a serial number
        self.chance: list[str] = []  # functions that drew random numbers, with their layer
        self.mixing: list[str] = []  # those that took statistics over the batch
        self._layers: list[str] = []
        self._counts: Counter[str] = Counter()
        self._serials: Any = WeakIdKeyDictionary()
        self._next = IMAGE

    def run(self, x: Tensor) -> Any:
        """What the network returns for the batch, whose tensors can then be asked for by `serial`."""
        self._tag(x)
        with within_layers(self.module, self._layers.append, lambda _: self._layers.pop()), self:
            return self.module(x)

    def serial(self, tensor: Tensor) -> int | None:
        """The serial number of a tensor; None for one that does not depend on the images."""
        found: int | None = self._serials.get(tensor)
        return found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call."""
        kwargs = kwargs or {}
        name = function_name(func)
        layer = self._layers[-1] if self._layers else ""
        count = self._counts[layer]
        if name in WATCHED:
            self._counts.update(set(self._layers))
        before = pytree.tree_map(self._as_ref, (tuple(args), dict(kwargs)))
        result = func(*args, **kwargs)
        if _draws(name, args, kwargs):
            self.chance.append(f"{name} in '{layer}'")
        if _mixes(name, args, kwargs):
            self.mixing.append(f"{name} in '{layer}'")
        if name in QUESTIONS or not any(isinstance(leaf, Ref) for leaf in leaves(before)):
            return result
        changed = args[0] if changes_argument(name, kwargs) and args else None
        kept = pytree.tree_map(self._tag, changed if result is None else result)
        if any(isinstance(leaf, Ref) for leaf in leaves(kept)):
            call = Call(func, name, before[0], before[1], kept, layer, count)
            for serial in call.outputs:
                self.made_by[serial] = len(self.calls)
            self.calls.append(call)
        return result

    def _as_ref(self, value: Any) -> Any:
        serial = self.serial(value) if isinstance(value, Tensor) else None
        return value if serial is None else Ref(serial)

    def _tag(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, nn.Parameter) or not value.is_floating_point():
            return value  # comparisons and indices count as constants: they stay the same near an image
        self._serials[value] = self._next
        self._next += 1
        return Ref(self._next - 1)


def _argument(args: Any, kwargs: Mapping[str, Any], place: int, name: str, default: Any) -> Any:
    return kwargs.get(name, args[place] if len(args) > place else default)


def _draws(name: str, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a call draws random numbers."""
    if name in DROPOUTS:
        return bool(_argument(args, kwargs, 2, "training", True) and _argument(args, kwargs, 1, "p", 0.5))
    return name in RANDOM


def _mixes(name: str, args: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a call takes mean and variance from the batch."""
    return name == "batch_norm" and bool(_argument(args, kwargs, 5, "training", False))


def changes_argument(name: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether a call changes its first argument in place."""
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name not in {"__index__", "__invert__"})
    return name.endswith("_") or bool(kwargs.get("inplace"))


def function_name(func: Any) -> str:
    """The name of a torch function: 'linear' for torch.nn.functional.linear and torch.ops.aten.linear."""
    return str(getattr(func, "__name__", func)).partition(".")[0]


def leaves(value: Any) -> list[Any]:
    """Everything in nested tuples, lists and dictionaries."""
    found: list[Any] = pytree.tree_leaves(value)
    return found


def flat_arguments(args: Any, kwargs: Any) -> list[Any]:
    """The positional arguments of a call and then the keywords', lists opened."""
    return leaves((tuple(args), kwargs))


@contextmanager
def within_layers(
    module: nn.Module, enter: Callable[[str], Any], leave: Callable[[str], Any]
) -> Iterator[None]:
    """Call ``enter`` and ``leave`` with the name of each layer of ``module`` as it begins and ends."""
    handles = []
    for name, layer in module.named_modules():
        handles.append(layer.register_forward_pre_hook(lambda *_, n=name: _none(enter(n))))
        handles.append(layer.register_forward_hook(lambda *_, n=name: _none(leave(n)), always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _none(_: Any) -> None:
    """A hook that returns something would replace what the layer takes or gives."""


def tensors_returned(returned: Any, path: str = "") -> dict[str, Tensor]:
    """The floating-point tensors in what a network returned, by where they stand: "", "logits", "1", "1.0".

    >>> from torch import ones
    >>> list(tensors_returned((ones(2), {"logits": ones(2)})))
    ['0', '1.logits']
    """
    if isinstance(returned, Tensor):
        return {path: returned} if returned.is_floating_point() else {}
    found: dict[str, Tensor] = {}
    for key, value in _parts(returned).items():
        found |= tensors_returned(value, f"{path}.{key}" if path else key)
    return found


def returned_at(returned: Any, path: str) -> Tensor:
    """One of the tensors that `tensors_returned` lists."""
    for key in path.split(".") if path else ():
        returned = _parts(returned)[key]
    tensor: Tensor = returned
    return tensor


def _parts(returned: Any) -> dict[str, Any]:
    """What a network returned, opened by one level."""
    if isinstance(returned, Mapping):
        return {str(key): value for key, value in returned.items()}
    if isinstance(returned, tuple) and hasattr(returned, "_fields"):
        return dict(zip(returned._fields, returned, strict=True))
    if isinstance(returned, (tuple, list)):
        return {str(index): value for index, value in enumerate(returned)}
    if is_dataclass(returned):
        return {field.name: getattr(returned, field.name) for field in fields(returned)}
    return {"logits": returned.logits} if hasattr(returned, "logits") else {}
