"""Convex bodies and polygons as vertices, triangles and edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints

Places = NDArray[np.float32]  # (n, 3), in distance of feature space
Corners = NDArray[np.int32]  # indices into places

FLAT = 1e-9  # part of the largest extent below which a point set has no extent along an axis


def hull_mesh(points: NDArray[np.floating]) -> tuple[Places, Corners, Corners]:
    """The convex hull of points (n, 3): vertices, triangles seen from outside, edges; flat hulls too.

    >>> vertices, triangles, edges = hull_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    >>> vertices.shape, triangles.shape, edges.shape
    ((4, 3), (4, 3), (6, 2))
    >>> [len(part) for part in hull_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]))]
    [4, 2, 4]
    """
    from scipy.spatial import ConvexHull

    points = np.asarray(points, np.float64)
    centre = points.mean(axis=0)
    _, values, axes = np.linalg.svd(points - centre, full_matrices=False)
    rank = int((values > FLAT * max(values[0], np.finfo(float).tiny)).sum()) if values[0] > 0 else 0
    if rank == 3:
        hull = ConvexHull(points)
        triangles = hull.simplices.astype(np.int64)
        a, b, c = points[triangles].transpose(1, 0, 2)
        inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
        triangles = np.where(inward[:, None], triangles[:, ::-1], triangles)
        edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    elif rank == 2:
        ring = ConvexHull((points - centre) @ axes[:2].T).vertices.astype(np.int64)
        triangles, edges = fan(ring), np.stack([ring, np.roll(ring, -1)], axis=1)
    else:
        along = (points - centre) @ axes[0]
        triangles = np.zeros((0, 3), np.int64)
        edges = np.array([[along.argmin(), along.argmax()]])
    used = np.unique(np.concatenate([triangles.ravel(), edges.ravel()]))
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    return (
        points[used].astype(np.float32),
        np.searchsorted(used, triangles).astype(np.int32).reshape(-1, 3),
        np.searchsorted(used, edges).astype(np.int32),
    )


def fan(ring: Sequence[int] | Ints) -> Ints:
    """Triangles (k − 2, 3) of a convex ring of k corners.

    >>> fan([4, 5, 6, 7]).tolist()
    [[4, 5, 6], [4, 6, 7]]
    """
    corners = np.asarray(ring, np.int64)
    first = np.full(len(corners) - 2, corners[0])
    return np.stack([first, corners[1:-1], corners[2:]], axis=1)


def rings_mesh(vertices: Float64, rings: Sequence[Ints]) -> tuple[Places, Corners, Corners]:
    """Flat convex rings of corners as vertices, triangles and edges."""
    triangles = np.concatenate([fan(ring) for ring in rings])
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1)], axis=1) for ring in rings])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    return vertices.astype(np.float32), triangles.astype(np.int32), edges.astype(np.int32)
