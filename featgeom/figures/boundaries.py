"""Pictures of boundaries: slices, who meets whom, ambiguity, and the most ambiguous images."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.figures.style import ONE_COLUMN, TWO_COLUMNS, Drawing, class_colours, log_scale, new_figure
from featgeom.runs.record import Record

AXIS = "[distance in feature space]"
MOST_IN_GRAPH = 40  # classes with the most samples on a boundary


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of boundaries."""
    pictures = [slice_picture(s, i, classes) for i, s in enumerate(record.values["slices"])]
    pictures += [pair_graph(record, classes), confidence(record), directions(record)]
    if "ambiguous_images" in record.arrays:
        pictures.append(ambiguous_images(record, classes))
    return pictures


def slice_picture(drawn: dict[str, Any], number: int, classes: tuple[str, ...]) -> Drawing:
    """The slice through three points, and the view that tells their three classes apart exactly."""
    view = drawn["view"]
    figure, grid = new_figure(TWO_COLUMNS if view else ONE_COLUMN, 3.5, ncols=2 if view else 1, squeeze=False)
    colours = class_colours(len(classes))
    left = grid[0, 0]
    traces = {c: trace for c, trace in drawn["traces"].items() if trace["inner"]}
    marks = [*drawn["points"], *(p for trace in traces.values() for p in trace["outer"])]
    _cells(left, drawn, classes, colours, np.array(marks))
    for c, trace in traces.items():
        _outline(left, trace["outer"], colours[int(c)])
    for c, name, at in zip(drawn["classes"], drawn["names"], drawn["points"]):
        left.plot(*at, "o", color=colours[c], mec="black", mew=0.8, ms=5, zorder=5)
        if name.startswith("#"):
            left.annotate(name, at, (4, 4), textcoords="offset points", fontsize=7, zorder=6)
    left.set_title(f"slice through {', '.join(drawn['names'])}", fontsize=8)
    caption = (
        f"{'Left: exact' if view else 'Exact'} slice of feature space through {', '.join(drawn['names'])} "
        f"(dots; a class stands for the mean of its correctly predicted samples); every point has the "
        f"class of its cell."
    )
    if traces:
        gap = max(trace["gap"] for trace in traces.values())
        caption += (
            f" Lines: where the hulls of correctly predicted samples cut the plane (outer polygons, at most "
            f"{gap:.2g} from the true trace; a hull that the plane hardly enters shows as a point)."
        )
    if len(traces) < len(drawn["traces"]):
        missing = [classes[int(c)] for c in drawn["traces"] if c not in traces]
        caption += f" The traces of {', '.join(missing)} were not found within the work allowed."
    if view:
        _view(grid[0, 1], view, classes, colours)
        which = "all samples" if view["stride"] == 1 else f"one sample in {view['stride']}"
        caption += (
            f" Right: projection onto the span of the differences of the three rows of the head, where which "
            f"of the three wins is exact ({which} of each, coloured by label; other classes are not shown)."
        )
    return Drawing(f"boundaries-slice-{number}", caption, figure)


def _view(axes: Any, view: dict[str, Any], classes: tuple[str, ...], colours: list[str]) -> None:
    places = {int(c): np.array(at).reshape(-1, 2) for c, at in view["samples"].items()}
    _cells(axes, view, classes, colours, np.concatenate(list(places.values())))
    for c, at in places.items():
        axes.plot(*at.T, "o", color=colours[c], ms=2, mec="black", mew=0.15, zorder=3)
    axes.set_title("decision-exact view of the three classes", fontsize=8)


def _cells(
    axes: Any, part: dict[str, Any], classes: tuple[str, ...], colours: list[str], marks: np.ndarray
) -> None:
    """Filled cells on the axes of a plane, with their names where there is room beside the marks."""
    window = part["window"]
    size = np.hypot(window[2] - window[0], window[3] - window[1])
    for c, ring in part["polygons"].items():
        corners = np.array(ring)
        axes.fill(*corners.T, fc=colours[int(c)], alpha=0.35, ec="black", lw=0.6, zorder=1)
        place, room = _place(corners, marks)
        if room > 0.015 * size:
            axes.text(
                *place, classes[int(c)], ha="center", va="center", fontsize=8, zorder=6,
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
            )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_xlim(window[0], window[2])
    axes.set_ylim(window[1], window[3])
    axes.set_xlabel(f"u {AXIS}")
    axes.set_ylabel(f"v {AXIS}")


def _place(corners: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, float]:
    """A place in a convex polygon far from its edges and from marks, and how far."""
    middle = corners.mean(axis=0)
    steps = np.linspace(0, 0.8, 9)[:, None, None]
    candidates = (middle + steps * (corners - middle)).reshape(-1, 2)
    following = np.roll(corners, -1, axis=0)
    edges = following - corners
    offset = candidates[:, None] - corners
    heights = (edges[:, 0] * offset[..., 1] - edges[:, 1] * offset[..., 0]) / np.hypot(*edges.T)
    clear = heights.min(axis=1)
    if len(marks):
        clear = np.minimum(clear, np.linalg.norm(candidates[:, None] - marks, axis=2).min(axis=1))
    best = int(clear.argmax())
    return candidates[best], float(heights[best].min())


def _outline(axes: Any, ring: list[list[float]], colour: str) -> None:
    corners = np.array([*ring, ring[0]])
    axes.plot(*corners.T, color="black", lw=2.0, zorder=3)
    axes.plot(*corners.T, color=colour, lw=1.2, zorder=4)


def pair_graph(record: Record, classes: tuple[str, ...]) -> Drawing:
    """Classes on a circle, joined where samples have their nearest boundary."""
    rows = [row for row in record.table("pairs").rows if row[2] or row[3]]
    weight = dict.fromkeys(classes, 0)
    for first, second, left, right, *_ in rows:
        weight[first] += left
        weight[second] += right
    shown = sorted(classes, key=lambda name: -weight[name])[:MOST_IN_GRAPH]
    shown = [name for name in classes if name in set(shown)]
    angle = {name: 2 * np.pi * i / len(shown) for i, name in enumerate(shown)}
    most = max((row[2] + row[3] for row in rows), default=1)
    figure, axes = new_figure(ONE_COLUMN, ONE_COLUMN)
    colours = dict(zip(classes, class_colours(len(classes))))
    for first, second, left, right, *_ in rows:
        if first in angle and second in angle:
            ends = np.array([[np.cos(angle[n]), np.sin(angle[n])] for n in (first, second)])
            share = (left + right) / most
            axes.plot(*ends.T, color="black", lw=0.3 + 4 * share, alpha=0.25 + 0.6 * share, zorder=1)
    for name in shown:
        x, y = np.cos(angle[name]), np.sin(angle[name])
        axes.plot(x, y, "o", color=colours[name], mec="black", mew=0.6, ms=9, zorder=2)
        side = "left" if x > 0.1 else "right" if x < -0.1 else "center"
        axes.text(1.12 * x, 1.12 * y, name, ha=side, va="center", fontsize=7)
    axes.set_xlim(-1.7, 1.7)
    axes.set_ylim(-1.4, 1.4)
    axes.set_aspect("equal")
    axes.axis("off")
    left_out = "" if len(shown) == len(classes) else f" The {len(shown)} classes with most samples are shown."
    caption = (
        f"Which boundaries are near: the line between two classes is as wide as the number of samples whose "
        f"nearest boundary is theirs (at most {most:,}).{left_out}"
    )
    return Drawing("boundaries-pairs", caption, figure)


def confidence(record: Record) -> Drawing:
    """Flip distance beside the softmax, right and wrong samples apart."""
    distance, odds = record.arrays["distance"], record.arrays["log_odds"]
    right = record.arrays["label"] == record.arrays["prediction"]
    figure, axes = new_figure(ONE_COLUMN, 2.6)
    kept = np.isfinite(distance)
    for chosen, colour, name in ((right, "#3f90da", "right"), (~right, "#bd1f01", "wrong")):
        at = np.flatnonzero(chosen & kept)
        axes.plot(
            distance[at], odds[at], ".", color=colour, ms=2.5, mew=0, alpha=0.6, label=name, rasterized=True
        )
    axes.set_xlim(left=0)
    axes.set_xlabel(f"distance to the nearest boundary\n[{record.values['unit']}]")
    axes.set_ylabel("softmax log-odds")
    axes.legend(markerscale=4, loc="lower right", frameon=False, fontsize=8)
    rho = record.values["rank_correlation"]
    caption = (
        f"Two measures of confidence, sample by sample (Spearman correlation {rho:.3f}); log-odds of 4.6 are "
        f"a softmax probability of 0.99."
    )
    return Drawing("boundaries-confidence", caption, figure)


def directions(record: Record) -> Drawing:
    """Singular values of the matrix of flip directions."""
    values = record.arrays["singular_values"]
    values = values[: max(1, record.values["directions"]["rank"])]
    figure, axes = new_figure(ONE_COLUMN, 2.2)
    axes.plot(np.arange(1, len(values) + 1), values, "o-", color="black", ms=3, lw=0.8)
    log_scale(axes, "y")
    axes.set_xlabel("principal direction")
    axes.set_ylabel("singular value\n" + AXIS)
    caption = "Singular values of the matrix of flip directions, down to its rank."
    return Drawing("boundaries-directions", caption, figure)


def ambiguous_images(record: Record, classes: tuple[str, ...]) -> Drawing:
    """The images of the samples nearest to a boundary."""
    images, rows = record.arrays["ambiguous_images"], record.arrays["ambiguous_rows"]
    columns = min(8, len(rows))
    lines = -(-len(rows) // columns)
    figure, grid = new_figure(TWO_COLUMNS, 1.25 * lines, nrows=lines, ncols=columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for axes, image, i in zip(grid.ravel(), images, rows):
        pixels = image / 255 if image.dtype == np.uint8 else image
        pixels = pixels[0] if len(pixels) != 3 else np.moveaxis(pixels, 0, -1)
        axes.imshow(np.clip(pixels, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        own, rival = (classes[record.arrays[key][i]] for key in ("prediction", "rival"))
        label = classes[record.arrays["label"][i]]
        axes.set_title(f"{own} | {rival}\n({label})", fontsize=6, pad=2)
    caption = (
        "The samples nearest to a boundary, nearest first: predicted class | class across the boundary, and "
        "the label in brackets."
    )
    return Drawing("boundaries-ambiguous", caption, figure)
