"""Pictures of a trajectory: angle, place, margin and loss of the head against log t, with rates of theory."""

from __future__ import annotations

import numpy as np

from featgeom.figures.log_time import against_log_t, rate
from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, legend_below, log_scale, new_figure
from featgeom.runs.record import Record

SMALLEST = 1e-300  # what is shown of losses too small for a number


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

    figure, grid = new_figure(TWO_COLUMNS, 4.8, nrows=2, ncols=2)
    (left, right), (below, last) = grid
    blue, orange, *_ = class_colours(3)
    steps = values("steps")
    angles = {
        "standard machine": (values("angle to standard"), blue),
        "augmented machine": (values("to augmented"), orange),
    }
    against_log_t(left, steps, angles, "angle of the head [degrees]")
    missing = {
        "standard machine": (1 - values("head's margin"), blue),
        "augmented machine": (1 - values("margin with bias"), orange),
    }
    against_log_t(right, steps, missing, "share of the margin missing")
    for axes, curves in ((left, angles), (right, missing)):
        top = max(float(line.get_ydata().max()) for line in axes.lines)
        rate(axes, steps, curves["augmented machine"][0])
        axes.set_ylim(bottom=0, top=1.1 * top if top > 0 else 1)
    place = np.where(np.isfinite(values("place in gap")), values("place in gap"), np.nan)
    against_log_t(below, steps, {"the head's": (place, blue)}, "place of the boundary in its gap")
    below.axhline(0.5, color="grey", linewidth=1, linestyle=":")
    against_log_t(last, steps, {"loss": (np.maximum(values("loss"), SMALLEST), blue)}, "loss")
    log_scale(last, "y")
    through = np.maximum(values("loss")[0], SMALLEST) * steps[0] / steps
    last.plot(steps, through, "--", linewidth=1, color="grey")
    legend_below(figure, list(left.lines), 3)
    caption = (
        "The head against the machines on its own features along the training. Dashed are the rates that "
        "theory gives for plain descent on fixed features, 1/log t for angle and margin, 1/t for the loss; "
        "here the features move as well. Dotted is the middle of the gap."
    )
    return [Drawing("trajectory", caption, figure)]
