"""A statement of a claim beside the answer of a generic solver."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from featgeom.certificates.claim import Claim
from featgeom.formulations.questions import Question, question
from featgeom.quiet import without_output
from featgeom.status import Status

COARSE = 1e-2  # what a tolerance may be, of the value
RELATIVE, ABSOLUTE = 1e-6, 1e-8  # what a generic solver may be off by: of value or data, and beside it


@dataclass(frozen=True)
class Comparison:
    """The bounds of one statement, the value that the generic solver found, and how far outside it lies.

    ``outside`` is 0 within the bounds, ``tolerance`` what the solver is allowed. ``status``: SOLVED where its
    answer tells something, UNDECIDED where it says itself that it has none, or where it would confirm what
    its tolerance is not small (`COARSE`) beside.
    """

    lower: float
    upper: float
    value: float
    outside: float
    tolerance: float
    status: Status
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the value lies in the interval, to within the solver's tolerance."""
        return self.status is Status.UNDECIDED or self.outside <= self.tolerance


def compare(claim: Claim, i: int, solver: str = "CLARABEL") -> Comparison | None:
    """Solve statement ``i`` of a claim as a convex program; None where none answers it.

    >>> from featgeom import ConvexHull
    >>> compare(ConvexHull([[0.0], [1.0]]).project([[3.0]]).certificate, 0).agrees
    True
    """
    asked = question(claim, i)
    return None if asked is None else answer(asked, solver)


def answer(asked: Question, solver: str = "CLARABEL") -> Comparison:
    """The generic solver's answer to a question beside its bounds."""
    start = time.perf_counter()
    values = [solved(program, solver) for program in asked.programs]
    seconds = time.perf_counter() - start
    value = min(values, default=np.inf)
    stated = max(asked.scale, *(abs(x) if np.isfinite(x) else 0.0 for x in (asked.lower, asked.upper)))
    tolerance = ABSOLUTE + RELATIVE * max(stated, asked.size, abs(value) if np.isfinite(value) else 0.0)
    coarse = stated > 0 and tolerance > COARSE * stated
    with np.errstate(invalid="ignore"):
        over, under = value - asked.upper, asked.lower - value
    outside = float(max(0.0, *(0.0 if np.isnan(gap) else gap for gap in (over, under))))
    unsure = np.isnan(values).any() or (coarse and outside <= tolerance)
    status = Status.UNDECIDED if unsure else Status.SOLVED
    if asked.above and value <= tolerance and not unsure:  # as good as none, where there is to be some
        outside = max(outside, 2 * tolerance)
    return Comparison(asked.lower, asked.upper, value, outside, tolerance, status, seconds)


def solved(program: cp.Problem, solver: str) -> float:
    """The least value of a program: inf where it is infeasible, NaN where the solver has no answer."""
    with warnings.catch_warnings(), without_output():
        warnings.simplefilter("ignore")  # "the solution may be inaccurate" is what the status says
        try:
            value = program.solve(solver=solver)
        except cp.SolverError:
            return np.nan
    if program.status in (cp.OPTIMAL, cp.INFEASIBLE, cp.UNBOUNDED):
        return float(value)
    return np.nan
