"""Evidence that no machine separates the classes: rows of its constraints that combine to zero."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.margins.working_set import Frame

NEGLIGIBLE = 1e-12  # a share of the multipliers' sum below which a constraint is left out


def contradiction(x: Floats, y: Ints, multipliers: Float64, frame: Frame) -> tuple[Ints, Ints] | None:
    """Samples and rivals (both (k,)) whose constraints contradict each other, none of them to spare.

    ``multipliers`` (n, K) all but cancel; a vertex of the set of those that cancel is found by the simplex
    method. None if there is no vertex within its tolerance.
    """
    from scipy.optimize import linprog

    sample, rival = np.nonzero(multipliers > NEGLIGIBLE * multipliers.sum())
    rows = constraint_rows(frame.points(x[sample]), y[sample], rival, multipliers.shape[1])
    equations = np.vstack([rows.T, np.ones(len(rows))])
    right = np.append(np.zeros(rows.shape[1]), 1.0)
    cost = -multipliers[sample, rival] / multipliers.max()
    found = linprog(cost, A_eq=equations, b_eq=right, method="highs-ds")
    if found.status != 0:
        return None
    used = np.asarray(found.x) > 1e-9
    return sample[used], rival[used]


def constraint_rows(points: Float64, labels: Ints, rivals: Ints, classes: int) -> Float64:
    """The constraints' rows e_y ⊗ x − e_k ⊗ x without the block of class 0: (m, (K − 1)·d).

    Nothing is lost with that block, because the blocks of a row sum to zero.

    >>> constraint_rows(np.array([[2.0]]), np.array([1]), np.array([2]), 3)
    array([[ 2., -2.]])
    """
    m, d = points.shape
    rows = np.zeros((m, classes, d))
    rows[np.arange(m), labels] = points
    rows[np.arange(m), rivals] = -points
    return rows[:, 1:].reshape(m, -1)
