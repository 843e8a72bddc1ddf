"""Pictures of the regions: the graph of neighbouring cells, the shares of the classes."""

from __future__ import annotations

import numpy as np

from featgeom.figures.shared import MOST_CLASSES
from featgeom.figures.style import ONE_COLUMN, TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of regions."""
    if len(classes) > MOST_CLASSES or "borders" not in record.arrays:
        return [neighbour_counts(record)]
    return [neighbours(record, classes), shares(record, classes)]


def neighbours(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The classes on a circle, a line where two cells meet, as wide as that border is busy."""
    edges, borders = record.arrays["edges"], record.arrays["borders"]
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(classes)) / len(classes)
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    figure, axes = new_figure(ONE_COLUMN, ONE_COLUMN)
    most = max(1, int(borders.max()))
    for c, j in edges:
        busy = borders[c, j] / most
        axes.plot(*place[[c, j]].T, color=str(0.8 - 0.7 * busy**0.5), linewidth=0.4 + 4 * busy, zorder=1)
    colours = class_colours(len(classes))
    axes.scatter(*place.T, c=colours, s=60, edgecolors="black", linewidths=0.5, zorder=2)
    for name, (x, y) in zip(classes, place):
        side = "center" if abs(x) < 0.2 else ("left" if x > 0 else "right")
        axes.text(1.12 * x, 1.12 * y, name, ha=side, va="center")
    axes.set_xlim(-1.7, 1.7)
    axes.set_ylim(-1.4, 1.4)
    axes.set_aspect("equal")
    axes.axis("off")
    where = "the orthant z ≥ 0" if record.values["domain"] == "orthant" else "feature space"
    caption = (
        f"Which cells meet in {where}, apart from all others: a line for each such pair, wider and darker "
        "the more samples have their least margin between the two. Every line and every missing line is "
        "proved."
    )
    return Drawing("regions-neighbours", caption, figure)


def shares(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The share of the observed box that each class owns, with its interval."""
    share, low, high = (100 * record.arrays[name] for name in ("share", "share_low", "share_high"))
    order = np.argsort(share)
    colours = class_colours(len(classes))
    figure, axes = new_figure(TWO_COLUMNS, 0.6 + 0.22 * len(classes))
    axes.barh(
        range(len(order)),
        share[order],
        xerr=np.stack([share - low, high - share])[:, order],
        color=[colours[c] for c in order],
        edgecolor="black",
        linewidth=0.5,
    )
    axes.set_yticks(range(len(order)), [classes[c] for c in order])
    axes.set_xlabel("share of the volume of the box of observed bounds [%]")
    caption = "How much of the box of observed feature bounds each class owns: an estimate, 95 % intervals."
    return Drawing("regions-shares", caption, figure)


def neighbour_counts(record: Record) -> Drawing:
    """How many neighbours the cells have."""
    counts = np.bincount(record.arrays["edges"].ravel(), minlength=record.values["classes"])
    figure, axes = new_figure(ONE_COLUMN, 2.4)
    axes.hist(counts, bins=min(40, max(1, int(counts.max() - counts.min()) + 1)), color="0.6")
    axes.set_xlabel("neighbouring cells")
    axes.set_ylabel("classes")
    which = ", of those with which it is asked about" if "asked" in record.values else ""
    return Drawing("regions-neighbours", f"How many other cells a cell meets in the domain{which}.", figure)
