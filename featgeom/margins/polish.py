"""From a nearly solved hard-margin problem to its solution: the active constraints, taken as equations."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgWarning, lu_factor, lu_solve

from featgeom.arrays import Float64
from featgeom.margins.interior_point import Iterate, Problem

LARGEST = 6_000  # equations
DAMPING = 1e-11  # keeps the equations solvable where constraints depend on each other
REFINEMENTS = 4
ATTEMPTS = 8
SLIGHT = 1e-10  # a multiplier or a violation that rounding may have made


def polish(problem: Problem, at: Iterate) -> Iterate | None:
    """The minimum of ½‖u‖² where the constraints that ``at`` holds to be active are equations.

    An interior point comes as near as the square root of its gap where a constraint is active without a
    multiplier; this does not. A wrong guess of the active constraints is mended by leaving out what pulls
    and taking in what is violated; None if that does not settle, or the system is too large. Soft margins
    are left as they are.
    """
    if np.isfinite(problem.c):
        return None
    active = problem.rivals & (at.alpha > at.s * at.alpha.max())
    for _ in range(ATTEMPTS):
        sample, rival = np.nonzero(active)
        if len(sample) == 0 or at.u.size + len(sample) > LARGEST:
            return None
        sides = problem.basis[:, problem.y[sample]] - problem.basis[:, rival]
        rows = (sides.T[:, :, None] * problem.x[sample][:, None, :]).reshape(len(sample), at.u.size)
        solution = _saddle_point(np.tile(problem.regularisation, len(at.u)), rows)
        if solution is None:
            return None
        u, multipliers = solution[0].reshape(at.u.shape), solution[1]
        pulling = multipliers < -SLIGHT * multipliers.max()
        violated = problem.rivals & (problem.margins(u) < 1 - SLIGHT) & ~active
        if not pulling.any() and not violated.any():
            alpha = np.zeros_like(at.alpha)
            alpha[sample, rival] = np.maximum(multipliers, 0.0)
            return Iterate(u, at.s, alpha, at.xi, at.gamma)
        active[sample[pulling], rival[pulling]] = False
        active |= violated
    return None


def _saddle_point(regularisation: Float64, rows: Float64) -> tuple[Float64, Float64] | None:
    """u and λ with R u = rowsᵀ λ and rows u = 1: damped, factored once, then refined."""
    import warnings

    m, size = rows.shape
    matrix = np.block([[np.diag(regularisation), -rows.T], [rows, np.zeros((m, m))]])
    damped = matrix.copy()
    scale = float((rows**2).sum(axis=1).max())
    damped[np.diag_indices(size)] += np.where(regularisation == 0, DAMPING, 0.0)
    damped[range(size, size + m), range(size, size + m)] = DAMPING * scale
    right = np.concatenate([np.zeros(size), np.ones(m)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", LinAlgWarning)
        try:
            factor = lu_factor(damped, check_finite=False)
        except LinAlgWarning:
            return None
    solution = np.zeros(size + m)
    for _ in range(REFINEMENTS):
        solution += lu_solve(factor, right - matrix @ solution, check_finite=False)
    return (solution[:size], solution[size:]) if np.isfinite(solution).all() else None
