"""Pictures of the overview: distances to the boundary, confusion, accuracy by distance."""

from __future__ import annotations

import numpy as np

from featgeom.figures.style import ONE_COLUMN, TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.runs.record import Record

MOST_CLASSES = 30  # beyond this many, class names no longer fit on an axis


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of an overview record."""
    splits = list(record.values["accuracy"])
    return [
        distance_by_class(record, splits[-1], classes),
        accuracy_by_distance(record, splits),
        confusion(record, splits[-1], classes),
    ]


def distance_by_class(record: Record, split: str, classes: tuple[str, ...]) -> Drawing:
    """Spread of the distance to the nearest boundary, a box for each predicted class."""
    distance = record.arrays[f"{split}_distance"]
    predicted = record.arrays[f"{split}_prediction"]
    medians = [
        float(np.median(distance[predicted == c])) if (predicted == c).any() else np.inf
        for c in range(len(classes))
    ]
    order = [c for c in np.argsort(medians) if np.isfinite(medians[c])][:MOST_CLASSES]
    colours = class_colours(len(classes))
    figure, axes = new_figure(TWO_COLUMNS, 0.6 + 0.22 * len(order))
    boxes = axes.boxplot(
        [distance[predicted == c] for c in order],
        orientation="horizontal",
        patch_artist=True,
        whis=(0, 100),
        widths=0.6,
        medianprops={"color": "black", "linewidth": 1},
        boxprops={"linewidth": 0.5},
        whiskerprops={"linewidth": 0.5},
        capprops={"linewidth": 0.5},
    )
    for box, c in zip(boxes["boxes"], order):
        box.set_facecolor(colours[c])
    axes.set_yticks(range(1, len(order) + 1), [classes[c] for c in order])
    axes.set_xlim(left=0)
    axes.set_xlabel("distance to the nearest boundary [distance in feature space]")
    shown = "" if len(order) == len(classes) else f" The {len(order)} classes of lowest median are shown."
    caption = (
        f"How far {split} samples lie from the nearest boundary, by predicted class: box from lower to "
        f"upper quartile, whiskers to the extremes.{shown}"
    )
    return Drawing("overview-distance", caption, figure)


def accuracy_by_distance(record: Record, splits: list[str]) -> Drawing:
    """Accuracy among the samples at least so far from the boundary, against the share of them kept."""
    figure, axes = new_figure(ONE_COLUMN, 2.4)
    for split, style in zip(splits, ("-", "--")):
        distance = record.arrays[f"{split}_distance"]
        correct = record.arrays[f"{split}_label"] == record.arrays[f"{split}_prediction"]
        order = np.argsort(-distance, kind="stable")
        kept = np.arange(1, len(order) + 1)
        accuracy = np.cumsum(correct[order]) / kept
        steps = np.unique(np.linspace(len(order) // 50, len(order) - 1, 400).astype(int))
        axes.plot(
            100 * kept[steps] / len(order), 100 * accuracy[steps], style, color="black", lw=1, label=split
        )
    axes.set_xlabel("samples kept, farthest from a boundary first [%]")
    axes.set_ylabel("accuracy among them [%]")
    axes.legend()
    caption = "Accuracy among the samples that lie farthest from a boundary: distance as a measure of trust."
    return Drawing("overview-accuracy", caption, figure)


def confusion(record: Record, split: str, classes: tuple[str, ...]) -> Drawing:
    """Share of each class's samples that the head assigns to each class."""
    count = len(classes)
    label, predicted = record.arrays[f"{split}_label"], record.arrays[f"{split}_prediction"]
    counts = np.zeros((count, count))
    np.add.at(counts, (label, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = ONE_COLUMN if count <= MOST_CLASSES else TWO_COLUMNS
    figure, axes = new_figure(size, size * 0.85)
    image = axes.imshow(np.where(share > 0, share, np.nan), cmap="cividis", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    if count <= MOST_CLASSES:
        axes.set_xticks(range(count), classes, rotation=60, ha="right")
        axes.set_yticks(range(count), classes)
    if count <= 12:
        for i, j in zip(*np.nonzero(counts)):
            dark = share[i, j] < 0.5
            text = f"{100 * share[i, j]:.0f}" if share[i, j] >= 0.01 else "<1"
            axes.text(j, i, text, ha="center", va="center",
                      fontsize=6, color="white" if dark else "black")  # fmt: skip
    figure.colorbar(image, ax=axes, label="share of the label's samples", shrink=0.8)
    return Drawing(
        "overview-confusion", f"Confusion on {split}; figures in percent of the label's samples.", figure
    )
