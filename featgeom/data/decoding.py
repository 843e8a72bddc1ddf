"""Pictures of any kind into one array of images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.errors import BadData

if TYPE_CHECKING:
    from PIL.Image import Image

GREY, COLOUR = {"1", "L"}, {"P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "PA"}
IN_MEMORY = 2 << 30  # bytes; a larger array lies in a temporary file
MARGIN = 0.875  # share of the resized short side that the central square keeps, as is usual in evaluation


@dataclass(frozen=True)
class Picture:
    """A picture that is not decoded yet: what to call it, and how to open it."""

    name: str
    open: Callable[[], Image]


def decode(pictures: Sequence[Picture], size: int | None = None) -> NDArray[np.uint8]:
    """All pictures as uint8 (n, c, h, w); one channel where every one is grey, else three.

    With ``size`` each is resized (bicubic) until its shorter side is size/0.875, and its central square of
    that size kept; without, all must have one size. Sizes and modes are compared before any is decoded.

    Raises BadData, naming the picture, for one that is damaged, of another size, or not of 8 bits.

    >>> from PIL import Image
    >>> decode([Picture("a", lambda: Image.new("L", (30, 40)))], size=8).shape
    (1, 1, 8, 8)
    """
    modes: set[str] = set()
    first: tuple[int, int] | None = None
    for picture in pictures:
        image = _opened(picture, lambda image: image)
        modes.add(image.mode)
        if image.mode not in GREY | COLOUR:
            raise BadData(f"{picture.name}: pixels of mode {image.mode} are not 8-bit grey or colour")
        if size is None and first is not None and image.size != first:
            raise BadData(
                f"images must have one size: {pictures[0].name} is {first[0]}x{first[1]}, {picture.name} is "
                f"{image.size[0]}x{image.size[1]}; write @SIZE after the source to resize and crop them"
            )
        first = first or image.size
    assert first is not None  # there is a picture
    mode = "L" if modes <= GREY else "RGB"
    width, height = first if size is None else (size, size)
    result = _array((len(pictures), 1 if mode == "L" else 3, height, width))
    for row, picture in enumerate(pictures):
        pixels = _opened(picture, lambda image: np.asarray(_square(image.convert(mode), size)))
        result[row] = pixels.reshape(height, width, -1).transpose(2, 0, 1)
    return result


def _opened(picture: Picture, read: Callable[[Image], Any]) -> Any:
    """What ``read`` makes of a picture, with one clear line where that fails."""
    from PIL import UnidentifiedImageError

    try:
        with picture.open() as image:
            return read(image)
    except UnidentifiedImageError:
        raise BadData(f"{picture.name}: not an image, or damaged") from None
    except (OSError, SyntaxError) as error:
        raise BadData(f"{picture.name}: not an image, or damaged ({error})") from None


def _square(image: Image, size: int | None) -> Image:
    if size is None:
        return image
    from PIL.Image import Resampling

    short = round(size / MARGIN)
    scale = short / min(image.size)
    width, height = (max(short, round(length * scale)) for length in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size))


def _array(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Room for images: in memory, or in a temporary file where they would fill it."""
    if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
