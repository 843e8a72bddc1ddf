"""The images a recipe trains on: a source, perhaps with some of its classes only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featgeom.data.images import ImageSet, keep_classes
from featgeom.data.sources import load_splits
from featgeom.models.pixel_spec import PixelSpec
from featgeom.training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Training images, test images (the same where the source has no others), and their pixel space."""

    train: ImageSet
    test: ImageSet
    pixels: PixelSpec

    def tensors(self, part: ImageSet) -> tuple[Tensor, Tensor]:
        """What the network itself takes, normalised, (n, c, h, w) in float32, and labels (n,)."""
        x = torch.from_numpy(part.pixels())
        if self.pixels.mean is not None and self.pixels.std is not None:
            shape = (1, -1, 1, 1)
            x = (x - torch.tensor(self.pixels.mean).view(shape)) / torch.tensor(self.pixels.std).view(shape)
        return x, torch.from_numpy(part.labels)


def training_images(recipe: Recipe) -> TrainingImages:
    """Load what ``recipe`` names, keep its classes, and find bounds and normalisation of its pixel space.

    >>> from featgeom.training.recipes import find_recipe
    >>> images = training_images(find_recipe("digits", classes=("3", "8")))
    >>> images.train.classes, images.pixels.shape
    (('3', '8'), (1, 8, 8))
    """
    parts = {name: keep_classes(part, recipe.classes) for name, part in load_splits(recipe.images).items()}
    train = parts["train"] if "train" in parts else next(iter(parts.values()))
    test = parts.get("test", train)
    values = train.pixels()
    low, high = 0.0, 1.0
    for part in (train, test):
        low, high = min(low, float(part.pixels().min())), max(high, float(part.pixels().max()))
    mean = std = None
    if recipe.normalise:
        mean = tuple(round(float(m), 4) for m in values.mean(axis=(0, 2, 3), dtype=np.float64))
        std = tuple(max(round(float(s), 4), 1e-4) for s in values.std(axis=(0, 2, 3), dtype=np.float64))
    return TrainingImages(train, test, PixelSpec(train.shape, (low, high), mean, std))
