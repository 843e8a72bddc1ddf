"""Pictures of the hulls: distances of new features to their class's hull, and between the hulls."""

from __future__ import annotations

import numpy as np

from featgeom.figures.shared import boxes_by_class, class_matrix
from featgeom.figures.style import ONE_COLUMN, Drawing, new_figure
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of hulls."""
    drawings = []
    split = record.settings["question"]
    if np.isfinite(record.arrays[f"{split}_own_all"]).any():
        drawings.append(distances(record, split, classes))
    if "pair_distance_correct" not in record.arrays:
        drawings += nearest(record)
    elif np.isfinite(record.arrays["pair_distance_correct"]).any():
        drawings.append(pairs(record, classes))
    return drawings


def distances(record: Record, split: str, classes: tuple[str, ...]) -> Drawing:
    """Spread of the distance to the own class's hull, a box for each class."""
    label, distance = record.arrays[f"{split}_label"], record.arrays[f"{split}_own_all"]
    groups = [distance[(label == c) & np.isfinite(distance)] for c in range(len(classes))]
    figure, words = boxes_by_class(
        groups, classes, "distance to the hull of the class [distance in feature space]"
    )
    caption = f"How far {split} features lie from the hull of all reference features of their class: {words}"
    return Drawing("hulls-distance", caption, figure)


def nearest(record: Record) -> list[Drawing]:
    """Where not all pairs are measured: how far the hulls of classes are from the nearest measured."""
    tables = {table.name: table for table in record.tables}
    if "nearest-correct" not in tables:
        return []
    figure, axes = new_figure(ONE_COLUMN, 2.4)
    axes.hist(tables["nearest-correct"].column("distance"), bins=40, color="0.6")
    axes.set_xlabel("distance to the nearest hull measured\n[distance in feature space]")
    axes.set_ylabel("classes")
    caption = (
        "How far the hull of the correctly predicted features of a class is from the nearest other measured."
    )
    return [Drawing("hulls-nearest", caption, figure)]


def pairs(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The distance between every two class hulls."""
    matrix = record.arrays["pair_distance_correct"]
    figure, _ = class_matrix(matrix, classes, "distance in feature space", cmap="cividis", vmin=0)
    caption = "Distance between the hulls of the correctly predicted features of every two classes."
    return Drawing("hulls-pairs", caption, figure)
