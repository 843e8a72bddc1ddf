"""Which images are the same, pixel for pixel, told by digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.models.channels import fit_channels
from featgeom.runs.again import images_of

if TYPE_CHECKING:
    from featgeom.runs.run import Run

BLOCK = 256  # images looked at in one step


def pixel_digests(parts: Sequence[ImageSet]) -> Iterator[bytes]:
    """A digest of each image of all parts, in order: equal ones are of images with the same pixels.

    They are compared as float32 in pixel space, or as bytes where all parts are.

    >>> from featgeom.data.images import ImageSet
    >>> same = np.full((1, 1, 2, 2), 51, np.uint8), np.full((1, 1, 2, 2), np.float32(51) / np.float32(255))
    >>> a, b = pixel_digests([ImageSet(x, None, ("a", "b"), "none", "all") for x in same])
    >>> a == b
    True
    """
    whole = all(images.images.dtype == np.uint8 for images in parts)
    for images in parts:
        for start in range(0, len(images), BLOCK):
            rows = slice(start, start + BLOCK)
            yield from map(_digest, images.images[rows] if whole else images.pixels(rows))


def shown_digests(pixels: NDArray[Any]) -> list[bytes]:
    """A digest of each image (n, c, h, w) in 8 bits a value, as picture files keep it.

    >>> half = np.full((1, 1, 2, 2), 0.5)
    >>> shown_digests(half) == shown_digests((255 * half).round().astype(np.uint8))
    True
    """
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8)
    return [_digest(image) for image in pixels]


def own_pictures(run: Run, channels: int | None) -> set[bytes]:
    """The `shown_digests` of all images of a run that are still found, in so many channels."""
    known: set[bytes] = set()
    for split in run.splits:
        images = images_of(run, split)
        for start in range(0, 0 if images is None else len(images), BLOCK):
            known.update(shown_digests(fit_channels(images.images[start : start + BLOCK], channels)))  # type: ignore[union-attr]
    return known


def _digest(image: NDArray[Any]) -> bytes:
    return hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()
