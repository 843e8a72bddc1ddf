"""Pictures of the comparison of spaces: distances as parts of each hull's diameter."""

from __future__ import annotations

import numpy as np

from featgeom.figures.style import TWO_COLUMNS, Drawing, new_figure
from featgeom.runs.record import Record

COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#94a4a2", "#a96b59", "#92dadd", "#717581")
SPACES = ("pixel", "wavelet", "feature")


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of compared spaces."""
    return [lengths(record), networks(record)] if record.values["beside"] else [lengths(record)]


def lengths(record: Record) -> Drawing:
    """In each space the median distance to the hull of everything that was asked about."""
    spaces = [name for name in record.values if name != "beside"]
    kinds = _kinds(record.values[spaces[0]])
    figure, axes = new_figure(TWO_COLUMNS, 2.9)
    _bars(
        axes,
        spaces,
        {kind: [_relative(record.values[name], kind) for name in spaces] for kind in kinds},
    )
    axes.set_xticks(range(len(spaces)), [name.replace(", ", ",\n") for name in spaces], fontsize=7)
    caption = (
        f"Median distance from the hull of {record.settings['train_samples']:,} training samples, as a part "
        "of its diameter, in each space: of test samples, of other images, and from test samples to the "
        "nearest change of class (pixel space: found; feature space: exact; elsewhere none)."
    )
    return Drawing("compare-lengths", caption, figure)


def networks(record: Record) -> Drawing:
    """The same in feature space for every network."""
    beside = {"this network": {s: record.values[s] for s in SPACES}, **record.values["beside"]}
    kinds = _kinds(record.values["pixel"])
    figure, axes = new_figure(TWO_COLUMNS, 2.9)
    _bars(
        axes,
        list(beside),
        {kind: [_relative(part["feature"], kind) for part in beside.values()] for kind in kinds},
    )
    axes.set_xticks(range(len(beside)), list(beside), fontsize=7)
    return Drawing(
        "compare-networks", "The same distances in the feature spaces of several networks.", figure
    )


def _kinds(part: dict) -> list[str]:
    return ["test samples", *part["relative_strangers"], "boundary"]


def _relative(part: dict, kind: str) -> float:
    if kind == "test samples":
        return float(part["relative_distance"])
    if kind == "boundary":
        return float(part["relative_boundary"])
    return float(part["relative_strangers"].get(kind, np.nan))


def _bars(axes, groups: list[str], heights: dict[str, list[float]]) -> None:  # type: ignore[no-untyped-def]
    """Groups of bars side by side, with a legend."""
    width = 0.8 / len(heights)
    for j, (kind, values) in enumerate(heights.items()):
        at = np.arange(len(groups)) + (j - (len(heights) - 1) / 2) * width
        axes.bar(at, np.nan_to_num(values), width * 0.95, label=kind, color=COLOURS[j % len(COLOURS)])
    axes.set_ylabel("part of the diameter")
    axes.legend(
        fontsize=7, ncols=min(6, len(heights)), loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False
    )
