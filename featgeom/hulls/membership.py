"""Whether queries lie in a hull, proved either way, and which of the hull's own points are its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.hulls import HullMembership, HullVertices
from featgeom.hulls.exactly import settle
from featgeom.hulls.inside import encloses
from featgeom.hulls.projection import Projected
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array


@dataclass(frozen=True, eq=False, repr=False)
class Membership(Result):
    """Which queries (q, d) lie in a hull of n points: INSIDE and OUTSIDE are proved, UNDECIDED says so.

    The true distance of each lies in [``lower_bound``, ``distance``], and is zero where it is INSIDE. The
    evidence is the set of points whose simplex holds the query (``support``, (q, n)), or the ``normal``
    (q, d), of any length, of a plane between query and hull. The certificate claims what is decided.
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
    certificate: HullVertices
    stats: Stats


def settled(
    points: Floats, queries: Float64, found: Projected, left_out: Ints, reach: Float64
) -> tuple[StatusArray, list[Ints], Float64]:
    """What projections prove: a plane outside, a simplex or exact weights inside; status, supports, normals.

    What rounding leaves open is asked again in rational numbers. ``reach`` (q,) bounds the distance of each
    query from any point.
    """
    status = status_array(len(queries))
    status[found.lower > 0] = Status.OUTSIDE
    start, rows = found.weights.indptr, np.asarray(found.weights.indices, dtype=np.int64)
    supports = [np.sort(rows[start[i] : start[i + 1]]) for i in range(len(queries))]
    normal = coarse(found.normal, found.lower, reach)
    for i in np.flatnonzero(status == Status.UNDECIDED):
        support = supports[i]
        if len(support) and encloses(points[support], np.tile(queries[i], (len(support), 1))):
            status[i] = Status.INSIDE
        elif exact := settle(points, queries[i], support, int(left_out[i])):
            status[i] = Status.INSIDE if exact.inside else Status.OUTSIDE
            supports[i], normal[i] = exact.rows, exact.normal
    return status, supports, normal


def coarse(normals: Float64, lower: Float64, reach: Float64) -> Float64:
    """Normals (q, d) of unit length as whole numbers of few digits, where they still separate as proved.

    All points lie at least ``lower`` (q,) beyond, and within ``reach`` (q,); a normal that is off by a length
    of δ moves that by δ · reach at most. Few digits take little room, once they are `narrow`.

    >>> coarse(np.array([[0.6, 0.8]]), np.array([1.0]), np.array([2.0]))
    array([[ 95., 127.]])
    """
    result = normals.copy()
    largest = np.abs(normals).max(axis=1, initial=0.0)
    for bits in (31, 15, 7):
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = (2.0**bits - 1) / largest
            fine = (largest > 0) & (lower > 1.01 * np.sqrt(normals.shape[1]) / (2 * scale) * reach)
        result[fine] = np.rint(normals[fine] * scale[fine, None])
    return result


def narrow(normals: Float64) -> NDArray[Any]:
    """The same numbers in the type of fewest bytes that holds them all: whole numbers of one, two or four.

    >>> narrow(np.array([[95.0, -127.0]])).dtype, narrow(np.array([[0.5, 128.0]])).dtype
    (dtype('int8'), dtype('float64'))
    """
    largest = float(np.abs(normals).max(initial=0.0))
    for bits, kind in ((7, np.int8), (15, np.int16), (31, np.int32)):
        if largest < 2.0**bits and (normals == np.rint(normals)).all():
            return normals.astype(kind)
    return normals


def table_of(supports: list[Ints], n: int) -> csr_array:
    """Marks (q, n) of the rows that support each query."""
    counts = np.array([len(rows) for rows in supports], dtype=np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *supports])
    return csr_array((np.ones(len(rows)), rows, np.concatenate([[0], counts.cumsum()])), (len(supports), n))
