"""A network built for a checkpoint's number of classes, with the checkpoint's weights in it."""

from __future__ import annotations

from typing import Any

from torch import nn

from featgeom.models.architectures import Architecture
from featgeom.models.checkpoints import Checkpoint
from featgeom.models.fitting import likely_fits
from featgeom.models.weights import (
    Normaliser,
    in_the_form_of,
    load_weights,
    other_class_count,
    wanted_shapes,
)
from featgeom.reading.names import Named


def build_with_weights(
    architecture: Architecture, options: dict[str, Any], checkpoint: Checkpoint, name: str, key: str | None
) -> tuple[nn.Module, Normaliser | None]:
    """The network with the checkpoint's weights, for as many classes as the checkpoint has."""
    option = architecture.classes_option
    if option is not None and option in architecture.required and option not in options:
        options = {**options, option: _likely_classes(checkpoint.named)}
    module = architecture.build(**options)
    if option is not None and option not in options:
        wanted = wanted_shapes(module)
        fit = likely_fits(wanted, in_the_form_of(wanted, checkpoint.named, key), name, key)[0]
        counts = other_class_count(fit.shapes) if fit.shapes and not fit.missing else None
        if counts is not None:
            module = architecture.build(**options, **{option: counts[1]})
    return module, load_weights(module, checkpoint, name, key)


def _likely_classes(named: Named) -> int:
    """The number of rows of the last matrix in a file."""
    rows = [stored.shape[0] for stored in named.tensors.values() if len(stored.shape) == 2]
    return rows[-1] if rows else 1000
