"""Classifier and images → features."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from featgeom._version import __version__
from featgeom.arrays import Ints
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument, BadData, NoAffineHead
from featgeom.features.features import LOGIT_TOLERANCE, FeatureSet
from featgeom.features.store import StoreWriter, block_rows, open_features
from featgeom.models.classifier import BATCH, Classifier

Part = tuple[NDArray[np.float32], NDArray[np.float32], float]


def extract(
    clf: Classifier,
    images: ImageSet,
    device: str | None = None,
    store: str | Path | None = None,
    batch_size: int = BATCH,
    progress: bool = False,
    overwrite: bool = False,
) -> FeatureSet:
    """Run a classifier over labelled images and keep the features, the logits and the head.

    With ``store`` they go to that folder and come back as memory maps; a run that was killed goes on where
    it was and ends in the same bytes, and a finished store of the same classifier and images is opened
    without computing anything. On every batch W·φ(x) + b is compared with the logits. ``device`` is the
    classifier's own unless given. ``progress`` shows a bar on standard error if it takes over two seconds.

    Raises BadData for images that do not fit the classifier, labels out of its range, or a store made from
    something else (``overwrite`` replaces it); NoAffineHead if the head's check fails on some batch.

    >>> from torch import nn
    >>> from featgeom.data.sources import load_images
    >>> from featgeom.models.sources import load_classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
    >>> digits = load_images("digits", split="test")
    >>> extract(load_classifier(net, probe=digits), digits)
    <FeatureSet digits test: 500 x 5, 10 classes>
    """
    if batch_size < 1:
        raise BadArgument(f"batch_size: must be at least 1, got {batch_size}")
    labels, classes = match_classes(clf, images)
    clf.pixels.check_shape(images.images.shape)
    if device is not None and torch.device(device) != clf.device:
        clf = clf.to(device)
    classifier = clf.to_json()
    del classifier["name"]  # a renamed file is the same classifier
    made_from = {
        "classifier": {**classifier, "dtype": str(clf.dtype)},
        "images": images.to_json() if store is not None else {"name": images.name, "split": images.split},
        "classes": list(classes),
    }
    if store is None:
        return _in_memory(clf, images, labels, classes, made_from, batch_size, progress)
    circumstances = {
        "batch_size": batch_size,
        "device": clf.device.type,
        "machine": platform.machine(),
        "featgeom": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    folder = Path(store).expanduser()
    block = block_rows(batch_size)
    writer = StoreWriter(folder, made_from, circumstances, clf.head, labels, block, overwrite)
    if not writer.complete:
        writer.fill(_batches(clf, images, batch_size, writer.rows_done, progress))
    return open_features(folder)


def _in_memory(
    clf: Classifier,
    images: ImageSet,
    labels: Ints,
    classes: tuple[str, ...],
    made_from: dict[str, Any],
    batch_size: int,
    progress: bool,
) -> FeatureSet:
    parts = list(_batches(clf, images, batch_size, 0, progress))
    features, logits = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    result = FeatureSet(
        features, labels, logits, logits.argmax(axis=1), clf.head, classes, images.name, images.split
    )
    return replace(result, residual=max(part[2] for part in parts), made_from=made_from)


def _batches(
    clf: Classifier, images: ImageSet, batch_size: int, start: int, progress: bool
) -> Iterator[Part]:
    """(features, logits, residual of the head) of each batch from row ``start`` on."""
    weight, bias = clf.head.weight, clf.head.bias
    bar = tqdm(
        total=len(images), initial=start, desc=f"features, {images.split}", unit=" images",
        delay=2, disable=not progress, leave=False,
    )  # fmt: skip
    row = start
    with bar:
        for features, logits in clf.run_batches(images.images, batch_size, start):
            end = row + len(features)
            if not (np.isfinite(features).all() and np.isfinite(logits).all()):
                raise BadData(
                    f"{clf.name}: NaN or infinite features for images {row} to {end} of {images.name}"
                )
            residual = float(np.abs(features @ weight.T + bias - logits).max())
            if residual > LOGIT_TOLERANCE * max(1.0, float(np.abs(logits).max())):
                raise NoAffineHead(
                    f"{clf.name}: on images {row} to {end} of {images.name} W·φ(x) + b misses the logits "
                    f"by {residual:.3g}"
                )
            row = end
            bar.update(len(features))
            yield features, logits, residual


def match_classes(clf: Classifier, images: ImageSet) -> tuple[Ints, tuple[str, ...]]:
    """Labels in the classifier's numbering, and the names of its classes.

    Where both name their classes with the same words, labels follow the words; where one of them only
    numbers them, the numbers count. Raises BadData where neither can be.
    """
    count = clf.head.classes
    numbers = tuple(str(index) for index in range(max(count, len(images.classes))))
    numbered = images.classes == numbers[: len(images.classes)]
    if set(images.classes) <= set(clf.classes):
        order = np.array([clf.classes.index(name) for name in images.classes])
        return order[images.labels].astype(np.int64), clf.classes
    if images.labels.max() >= count:
        raise BadData(
            f"labels of {images.name} reach {images.labels.max()}, out of range for the {count} classes "
            f"of {clf.name}"
        )
    if len(images.classes) != count and not numbered:
        raise BadData(
            f"{images.name} has {len(images.classes)} classes ({', '.join(images.classes[:3])}, ...), "
            f"{clf.name} has {count}"
        )
    if len(images.classes) == count and clf.classes == numbers[:count]:
        return images.labels, images.classes
    return images.labels, clf.classes
