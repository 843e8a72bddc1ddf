"""Images that a program holds: a data set or loader of torch, or arrays with labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import as_numpy
from featgeom.data.images import ImageSet, channels_first
from featgeom.data.pictures import shown_pixels
from featgeom.errors import BadArgument, BadData
from featgeom.remarks import caution

PICTURE_KEYS = ("image", "img", "pixel_values", "images")
LABEL_KEYS = ("label", "labels", "fine_label", "class")


def as_image_set(given: Any, split: str = "all") -> ImageSet:
    """An `ImageSet` of what a program holds.

    ``given`` is an `ImageSet`; a tuple (images, labels) or (images, labels, classes) of arrays or tensors; a
    torch `Dataset` or one of the package datasets, whose items are (picture, label), {"image": picture,
    "label": label} or pictures alone; a `DataLoader`, whose data set is read in order where it takes all of
    it; or images alone, whose labels are unknown. Pictures are of Pillow, or arrays (h, w), (c, h, w) or
    (h, w, c) of uint8 or floats in pixel space: normalisation belongs to the classifier.

    Raises BadArgument for something else, BadData for items of different shapes.

    >>> as_image_set((np.zeros((3, 8, 8), np.uint8), [0, 1, 0]))
    <ImageSet images all: 3 of 1x8x8, 2 classes>
    """
    if isinstance(given, ImageSet):
        return given
    if isinstance(given, tuple) and len(given) in (2, 3):
        return _of_arrays(*given, split=split)
    if hasattr(given, "batch_sampler") and hasattr(given, "dataset"):
        return _of_loader(given, split)
    if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not hasattr(given, "shape"):
        return _of_dataset(given, split)
    if hasattr(given, "shape"):
        return _of_arrays(given, None, split=split)
    raise BadArgument(
        "images: expected a source such as folder:DIR, an ImageSet, a Dataset, a DataLoader or "
        f"(images, labels), got {type(given).__name__}"
    )


def _of_arrays(images: Any, labels: Any, classes: Sequence[str] | None = None, *, split: str) -> ImageSet:
    pixels = channels_first(as_numpy(images, "images"), "images")
    numbers = None if labels is None else as_numpy(labels, "labels")
    return ImageSet(pixels, numbers, _names(classes, numbers), "images", split)


def _names(classes: Sequence[Any] | None, labels: NDArray[Any] | None) -> tuple[str, ...]:
    """The names given (a tuple is a name of several), or numbers up to the largest label."""
    if classes is not None:
        return tuple(", ".join(map(str, c)) if isinstance(c, tuple | list) else str(c) for c in classes)
    return tuple(map(str, range(0 if labels is None or not labels.size else int(labels.max()) + 1)))


def _of_loader(loader: Any, split: str) -> ImageSet:
    from torch.utils.data import RandomSampler, SequentialSampler

    data = loader.dataset
    if isinstance(loader.sampler, RandomSampler | SequentialSampler) and len(loader.sampler) == len(data):
        return _of_dataset(data, split)
    caution("images: the loader has a sampler of its own; its batches are taken as they come")
    return _of_items((item for batch in loader for item in _unbatched(batch)), data, split)


def _unbatched(batch: Any) -> Iterator[Any]:
    """The items of a batch: (images, labels) or a dictionary of them."""
    if isinstance(batch, Mapping):
        yield from (dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True))
    elif isinstance(batch, tuple | list):
        yield from zip(*batch, strict=True)
    else:
        yield from batch


def _of_dataset(data: Any, split: str) -> ImageSet:
    name = type(data).__name__
    images = _of_items((data[row] for row in range(len(data))), data, split)
    again = channels_first(_array(_parted(data[0], name)[0], name)[None], name)
    if not np.array_equal(again.astype(images.images.dtype), images.images[:1]):
        caution(f"{name}: item 0 differs when it is read twice, so its transform depends on chance")
    return images


def _of_items(items: Iterator[Any], data: Any, split: str) -> ImageSet:
    name = type(data).__name__
    pixels: list[NDArray[Any]] = []
    labels: list[Any] = []
    for row, item in enumerate(items):
        picture, label = _parted(item, f"{name}: item {row}")
        pixels.append(_array(picture, f"{name}: item {row}"))
        labels.append(label)
        if pixels[row].shape != pixels[0].shape:
            shapes = " and ".join(str(p.shape) for p in (pixels[0], pixels[row]))
            raise BadData(f"{name}: items 0 and {row} are of shapes {shapes}; resize them in the transform")
    if not pixels:
        raise BadData(f"{name}: no items")
    numbers = None if any(label is None for label in labels) else as_numpy(np.array(labels), "labels")
    classes = _classes_of(data)
    by_name = (
        hasattr(data, "samples")
        and hasattr(data, "class_to_idx")
        and list(classes or []) == sorted(classes or [])
    )
    images = channels_first(np.stack(pixels), name)
    return ImageSet(images, numbers, _names(classes, numbers), name, split, by_name=by_name)


def _parted(item: Any, where: str) -> tuple[Any, Any]:
    """Picture and label of an item; None for a label that it has not."""
    if isinstance(item, Mapping):
        found = [next((item[k] for k in keys if k in item), None) for keys in (PICTURE_KEYS, LABEL_KEYS)]
        if found[0] is None:
            raise BadData(
                f"{where}: none of {', '.join(PICTURE_KEYS)} in it; it has {', '.join(map(str, item))}"
            )
        picture, label = found
    elif isinstance(item, tuple | list) and len(item) > 1:
        picture, label = item[0], item[1]
    else:
        picture, label = (item[0] if isinstance(item, tuple | list) else item), None
    scalar = label is not None and hasattr(label, "item") and getattr(label, "ndim", 0) == 0
    return picture, label.item() if scalar and label is not None else label


def _array(picture: Any, where: str) -> NDArray[Any]:
    if hasattr(picture, "getbands"):
        return shown_pixels(picture, where)
    return as_numpy(picture, where)


def _classes_of(data: Any) -> list[Any] | None:
    """The names of the classes that a data set has, or one that it is a part of."""
    while data is not None:
        features = getattr(data, "features", None)
        named = (
            [f.names for f in features.values() if hasattr(f, "names")]
            if isinstance(features, Mapping)
            else []
        )
        found = getattr(data, "classes", None) or (named[0] if named else None)
        if found is not None:
            return list(found)
        data = getattr(data, "dataset", None)
    return None
