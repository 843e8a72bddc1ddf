"""How far float64 rounds what a network computes, and what a backward pass through it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from featgeom.exact.rounding import TINY, gamma
from featgeom.pixels.bends import Bend
from featgeom.pixels.stretches import FEW, terms_of

Told = Callable[[Tensor], object]


def count_rounding(
    func: Any, name: str, args: Any, kwargs: Any, result: Any, moved: Tensor | None, told: Told
) -> None:
    """Have each backward pass tell (rows,) more than what is rounded at this operation adds to its bound.

    Forward its terms are rounded; backward the coefficients of what goes in, by a share of those of what
    comes out, which counts times the movement ``moved`` (rows,) of that. Nothing is told of float32, which
    decides nothing.
    """
    if moved is not None and isinstance(result, Tensor) and result.requires_grad:
        size, roundings = terms_of(func, name, args, kwargs, result)
        _tell(result, gamma(roundings, "float64") * (size + moved) + roundings * TINY, told)


def count_bend(bend: Bend, z: Tensor, result: Tensor, moved: Tensor | None, told: Told) -> None:
    """The same of something that bends, of which z went in, and moves by ``moved`` (rows,)."""
    if moved is not None and result.requires_grad:
        with torch.no_grad():
            size = bend.rounding(z.nan_to_num(neginf=0.0)).abs().amax() if z.numel() else 0.0
        _tell(result, size + gamma(FEW, "float64") * moved + TINY, told)


def _tell(result: Tensor, each: Tensor, told: Told) -> None:
    """``each`` (rows,) of it counts times the absolute coefficients; what has none may be without end."""

    def hook(c: Tensor) -> None:
        total = c.detach().abs().flatten(1).sum(1)
        told(torch.where(total > 0, each * total, 0.0))

    result.register_hook(hook)
