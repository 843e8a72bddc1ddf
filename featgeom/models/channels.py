"""Grey images for a network of colours, and the reverse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from featgeom.models.pixel_spec import PixelSpec

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what Pillow makes of colours


def channels_of(module: nn.Module, pixels: PixelSpec) -> int | None:
    """How many channels a network takes, by its pixel space or else its first convolution; None if unknown.

    >>> channels_of(nn.Conv2d(3, 8, 3), PixelSpec())
    3
    """
    if pixels.shape is not None:
        return pixels.shape[0]
    if pixels.mean is not None:
        return len(pixels.mean)
    return next((layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)


def fit_channels(images: NDArray[Any], channels: int | None) -> NDArray[Any]:
    """Images (n, c, h, w) with so many channels: one is repeated (a view), three are weighed into one.

    Images that have them already, or cannot be brought to them, come back as they are.

    >>> fit_channels(np.zeros((2, 1, 4, 4), np.uint8), 3).shape
    (2, 3, 4, 4)
    """
    shape = images.shape
    if len(shape) == 4 and (shape[1], channels) == (1, 3):
        return np.broadcast_to(images, (shape[0], 3, *shape[2:]))
    if len(shape) == 4 and (shape[1], channels) == (3, 1):
        grey = np.empty((shape[0], 1, *shape[2:]), images.dtype)
        for row, image in enumerate(images):
            luma = np.tensordot(np.array(LUMA), image.astype(np.float64), 1)
            grey[row, 0] = luma if images.dtype.kind == "f" else np.rint(luma)
        return grey
    return images
