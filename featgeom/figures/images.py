"""Rows of images beside each other: what the pictures of the pixel studies share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.figures.style import TWO_COLUMNS, new_figure


def image_grid(
    rows: list[list[NDArray[Any]]], titles: list[list[str]], bounds: tuple[float, float], side: float = 0.95
) -> tuple[Any, Any]:
    """A figure of images (c, h, w), one list a row, each with a title (empty for none), and its axes."""
    lines, columns = len(rows), max(len(row) for row in rows)
    width = min(TWO_COLUMNS, side * columns)
    lettered = 0.1 * max((text.count("\n") + 1 for row in titles for text in row if text), default=0)
    height = lines * (width / columns + lettered)
    figure, grid = new_figure(width, height, nrows=lines, ncols=columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    for line, names, images in zip(grid, titles, rows):
        for axes, name, image in zip(line, names, images):
            show(axes, image, bounds)
            axes.set_title(name, fontsize=6, pad=2)
    return figure, grid


def show(axes: Any, image: NDArray[Any], bounds: tuple[float, float]) -> None:
    """One image on its axes, without smoothing; of other than three channels the first, in grey."""
    low, high = bounds
    unit = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    pixels = unit[0] if len(unit) != 3 else np.moveaxis(unit, 0, -1)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def amplified(
    image: NDArray[Any], start: NDArray[Any], bounds: tuple[float, float]
) -> tuple[NDArray[Any], float]:
    """The difference of two images on mid-grey, and by what factor it is shown larger than it is."""
    low, high = bounds
    change = image.astype(np.float64) - start
    largest = float(np.abs(change).max())
    factor = (high - low) / 2 / largest if largest > 0 else 1.0
    return (low + high) / 2 + factor * change, factor
