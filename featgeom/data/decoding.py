"""Pictures of any kind into one array of images."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featgeom.data.pictures import Picture, read_header, read_pixels
from featgeom.errors import BadData
from featgeom.preprocess import Way
from featgeom.remarks import remark

IN_MEMORY = 2 << 30  # bytes; a larger array lies in a temporary file


def decode(pictures: Sequence[Picture], preprocess: Way | None = None) -> NDArray[np.uint8]:
    """All pictures as uint8 (n, c, h, w); one channel where every one is grey, else three.

    With ``preprocess`` each is resized and cropped; without, all must have one size. Sizes and modes are
    compared before any is decoded. Pictures are turned as their EXIF orientation says; 16 bits become 8,
    transparency and further frames are dropped, each with a remark that counts them.

    Raises BadData, naming the picture, for one that is damaged, of another size, larger than Pillow's limit,
    of a format that is not in `FORMATS`, or of pixels without a known range.

    >>> from PIL import Image
    >>> from featgeom.preprocess import square
    >>> decode([Picture("a", lambda: Image.new("L", (30, 40)))], square(8)).shape
    (1, 1, 8, 8)
    """
    said: Counter[str] = Counter()
    headers = []
    for picture in pictures:
        headers.append(read_header(picture, said))
    height, width = _one_size(pictures, [header.size for header in headers], preprocess)
    grey = sum(header.grey for header in headers)
    mode = "L" if grey == len(headers) else "RGB"
    if mode == "RGB" and grey:
        remark(
            f"{grey:,} of {len(headers):,} pictures are grey among coloured ones: their channel is repeated"
        )
    for sentence, count in said.items():
        remark(f"{count:,} of {len(headers):,} pictures {sentence}")
    result = _array((len(pictures), 1 if mode == "L" else 3, height, width))
    for row, picture in enumerate(pictures):
        pixels = read_pixels(picture, mode, preprocess.apply if preprocess else lambda image: image)
        result[row] = pixels.reshape(height, width, -1).transpose(2, 0, 1)
    return result


def _one_size(
    pictures: Sequence[Picture],
    sizes: Sequence[tuple[int, int]],
    preprocess: Way | None,
) -> tuple[int, int]:
    """The (height, width) of all pictures, whose (width, height) are given, once they are preprocessed."""
    made = {
        size: preprocess.size_of(*size[::-1]) if preprocess else size[::-1] for size in dict.fromkeys(sizes)
    }
    first = made[sizes[0]]
    for picture, size in zip(pictures, sizes, strict=True):
        if made[size] != first:
            resized = f" when {preprocess.describe()}" if preprocess else ""
            raise BadData(
                f"images must have one size: {pictures[0].name} is {first[1]}x{first[0]}, {picture.name} is "
                f"{made[size][1]}x{made[size][0]}{resized}; write @SIZE after the source to resize and crop "
                "them"
            )
    return first


def _array(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Room for images: in memory, or in a temporary file where they would fill it."""
    if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
