"""Pictures of a trajectory: angle and margin of the head against log t, with the theoretical rate."""

from __future__ import annotations

import numpy as np

from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.studies.record import Record


def draw(record: Record, classes: tuple[str, ...] = ()) -> list[Drawing]:
    """The picture of a trajectory record."""
    rows = [row for row in record.table("trajectory").rows if row[5] is not None and row[0] >= 2]
    if not rows:
        return []
    figure, (left, right) = new_figure(TWO_COLUMNS, 2.6, ncols=2)
    steps = np.array([row[0] for row in rows], float)
    colours = class_colours(3)
    for axes, columns, unit in (
        (left, ((4, "standard machine"), (5, "augmented machine")), "angle of the head [degrees]"),
        (right, ((6, "standard machine"),), "share of the margin missing"),
    ):
        for (column, label), colour in zip(columns, colours, strict=False):
            values = np.array([row[column] for row in rows], float)
            values = 1 - values if column == 6 else values
            axes.plot(steps, values, "o-", markersize=3, linewidth=1, color=colour, label=label)
        rate = values[-1] * np.log(steps[-1]) / np.log(steps)
        axes.plot(steps, rate, "--", linewidth=1, color="grey", label="1/log t, through the last point")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0, top=1.1 * max(float(line.get_ydata().max()) for line in axes.lines[:-1]))
        axes.set_xlabel("steps t")
        axes.set_ylabel(unit)
        axes.legend()
    caption = (
        "The head against the machines on its own features along the training. The dashed line is the rate "
        "that theory gives for fixed features; here the features move as well."
    )
    return [Drawing("trajectory", caption, figure)]
