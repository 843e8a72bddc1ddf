"""The kernel of slices: the upper envelope of C planes over a window, as convex polygons.

Each visible cell starts as the window and is cut by whichever class wins at one of its corners, until none
does; the classes met on its edges are the next cells. A corner that no class beats is proved for good, so
the work is O(C) for every corner of the result: O(C V) for V corners in the window, without any of the C²
clippings of pairs, and with nothing to go wrong where cells touch in a point or boundaries are parallel.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from featgeom.arrays import Float64, Ints


@numba.njit(cache=True)
def _winner(slopes: Any, values: Any, x: float, y: float) -> int:
    best, winner = -np.inf, 0
    for k in range(len(values)):
        value = slopes[k, 0] * x + slopes[k, 1] * y + values[k]
        if value > best:
            best, winner = value, k
    return winner


@numba.njit(cache=True)
def _clip(
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
    a, b = slopes[c, 0] - slopes[k, 0], slopes[c, 1] - slopes[k, 1]
    e = values[c] - values[k]
    count = 0
    for i in range(m):
        j = i + 1 if i + 1 < m else 0
        here = a * old[i, 0] + b * old[i, 1] + e
        there = a * old[j, 0] + b * old[j, 1] + e
        here = 0.0 if abs(here) <= tolerance else here
        there = 0.0 if abs(there) <= tolerance else there
        if here >= 0.0:
            new[count] = old[i]
            new_tag[count] = k if here == 0.0 and there < 0.0 else old_tag[i]
            count += 1
        if here * there < 0.0:
            t = here / (here - there)
            new[count, 0] = old[i, 0] + t * (old[j, 0] - old[i, 0])
            new[count, 1] = old[i, 1] + t * (old[j, 1] - old[i, 1])
            new[count, 2] = 0.0
            new_tag[count] = k if here > 0.0 else old_tag[i]
            count += 1
    return count


@numba.njit(cache=True)
def _envelope(slopes: Any, values: Any, half: Any, tolerance: float) -> tuple[Any, Any, Any, Any]:
    classes = len(values)
    seen = np.zeros(classes, np.bool_)
    queue = np.empty(classes, np.int64)
    corners = np.array([[-half[0], -half[1]], [half[0], -half[1]], [half[0], half[1]], [-half[0], half[1]]])
    waiting = 0
    for x, y in corners:
        k = _winner(slopes, values, x, y)
        if not seen[k]:
            seen[k] = True
            queue[waiting] = k
            waiting += 1
    polygon, other = np.zeros((2 * classes + 16, 3)), np.zeros((2 * classes + 16, 3))
    tag, other_tag = np.zeros(2 * classes + 16, np.int64), np.zeros(2 * classes + 16, np.int64)
    space = 64
    points, tags = np.empty((space, 2)), np.empty(space, np.int64)
    owners, ends = np.empty(classes, np.int64), np.empty(classes, np.int64)
    cells, used, at = 0, 0, 0
    while at < waiting:
        c = queue[at]
        at += 1
        m = 4
        polygon[:4, :2] = corners
        polygon[:4, 2] = 0.0
        tag[:4] = np.array([-1, -2, -3, -4])
        i = 0
        while i < m and m >= 3:
            if polygon[i, 2] == 1.0:
                i += 1
                continue
            x, y = polygon[i, 0], polygon[i, 1]
            k = _winner(slopes, values, x, y)
            lead = (
                (slopes[k, 0] - slopes[c, 0]) * x + (slopes[k, 1] - slopes[c, 1]) * y + values[k] - values[c]
            )
            if lead <= tolerance:
                polygon[i, 2] = 1.0
                i += 1
                continue
            m = _clip(slopes, values, c, k, 0.5 * tolerance, polygon, other, tag, other_tag, m)
            polygon, other = other, polygon
            tag, other_tag = other_tag, tag
            i = 0
        if m < 3:
            continue
        while used + m > space:
            points = np.concatenate((points, np.empty((space, 2))))
            tags = np.concatenate((tags, np.empty(space, np.int64)))
            space *= 2
        points[used : used + m] = polygon[:m, :2]
        tags[used : used + m] = tag[:m]
        used += m
        owners[cells], ends[cells] = c, used
        cells += 1
        for i in range(m):
            if tag[i] >= 0 and not seen[tag[i]]:
                seen[tag[i]] = True
                queue[waiting] = tag[i]
                waiting += 1
    return points[:used], tags[:used], owners[:cells], ends[:cells]


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
    points, tags, owners, ends = _envelope(
        np.ascontiguousarray(slopes), np.ascontiguousarray(values), np.ascontiguousarray(half), tolerance
    )
    return np.split(points, ends[:-1]), np.split(tags, ends[:-1]), owners
