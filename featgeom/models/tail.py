"""What stands between a network's last readings and its logits: an affine map, found exactly, or none.

A *reading* is a call that multiplies something made of the image by a matrix of the network's own: a linear
layer, a convolution, ``x @ w.T``, an einsum. From the logits back to the nearest readings lies the *tail*:
scales, sums, averages, slices. It is run again in float64 on values put in the readings' place, which says
whether it is affine and, by forward differentiation, what it multiplies by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from featgeom.models.tape import IMAGE, READING, Call, Ref, Tape, changes_argument, flat_arguments, leaves

REARRANGE = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "clone", "dropout", "detach",
             "view_as", "reshape_as", "alias", "_unsafe_view", "dropout2d", "identity"}  # fmt: skip
CAST = {"float", "half", "bfloat16", "double", "to", "type", "_to_copy", "type_as"}


class NotAffine(Exception):
    """The logits are no affine function of the readings; the words say why."""


@dataclass(frozen=True)
class Part:
    """A reading that the logits are made of: which call, which of its arguments is what it reads."""

    index: int
    call: Call
    operand: int
    source: int  # the serial number of what it reads


def ancestors(tape: Tape, serial: int) -> set[int]:
    """Everything that a tensor was made of."""
    found, open_ = set(), [serial]
    while open_:
        at = open_.pop()
        if at != IMAGE:
            for other in tape.calls[tape.made_by[at]].inputs:
                if other not in found:
                    found.add(other)
                    open_.append(other)
    return found


def find_parts(tape: Tape, serial: int) -> tuple[list[Part], list[Call]]:
    """The nearest readings before a tensor, and the calls between them and it, in order.

    Raises NotAffine where the image itself is reached.
    """
    parts: dict[int, Part] = {}
    tail: set[int] = set()
    open_ = [serial]
    while open_:
        at = open_.pop()
        if at == IMAGE:
            raise NotAffine(_no_reading(tape, sorted(tail)))
        index = tape.made_by[at]
        if index in parts or index in tail:
            continue
        part = _reading(index, tape.calls[index])
        if part is not None:
            parts[index] = part
        else:
            tail.add(index)
            open_ += tape.calls[index].inputs
    return [parts[i] for i in sorted(parts)], [tape.calls[i] for i in sorted(tail)]


def _no_reading(tape: Tape, tail: list[int]) -> str:
    names = dict.fromkeys(tape.calls[i].name for i in reversed(tail))
    made = ", ".join(list(names)[:4]) or "the image itself"
    return f"no layer reads the features: the logits come from {made}"


def _reading(index: int, call: Call) -> Part | None:
    """A call as a reading, if it is one: one argument made of the image, a constant matrix beside it."""
    if call.name not in READING or len(call.inputs) != 1:
        return None
    operand = flat_arguments(call.args, call.kwargs).index(Ref(call.inputs[0]))
    constant = [
        v for v in flat_arguments(call.args, call.kwargs) if isinstance(v, Tensor) and v.is_floating_point()
    ]
    return Part(index, call, operand, call.inputs[0]) if any(v.ndim >= 2 for v in constant) else None


def exactly(value: Any) -> Any:
    """A constant in float64."""
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def replay(calls: list[Call], values: dict[int, Tensor], wanted: int) -> Tensor:
    """Run ``calls`` again in float64 with ``values`` for what they are given; the tensor ``wanted``."""
    held = dict(values)
    for call in calls:
        args, kwargs = pytree.tree_map(
            lambda leaf: held[leaf.serial] if isinstance(leaf, Ref) else exactly(leaf),
            (call.args, call.kwargs),
        )
        if call.name in CAST:
            result = args[0]
        else:
            if isinstance(kwargs.get("dtype"), torch.dtype) and kwargs["dtype"].is_floating_point:
                kwargs["dtype"] = torch.float64
            if changes_argument(call.name, kwargs):  # what it changes may be a constant of the network's
                args = (args[0].clone(), *args[1:])
            result = call.func(*args, **kwargs)
            result = args[0] if result is None else result
        for leaf, value in zip(leaves(call.result), leaves(result), strict=True):
            if isinstance(leaf, Ref):
                held[leaf.serial] = value
    return held[wanted]


class Tail:
    """The map from ``given`` (the serial numbers of what is put in) to the logits, on float64 tensors."""

    def __init__(self, given: list[int], calls: list[Call], wanted: int) -> None:
        self.given, self.calls, self.wanted = given, calls, wanted

    def __call__(self, values: list[Tensor]) -> Tensor:
        """(n, C) for what is given."""
        out = replay(self.calls, dict(zip(self.given, values, strict=True)), self.wanted)
        return out.reshape(len(out), -1)

    def along(self, values: list[Tensor], which: int, direction: Tensor) -> Tensor:
        """The derivative (n, C) as the value ``which`` moves in a direction of its shape.

        By two reverse passes: what the first carries back is linear in what it starts from.
        """
        with torch.enable_grad():
            leaf = values[which].detach().requires_grad_()
            out = self([leaf if i == which else v for i, v in enumerate(values)])
            if not out.requires_grad:
                return torch.zeros_like(out)
            start = torch.zeros_like(out, requires_grad=True)
            (back,) = torch.autograd.grad(out, leaf, start, create_graph=True)
            if not back.requires_grad:
                return torch.zeros_like(out)
            (along,) = torch.autograd.grad(back, start, direction)
        return along

    def names(self) -> str:
        """The calls that do more than rearrange, for an error line."""
        names = dict.fromkeys(c.name for c in self.calls if c.name not in REARRANGE | CAST | READING)
        return ", ".join(list(names)[:4])
