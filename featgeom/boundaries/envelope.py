"""The kernel of slices: the upper envelope of C planes over a window, as convex polygons.

Each visible cell starts as the window and is cut by whichever class wins at one of its corners, until none
does; the classes met on its edges are the next cells. A corner that no class beats is proved for good, so
the work is O(C) for every corner of the result: O(C V) for V corners in the window, without any of the C²
clippings of pairs, and with nothing to go wrong where cells touch in a point or boundaries are parallel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.clipping import clip
from featgeom.kernels import kernel


@kernel()
def _winner(slopes: Any, values: Any, x: float, y: float) -> int:
    best, winner = -np.inf, 0
    for k in range(len(values)):
        value = slopes[k, 0] * x + slopes[k, 1] * y + values[k]
        if value > best:
            best, winner = value, k
    return winner


@kernel()
def _cut(
    slopes: Any,
    values: Any,
    c: int,
    k: int,
    tolerance: float,
    old: Any,
    new: Any,
    old_tag: Any,
    new_tag: Any,
    m: int,
) -> int:
    """Cut away the part of polygon ``old`` where class k beats c. Rows of a polygon are x, y, proved."""
    heights, share = np.empty(m), np.empty(2 * m)
    inner, outer = np.empty(2 * m, np.int64), np.empty(2 * m, np.int64)
    for i in range(m):
        height = (slopes[c, 0] - slopes[k, 0]) * old[i, 0] + (slopes[c, 1] - slopes[k, 1]) * old[i, 1]
        height += values[c] - values[k]
        heights[i] = 0.0 if abs(height) <= tolerance else height
    count = clip(heights, m, inner, outer, share)
    for n in range(count):
        i, j = inner[n], outer[n]
        after = i + 1 if i + 1 < m else 0
        for axis in range(2):
            new[n, axis] = old[i, axis] + share[n] * (old[j, axis] - old[i, axis])
        if i == j:
            leaves = heights[i] == 0.0 and heights[after] < 0.0
            new[n, 2], new_tag[n] = old[i, 2], k if leaves else old_tag[i]
        else:
            new[n, 2], new_tag[n] = 0.0, k if j == after else old_tag[j]
    return count


@kernel()
def _cell(
    slopes: Any,
    values: Any,
    c: int,
    window: Any,
    tolerance: float,
    polygon: Any,
    other: Any,
    tag: Any,
    other_tag: Any,
) -> tuple[int, Any, Any]:
    """Cut the window down to where class c wins: the number of corners, and the two arrays that hold them."""
    for i in range(4):
        polygon[i, 0], polygon[i, 1], polygon[i, 2], tag[i] = window[i, 0], window[i, 1], 0.0, -1 - i
    m: Any = np.int64(4)  # a literal 4 would compile _cut once more
    i = 0
    while i < m and m >= 3:
        if polygon[i, 2] == 1.0:
            i += 1
            continue
        x, y = polygon[i, 0], polygon[i, 1]
        k = _winner(slopes, values, x, y)
        lead = (slopes[k, 0] - slopes[c, 0]) * x + (slopes[k, 1] - slopes[c, 1]) * y + values[k] - values[c]
        if lead <= tolerance:
            polygon[i, 2] = 1.0
            i += 1
            continue
        m = _cut(slopes, values, c, k, 0.5 * tolerance, polygon, other, tag, other_tag, m)
        polygon, other = other, polygon
        tag, other_tag = other_tag, tag
        i = 0
    return m, polygon, tag


def envelope(
    slopes: Float64, values: Float64, half: Float64, tolerance: float
) -> tuple[list[Float64], list[Ints], Ints]:
    """The visible cells of the upper envelope on [−half_x, half_x] × [−half_y, half_y].

    Returns for each cell its corners (m, 2), counter-clockwise; the class across the edge that leaves each
    corner, or −1 to −4 for the lower, right, upper and left side of the window; and the classes (p,).

    >>> corners, across, classes = envelope(np.array([[1.0, 0], [-1, 0]]), np.zeros(2), np.ones(2), 1e-14)
    >>> classes, across[0]
    (array([1, 0]), array([-1,  0, -3, -4]))
    """
    slopes, values = np.ascontiguousarray(slopes), np.ascontiguousarray(values)
    window = half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    polygons = np.empty((2, 2 * len(values) + 16, 3))
    sides = np.empty((2, 2 * len(values) + 16), np.int64)
    queue = list(dict.fromkeys(_winner(slopes, values, x, y) for x, y in window))
    seen = set(queue)
    corners, across, owners = [], [], []
    for c in queue:  # which grows as cells are met
        m, polygon, tag = _cell(slopes, values, c, window, tolerance, *polygons, *sides)
        if m < 3:
            continue
        corners.append(polygon[:m, :2].copy())
        across.append(tag[:m].copy())
        owners.append(c)
        for k in tag[:m].tolist():
            if k >= 0 and k not in seen:
                seen.add(k)
                queue.append(k)
    return corners, across, np.array(owners, np.int64)
