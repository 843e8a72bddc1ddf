"""Affine operations of a network: by how much they stretch lengths, and how far float64 rounds them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from featgeom.pixels.ends import (
    AVERAGE,
    COPYING,
    DROPOUT,
    REARRANGE,
    WEIGHTED,
    WIDER,
    Ends,
    rounded_by,
    tensors,
)
from featgeom.pixels.energy import weight_norm

FEW = 64  # more roundings than there are in one entry beyond those of its sum, forward or backward


@torch.no_grad()
def stretched(
    func: Any, name: str, args: Any, kwargs: Any, held: Any, moved: list[Tensor], result: Tensor
) -> Tensor:
    """No less than the Euclidean length (rows,) of what a result moves by.

    Where those arguments that are ``held`` move by ``moved`` (rows,) each.
    """
    each = torch.stack(moved)
    if name == "cat":
        return each.norm(dim=0) * WIDER
    if len(moved) > 1:  # a sum or a difference, of which one may be repeated
        parts = [t for t in tensors(args) if t in held]
        copies = each.new_tensor([[result.numel() / max(1, t.numel())] for t in parts]).sqrt()
        return (each * copies).sum(0) * WIDER
    return each[0] * (factor_of(func, name, args, kwargs, held) * WIDER)


def factor_of(func: Any, name: str, args: Any, kwargs: Any, held: Any) -> Tensor | float:
    """No less than by how much an operation of one argument that is held stretches lengths."""
    if name in WEIGHTED:
        rest = {k: t for k, t in kwargs.items() if k != "bias"}
        return weight_norm(func.__name__, args[0].shape, *args[1:2], *args[3:], **rest)
    if name in AVERAGE:
        return averaging_norm(func, args, kwargs)
    if name in COPYING:
        return float(most_copies(func, args, kwargs) ** 0.5)
    if name in REARRANGE | DROPOUT:
        return 1.0
    at = next(i for i, t in enumerate(args) if isinstance(t, Tensor) and t in held)

    def run(t: Tensor) -> Tensor:
        return func(*args[:at], t, *args[at + 1 :], **kwargs)  # type: ignore[no-any-return]

    nought, ones = (run(args[at].new_full((1, *args[at].shape[1:]), end)) for end in (0.0, 1.0))
    added = terms_of_norm(func, args, kwargs) if name == "batch_norm" else 0.0
    return ((ones - nought).abs() + rounded_by(ones.abs() + 2 * nought.abs() + added, FEW)).amax()


def summands(name: str, args: Any, kwargs: Any, result: Tensor) -> int:
    """No fewer than the terms that go into one entry of a result, or into one coefficient backward."""
    if name in WEIGHTED:
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        return max(weight[0].numel(), weight.numel() // max(1, weight.shape[1]))
    if name in AVERAGE | COPYING:
        return max(args[0][0].numel(), result[0].numel())
    return 0


@torch.no_grad()
def terms_of(func: Any, name: str, args: Any, kwargs: Any, result: Tensor) -> tuple[float, int]:
    """No less than the absolute terms of any entry of what an operation without bends returned, added up.

    And into how many roundings they go, at most, forward or backward.
    """
    roundings = summands(name, args, kwargs, result) + FEW if result.numel() else 0
    if name in REARRANGE | DROPOUT or name == "cat" or not result.numel():
        return 0.0, roundings
    if name in WEIGHTED:
        given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
        weight, bias = given["weight"], given.get("bias")
        size = given["input"].abs().amax() * weight.abs().flatten(1).sum(1).amax()
        return float(size if bias is None else size + bias.abs().amax()), roundings
    sizes = func(args[0].abs(), *args[1:], **kwargs) if name in AVERAGE else result.abs()
    size = sizes.amax() + (terms_of_norm(func, args, kwargs).amax() if name == "batch_norm" else 0.0)
    return float(size), roundings


def terms_of_norm(func: Any, args: Any, kwargs: Any) -> Tensor:
    """The absolute values of what `batch_norm` adds to its scaled input, added up, for one row.

    A mean and a bias that cancel each other round by their own size.
    """
    mean, var, weight, bias, eps = batch_norm_of(func, args, kwargs)
    weight, bias = (None if t is None else t.abs() for t in (weight, bias))
    mean, nought = None if mean is None else -mean.abs(), args[0].new_zeros(1, *args[0].shape[1:])
    return functional.batch_norm(nought, mean, var, weight, bias, False, 0.0, eps)


def batch_norm_of(
    func: Any, args: Any, kwargs: Any
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor | None, float]:
    """Mean, variance, weight, bias and ε of a call of `batch_norm`."""
    names = ["running_mean", "running_var", "weight", "bias"]
    if func is not functional.batch_norm:  # torch.batch_norm, whose arguments come in another order
        names = names[2:] + names[:2]
    given = dict(zip(names, args[1:5], strict=False)) | {n: t for n, t in kwargs.items() if n in names}
    mean, weight, bias = (given.get(n) for n in ("running_mean", "weight", "bias"))
    eps = kwargs.get("eps", args[7] if len(args) > 7 else 1e-5)
    return mean, given["running_var"], weight, bias, float(eps)


def averaging_norm(func: Any, args: Any, kwargs: Any) -> float:
    """Of a map without negative weights: √(largest row sum · largest column sum) is no less than its norm."""
    rows, columns = _sums(func, args, kwargs)
    return float((rows.max() * columns.max()).sqrt())


def most_copies(func: Any, args: Any, kwargs: Any) -> int:
    """How often one entry stands, at most, in what a map that only rearranges entries returns."""
    return round(float(_sums(func, args, kwargs)[1].max()))


def _sums(func: Any, args: Any, kwargs: Any) -> Ends:
    """The sums of a linear map's rows and columns, for one image."""
    with torch.enable_grad():
        one = args[0].new_ones(1, *args[0].shape[1:]).requires_grad_(True)
        rows = func(one, *args[1:], **kwargs)
        (columns,) = torch.autograd.grad(rows.sum(), one)
    return rows.detach(), columns
