"""Classifier and images → features."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featgeom._version import __version__
from featgeom.arrays import Ints
from featgeom.data.given import as_image_set
from featgeom.data.images import UNKNOWN, ImageSet
from featgeom.errors import BadArgument, BadData
from featgeom.features.class_map import Given
from featgeom.features.features import LARGEST, FeatureSet
from featgeom.features.matching import match_classes
from featgeom.features.store import StoreWriter, block_rows, kept_from_others, open_features
from featgeom.models.channels import fit_channels
from featgeom.models.classifier import BATCH, Classifier
from featgeom.models.self_check import SelfCheck, check_head, require
from featgeom.progress import bar as shown_bar
from featgeom.remarks import caution, remark

Part = tuple[NDArray[np.float32], NDArray[np.float32], SelfCheck]
Compute = Callable[[int, int, bool], Iterator[Part]]  # of each batch from a row on, of a size; with progress


def extract(
    clf: Classifier,
    images: Any,
    device: str | None = None,
    store: str | Path | None = None,
    batch_size: int = BATCH,
    progress: bool = False,
    overwrite: bool = False,
    class_map: Given | None = None,
    compute: Compute | None = None,
) -> FeatureSet:
    """Run a classifier over images and keep the features, the logits and the head.

    ``images`` are an `ImageSet`, a torch Dataset or DataLoader, a tuple (images, labels), or images alone;
    see `as_image_set`.

    With ``store`` they go to that folder and come back as memory maps; a run that was killed goes on where
    it was and ends in the same bytes, and a finished store of the same classifier and images is opened
    without computing anything. On every batch W·φ(x) + b is compared with the logits, and the images
    on which both choose another class are counted (``disagreements``). ``device`` is the
    classifier's own unless given. ``progress`` shows a bar on standard error if it takes over two seconds.
    Labels become the classifier's numbers by the names of the classes, or as ``class_map`` says (see
    `match_classes`); where they are unknown, the predictions stand for them. Grey images are repeated for a
    network of colours. ``compute`` makes what the store lacks, where that is not done here.

    Raises BadData for images that do not fit the classifier, classes that cannot be told, or a store made
    from something else (``overwrite`` replaces it); NoAffineHead if the head's check fails on some batch.

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
    images = fit_images(clf, as_image_set(images))
    images = match_classes(clf, images, class_map).apply(images)
    labels, classes = images.labels, images.classes
    clf.pixels.check_shape(images.images.shape)
    if device is not None and torch.device(device) != clf.device:
        clf = clf.to(device)
    classifier = clf.to_json()
    del classifier["name"]  # a renamed file is the same classifier
    made_from = {
        "classifier": {**classifier, "dtype": str(clf.dtype)},
        "images": images.to_json() if store is not None else _origin(images),
        "classes": list(classes),
    }
    if store is None:
        return _cautioned(_in_memory(clf, images, labels, classes, made_from, batch_size, progress))
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
    with kept_from_others(folder):
        writer = StoreWriter(folder, made_from, circumstances, clf.head, labels, block, overwrite)
        if not writer.complete:
            here = partial(run_batches, clf, images)
            writer.fill((compute or here)(writer.rows_done, batch_size, progress))
    return _cautioned(open_features(folder))


def _cautioned(features: FeatureSet) -> FeatureSet:
    if features.disagreements:
        caution(
            f"head and network choose another class on {features.disagreements:,} of {len(features):,} "
            f"images of {features.name} {features.split}: there two logits are as near as rounding"
        )
    return features


def fit_images(clf: Classifier, images: ImageSet) -> ImageSet:
    """The images with as many channels as the classifier takes; what is changed is said."""
    fitted = fit_channels(images.images, clf.channels)
    if fitted is images.images:
        return images
    how = "their channel is repeated" if images.shape[0] == 1 else "their three channels are weighed into one"
    takes = "colours" if images.shape[0] == 1 else "grey images"
    remark(f"{images.name} {images.split}: {clf.name} takes {takes}, so {how}")
    return replace(images, images=fitted)


def _origin(images: ImageSet) -> dict[str, Any]:
    """What features in memory say of their images."""
    unknown = {} if images.labelled else {"labelled": False}
    return {"name": images.name, "split": images.split, **unknown}


def _in_memory(
    clf: Classifier,
    images: ImageSet,
    labels: Ints,
    classes: tuple[str, ...],
    made_from: dict[str, Any],
    batch_size: int,
    progress: bool,
) -> FeatureSet:
    parts = list(run_batches(clf, images, 0, batch_size, progress))
    features, logits = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    labels = np.where(labels == UNKNOWN, logits.argmax(axis=1), labels)
    result = FeatureSet(
        features, labels, logits, logits.argmax(axis=1), clf.head, classes, images.name, images.split
    )
    check = reduce(or_, (part[2] for part in parts))
    return replace(result, residual=check.residual, disagreements=check.disagreements, made_from=made_from)


def run_batches(
    clf: Classifier, images: ImageSet, start: int, batch_size: int, progress: bool, stop: int | None = None
) -> Iterator[Part]:
    """(features, logits, self-check) of each batch from row ``start`` to ``stop``. Raises as `extract`."""
    unit = torch.finfo(clf.dtype).eps
    bar = shown_bar(
        total=len(images), initial=start, desc=f"features, {images.split}", unit=" images",
        delay=2, disable=not progress, leave=False,
    )  # fmt: skip
    row = start
    with bar:
        for features, logits in clf.run_batches(images.images, batch_size, start, stop):
            end = row + len(features)
            if not all((np.abs(part) <= LARGEST).all() for part in (features, logits)):
                raise BadData(
                    f"{clf.name}: NaN or infinite features, or beyond what float32 holds, for images "
                    f"{row} to {end} of {images.name}"
                )
            check = check_head(features, logits, clf.head, unit)
            require(check, f"{clf.name} on images {row} to {end} of {images.name}")
            row = end
            bar.update(len(features))
            yield features, logits, check
