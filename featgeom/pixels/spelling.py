"""Operations of a network that bounds spell out in others: normalisation of layers, softmax, products.

While a network is bounded, a call of one of these runs as the function that stands here for it, made of what
the bounds know. To add one, write such a function and put it in `SPELLED`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_unary

from featgeom.errors import Unsupported

MOST = 1 << 26  # entries of the matrix of a softmax
OF_TWO = {"mul", "div"}  # spelled out where both arguments depend on the image


class Spelling(TorchFunctionMode):
    """Spells out what it can, inside another mode; ``known`` holds what depends on the image."""

    def __init__(self, known: Any) -> None:
        super().__init__()
        self.known = known

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name in SPELLED:
            given = (kwargs["input"], *args) if "input" in kwargs else args
            held = [isinstance(t, Tensor) and t in self.known for t in given[: 1 + (name in OF_TWO)]]
            if held and all(held) and len(held) == 1 + (name in OF_TWO):
                rest = {k: v for k, v in kwargs.items() if k != "input"}
                try:
                    return SPELLED[name](*given, **rest)
                except TypeError:  # arguments that are not known here
                    pass
        return func(*args, **kwargs)


def product_of_two(z: Tensor) -> Tensor:
    """z (n, 2, ...) → (n, ...): the first of each two, times the second."""
    if has_torch_function_unary(z):
        result: Tensor = handle_torch_function(product_of_two, (z,), z)
        return result
    return z[:, 0] * z[:, 1]


def product(a: Tensor, b: Tensor) -> Tensor:
    """a · b, entry by entry, of shapes that broadcast and have the rows of images first."""
    if a.ndim != b.ndim:  # which would set rows beside other dimensions
        raise TypeError
    shape = torch.broadcast_shapes(a.shape, b.shape)
    one, other = (t if t.shape == shape else t.expand(-1, *shape[1:]) for t in (a, b))
    pairs = [t.flatten(1).unsqueeze(1).unsqueeze(3) for t in (one, other)]
    return product_of_two(torch.cat(pairs, 1)).reshape(-1, *shape[1:])


def quotient(a: Tensor, b: Tensor) -> Tensor:
    """a / b where b is positive."""
    return product(a, b.reciprocal())


def normalised(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalisation over the last dimensions: x − its mean, over the root of its variance.

    >>> x = torch.arange(6.0).view(2, 3).square()
    >>> torch.allclose(normalised(x, [3]), functional.layer_norm(x, [3]))
    True
    """
    if len(normalized_shape) >= x.ndim:  # over all images together
        raise TypeError
    dims = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(dims, keepdim=True)
    spread = centred.square().mean(dims, keepdim=True) + eps
    result = product(centred, spread.rsqrt())
    result = result if weight is None else result * weight
    return result if bias is None else result + bias


def softmax(x: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    """Shares of the exponentials: 1 / Σ exp of the differences from each, which lie in a small room.

    >>> x = torch.tensor([[0.0, 1.0, 3.0]])
    >>> torch.allclose(softmax(x, 1), functional.softmax(x, 1))
    True
    """
    if dtype is not None:
        raise TypeError
    x = x.transpose(dim, -1)
    k = x.shape[-1]
    if k**3 > MOST:
        raise Unsupported(f"no bounds: a softmax over {k:,} entries, of which each is set beside each other")
    away = functional.linear(x, _differences(k, k, x.dtype)).reshape(*x.shape, k)
    return away.exp().sum(-1).reciprocal().transpose(dim, -1)


def log_sum_exp(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The logarithm of the sum of exponentials, from the first entry on.

    >>> x = torch.tensor([[0.0, 1.0, 3.0]])
    >>> torch.allclose(log_sum_exp(x, 1), torch.logsumexp(x, 1))
    True
    """
    x = x.transpose(dim, -1)
    away = functional.linear(x, _differences(x.shape[-1], 1, x.dtype))
    result = (away.exp().sum(-1, keepdim=True).log() + x[..., :1]).transpose(dim, -1)
    return result if keepdim else result.squeeze(dim)


@cache
def _differences(k: int, some: int, dtype: torch.dtype) -> Tensor:
    """The matrix (some · k, k) that takes x to x_j − x_i for the first ``some`` i."""
    eye = torch.eye(k, dtype=dtype)
    return (eye[None] - eye[:some, None]).reshape(some * k, k)


SPELLED: dict[str, Callable[..., Tensor]] = {
    "layer_norm": normalised,
    "softmax": softmax,
    "logsumexp": log_sum_exp,
    "mul": product,
    "div": quotient,
}
