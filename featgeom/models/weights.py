"""Weights from a checkpoint into a network: each tensor checked, none bent to fit."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from featgeom.errors import BadCheckpoint
from featgeom.models.checkpoints import Checkpoint
from featgeom.models.fitting import (
    Fit,
    Shape,
    Shapes,
    choose_fit,
    find_normalisers,
    fits_below,
    unwrapped,
)
from featgeom.models.reparametrised import put_together
from featgeom.reading.names import Named
from featgeom.remarks import remark

Normaliser = tuple[tuple[float, ...], tuple[float, ...]]


def load_weights(
    module: nn.Module, checkpoint: Checkpoint, name: str, key: str | None = None
) -> Normaliser | None:
    """Put the weights of ``checkpoint`` that fit ``module`` into it.

    The result is the mean and std of a normalising layer whose tensors lay beside them, or None.

    Raises BadCheckpoint with every name that does not fit, or for numbers that a network of floating point
    cannot take as they are: NaN, integers without scales, complex, quantised.
    """
    wanted = wanted_shapes(module)
    named = in_the_form_of(wanted, checkpoint.named, key)
    fit = choose_fit(wanted, named, name, key)
    if not fit.complete:
        raise BadCheckpoint(complaint(fit, wanted, name))
    if made := [source for source in fit.names.values() if source not in checkpoint.named.tensors]:
        weights_of = _group("weight" if len(made) == 1 else "weights", made)
        remark(f"put together from parts, read as those of weight normalisation or pruning: {weights_of}")
    own = module.state_dict()
    weights = {}
    for target, source in fit.names.items():
        weights[target] = _numbers(named, source, own[target])
    if weights and all(t.dtype == torch.float64 for t in weights.values() if t.is_floating_point()):
        module.double()
    versioned = OrderedDict(weights)
    versioned._metadata = getattr(own, "_metadata", {})  # type: ignore[attr-defined]  # layers ask which form it is
    module.load_state_dict(versioned, strict=False)
    return _normaliser(fit, named)


def in_the_form_of(wanted: Shapes, named: Named, key: str | None) -> Named:
    """A file's names as they are where the network's are there (below ``key``), else with parts together."""
    if any(fit.complete for fit in fits_below(wanted, named, key)):
        return named
    return put_together(named, wanted)


def wanted_shapes(module: nn.Module) -> dict[str, Shape | None]:
    """The names of a network's parameters and buffers with their shapes; None for lazy ones."""
    entries = module.state_dict().items()
    return {
        name: None if is_lazy(value) else tuple(value.shape)
        for name, value in entries
        if isinstance(value, Tensor)
    }


def _numbers(named: Named, source: str, own: Tensor) -> Tensor:
    """One tensor of the file, as the network can take it."""
    try:
        tensor = named.tensors[source].tensor()
    except BadCheckpoint as error:
        raise BadCheckpoint(f"'{source}': {error}") from None
    floating = is_lazy(own) or own.is_floating_point()
    if tensor.is_complex() and not own.is_complex():
        raise BadCheckpoint(
            f"'{source}' is complex ({tensor.dtype}), its place in the network is real: "
            "the imaginary part would be lost"
        )
    if floating and not tensor.is_floating_point() and not tensor.is_complex():
        raise BadCheckpoint(
            f"'{source}' holds whole numbers ({tensor.dtype}) where the network has floating point: weights "
            "that were quantised, without the scales that give them a meaning"
        )
    if tensor.is_floating_point():
        if tensor.dtype.itemsize == 1:
            tensor = tensor.float()
        if not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            raise BadCheckpoint(f"{count} of {tensor.numel()} weights in '{source}' are NaN or infinite")
    return tensor


def _normaliser(fit: Fit, named: Named) -> Normaliser | None:
    """The mean and std of a normalising layer whose tensors lie beside the network's."""
    for mean, std in find_normalisers(fit.beside):
        try:
            pair = [named.tensors[name].tensor().double().flatten() for name in (mean, std)]
        except BadCheckpoint:
            continue
        good = len(pair[0]) == len(pair[1]) and len(pair[0]) in (1, 3) and bool((pair[1] > 0).all())
        if good and all(torch.isfinite(part).all() for part in pair):
            scale = 255.0 if pair[0].max() > 2 else 1.0  # of pixels from 0 to 255
            values = [tuple(round(float(number) / scale, 7) for number in part) for part in pair]
            return values[0], values[1]
    return None


def complaint(fit: Fit, wanted: Shapes, name: str) -> str:
    """The line that says what of a file does not fit a network."""
    below = len(fit.prefix) + 1 if fit.prefix else 0
    unexpected = [unwrapped(source)[below:] for source in fit.unexpected]
    parts = [
        _group("missing", [f"'{k}'{_near(k, unexpected)}" for k in fit.missing]),
        _group("unexpected", [f"'{k}'{_near(k, list(wanted))}" for k in unexpected]),
        _classes_complaint(fit.shapes)
        or _group("of another shape", [f"'{k}' {b}, wanted {a}" for k, (a, b) in fit.shapes.items()]),
    ]
    return f"the weights do not fit {name}: " + "; ".join(filter(None, parts))


def other_class_count(shapes: Mapping[str, tuple[Shape, Shape]]) -> tuple[int, int] | None:
    """(classes of the module, classes in the file) where the shapes differ in nothing but these.

    >>> other_class_count({"fc.weight": ((10, 64), (100, 64)), "fc.bias": ((10,), (100,))})
    (10, 100)
    """
    pairs = {(have[:1], found[:1]) for have, found in shapes.values()}
    rest = all(have[1:] == found[1:] for have, found in shapes.values())
    if not rest or len(pairs) != 1 or len(shapes) > 2:
        return None
    ((have, found),) = pairs
    return (have[0], found[0]) if have and found else None


def _classes_complaint(shapes: Mapping[str, tuple[Shape, Shape]]) -> str:
    counts = other_class_count(shapes)
    if counts is None:
        return ""
    keys = ", ".join(f"'{key}'" for key in shapes)
    return f"wrong number of classes: the checkpoint has {counts[1]}, the architecture {counts[0]} ({keys})"


def _group(what: str, items: list[str], limit: int = 8) -> str:
    if not items:
        return ""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{len(items)} {what}: " + ", ".join(items[:limit]) + more


def _near(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f" (nearest: '{near[0]}')" if near else ""
