"""Pictures of planes: the same three samples in pixel space and in feature space."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """One picture for each plane."""
    return [plane_pair(record, i, classes) for i in range(len(record.values["planes"]))]


def plane_pair(record: Record, number: int, classes: tuple[str, ...]) -> Drawing:
    """The classes on a plane of pixel space, and on the plane of feature space of the same samples."""
    plane = record.values["planes"][number]
    colours = class_colours(len(classes))
    figure, (left, right) = new_figure(TWO_COLUMNS, _height(plane), ncols=2)
    _lattice(left, record, number, colours)
    _mark(left, plane["points"], plane["rows"])
    left.set_title("pixel space (lattice)", fontsize=8)
    for c, ring in plane["cells"].items():
        right.fill(*np.array(ring).T, fc=colours[int(c)], ec="black", lw=0.6, alpha=0.75)
    _mark(right, plane["feature_points"], plane["rows"])
    low, bottom, high, top = plane["window"]
    right.set_xlim(low, high)
    right.set_ylim(bottom, top)
    right.set_title("feature space (exact)", fontsize=8)
    for axes, space in ((left, "pixel"), (right, "feature")):
        axes.set_aspect("equal")
        axes.set_xlabel(f"u [distance in {space} space]")
    seen = sorted({int(c) for part in ("pieces", "cells") for c in plane[part]})
    figure.legend(
        handles=[_patch(colours[c], classes[c]) for c in seen],
        fontsize=7, loc="outside lower center", ncols=min(6, len(seen)), frameon=False,
    )  # fmt: skip
    caption = (
        f"Planes through samples {', '.join(f'#{row}' for row in plane['rows'])} (dots). Left: all of the "
        f"plane of pixel space that holds images; {sum(plane['pieces'].values())} pieces of "
        f"{len(plane['pieces'])} classes are seen. Right: the exact slice of feature space through their "
        "features, where each class is one convex piece."
    )
    return Drawing(f"planes-{number}", caption, figure)


def _height(plane: dict[str, Any]) -> float:
    """Inches that the taller of the two panels needs, its title and the legend included."""
    low, bottom, high, top = plane["window"]
    width, height = np.ptp(np.array(plane["domain"]), axis=0)
    taller = max(height / width, (top - bottom) / (high - low))
    return min(7.0, 1.6 + (TWO_COLUMNS / 2 - 0.4) * taller)


def _lattice(axes: Any, record: Record, number: int, colours: list[str]) -> None:
    from matplotlib.colors import to_rgba

    labels = record.arrays[f"labels_{number}"]
    u, v = record.arrays[f"u_{number}"], record.arrays[f"v_{number}"]
    half = record.values["planes"][number]["resolution"] / 2
    table = np.array([(*to_rgba(c)[:3], 0.75) for c in colours] + [(1.0, 1.0, 1.0, 0.0)])
    axes.imshow(
        table[labels], origin="lower", interpolation="nearest",
        extent=(u[0] - half, u[-1] + half, v[0] - half, v[-1] + half),
    )  # fmt: skip
    domain = np.array(record.values["planes"][number]["domain"])
    axes.plot(*domain.T, color="black", lw=0.6)
    (left, bottom), (right, top) = domain.min(axis=0), domain.max(axis=0)
    room = 0.07 * max(right - left, top - bottom)
    axes.set_xlim(left - room, right + room)
    axes.set_ylim(bottom - room, top + room)


def _mark(axes: Any, points: list[list[float]], rows: list[int]) -> None:
    for at, row in zip(points, rows):
        axes.plot(*at, "o", color="white", mec="black", mew=0.8, ms=4.5)
        axes.annotate(f"#{row}", at, (4, 4), textcoords="offset points", fontsize=7)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(fc=colour, ec="none", alpha=0.75, label=label)
