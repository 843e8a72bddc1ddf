"""A trained network with a new last layer: the part that is trained again, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument
from featgeom.models.checkpoints import read_checkpoint
from featgeom.models.classifier import BATCH, Classifier
from featgeom.models.sources import load_classifier
from featgeom.models.weights import load_weights
from featgeom.training.images import TrainingImages

Data = tuple[Tensor, Tensor]


class RestartedHead(NamedTuple):
    """The last layer with fresh weights, and the features and labels of training and test images."""

    layer: nn.Linear
    data: Data
    test_data: Data


def restart_head(network: nn.Module, checkpoint: str | Path, images: TrainingImages) -> RestartedHead:
    """Load ``checkpoint`` into ``network``, then draw the weights of its last layer anew.

    Everything below that layer stays as it is, so its features are computed once and for all.

    Raises BadCheckpoint for weights that do not fit, BadArgument where the head is no Linear layer.

    >>> from featgeom.models.sources import BUILTIN
    >>> from featgeom.models.reference import digits_cnn
    >>> from featgeom.training.recipes import find_recipe
    >>> from featgeom.training.images import training_images
    >>> images = training_images(find_recipe("digits"))
    >>> restart_head(digits_cnn(), BUILTIN / "digits.safetensors", images).data[0].shape
    torch.Size([1297, 32])
    """
    path = Path(checkpoint).expanduser()
    load_weights(network, read_checkpoint(path), path.name)
    classifier = load_classifier(network, pixels=images.pixels, probe=images.train.images)
    layer = network.get_submodule(classifier.tap.layer)
    own = classifier.head.weight
    if not isinstance(layer, nn.Linear) or not np.array_equal(layer.weight.detach().double().numpy(), own):
        raise BadArgument(f"{path}: its head is {classifier.tap.describe()}, not one Linear layer alone")
    held = layer.weight == 0  # zeros that hold two parts of a network apart
    layer.reset_parameters()
    layer.requires_grad_(True)
    with torch.no_grad():
        layer.weight[held] = 0
    return RestartedHead(layer, _features(classifier, images.train), _features(classifier, images.test))


def _features(classifier: Classifier, part: ImageSet) -> Data:
    rows = [features for features, _ in classifier.run_batches(part.images, BATCH)]
    return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(part.labels)
