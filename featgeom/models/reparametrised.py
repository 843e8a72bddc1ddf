"""Weights that a file holds in parts, as weight normalisation and pruning store them, put together again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from featgeom.models.fitting import Shapes, unwrapped
from featgeom.reading.names import Named
from featgeom.reading.stored import Stored

Together = Callable[[Tensor, Tensor], Tensor]


def put_together(named: Named, wanted: Shapes) -> Named:
    """The same names, where ``W_g`` and ``W_v`` (weight normalisation), ``parametrizations.W.original0`` and
    ``original1`` (the same in its newer form), ``W_orig`` and ``W_mask`` (pruning) have become ``W``.

    Parts that the network itself has by these names (``wanted``) stay, and parts of what the file has whole,
    too. Spectral normalisation is left as it is: its parts do not tell which dimension it is over.

    >>> parts = {"0.weight_g": torch.full((1, 1), 10.0), "0.weight_v": torch.tensor([[3.0, 4.0]])}
    >>> stored = {k: Stored(p.dtype, tuple(p.shape), lambda p=p: p) for k, p in parts.items()}
    >>> named = Named(stored, dict.fromkeys(stored, ""))
    >>> put_together(named, {"0.weight": (1, 2)}).tensors["0.weight"].tensor()
    tensor([[6., 8.]])
    """
    tensors, containers = dict(named.tensors), dict(named.containers)
    own = {unwrapped(name) for name in wanted if name.endswith(ENDINGS)}
    for whole, first, second, together in _groups(named):
        if whole in tensors or any(_is_own(part, own) for part in (first, second)):
            continue
        one, other = tensors.pop(first), tensors.pop(second)
        tensors[whole] = _computed(one, other, together)
        containers[whole] = containers.get(first, "")
    return replace(named, tensors=tensors, containers=containers)


def _groups(named: Named) -> Iterator[tuple[str, str, str, Together]]:
    """(name of the whole, names of its two parts, how they make it), for all whose shapes go together."""
    for name, stored in named.tensors.items():
        for ending, partner_ending, suits, together in FORMS:
            whole = name.removesuffix(ending)
            partner = named.tensors.get(whole + partner_ending)
            if whole != name and partner is not None and suits(stored.shape, partner.shape):
                yield whole.replace("parametrizations.", ""), name, whole + partner_ending, together


def _is_own(part: str, own: set[str]) -> bool:
    """Whether a name of the file is one of the network's, below some prefix of either."""
    short = unwrapped(part)
    return any(f".{short}".endswith(f".{name}") or f".{name}".endswith(f".{short}") for name in own)


def _is_norm(norm: tuple[int, ...], direction: tuple[int, ...]) -> bool:
    """Whether one shape is that of the norms of the other's slices: 1 but for one place at most."""
    kept = [place for place, length in enumerate(norm) if length != 1]
    return not norm or (
        len(norm) == len(direction) and len(kept) <= 1 and all(norm[i] == direction[i] for i in kept)
    )


def _of_norm(norm: Tensor, direction: Tensor) -> Tensor:
    kept = [place for place, length in enumerate(norm.shape) if length != 1]
    over = [place for place in range(direction.ndim) if place not in kept]
    lengths = torch.linalg.vector_norm(direction, dim=over, keepdim=True) if over else direction.abs()
    return direction * (norm / lengths)


def _of_mask(mask: Tensor, values: Tensor) -> Tensor:
    return values * mask.to(values.dtype)


def _computed(first: Stored, second: Stored, together: Together) -> Stored:
    return Stored(
        second.dtype,
        second.shape,
        lambda: together(first.tensor(), second.tensor()),
        first.problem or second.problem,
    )


FORMS = (  # endings of the two parts, whether their shapes go together, and how they make the whole
    ("_g", "_v", _is_norm, _of_norm),
    (".original0", ".original1", _is_norm, _of_norm),
    ("_mask", "_orig", operator.eq, _of_mask),
)
ENDINGS = tuple(ending for form in FORMS for ending in form[:2])
