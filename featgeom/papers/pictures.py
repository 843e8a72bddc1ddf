"""The first paper's pictures in its own form: both spaces by network, by machine, and one over the other."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from featgeom.figures.maps import TITLES, panels
from featgeom.figures.style import Drawing, new_figure
from featgeom.files import write_whole
from featgeom.papers.experiments import EXPERIMENTS
from featgeom.runs.run import Run

SIDE = 1.25  # inches of a panel
SPACES = {"feature": "feature space", "pixel": "input space"}


def sheet(part: str, runs: Mapping[str, Run]) -> Drawing | None:
    """A row for each run of one part that has maps: feature space and input space, three panels each.

    None where no run has maps. Input space is drawn where it is a plane.
    """
    found = {name: (run, run.result("maps")) for name, run in runs.items() if "maps" in run.results}
    if not found:
        return None
    spaces = [s for s in SPACES if any(s in record.values["planes"] for _, record in found.values())]
    columns = len(TITLES) * len(spaces)
    size = (0.9 + SIDE * columns, 0.5 + SIDE * len(found))
    figure, grid = new_figure(*size, nrows=len(found), ncols=columns, squeeze=False)
    for row, (name, (run, record)) in zip(grid, found.items(), strict=True):
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_visible(False)
        for place, space in enumerate(spaces):
            if space in record.values["planes"]:
                some = row[len(TITLES) * place : len(TITLES) * (place + 1)]
                panels(some, record, space, record.values["planes"][space], len(run.classes))
                for axes in some:
                    axes.set_visible(True)
                    axes.set_box_aspect(1)
        first = next(axes for axes in row if axes.get_visible())
        first.set_ylabel(name.replace("_", " "), fontsize=7)
    heads = [f"{SPACES[space]}\n{title.split(';')[0]}" for space in spaces for title in TITLES]
    for axes, title in zip(grid[0], heads, strict=True):
        axes.set_title(title, fontsize=7)
    caption = (
        "What the network decides, what the machine with C = 1 does, and one over the other (black where "
        "they differ), with training samples: in feature space and, where it is a plane, in input space."
    )
    return Drawing(f"maps-{part}", caption, figure)


def write_sheets(folder: Path, runs: Mapping[str, Run]) -> list[Path]:
    """The sheets of all parts that have maps, as FOLDER/pictures/maps-PART.png."""
    written = []
    for part in dict.fromkeys(experiment.part for experiment in EXPERIMENTS.values()):
        drawing = sheet(part, {name: run for name, run in runs.items() if EXPERIMENTS[name].part == part})
        if drawing is not None:
            content = io.BytesIO()
            drawing.figure.savefig(content, format="png", dpi=110)
            path = folder / "pictures" / f"{drawing.name}.png"
            write_whole(path, content.getvalue())
            written.append(path)
    return written
