"""Pictures of the hulls: distances of new features to their class's hull, and between the hulls."""

from __future__ import annotations

import numpy as np

from featgeom.figures.style import ONE_COLUMN, TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.runs.record import Record

MOST_CLASSES = 30  # beyond this many, class names no longer fit on an axis


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
    medians = [float(np.median(g)) if len(g) else np.inf for g in groups]
    order = [int(c) for c in np.argsort(medians, kind="stable") if len(groups[c])][:MOST_CLASSES]
    colours = class_colours(len(classes))
    figure, axes = new_figure(TWO_COLUMNS, 0.6 + 0.22 * len(order))
    boxes = axes.boxplot(
        [groups[c] for c in order],
        orientation="horizontal",
        patch_artist=True,
        whis=(0, 100),
        widths=0.6,
        medianprops={"color": "black", "linewidth": 1},
        boxprops={"linewidth": 0.5},
    )
    for box, c in zip(boxes["boxes"], order):
        box.set_facecolor(colours[c])
    axes.set_yticks(range(1, len(order) + 1), [classes[c] for c in order])
    axes.set_xlim(left=0)
    axes.set_xlabel("distance to the hull of the class [distance in feature space]")
    shown = "" if len(order) == len(classes) else f" The {len(order)} classes of lowest median are shown."
    caption = (
        f"How far {split} features lie from the hull of all reference features of their class: box from "
        f"lower to upper quartile, whiskers to the extremes.{shown}"
    )
    return Drawing("hulls-distance", caption, figure)


def pairs(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The distance between every two class hulls."""
    matrix = record.arrays["pair_distance_correct"]
    count = len(classes)
    size = ONE_COLUMN if count <= MOST_CLASSES else TWO_COLUMNS
    figure, axes = new_figure(size, size * 0.85)
    image = axes.imshow(matrix, cmap="cividis", vmin=0)
    if count <= MOST_CLASSES:
        axes.set_xticks(range(count), classes, rotation=60, ha="right")
        axes.set_yticks(range(count), classes)
    figure.colorbar(image, ax=axes, label="distance in feature space", shrink=0.8)
    caption = "Distance between the hulls of the correctly predicted features of every two classes."
    return Drawing("hulls-pairs", caption, figure)
