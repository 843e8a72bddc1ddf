"""A classifier's network written out as numbers, as the claims about pixels tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from featgeom.arrays import Float64, Floats
from featgeom.errors import Unsupported
from featgeom.exact.layers import Layer, Misread, read_network
from featgeom.exact.rounding import lengths_above, rounded_up
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import PixelFunction
from featgeom.pixels.lowering import lower


@dataclass(frozen=True, eq=False)
class Written:
    """The layers, the head at their end, and the fields with which a claim tells them."""

    layers: list[Layer]
    told: dict[str, Any]

    @property
    def dimension(self) -> int:
        """The number of features."""
        return int(self.told["weight"].shape[1])


def written(classifier: Classifier, f: PixelFunction) -> Written:
    """The network of a classifier on the CPU, for images as ``f`` takes them. Raises Unsupported."""
    network = lower(classifier.to(dtype=torch.float64).backbone, f.shape)
    weight, bias = np.asarray(classifier.head.weight), np.asarray(classifier.head.bias)
    try:
        layers = read_network(network.table, network.numbers, network.index, f.size, weight, bias)
    except Misread as error:
        raise Unsupported(f"no proof: of the network as it is written out, {error}") from None
    parts = {"table": network.table, "numbers": network.numbers, "index": network.index}
    return Written(layers, {"weight": weight, "bias": bias, **parts})


def moved(computed: Floats, stored: Floats) -> Float64:
    """How far features (n, d) of the same images are apart, at most, that were computed in other batches."""
    apart = np.asarray(stored, np.float64) - np.asarray(computed, np.float64)
    return rounded_up(lengths_above(apart), apart.shape[1])
