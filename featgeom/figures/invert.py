"""Pictures of inversion: start, image found, and what changed, for each kind of target."""

from __future__ import annotations

import numpy as np

from featgeom.figures.images import amplified, image_grid
from featgeom.figures.style import ONE_COLUMN, Drawing, log_scale, new_figure
from featgeom.runs.record import Record

TOLERANCE = 1e-6  # of the relative residual of what counts as solved


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of inversions."""
    return [found_images(record, classes), residuals(record)]


def found_images(record: Record, classes: tuple[str, ...]) -> Drawing:
    """A row for each kind of target: for some samples the start, the image found, the difference."""
    a, bounds = record.arrays, tuple(record.values["bounds"])
    kinds, rows, titles = list(record.values["kinds"]), [], []
    per_kind = len(a["rows"])
    for k, _ in enumerate(kinds):
        line, names = [], []
        for i in (i for i in record.values["drawn"] if a["kind"][i] == k):
            change, factor = amplified(a["images"][i], a["start"][i % per_kind], bounds)
            line += [a["start"][i % per_kind], a["images"][i], change]
            solved = "" if a["residual"][i] <= TOLERANCE else f"\nleft: {a['residual'][i]:.1g}"
            names += [f"#{a['rows'][i % per_kind]}", f"→ {classes[a['class'][i]]}{solved}", f"× {factor:.3g}"]
        rows.append(line)
        titles.append(names)
    figure, grid = image_grid(rows, titles, bounds)
    for axes, name in zip(grid[:, 0], kinds):
        words = name.split()
        middle = (len(words) + 1) // 2
        axes.set_ylabel(" ".join(words[:middle]) + "\n" + " ".join(words[middle:]), fontsize=6)
    caption = (
        "For each kind of target, in threes: where the search began (number of the sample), the image found "
        "(its class; the relative residual, where the target was not reached), and the difference of the two "
        "on grey, times the factor above it."
    )
    return Drawing("invert-images", caption, figure)


def residuals(record: Record) -> Drawing:
    """How far each image moved beside the residual that is left."""
    a, kinds = record.arrays, list(record.values["kinds"])
    figure, axes = new_figure(1.5 * ONE_COLUMN, 2.6)
    for k, (name, marker) in enumerate(zip(kinds, "os^Dv")):
        mine = a["kind"] == k
        axes.plot(
            a["moved"][mine], np.maximum(a["residual"][mine], 1e-9), marker, ms=3.5, mec="none",
            color=f"C{k}", alpha=0.8, label=name,
        )  # fmt: skip
    log_scale(axes, "y")
    axes.axhline(TOLERANCE, color="black", lw=0.8, ls="--")
    axes.set_xlabel("distance moved [pixel space]")
    axes.set_ylabel("relative residual")
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    caption = "Images below the dashed line have the features asked for, to a relative 1e-6."
    return Drawing("invert-residuals", caption, figure)
