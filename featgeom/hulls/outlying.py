"""Vertices that one look proves: points farthest along the direction in which they lie far for the cloud.

About its mean, and with its second moments scaled to one, a cloud of points is round, and far out in many
dimensions most points are the farthest along their own direction. There is no promise in this: where a pass
over all points finds another one beyond, nothing is said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints, read_only, read_rows
from featgeom.exact.rounding import lengths_above
from featgeom.hulls.judging import Asked, Seen, judge
from featgeom.hulls.minimum_norm import UNIT, compiled
from featgeom.hulls.oracle import Oracle
from featgeom.hulls.projection import Projected, project_all
from featgeom.hulls.working_set import TINY
from featgeom.status import Status, status_array

DECIDED = 0.9  # relative gap of a distance at which it is enough that it is proved positive
FLAT = 1e-9  # of the largest moment: along less the cloud is taken to be so thick
KEPT = 4  # blocks of points that are looked at in float64, or bounded, for each direction
PAYS = 4  # times as many points and questions as dimensions: fewer are not worth the moments


class Outlying(NamedTuple):
    """How far each of some points is proved to lie (0: not at all) below all others along a unit normal."""

    lower: Float64
    normal: Float64


def decided_all(oracle: Oracle, queries: Float64, own: Ints, max_passes: int) -> Projected:
    """Projections of points on the hull of the others, only as good as tells whether they lie outside of it.

    ``queries`` (q, d) are the points ``own`` (q,). Of those that one look proves to lie outside nothing else
    is known: the upper bound is infinite, and there are no weights.
    """
    q = len(own)
    seen = outlying(oracle, own)
    rest = np.flatnonzero(seen.lower == 0)
    found = project_all(oracle, queries[rest], own[rest], DECIDED, None, max_passes)
    upper, residual, counts = np.full(q, np.inf), np.zeros(queries.shape), np.zeros(q, dtype=np.int64)
    upper[rest], residual[rest], counts[rest] = found.upper, found.residual, np.diff(found.weights.indptr)
    seen.lower[rest], seen.normal[rest] = found.lower, found.normal
    status = status_array(q, Status.SOLVED)
    status[rest] = found.status
    start = np.concatenate([[0], np.cumsum(counts)])
    weights = csr_array((found.weights.data, found.weights.indices, start), shape=(q, len(oracle)))
    return Projected(status, upper, seen.lower, weights, residual, seen.normal, found.steps)


def outlying(oracle: Oracle, own: Ints) -> Outlying:
    """What one pass proves of the points ``own`` (q,): their least distance from the hull of the others (q,).

    The normals (q, d) have unit length and point from each to that hull.
    """
    q, d = len(own), oracle.points.shape[1]
    lower, normal = np.zeros(q), np.zeros((q, d))
    if min(q, len(oracle)) < PAYS * d:
        return Outlying(lower, normal)
    inverse = _inverse_moments(oracle)
    some = int(min(20_000, max(64, oracle.memory // (32 * (d + 8 * KEPT)))))
    for start in range(0, q, some):
        part = slice(start, start + some)
        lower[part], normal[part] = _look(oracle, own[part], inverse)
    return Outlying(lower, normal)


def _inverse_moments(oracle: Oracle) -> Float64:
    """The inverse of the second moments about the centre, in lengths of the oracle's scale."""
    d = oracle.points.shape[1]
    moments = np.zeros((d, d))
    for part in oracle.parts():
        apart = part - oracle.centre
        apart *= 2.0**oracle.power
        moments += apart.T @ apart
    values, axes = np.linalg.eigh(moments / len(oracle))
    inverse: Float64 = (axes / np.maximum(values, max(FLAT * values[-1], TINY))) @ axes.T
    return inverse


def _look(oracle: Oracle, own: Ints, inverse: Float64) -> Outlying:
    """One pass for some of the points."""
    d = oracle.points.shape[1]
    queries = read_rows(oracle.points, own).astype(np.float64)
    apart = oracle.centre - queries
    normal = (apart * 2.0**oracle.power) @ inverse
    lengths = np.sqrt(np.einsum("ij,ij->i", normal, normal))
    fine = np.isfinite(lengths) & (lengths > 0)
    normal[fine] /= lengths[fine, None]
    normal[~fine] = np.eye(1, d)[0]
    low = oracle.lowest(normal, KEPT)
    offset = np.einsum("ij,ij->i", apart, normal)
    seen = Seen(low.values + offset[:, None], low.blocks, low.rest + offset, oracle.slack)
    reach = (oracle.radius + lengths_above(apart)) * (1 + 2 * (d + 8) * UNIT)
    lower, points = np.zeros(len(own)), read_only(oracle.points)

    def run(start: int, stop: int) -> None:
        _judge_all(points, oracle.block, queries, own, normal, reach, seen, start, stop, lower)

    oracle.each(run, np.hstack([low.blocks, own[:, None] // oracle.block]))
    return Outlying(lower, normal)


@compiled
def _judge_all(points, size, queries, own, normals, reach, seen, start, stop, lower):  # type: ignore[no-untyped-def]
    """Write how far all other points are proved to lie beyond each of the queries[start:stop], if they do."""
    d = queries.shape[1]
    known, found = np.empty(0, dtype=np.int64), np.empty(1, dtype=np.int64)
    for a in range(start, stop):
        asked = Asked(own[a], queries[a], normals[a], known, np.inf)
        error = 1.01 * (d + 8) * UNIT * reach[a]
        least = judge(points, size, asked, seen, a, error, np.inf, found)[0]
        lower[a] = max(0.0, (least - TINY) * (1 - 2 * (d + 8) * UNIT))
