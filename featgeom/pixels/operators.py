"""What the bounds know of each operation of a network that bends: one class an operation, in a registry.

To add one, write a class with the methods of `Bend` and call `register`. For a function of each entry by
itself with a bounded second derivative a `Smooth` will do, and a `Curved` for one that curves the more the
further. Affine operations need none; what is made of other operations is spelled out in these
(`featgeom.pixels.spelling`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from featgeom.pixels.bends import Bend, Kinked, Smooth
from featgeom.pixels.curves import Curved
from featgeom.pixels.pooling import Pool
from featgeom.pixels.products import Product

Maker = Callable[..., Bend | None]
REGISTRY: dict[str, Maker] = {}


def register(name: str, maker: Maker) -> None:
    """Let calls of the torch function of that name be bounded by what ``maker(*args, **kwargs)`` returns.

    The arguments are those after the input, ``inplace`` left out; None stands for a call without bounds.

    >>> register("softplus", lambda beta=1, threshold=20: None)
    >>> REGISTRY.pop("softplus")() is None
    True
    """
    REGISTRY[name] = maker


def find_bend(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bend | None:
    """What is known of this call, if anything."""
    kwargs = {k: v for k, v in kwargs.items() if k != "inplace"}
    try:
        return REGISTRY[name](*args, **kwargs) if name in REGISTRY else None
    except TypeError:  # arguments that its class does not know
        return None


def _pool(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Pool | None:  # fmt: skip
    return None if ceil_mode or return_indices else Pool(kernel_size, stride, padding, dilation)


def _gelu(approximate: str = "none") -> Smooth | None:
    exact = Smooth(functional.gelu, -0.13, 1.13, 0.7979, bottom=-0.7517915247)
    return exact if approximate == "none" else None


def _leaky(negative_slope: float = 0.01) -> Kinked | None:
    return Kinked(negative_slope) if 0 <= negative_slope <= 1 else None


def _power(exponent: float) -> Bend | None:
    name = {2: "square", 1 / 2: "sqrt", -1: "reciprocal", -1 / 2: "rsqrt"}.get(exponent)
    return None if name is None else REGISTRY[name]()


register("relu", Kinked)
register("leaky_relu", _leaky)
register("max_pool2d", _pool)
register("gelu", _gelu)
register("silu", lambda: Smooth(functional.silu, -0.1, 1.1, 0.5001, bottom=-1.2784645428))
register("sigmoid", lambda: Smooth(torch.sigmoid, 0.0, 0.25, 0.0963))
register("tanh", lambda: Smooth(torch.tanh, 0.0, 1.0, 0.7699))
register("exp", lambda: Curved(torch.exp, torch.exp, torch.exp))
register("log", lambda: Curved(torch.log, torch.reciprocal, lambda z: -(z**-2), positive=True))
register("sqrt", lambda: Curved(torch.sqrt, lambda z: z**-0.5 / 2, lambda z: -(z**-1.5) / 4, positive=True))
register(
    "rsqrt", lambda: Curved(torch.rsqrt, lambda z: -(z**-1.5) / 2, lambda z: 0.75 * z**-2.5, positive=True)
)
register(
    "reciprocal", lambda: Curved(torch.reciprocal, lambda z: -(z**-2), lambda z: 2 * z**-3, positive=True)
)
register(
    "square", lambda: Curved(torch.square, lambda z: 2 * z, lambda z: torch.full_like(z, 2.0), bottom=0.0)
)
register("pow", _power)
register("__pow__", _power)
register("product_of_two", Product)
