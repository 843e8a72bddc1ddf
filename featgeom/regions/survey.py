"""Class, nearest boundary and safety in float32 of many features, in one pass over features and rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints, blocks
from featgeom.exact.float32 import float32_needs
from featgeom.exact.rounding import TINY, UNIT, gamma, lengths_above
from featgeom.head import AffineHead
from featgeom.kernels import kernel
from featgeom.parallel import in_threads
from featgeom.regions.gaps import pair_norms
from featgeom.regions.margins import BLOCK_ENTRIES, margins_of_block, proved_margins

ROWS = 256  # of a block that a thread takes at a time
FLOAT32_MOST, FLOAT32_TINY = float(np.finfo(np.float32).max) / 4, float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Survey:
    """What the head says of features (n, d), each (n,).

    ``classes``, decided exactly; ``ball``, a proved lower bound on the distance to the nearest boundary in
    all of feature space, and ``rival``, the class beyond it; ``moved``, by how many logits float32 moves the
    lead over any other class at most, and ``safe``, whether no evaluation in float32 gives another class;
    ``top``, the size of the feature's largest coordinate.
    """

    classes: Ints
    ball: Float64
    rival: Ints
    moved: Float64
    safe: NDArray[np.bool_]
    top: Float64


def survey(head: AffineHead, points: Floats, *others: Callable[[Floats], object]) -> Survey:
    """Two float64 products of features and head, and one look at each pair of a feature and a rival.

    What float64 leaves open of a feature, or cannot hold, is decided as `margins` does. ``others`` are shown
    every block of the features, one after the other, while it is in memory.
    """
    rows, known = max(1, BLOCK_ENTRIES // max(head.dimension, head.classes)), _Head.of(head)
    parts = []
    for some in blocks(points, max(1, points[:1].nbytes) * rows):
        block = np.array(some)  # a file is read once, and in its order
        parts.append(_of_block(known, block))
        for other in others:
            other(block)
    parts = parts or [_none()]
    return Survey(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Survey)))


class _Sizes(NamedTuple):
    """Of rows of features or of the head (m, d): lengths, sums and largest of the sizes of their entries."""

    length: Float64
    total: Float64
    top: Float64

    @classmethod
    def of(cls, rows: Float64) -> _Sizes:
        size = np.abs(rows)
        return cls(lengths_above(rows), size.sum(axis=1), size.max(axis=1, initial=0.0))


class _Head(NamedTuple):
    """A head with what every block needs of it: sizes of its rows and entries (d, C), and gaps (C, C)."""

    head: AffineHead
    sizes: _Sizes
    heights: Float64
    norms: Float64

    @classmethod
    def of(cls, head: AffineHead) -> _Head:
        return cls(head, _Sizes.of(head.weight), np.abs(head.weight).T, pair_norms(head))


class _Told(NamedTuple):
    """What `_look` tells of each feature, (n,), where it is ``settled``."""

    settled: NDArray[np.bool_]
    classes: Ints
    ball: Float64
    rival: Ints
    moved: Float64
    safe: NDArray[np.bool_]


def _none() -> Survey:
    zero = np.zeros(0)
    return Survey(zero.astype(np.int64), zero, zero.astype(np.int64), zero, zero.astype(bool), zero)


def _of_block(known: _Head, points: Floats) -> Survey:
    (head, others, heights, norms), n, z = known, len(points), points.astype(np.float64)
    told = _Told(*(np.zeros(n, kind) for kind in (bool, np.int64, float, np.int64, float, bool)))
    mine = _Sizes.of(z)
    rounds = gamma(head.dimension + 1, np.float64), gamma(head.dimension + 4, np.float32)

    def look(start: int, stop: int) -> None:
        rows = slice(start, stop)  # of few numbers, so that how products are rounded depends on them alone
        with np.errstate(over="ignore", invalid="ignore"):
            logits = z[rows] @ head.weight.T + head.bias
            sizes = np.abs(z[rows]) @ heights + np.abs(head.bias)
        here = _Sizes(*(values[rows] for values in mine))
        there: Any = _Told(*(values[rows] for values in told))  # type: ignore[arg-type]
        _look(logits, sizes, here, others, head.dimension, rounds, norms, there)

    in_threads(look, n, ROWS)
    found = Survey(*told[1:], mine.top)
    rest = np.flatnonzero(~told.settled)
    if len(rest):
        for name, values in vars(_in_general(head, points[rest], norms)).items():
            getattr(found, name)[rest] = values
    return found


def _in_general(head: AffineHead, points: Floats, norms: Float64) -> Survey:
    found = margins_of_block(head, points)
    distances = ball_distances(found.margins, found.error, found.classes, norms)
    rival, rows = nearest_rivals(distances, found.classes), np.arange(len(points))
    needs = float32_needs(points, head.weight, head.bias, found.classes)
    needs[rows, found.classes] = 0.0
    most, top = needs.max(axis=1), np.abs(points).max(axis=1, initial=0.0).astype(np.float64)
    return Survey(found.classes, distances[rows, rival], rival, most, found.float32_safe, top)


def ball_distances(margins: Float64, error: Float64, classes: Ints, norms: Float64) -> Float64:
    """Lower bounds (n, C) on the distance to the boundary with each rival; infinite at the own class.

    Twice the allowance for rounding is taken off, so that a check which sums in another order agrees. The
    class is decided exactly, so no margin is below zero.
    """
    lower = np.maximum(proved_margins(margins, 2 * error, classes), 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        distances = lower / norms[classes] * (1 - 4 * UNIT)
    # Equal rows: the margin is the same everywhere, so it never ends, or the two tie everywhere.
    distances = np.where(np.isnan(distances), 0.0, distances)
    distances[np.arange(len(classes)), classes] = np.inf
    return distances


def nearest_rivals(distances: Float64, classes: Ints) -> Ints:
    """The rival of least distance (n,), another than the own class also where all are infinitely far."""
    nearest = distances.argmin(axis=1)
    return np.where(nearest == classes, classes == 0, nearest)


@kernel(nogil=True)
def _look(logits: Any, sizes: Any, z: Any, w: Any, d: Any, rounds: Any, norms: Any, told: Any) -> None:
    """One block of `survey`; rows in which anything is not ordinary stay unsettled."""
    for i in range(len(logits)):
        row, own, ordinary = logits[i], 0, z.top[i] <= FLOAT32_MOST
        for k in range(len(row)):
            if row[k] > row[own]:
                own = k
        long = rounds[0] * z.length[i]
        mine = 1.001 * (long * w.length[own] + d * TINY + UNIT * abs(row[own]))
        least, nearest, most, keeps = np.inf, 0, 0.0, True
        need_own = 1.000001 * rounds[1] * sizes[i, own]
        need_own += FLOAT32_TINY * (z.total[i] + w.total[own] + 2 * d + 2)
        for k in range(len(row)):
            if not (sizes[i, k] <= FLOAT32_MOST and w.top[k] <= FLOAT32_MOST and abs(row[k]) < np.inf):
                ordinary = False
            if k == own:
                continue
            margin = row[own] - row[k]
            error = 1.001 * (long * w.length[k] + d * TINY + UNIT * abs(row[k])) + mine + UNIT * margin
            if not margin > 1.01 * error:
                ordinary = False
            distance = max(0.0, (margin - 2 * error) * (1 - 2 * UNIT))
            if norms[own, k] > 0:
                distance = distance / norms[own, k] * (1 - 4 * UNIT)
            elif distance > 0:
                distance = np.inf
            if distance < least:
                least, nearest = distance, k
            need = 1.000001 * rounds[1] * sizes[i, k]
            need += FLOAT32_TINY * (z.total[i] + w.total[k] + 2 * d + 2) + need_own
            most = max(most, need)
            keeps = keeps and (margin - 3 * error) * (1 - 2 * UNIT) > need
        if nearest == own:
            nearest = 1 if own == 0 else 0
        told.settled[i], told.classes[i], told.ball[i] = ordinary, own, least
        told.rival[i], told.moved[i], told.safe[i] = nearest, most, keeps
