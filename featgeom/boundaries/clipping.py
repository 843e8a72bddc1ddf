"""A convex ring cut by a half-space: one clipper for polygons and for the faces of solids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64
from featgeom.kernels import kernel


@kernel()
def clip(heights: Any, m: int, inner: Any, outer: Any, share: Any) -> int:
    """Where a ring of ``m`` corners is cut to the part whose height is not negative; its number of corners.

    Corner n of the part lies ``share[n]`` of the way from corner ``inner[n]`` of the ring to ``outer[n]``; a
    corner that is kept is both, with share 0. A crossing is seen from the side that is kept, so two faces
    with a common edge get the same point to the last bit.
    """
    count = 0
    for i in range(m):
        j = i + 1 if i + 1 < m else 0
        here, there = heights[i], heights[j]
        if here >= 0.0:
            inner[count], outer[count], share[count] = i, i, 0.0
            count += 1
        if here > 0.0 > there:
            inner[count], outer[count], share[count] = i, j, here / (here - there)
            count += 1
        elif here < 0.0 < there:
            inner[count], outer[count], share[count] = j, i, there / (there - here)
            count += 1
    return count


def part_above(ring: Float64, heights: Float64) -> tuple[Float64, NDArray[np.bool_]]:
    """The corners (k, d) of the part of a convex ring (m, d) whose height (m,) is not negative.

    And which of them lie at height 0, (k,): the rim along which it was cut.

    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> part_above(square, square[:, 0] - 1)[0].tolist()
    [[1.0, 0.0], [2.0, 0.0], [2.0, 2.0], [1.0, 2.0]]
    """
    room = 2 * len(ring)
    inner, outer, share = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    count = clip(np.ascontiguousarray(heights, np.float64), len(ring), inner, outer, share)
    start, end, along = inner[:count], outer[:count], share[:count, None]
    corners = ring[start] + along * (ring[end] - ring[start])
    return corners, (start != end) | (heights[start] == 0)
