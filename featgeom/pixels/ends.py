"""What is known of each tensor while a network runs on the ends of a set of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from featgeom.errors import Unsupported
from featgeom.exact.rounding import TINY, gamma
from featgeom.pixels.bends import WIDER as WIDER
from featgeom.pixels.bends import Bend
from featgeom.pixels.fields import Field
from featgeom.pixels.operators import REGISTRY
from featgeom.pixels.spelling import SPELLED, product_of_two

Ends = tuple[Tensor, Tensor]

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
REARRANGE = {
    "flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "clone", "__getitem__", "pad", "flip",
    "permute", "transpose", "expand",
}  # fmt: skip
IN_ORDER = {"flatten", "view", "reshape", "contiguous", "clone"}  # of these, what leaves entries in order
COPYING = {"__getitem__", "pad", "expand"}  # of these, what may put one entry in several places
DROPOUT = {"dropout", "dropout2d", "feature_dropout"}
AVERAGE = {"avg_pool2d", "adaptive_avg_pool2d", "mean", "sum"}
BY_CONSTANTS = {"add", "sub", "mul", "div", "neg", "__rsub__", "batch_norm"}
WEIGHTED = {"conv2d", "linear"}
IN_PLACE = {"add_": "add", "sub_": "sub", "mul_": "mul", "div_": "div"}
SQUARED = 1e-290  # added to squares, of which many may underflow


def call_of(func: Any, args: Any, kwargs: Any, known: Any) -> tuple[Any, dict[str, Any], list[Tensor]] | None:
    """The arguments of a call, what is called input first among them, and the tensors of which something is
    known; nothing for a call of which nothing is to be known."""
    named = dict(kwargs or {})
    held = [t for t in tensors((args, named)) if t in known]
    if not held or func.__name__ in CONSTANTS:
        return None
    return (named.pop("input"), *args) if "input" in named else args, named, held


@dataclass(frozen=True)
class Bent:
    """What goes into an operation that bends: its ends (rows, ...), and a bound (rows,) on its movement.

    The movement is the Euclidean distance from what goes in at the image in the middle, of the entries of
    which `Bend.moves` says that they count. ``bend`` is None for an operation on a side path that leads to no
    logit. ``field`` and ``after`` are the pixels seen by what
    goes in and by what comes out, where they are known; ``tight`` (rows,) bounds the movement of what can
    bend alone, where that was asked.
    """

    bend: Bend | None
    lower: Tensor
    upper: Tensor
    energy: Tensor
    field: Field | None = None
    after: Field | None = None
    tight: Tensor | None = None

    def at(self, rows: Tensor) -> Bent:
        """Of these rows, which may repeat."""
        if self.bend is None:
            return self
        tight = None if self.tight is None else self.tight[rows]
        return replace(
            self, lower=self.lower[rows], upper=self.upper[rows], energy=self.energy[rows], tight=tight
        )

    @property
    def size(self) -> int:
        """The entries that go in."""
        return 0 if self.bend is None else self.lower[0].numel()


Narrow = Callable[[list[Bent], Bent], Bent]


@dataclass(frozen=True)
class Known:
    """What is known of a tensor besides its ends.

    ``point`` is its value at the centre of the ball as it was computed, twice in the batch as the ends are;
    ``off`` (n,) bounds the Euclidean distance of that from the value without rounding, and ``energy`` (n,)
    that of the latter from the value at any image of the ball. Of an image moved and scaled entry by entry:
    ``scale``, by which each pixel's movement is multiplied, also twice. Whether it comes straight from
    something that bends: ``bent``, and the number of what bent it, ``made``. The pixels that it sees:
    ``field``. Of a result of something that is not supported: its name, ``lost``.
    """

    point: Tensor | None = None
    energy: Tensor | None = None
    scale: Tensor | None = None
    off: Tensor | None = None
    bent: bool = False
    made: int = -1
    field: Field | None = None
    lost: str = ""


def unsupported(name: str) -> Unsupported:
    """The error that names an operation."""
    own = {product_of_two.__name__, "__pow__"}
    bending = [known for known in REGISTRY if known not in own]
    return Unsupported(
        f"no bounds: the network's logits depend on the operation '{name}', for which there is no rule here "
        "(known: affine layers, batch normalisation, average pooling, additions, "
        f"{', '.join([*bending, *SPELLED])})"
    )


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        yield from tensors(tuple(value.values()))


def halves(x: Tensor) -> Ends:
    """The lower and the upper ends of a batch."""
    lower, upper = x.chunk(2)
    return lower, upper


def rounded_by(size: Tensor, roundings: int) -> Tensor:
    """More than entries are rounded by whose terms are that large, added up, in so many roundings."""
    return gamma(roundings, "float64") * size + roundings * TINY


def outward(ends: Tensor, error: Tensor) -> Tensor:
    """Both ends moved apart by more than rounding (both halves)."""
    lower, upper = halves(error)
    low, high = halves(ends)
    return torch.cat([low - lower, high + upper])


def by_rows(values: Tensor, like: Tensor) -> Tensor:
    """One value a row, for tensors of that many dimensions."""
    return values.view(-1, *(1,) * (like.ndim - 1))


def lengths(values: Tensor) -> Tensor:
    """No less than the Euclidean length of each row, whatever squares lose to underflow."""
    rows = values.reshape(len(values), values[:1].numel())
    return rows.norm(dim=1) * WIDER + math.sqrt(rows.shape[1] * TINY)


def movement(point: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """A bound (n,) on the Euclidean distance from the point to anything between these ends."""
    return lengths(torch.maximum(upper - point, point - lower))
