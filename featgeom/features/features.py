"""Features: what the last hidden layer makes of labelled images, with the head that reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Floats, Ints, as_labels, as_points, blocks
from featgeom.data.npz import read_arrays
from featgeom.errors import BadArgument, BadData
from featgeom.head import AffineHead, two_columns, two_rows
from featgeom.models.self_check import check_head

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features of n labelled images and the head that turns them into logits.

    ``features`` (n, d) and ``logits`` (n, C) are float32 (as the network computed them) and may be memory
    maps; ``labels`` and ``predictions`` (n,) are int64; ``classes`` are the C names. ``residual`` is
    max |W·z + b − logits| over all samples, ``disagreements`` on how many of them head and network choose
    another class. ``made_from`` tells classifier and images, with their hashes,
    and ``store`` the folder, where there is one.
    """

    features: Floats
    labels: Ints
    logits: Floats
    predictions: Ints
    head: AffineHead
    classes: tuple[str, ...]
    name: str
    split: str
    residual: float = 0.0
    disagreements: int = 0
    made_from: dict[str, Any] | None = None
    store: Path | None = None

    @classmethod
    def of(
        cls,
        features: ArrayLike,
        labels: ArrayLike,
        head: AffineHead,
        classes: Sequence[str] | None = None,
        name: str = "features",
        split: str = "all",
    ) -> FeatureSet:
        """Features (n, d) from anywhere, with labels (n,) and a head; logits and predictions are the head's.

        Raises BadArgument for shapes that do not fit, NaN, labels out of range or too few names.

        >>> FeatureSet.of(np.eye(2), [0, 1], AffineHead(np.eye(2)))
        <FeatureSet features all: 2 x 2, 2 classes>
        """
        points = as_points(features, "features", head.dimension)
        checked = as_labels(labels, "labels", len(points), head.classes)
        names = tuple(map(str, range(head.classes))) if classes is None else tuple(map(str, classes))
        if len(names) != head.classes:
            raise BadArgument(f"classes: {len(names)} names for a head of {head.classes} classes")
        logits = head.logits(points)
        return cls(points, checked, logits, logits.argmax(axis=1), head, names, name, split)

    @property
    def dimension(self) -> int:
        """The dimension of feature space, d."""
        return self.features.shape[1]

    @property
    def labelled(self) -> bool:
        """Whether the labels were known; else the network's own predictions stand for them."""
        return bool((self.made_from or {}).get("images", {}).get("labelled", True))

    @property
    def accuracy(self) -> float:
        """The share of samples predicted as labelled."""
        return float((self.predictions == self.labels).mean())

    @cached_property
    def hash(self) -> str:
        """SHA-256 over features, labels and head."""
        digest = hashlib.sha256()
        for array in (self.features, self.labels, self.head.weight, self.head.bias):
            digest.update(f"{array.dtype} {array.shape}\n".encode())
            for block in blocks(array):
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: ArrayLike | slice) -> FeatureSet:
        """These rows alone (indices, a mask or a slice), in the order given, in memory."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        columns = ("features", "labels", "logits", "predictions")
        parts: dict[str, Any] = {
            column: np.ascontiguousarray(getattr(self, column)[chosen]) for column in columns
        }
        return replace(self, **parts, store=None)

    def __repr__(self) -> str:
        size = f"{len(self)} x {self.dimension}, {len(self.classes)} classes"
        return f"<FeatureSet {self.name} {self.split}: {size}>"


def feature_splits(file: str | Path) -> list[str | None]:
    """The splits that an .npz file has features of: train, test, or None for features without a split."""
    names = read_arrays(Path(file).expanduser())
    return [split for split in ("train", "test") if f"features_{split}" in names] or [None]


def _require_float32(array: Floats, name: str) -> None:
    """Refuse numbers whose size float32 does not hold: what is stored, drawn and squared would overflow."""
    largest = max(float(array.max(initial=0.0)), -float(array.min(initial=0.0)))
    if largest > LARGEST:
        raise BadArgument(
            f"{name} of up to {largest:.0e}, beyond what float32 holds ({LARGEST:.1e}): take other units"
        )


def load_features(file: str | Path, split: str | None = None) -> FeatureSet:
    """Take features, labels and head from an .npz file, whatever computed them.

    Keys: ``features`` (n, d), ``labels`` (n,), ``weight`` (C, d), ``bias`` (C,), and optionally ``logits``
    (n, C) and ``classes`` (C,). With ``split``, the first two and logits end in it: ``features_train``;
    ``y`` and ``y_train`` stand for labels, ``fc_weight`` and ``fc_bias`` for the head as well. float32 and
    float64 keep their precision. A head of one row, whose one logit l goes into a sigmoid, is read as the two
    rows (0, w), (0, b): its logits are (0, l).

    Raises BadData for missing keys, shapes that do not fit, NaN, labels out of range, or logits that are not
    W·z + b.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arrays = dict(features=np.eye(2), labels=[0, 1], weight=np.eye(2), bias=[0.0, 0.0])
    ...     np.savez(f"{folder}/f.npz", **arrays)
    ...     load_features(f"{folder}/f.npz").predictions
    array([0, 1])
    """
    path = Path(file).expanduser()
    arrays = read_arrays(path)
    end = f"_{split}" if split else ""

    def find(*names: str) -> Any:
        present = next((name for name in names if name in arrays), None)
        if present is None:
            raise BadData(f"{path}: no '{names[0]}' in it; it has {', '.join(sorted(arrays)) or 'nothing'}")
        return arrays[present]

    try:
        points = as_points(find(f"features{end}"), "features")
        head = AffineHead(*two_rows(find("weight", "fc_weight"), find("bias", "fc_bias")))
        if head.dimension != points.shape[1]:
            raise BadArgument(f"features have dimension {points.shape[1]}, the head {head.dimension}")
        labels = as_labels(find(f"labels{end}", f"y{end}"), "labels", len(points), head.classes)
        computed = head.logits(points)
        logits = as_points(two_columns(arrays.get(f"logits{end}", computed)), "logits", head.classes)
        if len(logits) != len(points):
            raise BadArgument(f"{len(points)} features but {len(logits)} rows of logits")
        for name, array in {"features": points, "weight": head.weight, "logits": logits}.items():
            _require_float32(array, name)
    except BadArgument as error:
        raise BadData(f"{path}: {error}") from None
    check = check_head(points, logits, head)
    if not check.passes:
        raise BadData(f"{path}: the logits are not weight·features + bias ({check.describe()})")
    classes = tuple(map(str, arrays.get("classes", np.arange(head.classes))))
    if len(classes) != head.classes:
        raise BadData(f"{path}: {len(classes)} class names for a head of {head.classes} classes")
    return FeatureSet(
        points,
        labels,
        logits,
        logits.argmax(axis=1),
        head,
        classes,
        f"npz:{path.name}",
        split or "all",
        check.residual,
        check.disagreements,
    )
