"""Pictures of a trajectory: angle and margin of the head against log t, with the theoretical rate."""

from __future__ import annotations

import numpy as np

from featgeom.figures.log_time import against_log_t, rate
from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, legend_below, new_figure
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...] = ()) -> list[Drawing]:
    """The picture of a trajectory record."""
    table = record.table("trajectory")
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row)) for row in table.rows]
    rows = [row for row in rows if row["to augmented"] is not None and row["steps"] >= 2]
    if not rows:
        return []

    def values(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], float)

    figure, (left, right) = new_figure(TWO_COLUMNS, 2.8, ncols=2)
    blue, orange, *_ = class_colours(3)
    angles = {
        "standard machine": (values("angle to standard"), blue),
        "augmented machine": (values("to augmented"), orange),
    }
    against_log_t(left, values("steps"), angles, "angle of the head [degrees]")
    missing = {"standard machine": (1 - values("head's margin"), blue)}
    against_log_t(right, values("steps"), missing, "share of the margin missing")
    for axes, last in ((left, angles["augmented machine"][0]), (right, missing["standard machine"][0])):
        top = max(float(line.get_ydata().max()) for line in axes.lines)
        rate(axes, values("steps"), last)
        axes.set_ylim(bottom=0, top=1.1 * top if top > 0 else 1)
    legend_below(figure, list(left.lines), 3)
    caption = (
        "The head against the machines on its own features along the training. The dashed line is the rate "
        "that theory gives for fixed features; here the features move as well."
    )
    return [Drawing("trajectory", caption, figure)]
