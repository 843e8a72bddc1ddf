"""Pictures of neural collapse: the measures by split, and the angles between class means."""

from __future__ import annotations

import numpy as np

from featgeom.figures.shared import class_matrix
from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, log_scale, new_figure
from featgeom.runs.record import Record

NOTHING = 1e-12  # what rounding leaves of a measure that is 0
MEASURES = {
    "nc1": "NC1: spread within classes",
    "nc2_norms": "NC2: norms of means",
    "nc2_angles": "NC2: angles of means",
    "nc2_head_norms": "NC2: norms of head's rows",
    "nc2_head_angles": "NC2: angles of head's rows",
    "nc3": "NC3: head against means",
    "nc4": "NC4: head against nearest mean",
}


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """The measures, and the angles where there are more than two classes."""
    reference = record.settings["reference"]
    means = record.arrays[f"means-{reference}"]
    drawings = [measures(record)]
    if len(means) > 2:
        drawings.append(cosines(means, record.table("classes").column("class"), reference))
    return drawings


def measures(record: Record) -> Drawing:
    """Every measure, a mark for each split."""
    figure, axes = new_figure(TWO_COLUMNS, 2.6)
    at = np.arange(len(MEASURES))[::-1]
    splits = list(record.values)
    for split, marker, colour in zip(splits, "osD", class_colours(3)):
        values = np.array([record.values[split][key] for key in MEASURES], float)
        shown = np.isfinite(values) & (values > NOTHING)
        axes.plot(values[shown], at[shown], marker, mec=colour, mfc="none", mew=1.3, ms=5, label=split)
    log_scale(axes, "x")
    axes.set_yticks(at, list(MEASURES.values()))
    axes.set_ylim(-0.6, len(MEASURES) - 0.4)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_xlabel("measure (0 at full collapse)")
    axes.legend(frameon=False, fontsize=7)
    caption = "Neural collapse by split, on a logarithmic scale: the farther left, the nearer to collapse."
    zero = [f"{MEASURES[k]} on {s}" for s in splits for k in MEASURES if record.values[s][k] <= NOTHING]
    if zero:
        caption += f" Not shown, being 0 up to rounding: {', '.join(zero)}."
    return Drawing("collapse-measures", caption, figure)


def cosines(means: np.ndarray, names: list[str], split: str) -> Drawing:
    """The cosine between every two centred class means, as a difference from that of a simplex."""
    centred = means - means.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(float).tiny)
    count = len(names)
    excess = unit @ unit.T + 1 / (count - 1)
    np.fill_diagonal(excess, np.nan)
    most = float(np.nanmax(np.abs(excess))) or 1.0
    words = f"cosine + 1/{count - 1}"
    figure, _ = class_matrix(excess, names, words, cmap="RdBu_r", vmin=-most, vmax=most)
    caption = (
        f"Angles between the centred class means on {split}: the cosine less that of a simplex of {count} "
        f"corners, −1/{count - 1}. Full collapse is 0 everywhere; red pairs are closer to each other."
    )
    return Drawing("collapse-cosines", caption, figure)
