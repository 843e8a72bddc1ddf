"""CIFAR-10 and CIFAR-100 in their binary version: records of label bytes and 3,072 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.errors import BadData

PIXELS = 3 * 32 * 32
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar10(folder: Path, split: str) -> ImageSet:
    """The 50,000 training or 10,000 test images of the binary version, in their original order."""
    folder = _folder(folder, "cifar-10-batches-bin", "test_batch.bin")
    names = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    records = np.concatenate([_records(folder / name, 10_000, 1) for name in names])
    labels = _labels(records[:, 0], 10, folder / names[0])
    return ImageSet(_images(records), labels, CIFAR10_CLASSES, "cifar10", split)


def read_cifar100(folder: Path, split: str) -> ImageSet:
    """CIFAR-100 with its 100 fine labels."""
    folder = _folder(folder, "cifar-100-binary", "test.bin")
    path = folder / f"{split}.bin"
    records = _records(path, 10_000 if split == "test" else 50_000, 2)
    names = folder / "fine_label_names.txt"
    classes = tuple(names.read_text().split()) if names.is_file() else tuple(map(str, range(100)))
    if len(classes) != 100:
        raise BadData(f"{names}: holds {len(classes)} class names, expected 100")
    return ImageSet(_images(records), _labels(records[:, 1], 100, path), classes, "cifar100", split)


def _folder(folder: Path, usual: str, member: str) -> Path:
    for place in (folder, folder / usual):
        if (place / member).is_file():
            return place
    raise BadData(f"{folder}: no {member} there or in {usual} (the binary version is needed)")


def _records(path: Path, count: int, label_bytes: int) -> NDArray[np.uint8]:
    if not path.is_file():
        raise BadData(f"{path}: no such file")
    wanted, size = count * (PIXELS + label_bytes), path.stat().st_size
    if size != wanted:
        raise BadData(f"{path}: truncated or damaged, it has {size:,} bytes and should have {wanted:,}")
    return np.fromfile(path, np.uint8).reshape(count, PIXELS + label_bytes)


def _images(records: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(records[:, -PIXELS:]).reshape(-1, 3, 32, 32)


def _labels(labels: NDArray[np.uint8], classes: int, path: Path) -> NDArray[np.uint8]:
    if labels.max() >= classes:
        raise BadData(f"{path.parent}: damaged, label {labels.max()} is out of range for {classes} classes")
    return labels
