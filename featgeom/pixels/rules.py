"""Which calls of a network are affine in each image, or bend in a way that is known."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from featgeom.pixels.ends import (
    AVERAGE,
    BY_CONSTANTS,
    DROPOUT,
    IN_PLACE,
    REARRANGE,
    WEIGHTED,
    tensors,
)  # fmt: skip
from featgeom.pixels.operators import REGISTRY, find_bend


def plain_name(name: str) -> str:
    """The name of an operation, or of the one that it does in place.

    >>> plain_name("add_"), plain_name("relu_"), plain_name("zeros_like")
    ('add', 'relu', 'zeros_like')
    """
    plain = IN_PLACE.get(name, name)
    return name[:-1] if name.endswith("_") and name[:-1] in REGISTRY else plain


def known_call(name: str, args: Any, kwargs: Any, known: Any) -> bool:
    """Whether there are rules for this call: no weights that depend on the image, no mixed rows.

    ``known`` are the tensors that depend on the image.
    """
    if not args:
        return False
    x, held = args[0], [t for t in tensors((args, kwargs)) if t in known]
    if name == "cat":
        dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        return not kwargs.get("out") and dim % held[0].ndim != 0
    if not isinstance(x, Tensor) or x not in known:
        return name in {"add", "sub", "mul"} and len(held) == 1 and not kwargs
    if name in {"add", "sub"}:
        return not kwargs and len({t.ndim for t in held}) == 1
    if name == "avg_pool2d" and any(t is not None for t in (kwargs.get("divisor_override"), *args[6:])):
        return False
    if len(held) > 1:
        return False
    if name in REGISTRY:
        bend = find_bend(name, args[1:], kwargs)
        return bend is not None and x.ndim >= 2 and (x.ndim == 4 or not bend.windowed)
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
    if name == "expand":
        sizes = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:]
        return not kwargs and len(sizes) == x.ndim and sizes[0] in {-1, len(x)}
    if name == "permute":
        order = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:]
        return not kwargs and len(order) > 0 and order[0] == 0
    if name in {"transpose", "unsqueeze"}:
        return not kwargs and all(d % (x.ndim + (name == "unsqueeze")) for d in args[1:])
    if name == "flip":  # of channels, as a network does whose images come in the reverse order
        return x.ndim == 4 and not kwargs and args[1:] in {(1,), ((1,),)}
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        whole = index[0] == slice(None) if isinstance(index[0], slice) else False
        return whole or (index[0] is Ellipsis and len(index) <= x.ndim)
    return name in REARRANGE | AVERAGE | BY_CONSTANTS | WEIGHTED
