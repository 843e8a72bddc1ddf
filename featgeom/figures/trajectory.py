"""Pictures of a trajectory: angle, place, margin and loss of the head against log t, with rates of theory."""

from __future__ import annotations

import numpy as np

from featgeom.figures.log_time import against_log_t, rate
from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, legend_below, log_scale, new_figure
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

    figure, grid = new_figure(TWO_COLUMNS, 4.8, nrows=2, ncols=2)
    (left, right), (below, last) = grid
    blue, orange, own = class_colours(3)
    steps = values("steps")
    angles = {
        "standard machine": (positive(values("angle to standard")), blue),
        "augmented machine": (positive(values("to augmented")), orange),
    }
    missing = {
        "standard machine": (positive(1 - values("head's margin")), blue),
        "augmented machine": (positive(1 - values("margin with bias")), orange),
    }
    loss = {"loss": (positive(values("loss")), own)}
    for axes, curves, unit in (
        (left, angles, "angle of the head [degrees]"),
        (right, missing, "share of the margin missing"),
        (last, loss, "loss"),
    ):
        against_log_t(axes, steps, curves, unit)
        if any(np.isfinite(curve).any() for curve, _ in curves.values()):
            log_scale(axes, "y")
    for axes, curves in ((left, angles), (right, missing)):
        seen = np.isfinite(curves["augmented machine"][0])
        if seen.any():
            rate(axes, steps[seen], curves["augmented machine"][0][seen])
    last.plot(steps, loss["loss"][0][0] * steps[0] / steps, "--", linewidth=1, color="grey")
    place = np.where(np.isfinite(values("place in gap")), values("place in gap"), np.nan)
    against_log_t(below, steps, {"the head's": (place, own)}, "place of the boundary in its gap")
    below.axhline(0.5, color="grey", linewidth=1, linestyle=":")
    legend_below(figure, list(left.lines), 3)
    caption = (
        "The head against the machines on its own features along the training. Dashed are the rates that "
        "theory gives for plain descent on fixed features, 1/log t for angle and margin, 1/t for the loss; "
        "here the features move as well. What is 0 is not shown. Dotted is the middle of the gap."
    )
    return [Drawing("trajectory", caption, figure)]


def positive(values: np.ndarray) -> np.ndarray:
    """The values that a logarithmic axis can show, NaN in the place of others.

    >>> positive(np.array([1.0, 0.0])).tolist()
    [1.0, nan]
    """
    return np.where(values > 0, values, np.nan)
