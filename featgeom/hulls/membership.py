"""Whether queries lie in a hull, proved either way, and which of the hull's own points are its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.hulls import HullMembership
from featgeom.hulls.inside import encloses
from featgeom.hulls.projection import Projected
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array


@dataclass(frozen=True, eq=False, repr=False)
class Membership(Result):
    """Which queries (q, d) lie in a hull of n points: INSIDE and OUTSIDE are proved, UNDECIDED says so.

    The true distance of each lies in [``lower_bound``, ``distance``], and is zero where it is INSIDE. The
    evidence is the set of points whose simplex holds the query (``support``, (q, n)), or the ``normal``
    (q, d) of a plane between query and hull.
    """

    bounded = ("distance", "lower_bound", "distance")

    status: StatusArray
    distance: Float64
    lower_bound: Float64
    support: csr_array
    normal: Float64
    certificate: HullMembership
    stats: Stats

    @property
    def evidence(self) -> HullMembership:
        """The certificate: what proves each answer."""
        return self.certificate


@dataclass(frozen=True, eq=False, repr=False)
class ExtremePoints(Result):
    """Which points of a hull are its vertices, and by how much: all n of them, or the k asked about.

    ``distance`` (k,) is an upper bound on the distance of each point from the hull of all the others, and
    ``lower_bound`` (k,) a lower one. ``mask`` is true where the point is proved a vertex (``status``
    OUTSIDE); INSIDE means proved to lie in the hull of the others, as a point with an exact copy does;
    UNDECIDED that neither is proved. ``weights`` (k, n) gives the nearest point of the others' hull.
    """

    bounded = ("distance", "lower_bound", "distance")
    shows = ("mask",)

    mask: NDArray[np.bool_]
    distance: Float64
    lower_bound: Float64
    status: StatusArray
    weights: csr_array
    certificate: HullMembership
    stats: Stats


def decide(
    points: Floats, queries: Float64, found: Projected, left_out: Ints
) -> tuple[StatusArray, HullMembership]:
    """What projections prove about membership: a plane outside, a simplex or exact weights inside."""
    status = status_array(len(queries))
    status[found.lower > 0] = Status.OUTSIDE
    start, rows = found.weights.indptr, found.weights.indices
    for i in np.flatnonzero(status == Status.UNDECIDED):
        support = rows[start[i] : start[i + 1]]
        if len(support) and encloses(points[support], np.tile(queries[i], (len(support), 1))):
            status[i] = Status.INSIDE
    inside = status == Status.INSIDE
    claim = HullMembership(
        points, queries, status != Status.UNDECIDED, inside, found.weights, found.normal, left_out
    )
    return status, claim
