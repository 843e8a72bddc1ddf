"""The convex hull of many points, and the certified answers to questions about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints, as_float64, as_points
from featgeom.certificates.hulls import HullDistance, HullMembership, HullVertices
from featgeom.errors import BadArgument
from featgeom.exact.rounding import lengths_above
from featgeom.hulls import extent
from featgeom.hulls.combination import combination
from featgeom.hulls.extent import Ball, Diameter, Support
from featgeom.hulls.membership import ExtremePoints, Membership, narrow, settled, table_of
from featgeom.hulls.minimum_norm import UNIT
from featgeom.hulls.oracle import LARGEST, Oracle
from featgeom.hulls.outlying import decided_all
from featgeom.hulls.projection import nothing, project_all, with_room
from featgeom.limits import memory_budget
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray

if TYPE_CHECKING:
    from cvxpy import Constraint, Expression


@dataclass(frozen=True, eq=False, repr=False)
class HullProjection(Result):
    """Where queries (q, d) project to on a hull of n points, and the proof.

    The true distance of each query lies in [``lower_bound``, ``distance``]. ``nearest`` (q, d) is the hull
    point at ``distance``, the combination of the points with ``weights`` (q, n); ``normal`` (q, d) has unit
    length and points from the query to the hull, which lies beyond the plane at ``lower_bound`` along it.
    """

    bounded = ("distance", "lower_bound", "distance")

    status: StatusArray
    distance: Float64
    lower_bound: Float64
    nearest: Float64
    weights: csr_array
    normal: Float64
    certificate: HullDistance
    stats: Stats


class ConvexHull:
    """The convex hull of points (n, d).

    ``device`` is where the passes over all points run ("cpu", "cuda"); ``memory`` bounds, in bytes, what they
    hold beside the points (a quarter of the machine's, if nothing else is set), which may be a memory-mapped
    array larger than memory. The points are neither copied (where they are float32 or float64) nor sampled:
    every answer is about all of them.

    >>> hull = ConvexHull([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> result = hull.project([[4.0, 4.0], [1.0, -2.0]])
    >>> result.distance.round(6), result.status
    (array([2.828427, 2.      ]), array([SOLVED, SOLVED], dtype=object))
    >>> result.nearest.round(6)
    array([[2., 2.],
           [1., 0.]])
    """

    def __init__(self, points: ArrayLike, device: str = "cpu", memory: int | None = None) -> None:
        memory = memory_budget() if memory is None else memory
        if memory < 1 << 20:
            raise BadArgument(f"memory: {memory} bytes are too few; give 1048576 (1 MiB) or more")
        self.points: Floats = as_points(points)
        self.oracle = Oracle(self.points, device, memory)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"<ConvexHull: {len(self):,} points in dimension {self.dimension:,}>"

    @property
    def dimension(self) -> int:
        """The dimension d of the space."""
        return self.points.shape[1]

    def project(
        self, queries: ArrayLike, rtol: float = 1e-6, atol: float | None = None, max_passes: int = 1000
    ) -> HullProjection:
        """The nearest hull point of each query (q, d): min ‖Σ λ_i x_i − q‖ over λ ≥ 0, Σ λ_i = 1.

        Ends where the proved gap between upper and lower bound is at most ``rtol`` times the distance, or
        ``atol`` (default: 1e-13 times the radius of the hull and the query about its mean, what rounding
        leaves of a distance of zero). A query that does not get there says so in its status; its bounds hold
        all the same.

        Raises BadArgument for queries of another shape or dimension, NaN, infinity, or tolerances that are
        negative.

        >>> ConvexHull([[0.0], [1.0]]).project([[3.0]]).distance
        array([2.])
        """
        began, passes = time.perf_counter(), self.oracle.passes
        asked = self._queries(queries)
        floor = _tolerances(rtol, atol, max_passes)
        found = with_room(
            self.oracle, asked, project_all(self.oracle, asked, None, rtol, floor, max_passes), rtol
        )
        claim = HullDistance(self.points, asked, found.lower, found.upper, found.weights, found.normal)
        stats = Stats(found.steps, self.oracle.passes - passes, time.perf_counter() - began)
        return HullProjection(
            found.status,
            found.upper,
            found.lower,
            asked + found.residual,
            found.weights,
            found.normal,
            claim,
            stats,
        )

    def contains(self, queries: ArrayLike, max_passes: int = 1000) -> Membership:
        """Which queries (q, d) lie in the hull: INSIDE or OUTSIDE, each proved, or UNDECIDED.

        Raises BadArgument for queries of another shape or dimension, NaN or infinity.

        >>> square = ConvexHull([[0, 0], [2, 0], [0, 2], [2, 2]])
        >>> square.contains([[1, 1], [2, 1], [0, 0], [3, 1]]).status
        array([INSIDE, INSIDE, INSIDE, OUTSIDE], dtype=object)
        """
        began, passes = time.perf_counter(), self.oracle.passes
        asked = self._queries(queries)
        _tolerances(0.0, None, max_passes)
        found = project_all(self.oracle, asked, None, 0.5, None, max_passes)
        nobody = np.full(len(asked), -1, dtype=np.int64)
        status, support, normal = settled(self.points, asked, found, nobody, self._reach(asked))
        rows, inside = (
            np.flatnonzero(status != Status.UNDECIDED),
            np.asarray(status == Status.INSIDE, dtype=bool),
        )
        marks = table_of([support[i] if inside[i] else rows[:0] for i in range(len(asked))], len(self))
        claim = HullMembership(self.points, rows, inside[rows], marks[rows], narrow(normal[rows]), asked)
        stats = Stats(found.steps, self.oracle.passes - passes, time.perf_counter() - began)
        return Membership(status, found.upper, found.lower, marks, normal, claim, stats)

    def extreme_points(
        self,
        rtol: float = 1e-6,
        max_passes: int = 1000,
        only: ArrayLike | None = None,
        measured: bool = True,
    ) -> ExtremePoints:
        """Which points are vertices of the hull, and how far each is from the hull of all the others.

        Where ``only`` (k,) names rows, the question is asked of those points alone. A point with an exact
        copy among the others is at distance zero and is no vertex. The gap of each distance is at most
        ``rtol`` of it where it is proved a vertex; where ``measured`` is false, distances are as they come,
        infinite where that was enough to decide, which takes less time.

        Raises BadArgument for rows that there are not, or tolerances that are negative.

        >>> square = ConvexHull([[0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
        >>> square.extreme_points().mask
        array([ True,  True,  True,  True, False])
        """
        began, passes = time.perf_counter(), self.oracle.passes
        _tolerances(rtol, None, max_passes)
        own = np.arange(len(self)) if only is None else self._rows(only)
        asked = self._queries(self.points[own])
        if len(self) == 1:
            found = nothing(len(own), 1, self.dimension)
        elif measured:
            found = project_all(self.oracle, asked, own, rtol, None, max_passes)
        else:
            found = decided_all(self.oracle, asked, own, max_passes)
        status, support, normal = settled(self.points, asked, found, own, self._reach(asked))
        mask, decided = (
            np.asarray(status == Status.OUTSIDE, dtype=bool),
            np.flatnonzero(status != Status.UNDECIDED),
        )
        kept = decided[np.unique(own[decided], return_index=True)[1]]  # in the order of rows, each once
        marks = table_of([own[:0] if mask[i] else support[i] for i in kept], len(self))
        claim = HullVertices(self.points, own[kept], ~mask[kept], marks, narrow(normal[kept]))
        stats = Stats(found.steps, self.oracle.passes - passes, time.perf_counter() - began)
        return ExtremePoints(mask, found.upper, found.lower, status, found.weights, claim, stats)

    def constraints(self, z: Expression, name: str = "weights") -> list[Constraint]:
        """That the cvxpy expression z (d,) lies in the hull, for convex programs of your own.

        Brings in a variable, ``name`` (n,): the weights of the points that z is a combination of.

        >>> import cvxpy as cp
        >>> z = cp.Variable(2, name="z")
        >>> triangle = ConvexHull([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
        >>> round(float(cp.Problem(cp.Maximize(z[0] + 2 * z[1]), triangle.constraints(z)).solve("HIGHS")), 6)
        8.0
        """
        return combination(self.points, z, name)

    def support(self, directions: ArrayLike) -> Support:
        """How far the hull reaches along each direction u (q, d): max ⟨x, u⟩, and the point that reaches it.

        Raises BadArgument for a direction of length zero.

        >>> ConvexHull([[0, 0], [2, 0], [0, 3]]).support([[1, 0], [1, 1]]).value
        array([2., 3.])
        """
        return extent.support(
            self.oracle, as_float64(directions, "directions", self.dimension, allow_empty=True)
        )

    def width(self, directions: ArrayLike) -> Float64:
        """The width (q,) of the hull along directions (q, d) of any length, as a distance.

        >>> ConvexHull([[0, 0], [2, 0], [0, 3]]).width([[1, 0], [0, 5]])
        array([2., 3.])
        """
        along = as_float64(directions, "directions", self.dimension, allow_empty=True)
        there, back = self.support(along), self.support(-along)
        return (there.value + back.value) / np.sqrt(np.einsum("ij,ij->i", along, along))

    def diameter(self) -> Diameter:
        """The greatest distance between two points of the hull.

        All pairs that could reach it are compared; where there are more than four thousand million such
        pairs the status is ITERATION_LIMIT and the answer an interval.

        >>> round(ConvexHull([[0, 0], [3, 0], [0, 4]]).diameter().value, 9)
        5.0
        """
        return extent.diameter(self.oracle)

    def enclosing_ball(self, rtol: float = 1e-9, max_passes: int = 1000) -> Ball:
        """The smallest ball that holds the hull, to a proved relative gap of ``rtol``.

        >>> ball = ConvexHull([[0, 0], [2, 0], [0, 2], [1, 1]]).enclosing_ball()
        >>> ball.centre.round(9), round(ball.radius**2, 9)
        (array([1., 1.]), 2.0)
        """
        _tolerances(rtol, None, max_passes)
        return extent.enclosing_ball(self.oracle, rtol, max_passes)

    def _rows(self, only: ArrayLike) -> Ints:
        rows = np.asarray(only)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise BadArgument("only: expected a list of rows")
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self)):
            raise BadArgument(f"only: expected rows from 0 to {len(self) - 1}")
        return rows.astype(np.int64)

    def _reach(self, queries: Float64) -> Float64:
        """A bound on the distance of each query from any point, (q,)."""
        return self.oracle.radius + lengths_above(queries - self.oracle.centre) * (1 + 8 * UNIT)

    def _queries(self, queries: ArrayLike) -> Float64:
        asked = as_float64(queries, "queries", self.dimension, allow_empty=True)
        if asked.size and not np.abs(asked).max() < LARGEST:
            raise BadArgument(
                f"queries: coordinates beyond {LARGEST:.0e} cannot be squared in float64; rescale"
            )
        return asked


def _tolerances(rtol: float, atol: float | None, max_passes: int) -> float | None:
    if not 0 <= rtol < 1:
        raise BadArgument(f"rtol: expected a number in [0, 1), got {rtol}")
    if atol is not None and not 0 <= atol < np.inf:
        raise BadArgument(f"atol: expected a number ≥ 0, got {atol}")
    if max_passes < 1:
        raise BadArgument(f"max_passes: expected 1 or more, got {max_passes}")
    return atol
