"""Pictures of the overview: distances to the boundary, confusion, accuracy by distance."""

from __future__ import annotations

import numpy as np

from featgeom.figures.shared import boxes_by_class, class_matrix
from featgeom.figures.style import ONE_COLUMN, Drawing, new_figure
from featgeom.runs.record import Record


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
    groups = [distance[predicted == c] for c in range(len(classes))]
    figure, words = boxes_by_class(
        groups, classes, "distance to the nearest boundary [distance in feature space]"
    )
    caption = f"How far {split} samples lie from the nearest boundary, by predicted class: {words}"
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
    shown = np.where(share > 0, share, np.nan)
    words = "share of the label's samples"
    figure, axes = class_matrix(shown, classes, words, cmap="cividis", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    if count <= 12:
        for i, j in zip(*np.nonzero(counts)):
            dark = share[i, j] < 0.5
            text = f"{100 * share[i, j]:.0f}" if share[i, j] >= 0.01 else "<1"
            axes.text(j, i, text, ha="center", va="center",
                      fontsize=6, color="white" if dark else "black")  # fmt: skip
    return Drawing(
        "overview-confusion", f"Confusion on {split}; figures in percent of the label's samples.", figure
    )
