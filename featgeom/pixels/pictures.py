"""Frames of images as pictures: a strip to print, an animation to watch."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featgeom.errors import BadArgument

LEAST_SIDE = 96  # pixels of the picture; small images are enlarged by a whole factor
MILLISECONDS = 150  # a frame


def strip_png(rows: list[NDArray[np.floating]], bounds: tuple[float, float] = (0.0, 1.0)) -> bytes:
    """One PNG picture of frames side by side, one row for each array (s, c, h, w), c = 1 or 3.

    >>> strip_png([np.zeros((3, 1, 8, 8))])[1:4]
    b'PNG'
    """
    lines = [np.concatenate(list(_as_bytes(frames, bounds)), axis=1) for frames in rows]
    return _encoded(Image.fromarray(np.concatenate(lines, axis=0)), "PNG")


def gif(frames: NDArray[np.floating], bounds: tuple[float, float] = (0.0, 1.0)) -> bytes:
    """A GIF animation that plays frames (s, c, h, w) forth and back.

    >>> gif(np.linspace(0, 1, 3)[:, None, None, None] * np.ones((3, 1, 8, 8)))[:3]
    b'GIF'
    """
    pictures = [Image.fromarray(picture) for picture in _as_bytes(frames, bounds)]
    there_and_back = pictures + pictures[-2:0:-1]
    return _encoded(
        there_and_back[0],
        "GIF",
        save_all=True,
        append_images=there_and_back[1:],
        duration=MILLISECONDS,
        loop=0,
    )


def _as_bytes(frames: NDArray[np.floating], bounds: tuple[float, float]) -> NDArray[np.uint8]:
    """Frames as enlarged RGB pictures (s, h', w', 3)."""
    if frames.ndim != 4 or frames.shape[1] not in (1, 3):
        raise BadArgument(f"frames: expected shape (s, 1 or 3, h, w), got {frames.shape}")
    low, high = bounds
    grey = ((frames - low) / (high - low) * 255).round().clip(0, 255).astype(np.uint8)
    factor = -(-LEAST_SIDE // max(grey.shape[2:]))
    colour = np.broadcast_to(grey, (len(grey), 3, *grey.shape[2:])).transpose(0, 2, 3, 1)
    return colour.repeat(factor, axis=1).repeat(factor, axis=2)


def _encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    packed = io.BytesIO()
    picture.save(packed, form, **options)  # type: ignore[arg-type]
    return packed.getvalue()
