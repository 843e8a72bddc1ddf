"""Image files in one folder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.errors import BadData

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
GREY, COLOUR = {"1", "L"}, {"P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "PA"}
SPLIT_NAMES = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}


def folder_splits(folder: Path) -> list[str]:
    """Which of train and test there are as subfolders; ["all"] where there are neither."""
    if not folder.is_dir():
        raise BadData(f"{folder}: no such folder")
    return [split for split in SPLIT_NAMES if _split_folder(folder, split)] or ["all"]


def read_folder(folder: Path, split: str) -> ImageSet:
    """FOLDER/CLASS/*.png (or FOLDER/train/CLASS/*.png), sorted by name, all of one size.

    One channel where every file is grey, else three. Files that are not images by their ending, and hidden
    ones, are passed over. Raises BadData for a class without images and for files of two sizes.
    """
    root = folder if split == "all" else _split_folder(folder, split)
    assert root is not None  # `folder_splits` named it
    classes = sorted(place.name for place in root.iterdir() if place.is_dir() and place.name[0] != ".")
    if not classes:
        raise BadData(f"{root}: empty, no folder of a class in it")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        members = sorted(
            f for f in (root / name).iterdir() if f.suffix.lower() in ENDINGS and f.name[0] != "."
        )
        if not members:
            raise BadData(f"{root / name}: empty, no image in it")
        files += members
        labels += [label] * len(members)
    return ImageSet(_decode(files), labels, tuple(classes), f"folder:{folder.resolve().name}", split)


def _split_folder(folder: Path, split: str) -> Path | None:
    return next((folder / name for name in SPLIT_NAMES[split] if (folder / name).is_dir()), None)


def _decode(files: list[Path]) -> NDArray[np.uint8]:
    """All files as (n, c, h, w); sizes and modes are compared before any is decoded."""
    from PIL import Image, UnidentifiedImageError

    modes: set[str] = set()
    size: tuple[int, int] | None = None
    for file in files:
        try:
            with Image.open(file) as image:
                modes.add(image.mode)
                if image.mode not in GREY | COLOUR:
                    raise BadData(f"{file}: pixels of mode {image.mode} are not 8-bit grey or colour")
                if size is not None and image.size != size:
                    raise BadData(
                        f"images must have one size: {files[0]} is {size[0]}x{size[1]}, "
                        f"{file} is {image.size[0]}x{image.size[1]}"
                    )
                size = image.size
        except (UnidentifiedImageError, OSError) as error:
            raise BadData(f"{file}: not an image, or damaged ({error})") from None
    assert size is not None  # there is a file
    mode = "L" if modes <= GREY else "RGB"
    channels = 1 if mode == "L" else 3
    result = np.empty((len(files), size[1], size[0], channels), np.uint8)
    for row, file in enumerate(files):
        try:
            with Image.open(file) as image:
                result[row] = np.asarray(image.convert(mode)).reshape(result.shape[1:])
        except (OSError, SyntaxError) as error:
            raise BadData(f"{file}: damaged ({error})") from None
    return np.ascontiguousarray(result.transpose(0, 3, 1, 2))
