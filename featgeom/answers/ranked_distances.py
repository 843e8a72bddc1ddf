"""Distances from hulls that are ranked among each other: exactly 0 of what is proved to lie in a hull."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Floats
from featgeom.hulls.hull import ConvexHull
from featgeom.status import Status


def away(hull: ConvexHull, points: Floats, rtol: float) -> Float64:
    """The distance of points (q, d) from a hull, (q,), exactly 0 of those proved to lie in it.

    What rounding leaves of a distance of zero is no distance: ranked, it would tell noise from noise.

    >>> away(ConvexHull([[0.0, 0.0], [0.3, 0.0], [0.0, 0.7]]), np.array([[0.1, 0.1], [0.0, 1.7]]), 1e-3)
    array([0., 1.])
    """
    found = hull.project(points, rtol=rtol)
    distance = found.distance.copy()
    near = np.flatnonzero(found.lower_bound <= 0)
    if len(near):
        inside = hull.contains(points[near]).status == Status.INSIDE
        distance[near[np.asarray(inside, dtype=bool)]] = 0.0
    return distance


def apart_from_others(hull: ConvexHull, rtol: float) -> Float64:
    """The distance of each point of a hull from the hull of the others, (n,), exactly 0 of those within it.

    >>> apart_from_others(ConvexHull([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), 1e-9).round(3)
    array([1.414, 2.236, 2.236, 0.   ])
    """
    found = hull.extreme_points(rtol=rtol)
    return np.where(found.status == Status.INSIDE, 0.0, found.distance)
