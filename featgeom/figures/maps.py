"""Pictures of the maps: what the network decides, what the machine does, and where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, legend_below, new_figure
from featgeom.runs.record import Record

MOST_POINTS = 3_000  # of samples drawn in a panel
TITLES = ("network", "machine", "both; black where they differ")
AXES = {"feature": "feature {}", "pixel": "pixel {}"}


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """Three panels for each plane."""
    return [plane(record, name, found, classes) for name, found in record.values["planes"].items()]


def plane(record: Record, name: str, found: dict[str, Any], classes: tuple[str, ...]) -> Drawing:
    """Network, machine, and both with support vectors and the samples of highest loss."""
    tall = shape_of(found["window"])
    height = 0.9 + TWO_COLUMNS / 3.3 * tall
    figure, axes = new_figure(TWO_COLUMNS, height, ncols=3, sharex=True, sharey=True)
    panels(axes, record, name, found, len(classes))
    for panel, title in zip(axes, TITLES):
        panel.set_title(title, fontsize=8)
    axes[1].set_xlabel(AXES[name].format(1))
    axes[0].set_ylabel(AXES[name].format(2))
    points, pale = record.arrays[f"{name}_points"], pale_colours(len(classes))
    stride = -(-len(points) // MOST_POINTS)
    support, hardest = (points[record.arrays[key]] for key in ("support", "hardest"))
    handles = [
        axes[2].plot([], [], "s", color=pale[c], mec="black", mew=0.4, label=f"class {label}")[0]
        for c, label in enumerate(classes)
    ]
    handles += axes[2].plot(*support.T, "o", mfc="none", mec="black", mew=0.6, ms=4, label="support vectors")
    handles += axes[2].plot(*hardest.T, "x", color="#bd1f01", mew=0.6, ms=3, label="samples of highest loss")
    legend_below(figure, handles, len(handles))
    space = "feature space" if name == "feature" else "pixel space"
    drawn = "Samples are coloured by label"
    drawn += "" if stride == 1 else f" (one in {stride} is shown)"
    caption = (
        f"What the network and the machine with C = {record.settings['C']:g} decide in {space}, on a grid; "
        f"they agree on {100 * found['share']:.2f} % of {found['points']:,} uniform points. {drawn}."
    )
    return Drawing(f"maps-{name}", caption, figure)


def shape_of(window: list[float]) -> float:
    """Height over width of a panel: the window's own, where that is no strip."""
    tall = (window[3] - window[1]) / (window[2] - window[0])
    return tall if 0.4 < tall < 2.5 else 1.0


def panels(axes: Any, record: Record, name: str, found: dict[str, Any], count: int) -> None:
    """Network, machine and both of one plane, each in an axes of its own, samples on the first two."""
    window = found["window"]
    pale, labels = pale_colours(count), record.arrays["labels"]
    network, machine = (record.arrays[f"{name}_{who}"] for who in ("network", "machine"))
    both = np.where((network == machine)[..., None], pale[network], 0.25)
    points = record.arrays[f"{name}_points"]
    stride = -(-len(points) // MOST_POINTS)
    colours = np.array([_rgb(colour) for colour in class_colours(count)])[labels[::stride]]
    for panel, picture in zip(axes, (pale[network], pale[machine], both)):
        extent = (window[0], window[2], window[1], window[3])
        panel.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
        panel.set_box_aspect(shape_of(window))
    for panel in axes[:2]:
        panel.scatter(
            *points[::stride].T, c=colours, s=3, edgecolors="black", linewidths=0.1, rasterized=True
        )


def pale_colours(count: int) -> np.ndarray:
    """The colours of the classes (count, 3), so pale that samples stand out on them."""
    return np.asarray(0.45 * np.array([_rgb(colour) for colour in class_colours(count)]) + 0.55)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
