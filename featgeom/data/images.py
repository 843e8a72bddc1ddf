"""Labelled images in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Ints, as_labels, blocks
from featgeom.errors import BadArgument, BadData, nearest_name

UNKNOWN = -1  # the label of an image that has none


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of pixel space with their labels.

    ``images`` (n, c, h, w) is uint8, which means value/255, or float32; ``labels`` (n,) is int64 and counts
    into ``classes``, the names. ``name`` says where they came from, without the folder; ``split`` is
    "train", "test" or "all". ``source`` is what `load_images` read it from, if that gives it again. With
    ``by_name``, the classes are counted in the order of their names alone, as folders are, which says nothing
    of a network's order. Labels that are unknown (None is given) are all -1. ``files`` (n,) are the names of
    the files that the images were read from, below the folder, where each has one of its own.

    Raises BadData for NaN, no images, or labels out of range.

    >>> images = ImageSet(np.zeros((3, 1, 2, 2), np.uint8), [0, 1, 0], ("a", "b"), "none", "all")
    >>> len(images), images.take([1]).labels, images.pixels([0]).dtype
    (3, array([1]), dtype('float32'))
    """

    images: NDArray[Any]
    labels: Ints
    classes: tuple[str, ...]
    name: str
    split: str
    source: str | None
    by_name: bool
    files: NDArray[np.str_] | None

    def __init__(
        self,
        images: NDArray[Any],
        labels: ArrayLike | None,
        classes: tuple[str, ...],
        name: str,
        split: str,
        source: str | None = None,
        by_name: bool = False,
        files: ArrayLike | None = None,
    ) -> None:
        if images.ndim != 4 or 0 in images.shape:
            raise BadData(f"{name}: expected images of shape (n, c, h, w), got {images.shape}")
        if images.dtype != np.uint8:
            if images.dtype.kind != "f":
                raise BadData(f"{name}: images must be uint8 or floats, not {images.dtype}")
            images = images.astype(np.float32, copy=False)
            if not np.isfinite(images).all():
                first = int((~np.isfinite(images)).any(axis=(1, 2, 3)).argmax())
                raise BadData(f"{name}: image {first} of {split} contains NaN or infinity")
        try:
            checked = _labels(labels, len(images), len(classes))
        except BadArgument as error:
            raise BadData(f"{name}, {split}: {error}") from None
        for key, value in (("images", images), ("labels", checked), ("classes", tuple(classes))):
            object.__setattr__(self, key, value)
        for key, word in (("name", name), ("split", split), ("source", source), ("by_name", by_name)):
            object.__setattr__(self, key, word)
        object.__setattr__(self, "files", None if files is None else np.asarray(files, np.str_))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labelled(self) -> bool:
        """Whether the labels are known."""
        return bool(self.labels[0] >= 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        c, h, w = self.images.shape[1:]
        return c, h, w

    def take(self, rows: ArrayLike | slice) -> ImageSet:
        """These rows alone (indices, a mask or a slice), in the order given."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        return replace(self.rows(chosen), source=None)

    def rows(self, chosen: Any) -> ImageSet:
        """The rows of a mask, indices or a slice, as `take` has them; still of the same source."""
        files = None if self.files is None else self.files[chosen]
        return replace(self, images=self.images[chosen], labels=self.labels[chosen], files=files)

    def pixels(self, rows: ArrayLike | slice = slice(None)) -> NDArray[np.float32]:
        """Rows as float32 in pixel space: uint8 becomes value/255."""
        chosen = self.images[rows if isinstance(rows, slice) else np.asarray(rows)]
        if chosen.dtype == np.uint8:
            return chosen.astype(np.float32) / np.float32(255)
        return chosen.astype(np.float32)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over shape, type, images and labels."""
        digest = hashlib.sha256(f"{self.images.dtype} {self.images.shape}\n".encode())
        for array in (self.images, self.labels):
            for block in blocks(array):
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What they are: equal records mean equal images and labels."""
        return {
            "name": self.name,
            "split": self.split,
            "n": len(self),
            "shape": list(self.shape),
            "dtype": str(self.images.dtype),
            "classes": list(self.classes),
            "sha256": self.hash,
        } | ({} if self.labelled else {"labelled": False})

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"<ImageSet {self.name} {self.split}: {len(self)} of {shape}, {len(self.classes)} classes>"


def _labels(labels: ArrayLike | None, n: int, classes: int) -> Ints:
    """Labels (n,) in [0, classes), or -1 for all of them where they are unknown."""
    unknown = np.full(n, UNKNOWN)
    if labels is None or np.array_equal(np.asarray(labels), unknown):
        return unknown
    return as_labels(labels, "labels", n, classes)


def channels_first(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Images (n, h, w), (n, h, w, c) or (n, c, h, w) as (n, c, h, w), for one or three channels.

    >>> channels_first(np.zeros((5, 8, 6, 3), np.uint8), "x").shape
    (5, 3, 8, 6)
    """
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


def concatenate(parts: list[ImageSet], split: str) -> ImageSet:
    """One set of several of one source, in order; where the labels of one are unknown, all are."""
    first = parts[0]
    if len(parts) == 1:
        return replace(first, split=split, source=None)
    images = np.concatenate([part.images for part in parts])
    known = all(part.labelled for part in parts)
    labels = np.concatenate([part.labels for part in parts]) if known else np.full(len(images), UNKNOWN)
    names = [part.files for part in parts if part.files is not None]
    files = np.concatenate(names) if len(names) == len(parts) else None
    return replace(first, images=images, labels=labels, split=split, source=None, files=files)


def keep_classes(images: ImageSet, classes: tuple[str, ...]) -> ImageSet:
    """Only the images of the classes named, relabelled in the order named; all where none is.

    Raises BadArgument for a class that the images do not have, or fewer than two.

    >>> from featgeom.data.sources import load_images
    >>> sorted(set(keep_classes(load_images("digits"), ("7", "1")).labels.tolist()))
    [0, 1]
    """
    if not classes:
        return images
    if not images.labelled:
        raise BadArgument(f"classes: the labels of {images.name} {images.split} are unknown")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise BadArgument(f"classes: name two or more different ones, got {', '.join(classes)}")
    place = np.full(len(images.classes), -1)
    for new, name in enumerate(classes):
        if name not in images.classes:
            raise BadArgument(
                f"{images.name} has no class '{name}'{nearest_name(name, list(images.classes))}"
            )
        place[images.classes.index(name)] = new
    labels = place[images.labels]
    kept = labels >= 0
    return replace(images.rows(kept), labels=labels[kept], classes=tuple(classes))
