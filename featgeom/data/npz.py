"""Images and labels from an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.errors import BadData

KEYS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "all": ("images", "labels")}


def read_arrays(path: Path, only: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, or ``only`` those of these names that it has.

    Objects, whose pickle could run code, are refused.
    """
    with _open(path) as archive:
        return {key: archive[key] for key in archive.files if only is None or key in only}


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """The archive; whatever is wrong with it becomes BadData."""
    if not path.is_file():
        raise BadData(f"{path}: no such file")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise BadData(f"{path}: a single array, not an .npz file")
            yield archive
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if "Object arrays" in str(error):
            raise BadData(
                f"{path}: holds Python objects, which are refused: reading them runs code"
            ) from None
        raise BadData(f"{path}: not an .npz file, or damaged") from None


def npz_splits(path: Path) -> list[str]:
    """Which splits the keys of the file make up."""
    with _open(path) as archive:
        names = set(archive.files)
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
    image_key, label_key = KEYS[split]
    label_keys = [keys[1] for keys in KEYS.values()]
    arrays = read_arrays(path, [image_key, *label_keys, "classes"])
    images = _channels_first(arrays[image_key], f"{path}: {image_key}")
    labels = {key: _flat_labels(arrays[key], f"{path}: {key}") for key in label_keys if key in arrays}
    count = 1 + max(int(column.max(initial=0)) for column in labels.values())
    classes = tuple(map(str, arrays.get("classes", np.arange(count))))
    return ImageSet(images, labels[label_key], classes, f"npz:{path.name}", split)


def _flat_labels(labels: NDArray[Any], where: str) -> NDArray[Any]:
    if labels.dtype.kind not in "iub" or labels.ndim == 0 or labels.shape[1:] not in ((), (1,)):
        raise BadData(f"{where} must be whole numbers of shape (n,), got {labels.dtype} {labels.shape}")
    return labels.ravel()


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
