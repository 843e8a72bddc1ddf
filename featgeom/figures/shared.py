"""Drawings that several studies share: a box for each class, a matrix of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.figures.style import ONE_COLUMN, TWO_COLUMNS, class_colours, new_figure

MOST_CLASSES = 30  # beyond this many, class names no longer fit on an axis
THIN = {"linewidth": 0.5}


def boxes_by_class(groups: Sequence[NDArray[Any]], names: Sequence[str], label: str) -> tuple[Any, str]:
    """A box for each class that has values, lowest median first; the figure, and what a caption must add.

    Boxes run from the lower to the upper quartile, whiskers to the extremes.
    """
    medians = [float(np.median(group)) if len(group) else np.inf for group in groups]
    order = [int(c) for c in np.argsort(medians, kind="stable") if len(groups[c])][:MOST_CLASSES]
    colours = class_colours(len(names))
    figure, axes = new_figure(TWO_COLUMNS, 0.6 + 0.22 * len(order))
    boxes = axes.boxplot(
        [groups[c] for c in order],
        orientation="horizontal",
        patch_artist=True,
        whis=(0, 100),
        widths=0.6,
        medianprops={"color": "black", "linewidth": 1},
        boxprops=THIN,
        whiskerprops=THIN,
        capprops=THIN,
    )
    for box, c in zip(boxes["boxes"], order):
        box.set_facecolor(colours[c])
    axes.set_yticks(range(1, len(order) + 1), [names[c] for c in order])
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    shown = "" if len(order) == len(names) else f" The {len(order)} classes of lowest median are shown."
    return figure, f"box from lower to upper quartile, whiskers to the extremes.{shown}"


def class_matrix(values: NDArray[Any], names: Sequence[str], label: str, **picture: Any) -> tuple[Any, Any]:
    """A matrix of classes by classes as a picture with a colour bar; figure and axes."""
    count = len(names)
    size = ONE_COLUMN if count <= MOST_CLASSES else TWO_COLUMNS
    figure, axes = new_figure(size, size * 0.85)
    image = axes.imshow(values, **picture)
    if count <= MOST_CLASSES:
        axes.set_xticks(range(count), names, rotation=60, ha="right")
        axes.set_yticks(range(count), names)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label(label, size=8)
    bar.ax.tick_params(labelsize=8)
    return figure, axes
