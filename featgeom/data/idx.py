"""MNIST and its kin in their idx files, compressed or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featgeom.data.images import ImageSet
from featgeom.errors import BadData
from featgeom.limits import require_memory

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SUBFOLDERS = ("", "raw", "MNIST/raw", "FashionMNIST/raw", "mnist", "fashion-mnist", "fashion")


def read_mnist(folder: Path, split: str) -> ImageSet:
    """The handwritten digits, 1x28x28."""
    return _read(folder, split, "mnist", DIGITS)


def read_fashion_mnist(folder: Path, split: str) -> ImageSet:
    """The pieces of clothing, 1x28x28, in the files of MNIST."""
    return _read(folder, split, "fashion-mnist", FASHION)


def _read(folder: Path, split: str, name: str, classes: tuple[str, ...]) -> ImageSet:
    prefix = "t10k" if split == "test" else "train"
    image_file, label_file = _find(folder, f"{prefix}-images", 3), _find(folder, f"{prefix}-labels", 1)
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels):
        raise BadData(f"{image_file} holds {len(images):,} images but {label_file} {len(labels):,} labels")
    if len(labels) and labels.max() >= len(classes):
        raise BadData(f"{label_file}: label {labels.max()} is out of range for {len(classes)} classes")
    return ImageSet(images[:, None], labels, classes, name, split)


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{dot}idx{dimensions}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for place in SUBFOLDERS:
        for name in names:
            if (folder / place / name).is_file():
                return folder / place / name
    raise BadData(f"{folder}: no {names[0]} or {names[1]} there")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The bytes of an idx file (big-endian header: type, number of dimensions, lengths) as an array."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
                raise BadData(f"{path}: not an idx file of bytes in {dimensions} dimension(s)")
            shape = struct.unpack(f">{dimensions}I", header[4:])
            wanted = prod(shape)
            require_memory(wanted, path)
            content = file.read(wanted + 1)  # what follows shows that the header is wrong
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{path}: truncated or damaged ({error})") from None
    if len(content) != wanted:
        held = f"{len(content):,}" if len(content) < wanted else "more"
        raise BadData(f"{path}: truncated or damaged, it holds {held} bytes of {wanted:,}")
    return np.frombuffer(content, np.uint8).reshape(shape)
