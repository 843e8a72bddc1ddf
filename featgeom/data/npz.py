"""Images and labels from an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.errors import BadData

KEYS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "all": ("images", "labels")}


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an .npz file. Objects, whose pickle could run code, are refused."""
    if not path.is_file():
        raise BadData(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise BadData(f"{path}: not an .npz file")
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        refused = "Object arrays" in str(error) or "pickled" in str(error)
        why = "object arrays or pickles are refused" if refused else "not an .npz file, or damaged"
        raise BadData(
            f"{path}: {why} ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None


def npz_splits(path: Path) -> list[str]:
    """Which splits the keys of the file make up."""
    if not path.is_file():
        raise BadData(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = set(archive.files)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        raise BadData(f"{path}: not an .npz file, or damaged") from None
    splits = [split for split, keys in KEYS.items() if names.issuperset(keys)]
    if not splits:
        raise BadData(
            f"{path}: needs x_train, y_train, x_test, y_test, or images, labels; it has {sorted(names)}"
        )
    return [split for split in splits if split != "all"] or ["all"]


def read_npz(path: Path, split: str) -> ImageSet:
    """Images (n, h, w), (n, h, w, c) or (n, c, h, w), uint8 or floats in [0, 1], and labels (n,).

    An array ``classes`` of names may lie beside them; else classes are numbered up to the largest label of
    the file.
    """
    arrays = read_arrays(path)
    image_key, label_key = KEYS[split]
    images = _channels_first(arrays[image_key], f"{path}: {image_key}")
    found = {key: arrays[key].reshape(len(arrays[key]), -1) for _, key in KEYS.values() if key in arrays}
    for key, labels in found.items():
        if labels.shape[1] != 1 or labels.dtype.kind not in "iub":
            raise BadData(
                f"{path}: {key} must be whole numbers of shape (n,), "
                f"got {arrays[key].dtype} {arrays[key].shape}"
            )
    if "classes" in arrays:
        classes = tuple(map(str, arrays["classes"]))
    else:
        classes = tuple(map(str, range(1 + max(int(labels.max(initial=0)) for labels in found.values()))))
    return ImageSet(images, found[label_key][:, 0], classes, f"npz:{path.name}", split)


def _channels_first(images: NDArray[Any], where: str) -> NDArray[Any]:
    if images.dtype.kind == "f":
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            if not np.isfinite(images).all():
                raise BadData(f"{where} contains NaN or infinity")
            raise BadData(
                f"{where}: floats must lie in [0, 1], these reach from {images.min():g} to {images.max():g}"
            )
    elif images.dtype != np.uint8:
        raise BadData(f"{where}: expected uint8 or floats in [0, 1], got {images.dtype}")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and last and images.shape[1] != images.shape[2] != images.shape[3]:
            raise BadData(f"{where}: shape {images.shape} can be read as (n, c, h, w) and as (n, h, w, c)")
        if first:
            return images
        if last:
            return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise BadData(
        f"{where}: expected (n, h, w), (n, h, w, c) or (n, c, h, w) with 1 or 3 channels, got {images.shape}"
    )
