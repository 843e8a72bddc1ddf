"""Proof that a point lies in the hull of a few others, although no computed distance is ever exactly zero.

A simplex of d + 1 points whose exact barycentric coordinates are all positive contains the query: their
positivity is verified in float64 with a bound on everything rounding can have done (an approximate inverse
and its residual, as in Rump, *Verification methods*, Acta Numerica 19, 2010, section 10). Where that cannot
decide, on facets and vertices and in flat hulls, the weights are solved for in rational numbers.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from featgeom.arrays import Floats
from featgeom.hulls.minimum_norm import UNIT

LARGEST_EXACT = 600  # unknowns beyond which a rational solution takes minutes


def encloses(left: Floats, right: Floats) -> bool:
    """Whether 0 is proved to lie in conv{left_i − right_i}, for rows left (k, d) and right (k, d).

    False means not proved.

    >>> encloses(np.eye(2), np.full((2, 2), 0.5))
    True
    """
    k, d = left.shape
    if k == d + 1 and _simplex_encloses(left, right):
        return True
    if k > LARGEST_EXACT:
        return False
    return rational_weights(left, right) is not None


def _simplex_encloses(left: Floats, right: Floats) -> bool:
    """Whether the barycentric coordinates of 0 in the simplex of d + 1 points are proved positive."""
    k = len(left)
    edges = left.astype(np.float64) - right.astype(np.float64)
    scale = float(np.abs(edges).max())
    if not 1e-140 < scale < 1e140:
        return False
    matrix = np.ones((k, k))
    matrix[1:] = edges.T / scale
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return False
    if not np.isfinite(inverse).all():
        return False
    weights = inverse[:, 0]
    size = np.abs(inverse)
    # |inverse · exact − I|: what is computed, its own rounding, and that of the matrix (two roundings).
    residual = np.abs(inverse @ matrix - np.eye(k))
    residual += (2 * k + 8) * UNIT * (size @ np.abs(matrix))
    defect = 1.01 * float(residual.sum(axis=1).max())
    if not defect < 0.5:
        return False
    error = defect / (1 - defect) * float(np.abs(weights).max()) * 1.01
    return bool((weights > error).all())


def rational_weights(left: Floats, right: Floats) -> list[Fraction] | None:
    """Exact weights ≥ 0 of sum 1 with Σ weights_i (left_i − right_i) = 0, where the rows determine them.

    None where there are none, or where the points are affinely dependent.

    >>> rational_weights(np.array([[0.0], [3.0]]), np.array([[1.0], [1.0]]))
    [Fraction(2, 3), Fraction(1, 3)]
    """
    import flint

    k, d = left.shape
    whole = [
        [flint.fmpq(*a.as_integer_ratio()) - flint.fmpq(*b.as_integer_ratio()) for a, b in zip(x, y)]
        for x, y in zip(left.astype(np.float64).tolist(), right.astype(np.float64).tolist())
    ]
    rows = [[flint.fmpq(1)] * k + [flint.fmpq(1)]]
    rows += [[whole[i][j] for i in range(k)] + [flint.fmpq(0)] for j in range(d)]
    reduced, rank = flint.fmpq_mat(rows).rref()
    if rank != k or any(reduced[i, i] != 1 for i in range(k)):
        return None
    weights = [reduced[i, k] for i in range(k)]
    if any(w < 0 for w in weights):
        return None
    return [Fraction(int(w.p), int(w.q)) for w in weights]
