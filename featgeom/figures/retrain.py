"""Pictures of a last layer trained anew: its angle to the machines against log t, beside the network's."""

from __future__ import annotations

import numpy as np

from featgeom.figures.log_time import against_log_t, rate
from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, legend_below, log_scale, new_figure
from featgeom.runs.record import Record
from featgeom.studies.retrain import WORDS


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """A panel for each method of descent."""
    if not record.tables:
        return []
    table = record.table("course")
    methods = list(dict.fromkeys(table.column("method")))
    figure, grid = new_figure(TWO_COLUMNS, 3.0, ncols=len(methods), squeeze=False)
    blue, orange, *_ = class_colours(3)
    network = record.table("heads").rows[0]
    limit = table.columns[4].name.removeprefix("to the ")
    for axes, method in zip(grid[0], methods):
        rows = [row for row in table.rows if row[0] == method and row[1] >= 2]
        if not rows:
            continue
        steps, standard, other = (np.array([row[i] for row in rows], float) for i in (1, 3, 4))
        curves = {"from the standard machine": (standard, blue), f"from the {limit}": (other, orange)}
        against_log_t(axes, steps, curves, "angle of the new layer [degrees]")
        for angle, colour, of in ((network[3], blue, "standard machine"), (network[4], orange, limit)):
            axes.axhline(
                angle, color=colour, linewidth=1, linestyle=":", label=f"whole network, from the {of}"
            )
        axes.set_title(method, fontsize=8)
        log_scale(axes, "y")
        axes.yaxis.set_major_formatter("{x:g}")
        if method == WORDS["gd"]:
            top = axes.get_ylim()[1]
            rate(axes, steps, other)
            axes.set_ylim(top=top)
    legend_below(figure, list(grid[0, 0].lines), 3)
    caption = (
        "The last layer drawn anew and trained alone on fixed features: its angle to the machines. In theory "
        f"it tends to the {limit}, under plain descent with an error that fades like 1/log t (dashed). "
        f"Dotted: where the whole network's own last layer stands."
    )
    return [Drawing("retrain", caption, figure)]
