"""The exact sequence of cells along segments: where a straight line in feature space changes class."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.bounds import logit_error
from featgeom.certificates.crossings import SegmentCells
from featgeom.errors import BadArgument
from featgeom.exact.heads import ExactHead
from featgeom.exact.rounding import UNIT
from featgeom.head import AffineHead
from featgeom.kernels import kernel
from featgeom.parallel import in_threads
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

CHUNK_NUMBERS = 1 << 24
TOGETHER = 256  # segments that one thread walks in a row


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Result):
    """The classes along n segments, one after the other.

    Segment i runs through the classes ``cells[first[i]:first[i + 1]]``; ``enter`` and ``leave``, aligned with
    ``cells``, are the parameters t in [0, 1] at which it enters and leaves each (0 at the start, 1 at the
    end). Use `path` for one segment.
    """

    cells: Ints
    enter: Float64
    leave: Float64
    first: Ints

    def path(self, i: int) -> tuple[Ints, Float64]:
        """The classes (m,) along segment i and the parameters (m − 1,) of the crossings between them."""
        part = slice(self.first[i], self.first[i + 1])
        return self.cells[part], self.leave[part][:-1]

    @property
    def changes(self) -> Ints:
        """How many times each segment (n,) changes class."""
        return np.diff(self.first) - 1


@dataclass(frozen=True, eq=False, repr=False)
class Crossings(Paths):
    """`Paths` through the cells of feature space.

    The sequence is that of exact arithmetic, and each parameter is within ``error`` (n,) of the crossing, as
    a fraction of the segment.
    """

    shows = ("changes", "error")

    error: Float64
    status: StatusArray
    certificate: SegmentCells
    stats: Stats


def crossings(head: AffineHead, z_a: ArrayLike, z_b: ArrayLike) -> Crossings:
    """The exact sequence of cells along each straight segment from z_a[i] to z_b[i], and where it changes.

    Along a segment every logit is an affine function of t, so the classes follow the upper envelope of C
    lines, which is walked in O(C) a piece. Where rounding could change the sequence (a third class within a
    rounding of a crossing, an end on a boundary) the segment is walked again in rational arithmetic.

    Parameters: z_a, z_b of shape (n, d); t is a fraction of the segment's length. A class that touches the
    envelope in a single point has no piece; of classes whose logits are equal along the whole segment the
    lowest index stands for all; a segment of no length has one piece.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.9, 0.9]], [0.0, 0.0, -1.0])
    >>> cells, t = crossings(head, [[3.0, 0.0]], [[0.0, 3.0]]).path(0)
    >>> cells, t.round(4)
    (array([0, 2, 1]), array([0.4333, 0.5667]))
    """
    start = time.perf_counter()
    a = as_float64(z_a, "z_a", head.dimension, allow_empty=True)
    b = as_float64(z_b, "z_b", head.dimension, allow_empty=True)
    if a.shape != b.shape:
        raise BadArgument(f"z_b: expected the shape of z_a, {a.shape}, got {b.shape}")
    step = max(1, CHUNK_NUMBERS // head.classes)
    parts = [_walk_chunk(head, a[s : s + step], b[s : s + step]) for s in range(0, max(len(a), 1), step)]
    cell, into, counts, error = (np.concatenate(columns) for columns in zip(*parts))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    out = np.append(into[1:], 1.0)
    out[first[1:] - 1] = 1.0
    claim = SegmentCells(head.weight, head.bias, a, b, first, cell, into, error)
    stats = Stats(len(cell), 0, time.perf_counter() - start)
    return Crossings(cell, into, out, first, error, status_array(len(a), Status.SOLVED), claim, stats)


def _walk_chunk(head: AffineHead, a: Float64, b: Float64) -> tuple[Ints, Float64, Ints, Float64]:
    at_a, at_b = head.logits(a), head.logits(b)
    noise = logit_error(head.weight, head.bias, a).max(axis=1, initial=0.0)
    noise = 4 * np.maximum(noise, logit_error(head.weight, head.bias, b).max(axis=1, initial=0.0))
    pieces, t = np.empty((len(a), head.classes), np.int64), np.empty((len(a), head.classes))
    counts, error = np.empty(len(a), np.int64), np.empty(len(a))

    def run(start: int, stop: int) -> None:
        _walk_some(at_a, at_b, noise, start, stop, pieces, t, counts, error)

    in_threads(run, len(a), TOGETHER)
    kept = np.arange(pieces.shape[1]) < counts[:, None]
    cells, enter = pieces[kept], t[kept]
    if not np.isfinite(error).all():
        starts = np.cumsum(counts) - counts
        rows = [(cells[s : s + m], enter[s : s + m]) for s, m in zip(starts, counts)]
        exact = ExactHead(head.weight, head.bias)
        for i in np.flatnonzero(~np.isfinite(error)):
            rows[i] = _walk_exactly(exact.leads(a[i], 0), exact.leads(b[i], 0))
            counts[i], error[i] = len(rows[i][0]), UNIT
        cells = np.concatenate([row[0] for row in rows])
        enter = np.concatenate([row[1] for row in rows])
    return cells, enter, counts, error


@kernel()
def _walk(at_a: Any, at_b: Any, noise: float, cells: Any, enter: Any) -> tuple[int, float]:
    """Walk the envelope of (1 − t) a_k + t b_k; how far off its parameters are, inf where classes may be."""
    classes = len(at_a)
    current = 0
    for k in range(1, classes):
        ahead = at_a[k] - at_a[current]
        if ahead > 0 or (ahead == 0 and at_b[k] > at_b[current]):
            current = k
    certain, error = True, 0.0
    for k in range(classes):
        if k != current and not at_a[current] - at_a[k] > noise:  # nor where they are no numbers
            certain = False
    cells[0], enter[0] = current, 0.0
    count = 1
    while True:
        best, following = np.inf, -1
        for k in range(classes):
            lead, end = at_a[current] - at_a[k], at_b[current] - at_b[k]
            fall = lead - end
            if end < 0 and fall > 0:
                t = max(lead / fall, enter[count - 1])
                if t < best or (t == best and at_b[k] - at_a[k] > at_b[following] - at_a[following]):
                    best, following = t, k
        if following < 0:
            break
        fall = at_a[current] - at_a[following] - (at_b[current] - at_b[following])
        shift = 2 * noise / fall + 4 * UNIT  # how far rounding may have moved this crossing
        error = max(error, shift)
        certain = certain and best - shift > enter[count - 1] and best + shift < 1.0
        for k in range(classes):
            if k not in (current, following):
                gap = (1 - best) * (at_a[following] - at_a[k]) + best * (at_b[following] - at_b[k])
                tilt = abs(at_a[following] - at_a[k] - (at_b[following] - at_b[k]))
                certain = certain and gap > 2 * noise + shift * (tilt + noise)
        current = following
        cells[count], enter[count] = current, best
        count += 1
    for k in range(classes):
        if k != current and not at_b[current] - at_b[k] > noise:
            certain = False
    return count, error if certain else np.inf


@kernel(nogil=True)
def _walk_some(
    at_a: Any, at_b: Any, noise: Any, start: int, stop: int, cells: Any, enter: Any, counts: Any, error: Any
) -> None:
    """Walk the segments start..stop."""
    for i in range(start, stop):
        counts[i], error[i] = _walk(at_a[i], at_b[i], noise[i], cells[i], enter[i])


def _walk_exactly(at_a: list[Fraction], at_b: list[Fraction]) -> tuple[Ints, Float64]:
    """The same walk in rational arithmetic, by how far each class is behind class 0 at the ends."""
    rise = [x - y for x, y in zip(at_a, at_b)]
    current = min(range(len(at_a)), key=lambda k: (at_a[k], -rise[k], k))
    cells, enter = [current], [0.0]
    while True:
        steeper = [k for k in range(len(rise)) if rise[k] > rise[current]]
        crossing = {k: (at_a[k] - at_a[current]) / (rise[k] - rise[current]) for k in steeper}
        within = [k for k in steeper if crossing[k] < 1]
        if not within:
            return np.array(cells), np.array(enter)
        current = min(within, key=lambda k: (crossing[k], -rise[k], k))
        cells.append(current)
        enter.append(float(crossing[current]))
