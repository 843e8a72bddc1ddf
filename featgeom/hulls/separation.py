"""The distance between two hulls, the plane midway, or a point that both contain: the hard-margin machine."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Ints, read_only
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.errors import BadArgument
from featgeom.hulls.between import Between
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.inside import encloses
from featgeom.hulls.judging import Asked, scan
from featgeom.hulls.minimum_norm import UNIT, MinimumNorm, dot, minimum_norm
from featgeom.parallel import in_parallel
from featgeom.results import Result
from featgeom.status import Stats, Status

TOGETHER = 8  # points of each hull that one look at both proposes
WIDE, AT_ONCE = 256, 32  # dimensions from which inner products are solved on, and what one look then proposes
PATIENCE = 5  # looks without progress before the digits of inner products are held to be too few
ROUGH = 1e-6  # of the longest atom: a sum so short has no digits in inner products
ROWS = 1 << 16  # points looked at before the pages of a memory map are given back
NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class Separation(Result):
    """How two hulls lie to each other, and the proof.

    The true distance lies in [``lower_bound``, ``distance``]; ``witnesses`` are the points of the first and
    the second hull at ``distance``, with their weights. ``normal`` has unit length and points from the second
    hull to the first; the plane ⟨normal, x⟩ = ``offset`` lies midway. Where the hulls are proved to overlap,
    the witnesses are one point to within rounding, and the certificate determines it exactly.
    """

    bounded = ("distance", "lower_bound", "distance")

    status: Status
    distance: float
    lower_bound: float
    witnesses: tuple[Float64, Float64]
    weights: tuple[csr_array, csr_array]
    normal: Float64
    offset: float
    certificate: HullSeparation | HullOverlap
    stats: Stats


class Side:
    """One hull about a common centre, from which no point of it is farther than ``reach``."""

    def __init__(self, hull: ConvexHull, centre: Float64) -> None:
        self.hull, self.centre = hull, centre
        self.points = read_only(hull.points)
        self.reach = hull.oracle.radius + 1.01 * float(np.linalg.norm(hull.oracle.centre - centre))

    def lowest(self, direction: Float64, most: int = TOGETHER) -> tuple[Ints, float]:
        """The rows of a few points of least ⟨x − centre, direction⟩, lowest first, and that least value."""
        few = min(most, len(self.hull))
        rows, depth, count, least = np.zeros(few, dtype=np.int64), np.empty(few), 0, np.inf
        asked = Asked(-1, self.centre, direction, NONE, np.inf)
        for start in range(0, len(self.hull), ROWS):
            stop = min(len(self.hull), start + ROWS)
            low, count = scan(self.points, start, stop, asked, rows, depth, count)
            least = min(least, low)
            self.hull.oracle.release()
        return rows, float(least)

    def take(self, rows: Ints) -> Float64:
        """The points of those rows, about the centre."""
        return self.points[rows] - self.centre


def separate(
    hull_a: ConvexHull, hull_b: ConvexHull, rtol: float = 1e-9, max_passes: int = 10_000
) -> Separation:
    """The distance between two hulls: min ‖a − b‖ over a in the first and b in the second.

    SEPARATED: the lower bound is proved positive; the gap is at most ``rtol`` of the distance, or the bounds
    say how much wider. OVERLAPPING: a common point is proved. UNDECIDED: neither, as where hulls touch.

    Raises BadArgument for hulls of different dimension.

    >>> left, right = ConvexHull([[0.0, 0.0], [0.0, 1.0]]), ConvexHull([[3.0, 0.0], [5.0, 9.0]])
    >>> result = separate(left, right)
    >>> result.status, round(result.distance, 12), result.normal, result.offset
    (SEPARATED, 3.0, array([-1.,  0.]), -1.5)
    """
    began = time.perf_counter()
    if hull_a.dimension != hull_b.dimension:
        raise BadArgument(f"hulls of dimension {hull_a.dimension} and {hull_b.dimension} share no space")
    if not 0 <= rtol < 1:
        raise BadArgument(f"rtol: expected a number in [0, 1), got {rtol}")
    a, b, found = nearest(hull_a, hull_b, rtol, max_passes)
    return _conclude(hull_a, hull_b, a, b, found, began)


def nearest(
    hull_a: ConvexHull, hull_b: ConvexHull, rtol: float, max_passes: int = 10_000
) -> tuple[Side, Side, MinimumNorm]:
    """The least-norm difference of a point of the first hull and one of the second, as `minimum_norm` tells.

    The atom of row i of the first hull and row j of the second has the number i · len(second) + j.
    """
    centre = (hull_a.oracle.centre + hull_b.oracle.centre) / 2
    a, b = Side(hull_a, centre), Side(hull_b, centre)
    many = len(hull_b)

    def atoms(ids: Ints) -> Float64:
        return a.take(ids // many) - b.take(ids % many)

    def oracle(direction: Float64) -> tuple[Ints, float]:
        (i, low), (j, high) = a.lowest(direction), b.lowest(-direction)
        count = min(len(i), len(j))
        beside = i[:count] * many + j[:count]
        return np.concatenate([beside, i[1:] * many + j[0], i[0] * many + j[1:]]), low + high

    start = a.lowest(hull_a.oracle.centre - hull_b.oracle.centre)[0][:1]
    if hull_a.dimension < WIDE:
        return a, b, minimum_norm(oracle, atoms, start * many, rtol / 2, max_passes)
    found = on_products(a, b, int(start[0]), rtol / 2, max_passes)
    if found.status is Status.PRECISION_LIMIT:
        found = minimum_norm(oracle, atoms, found.ids, rtol / 2, max_passes, found.weights)
    return a, b, found


def on_products(a: Side, b: Side, first: int, rtol: float, max_passes: int) -> MinimumNorm:
    """The same by way of inner products: where these have too few digits, PRECISION_LIMIT.

    Begins with row ``first`` of the first hull and row 0 of the second.
    """
    known = Between(a.hull.dimension, a.reach + b.reach)
    for k, (one, row) in enumerate(((a, first), (b, 0))):
        known.add(np.array([row]), np.array([k]), (1 - 2 * k) * one.take(np.array([row])), np.ones(1))
    status, best, lower, idle, passes = Status.ITERATION_LIMIT, np.inf, -np.inf, 0, 0
    while passes < max_passes:
        passes += 1
        point = known.solve()
        norm = float(np.sqrt(dot(point, point)))
        idle = 0 if norm < best else idle + 1
        best = min(norm, best)
        near = [one.lowest(way * point, AT_ONCE) for one, way in ((a, 1), (b, -1))]
        lower = max(lower, (near[0][1] + near[1][1]) / norm) if norm > 0 else 0.0
        if norm > 0 and norm - lower <= rtol * norm:
            status = Status.SOLVED
            break
        fresh = [np.setdiff1d(low, known.rows[known.side == k]) for k, (low, _) in enumerate(near)]
        if norm <= ROUGH * known.longest or idle >= PATIENCE or not sum(map(len, fresh)):
            status = Status.PRECISION_LIMIT
            break
        if idle:
            known.factor_anew()
        if len(known.rows) > 4 * len(known.active) + 256:
            known.forget()
        for k, one in enumerate((a, b)):
            known.add(fresh[k], np.full(len(fresh[k]), k), (1 - 2 * k) * one.take(fresh[k]))
    rows, side = known.rows[known.active], known.side[known.active]
    mine, theirs = (np.flatnonzero(side == k) for k in (0, 1))
    first_of, second_of, shares = matched(known.weights[mine], known.weights[theirs])
    ids = rows[mine][first_of] * len(b.hull) + rows[theirs][second_of]
    return MinimumNorm(status, point, ids, shares, norm, max(lower, 0.0), passes)


def matched(left: Float64, right: Float64) -> tuple[Ints, Ints, Float64]:
    """Pairs of an entry of each of two lists of weights, and weights of these whose sums are the two lists.

    Both sum to the same; there are no more pairs than entries.

    >>> matched(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    (array([0, 1, 1]), array([0, 0, 1]), array([0.25, 0.25, 0.5 ]))
    """
    ends = [np.append(np.cumsum(some[:-1]) / some.sum(), 1.0) for some in (left, right)]
    ends = [np.minimum(end, 1.0) for end in ends]
    cuts = np.unique(np.concatenate([*ends, [0.0]]))
    shares = np.diff(cuts)
    places = [np.minimum(np.searchsorted(end, cuts[:-1], "right"), len(end) - 1) for end in ends]
    return places[0], places[1], shares


def separate_all(hulls: Sequence[ConvexHull], rtol: float = 1e-9) -> dict[tuple[int, int], Separation]:
    """`separate` for every pair (i, j), i < j, of hulls in one space.

    >>> hulls = [ConvexHull([[float(x)]]) for x in (0, 1, 4)]
    >>> {pair: round(result.distance, 12) for pair, result in separate_all(hulls).items()}
    {(0, 1): 1.0, (0, 2): 4.0, (1, 2): 3.0}
    """
    pairs = list(itertools.combinations(range(len(hulls)), 2))
    results: dict[tuple[int, int], Separation] = {}

    def run(start: int, stop: int) -> None:
        for i, j in pairs[start:stop]:
            results[i, j] = separate(hulls[i], hulls[j], rtol)

    in_parallel(run, len(pairs), 1)
    return {pair: results[pair] for pair in pairs}


def _conclude(
    hull_a: ConvexHull, hull_b: ConvexHull, a: Side, b: Side, found: MinimumNorm, began: float
) -> Separation:
    """Rounding-proof bounds from what the kernel found, and the claim they make."""
    many, d = len(hull_b), hull_a.dimension
    rows_a, rows_b = found.ids // many, found.ids % many
    weights_a = _gathered(rows_a, found.weights, len(hull_a))
    weights_b = _gathered(rows_b, found.weights, many)
    point_a, size_a = _combined(a, weights_a)
    point_b, size_b = _combined(b, weights_b)
    apart = point_a - point_b
    length = float(np.linalg.norm(apart))
    terms = 2 * len(found.ids) + 2 * d + 24
    upper = length * (1 + terms * UNIT) + 1.01 * terms * UNIT * (size_a + size_b)
    lower, normal, offset = 0.0, np.zeros(d), 0.0
    if length > 0:
        normal = apart / length
        low, high = a.lowest(normal)[1], -b.lowest(-normal)[1]
        error = 1.01 * (d + 8) * UNIT * (a.reach + b.reach)
        lower = max(0.0, (low - high - error) * (1 - 2 * (d + 8) * UNIT))
        offset = float(a.centre @ normal + (low + high) / 2)
    status = Status.SEPARATED if lower > 0 else Status.UNDECIDED
    witnesses = (point_a + a.centre, point_b + b.centre)
    claim: HullSeparation | HullOverlap = HullSeparation(
        hull_a.points, hull_b.points, lower, upper, weights_a, weights_b, normal
    )
    if status is Status.UNDECIDED and encloses(hull_a.points[rows_a], hull_b.points[rows_b]):
        status = Status.OVERLAPPING
        claim = HullOverlap(hull_a.points, hull_b.points, rows_a, rows_b)
    stats = Stats(found.passes, found.passes, time.perf_counter() - began)
    return Separation(status, upper, lower, witnesses, (weights_a, weights_b), normal, offset, claim, stats)


def _gathered(rows: Ints, weights: Float64, n: int) -> csr_array:
    """Weights of pairs, summed over the points (1, n) of one side."""
    unique, where = np.unique(rows, return_inverse=True)
    total = np.bincount(where, weights)
    return csr_array((total / total.sum(), unique, [0, len(unique)]), shape=(1, n))


def _combined(side: Side, weights: csr_array) -> tuple[Float64, float]:
    """The weighted point about the centre, and Σ weights ‖x − centre‖, which bounds its rounding."""
    points = side.take(weights.indices.astype(np.int64))
    return weights.data @ points, float(weights.data @ np.linalg.norm(points, axis=1))
