"""Pictures of head and machines: angle and place of the boundary, pair by pair."""

from __future__ import annotations

import numpy as np

from featgeom.figures.style import TWO_COLUMNS, Drawing, class_colours, new_figure
from featgeom.runs.record import Record


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """The pairs of classes, the one of least angle to the augmented machine on top."""
    rows = sorted(record.table("pairs").rows, key=lambda row: -row[4])
    if not rows:
        return []
    names = [f"{row[0]} | {row[1]}" for row in rows]
    at = np.arange(len(rows))
    figure, (left, right) = new_figure(TWO_COLUMNS, 1.1 + 0.16 * len(rows), ncols=2, sharey=True)
    blue, orange, *_ = class_colours(3)
    standard, augmented, place = (np.array([row[i] for row in rows], float) for i in (3, 4, 6))
    left.hlines(at, standard, augmented, color="0.8", linewidth=1)
    left.plot(standard, at, "o", color=blue, ms=4, label="standard machine")
    left.plot(augmented, at, "s", color=orange, ms=4, label="augmented machine")
    left.set_xlim(left=0)
    left.set_xlabel("angle of the head's normal [degrees]")
    left.set_yticks(at, names)
    left.set_ylim(-0.7, len(rows) - 0.3)
    left.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1, frameon=False, fontsize=7
    )
    right.axvspan(0, 1, color="0.94", zorder=0)
    right.axvline(0.5, color=blue, linewidth=1, zorder=1, label="standard machine")
    known = np.isfinite(place)
    right.plot(place[known], at[known], "o", color="black", ms=4, label="head")
    right.set_xlabel("place of the boundary in the gap")
    right.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1, frameon=False, fontsize=7
    )
    missing = int((~known).sum())
    caption = (
        "Head and machines on the correctly predicted samples of two classes. Left: angle between the "
        "normals of the boundaries. Right: where the head's boundary lies between the two classes along its "
        "normal, 0 at the first, 1 at the second."
    )
    if missing:
        caption += f" For {missing} pairs the classes have no gap along it."
    return [Drawing("svm-pairs", caption, figure)]
