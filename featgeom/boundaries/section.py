"""Support of the section of a convex hull with a plane: one linear program a direction, columns by need.

A point of the section is Σ λ_i x_i on the plane. With axes B of the plane and Q of its complement, the
farthest in direction θ is

    maximise Σ λ_i ⟨θ, B(x_i − o)⟩  subject to  Σ λ_i Q(x_i − o) = 0,  Σ λ_i = 1,  λ ≥ 0,

d − 1 rows and n columns, of which only those priced in are ever built. Its dual is a normal ν of feature
space: ⟨Bν, p⟩ ≤ max_i ⟨ν, x_i − o⟩ holds on the section whatever ν is, so the bound is sound however well
the program was solved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import qr

from featgeom.arrays import Float64, Floats, Ints, blocks
from featgeom.boundaries.planes import Plane
from featgeom.errors import DidNotConverge
from featgeom.exact.rounding import gamma
from featgeom.quiet import without_output

ENTER = 24  # columns priced in at once
PRIMAL = 4  # what HiGHS calls the primal simplex method
FEASIBLE = 1e-10  # of HiGHS, for a program scaled to size one


@dataclass(frozen=True, eq=False)
class Extreme:
    """What one direction gave: a normal (d,) with its offset, a point on the plane and its weights.

    ⟨normal, x − origin⟩ ≤ offset for every point, rounded up.
    """

    normal: Float64
    offset: float
    place: Float64
    indices: Ints
    weights: Float64


def silent_solver() -> Any:
    """A HiGHS solver; its constructor writes a banner."""
    import highspy

    with without_output():
        return highspy.Highs()


class OutOfPivots(Exception):
    """The pivots that a section may take are spent."""


class Section:
    """The program, kept warm between directions; it may take so many pivots of the simplex method in all."""

    def __init__(self, points: Floats, plane: Plane, pivots: int) -> None:
        self.points, self.plane, self.left = points, plane, pivots
        self.passes = 0
        d = points.shape[1]
        self.across = qr(plane.basis.T)[0][:, plane.dimension :].T  # (d − k, d): the complement of the plane
        far = [np.square(b.astype(np.float64) - plane.origin).sum(axis=1) for b in blocks(points)]
        self.reach = float(np.sqrt(max(f.max() for f in far))) or 1.0
        self.solver: Any = silent_solver()
        for name, value in (
            ("output_flag", False),
            ("simplex_strategy", PRIMAL),  # new columns and new costs leave a basis primal feasible
            ("parallel", "off"),  # "threads" is refused once anything in this process ran HiGHS with more
            ("primal_feasibility_tolerance", FEASIBLE),
            ("dual_feasibility_tolerance", FEASIBLE),
        ):
            self.solver.setOptionValue(name, value)
        rows = d - plane.dimension
        for _ in range(rows):
            self.solver.addRow(0.0, 0.0, 0, np.zeros(0, np.int32), np.zeros(0))
        self.solver.addRow(1.0, 1.0, 0, np.zeros(0, np.int32), np.zeros(0))
        self.slacks = 2 * rows
        for row in range(rows):
            for sign in (1.0, -1.0):
                self.solver.addCol(1.0, 0.0, np.inf, 1, np.array([row], np.int32), np.array([sign]))
        self.columns = np.zeros(0, np.int64)
        self.theta = np.zeros(plane.dimension)
        self.ends: list[tuple[Float64, Any]] = []  # directions that were solved, each with its basis
        off = [f - np.square(self.plane.drop(b)).sum(axis=1) for f, b in zip(far, blocks(points))]
        self._add(np.argsort(np.concatenate(off), kind="stable")[: min(len(points), 2 * d + 2)])

    def _add(self, indices: Ints) -> None:
        fresh = np.setdiff1d(indices, self.columns)
        chosen = self.points[fresh].astype(np.float64) - self.plane.origin
        entries = chosen @ self.across.T / self.reach
        costs = -(chosen @ self.plane.basis.T) @ self.theta / self.reach
        row = np.arange(entries.shape[1] + 1, dtype=np.int32)
        for cost, values in zip(costs, entries):
            self.solver.addCol(float(cost), 0.0, np.inf, len(row), row, np.append(values, 1.0))
        self.columns = np.concatenate([self.columns, fresh])

    def _products(self, normal: Float64) -> Float64:
        """⟨normal, x − origin⟩ for every point."""
        self.passes += 1
        origin = self.plane.origin
        return np.concatenate([(b.astype(np.float64) - origin) @ normal for b in blocks(self.points)])

    def _solve(self) -> tuple[Float64, float, Float64]:
        """Price columns in until none helps: the normal, its offset rounded up, the solver's values.

        Raises OutOfPivots.
        """
        for _ in range(200):
            self._run()
            solution = self.solver.getSolution()
            dual = np.asarray(solution.row_dual)
            normal = dual[:-1] @ self.across + self.theta @ self.plane.basis
            products = self._products(normal)
            highest = products.max()
            better = np.flatnonzero(products > -dual[-1] * self.reach + 1e-11 * self.reach)
            better = better[np.argsort(-products[better], kind="stable")][:ENTER]
            if not len(np.setdiff1d(better, self.columns)):
                error = gamma(len(normal) + 4, "float64") * np.linalg.norm(normal)
                size = self.reach + float(np.linalg.norm(self.plane.origin))
                return normal, float(highest + 2 * error * size), np.asarray(solution.col_value)
            self._add(better)
        raise DidNotConverge("slice_hull: pricing did not end after 200 rounds; scale the points to size one")

    def _run(self) -> None:
        from highspy import HighsModelStatus

        self.solver.setOptionValue("simplex_iteration_limit", self.left)
        self.solver.run()
        self.left -= max(1, self.solver.getInfo().simplex_iteration_count)
        if self.left <= 0 or self.solver.getModelStatus() == HighsModelStatus.kIterationLimit:
            raise OutOfPivots

    def exclude(self) -> tuple[Float64, float] | None:
        """A normal and offset that keep the hull off the plane, or None where the two meet.

        To be called once, before the first direction. Raises OutOfPivots.
        """
        normal, offset, values = self._solve()
        if values[: self.slacks].sum() > 1e-8:
            return normal, offset
        for column in range(self.slacks):
            self.solver.changeColBounds(column, 0.0, 0.0)
            self.solver.changeColCost(column, 0.0)
        return None

    def farthest(self, theta: Float64) -> Extreme:
        """The farthest point of the section in a direction (2,) of the plane, with its bound.

        Raises OutOfPivots.
        """
        self.theta = theta
        chosen = self.points[self.columns].astype(np.float64) - self.plane.origin
        costs = -(chosen @ self.plane.basis.T) @ theta / self.reach
        for column, cost in enumerate(costs, start=self.slacks):
            self.solver.changeColCost(column, float(cost))
        self._begin_near(theta)
        normal, offset, values = self._solve()
        self.ends.append((theta, self.solver.getBasis()))
        indices, weights, place = self._polish(values[self.slacks :])
        return Extreme(normal, offset, place, indices, weights)

    def _begin_near(self, theta: Float64) -> None:
        """Go back to the basis of the solved direction nearest to this one, from which the way is short."""
        from highspy import HighsBasis, HighsBasisStatus

        if not self.ends:
            return
        near = max(self.ends, key=lambda end: float(end[0] @ theta))[1]
        since = self.solver.getNumCol() - len(near.col_status)
        basis = HighsBasis()
        basis.col_status = [*near.col_status, *[HighsBasisStatus.kLower] * since]
        basis.row_status, basis.valid = near.row_status, True
        self.solver.setBasis(basis)

    def _polish(self, values: Float64) -> tuple[Ints, Float64, Float64]:
        """The weights once more, to full precision on the columns that carry them."""
        active = np.flatnonzero(values > 1e-12)
        chosen = self.points[self.columns[active]].astype(np.float64) - self.plane.origin
        system = np.vstack([(chosen @ self.across.T).T / self.reach, np.ones(len(chosen))])
        rest = np.append(np.zeros(len(system) - 1), 1.0) - system @ values[active]
        weights = np.maximum(values[active] + np.linalg.lstsq(system, rest)[0], 0.0)
        weights /= weights.sum()
        return self.columns[active], weights, (weights @ chosen) @ self.plane.basis.T
