"""Pictures of pixel flips: the images, and distances in the two spaces."""

from __future__ import annotations

import numpy as np

from featgeom.figures.images import amplified, image_grid
from featgeom.figures.style import ONE_COLUMN, Drawing, class_colours, log_scale, new_figure
from featgeom.runs.record import Record

MOST_CLASSES = 10  # beyond this many, colours tell too little for a legend


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of pixel flips."""
    pictures = [images(record, classes)] if record.values["drawn"] else []
    if record.values["rank_correlation"] is not None:
        pictures.append(distances(record, classes))
    if record.values["found"]:
        pictures.append(directions(record))
    return pictures


def images(record: Record, classes: tuple[str, ...]) -> Drawing:
    """Samples, flips and differences, from the nearest flip to the farthest."""
    a, bounds, drawn = record.arrays, tuple(record.values["bounds"]), record.values["drawn"]
    changes = [amplified(a["images"][i], a["start"][i], bounds) for i in drawn]
    sides = [[classes[c] for c in a["pixel_classes"][i]] for i in drawn]
    figure, _ = image_grid(
        [[a["start"][i] for i in drawn], [a["images"][i] for i in drawn], [change for change, _ in changes]],
        [
            [name for name, _ in sides],
            [f"{name}\n{a['pixel_distance'][i]:.3g}" for (_, name), i in zip(sides, drawn)],
            [f"× {factor:.3g}" for _, factor in changes],
        ],
        bounds,
    )
    caption = (
        "Samples (top) and the closest images found of another class (middle, with the distance in pixel "
        "space), the nearest flip first; below, the difference on grey, times the factor above it."
    )
    return Drawing("flips-images", caption, figure)


def distances(record: Record, classes: tuple[str, ...]) -> Drawing:
    """Each sample's flip distance in both spaces, coloured by its class."""
    a = record.arrays
    kept = np.isfinite(a["pixel_distance"]) & np.isfinite(a["feature_distance"])
    own = a["feature_classes"][:, 0]
    colours = class_colours(len(classes))
    figure, axes = new_figure(ONE_COLUMN, 3.0)
    lower = a.get("pixel_lower_bound")
    if lower is not None:
        ends = a["feature_distance"][kept], lower[kept], a["pixel_distance"][kept]
        axes.vlines(*ends, colors="0.8", lw=0.5, zorder=0)
    for c in np.unique(own[kept]):
        mine = kept & (own == c)
        axes.plot(
            a["feature_distance"][mine], a["pixel_distance"][mine], "o", ms=3.5, mec="none", alpha=0.85,
            color=colours[c], label=classes[c],
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("to the boundary in feature space (exact)")
    axes.set_ylabel("to the flip found in pixel space")
    if len(classes) <= MOST_CLASSES:
        axes.legend(
            fontsize=6,
            ncols=5,
            loc="lower left",
            bbox_to_anchor=(-0.1, 1.0),
            columnspacing=0.8,
            frameon=False,
        )
    rho = record.values["rank_correlation"]
    caption = f"Distances to the nearest change of class in the two spaces (rank correlation {rho:.3f})."
    if lower is not None:
        caption += " A line leads down to the lower bound on the pixel distance."
    return Drawing("flips-distances", caption, figure)


def directions(record: Record) -> Drawing:
    """Singular values of the directions in both spaces, as parts of the largest."""
    figure, axes = new_figure(ONE_COLUMN, 2.4)
    for name, style in (("pixel", "o-"), ("feature", "s--")):
        values = record.arrays[f"{name}_singular_values"][: record.values["directions"][name]["rank"]]
        if len(values):
            axes.plot(
                np.arange(1, len(values) + 1), values / values[0], style, ms=3, lw=0.8, label=f"{name} space"
            )
    log_scale(axes, "y")
    axes.set_xlabel("principal direction")
    axes.set_ylabel("singular value / largest")
    axes.legend(fontsize=7, frameon=False)
    caption = (
        "Singular values of the matrices of directions flip − sample in the two spaces, down to their ranks."
    )
    return Drawing("flips-directions", caption, figure)
