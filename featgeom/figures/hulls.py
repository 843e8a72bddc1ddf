"""Pictures of the hulls: distances of new features to their class's hull, and between the hulls."""

from __future__ import annotations

import numpy as np

from featgeom.figures.shared import boxes_by_class, class_matrix
from featgeom.figures.style import Drawing
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of hulls."""
    drawings = []
    split = record.settings["question"]
    if np.isfinite(record.arrays[f"{split}_own_all"]).any():
        drawings.append(distances(record, split, classes))
    if np.isfinite(record.arrays["pair_distance_correct"]).any():
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


def pairs(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The distance between every two class hulls."""
    matrix = record.arrays["pair_distance_correct"]
    figure, _ = class_matrix(matrix, classes, "distance in feature space", cmap="cividis", vmin=0)
    caption = "Distance between the hulls of the correctly predicted features of every two classes."
    return Drawing("hulls-pairs", caption, figure)
