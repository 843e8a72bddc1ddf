"""Image files in one folder a class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PIL import Image

from featgeom.data.decoding import Picture, decode
from featgeom.data.images import ImageSet
from featgeom.errors import BadData

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SPLIT_NAMES = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}


def folder_splits(folder: Path) -> list[str]:
    """Which of train and test there are as subfolders; ["all"] where there are neither."""
    if not folder.is_dir():
        raise BadData(f"{folder}: no such folder")
    return [split for split in SPLIT_NAMES if _split_folder(folder, split)] or ["all"]


def read_folder(folder: Path, split: str, size: int | None = None) -> ImageSet:
    """FOLDER/CLASS/*.png (or FOLDER/train/CLASS/*.png), sorted by name, of one size or brought to it.

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
    pictures = [Picture(str(file), partial(Image.open, file)) for file in files]
    return ImageSet(decode(pictures, size), labels, tuple(classes), f"folder:{folder.resolve().name}", split)


def _split_folder(folder: Path, split: str) -> Path | None:
    return next((folder / name for name in SPLIT_NAMES[split] if (folder / name).is_dir()), None)
