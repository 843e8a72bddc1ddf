"""What counts as the same on a window: classes with equal logits, corners at one place."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Ints

SNAP = 1e-12  # corners closer than this part of the window's diagonal are one corner


def merge_equal(
    slopes: Float64, values: Float64, half: Float64, tolerance: float
) -> tuple[Ints, dict[int, tuple[int, ...]]]:
    """The classes to keep, and {kept class: classes equal to it on the whole window}.

    >>> merge_equal(np.array([[1.0, 0], [1, 0], [0, 1]]), np.zeros(3), np.ones(2), 1e-12)
    (array([0, 2]), {0: (1,)})
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    k = slopes.shape[1]
    signs = np.vstack([-np.ones(k), 2 * np.eye(k) - 1])  # k + 1 corners fix an affine function
    at_corners = values[:, None] + slopes @ (signs * half).T
    pairs = cKDTree(at_corners).query_pairs(2 * tolerance, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(values), len(values)))
    _, group = connected_components(links, directed=False)
    _, kept, inverse = np.unique(group, return_index=True, return_inverse=True)
    tied = (
        {
            int(c): tuple(int(j) for j in np.flatnonzero(inverse == i) if j != c)
            for i, c in enumerate(kept)
            if (inverse == i).sum() > 1
        }
        if len(pairs)
        else {}
    )
    return np.sort(kept), tied
