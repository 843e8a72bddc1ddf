"""Cheap evidence that two cells meet: points deep in cells, segments between them, and a short ascent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats, Ints
from featgeom.head import AffineHead
from featgeom.regions.domains import Box, Domain, Hull
from featgeom.regions.radius import steps_to_boundary

ENTRIES_AT_ONCE = 1 << 20
SCALES = (8.0, 1.0, 64.0)  # how far out base points lie, beside what the biases weigh
ASCENT_STEPS = 60
LEAST_GAP = 1e-9  # relative to the logits: less is left to exact evidence


@dataclass(frozen=True, eq=False)
class BasePoints:
    """One point of the domain for each class, as deep in its cell as a cheap guess finds it.

    ``bases``: points (C, d), or, in a hull, weights over its points (C, n). ``logits`` (C, C).
    """

    bases: Float64 | csr_array
    logits: Float64


def base_points(head: AffineHead, domain: Domain, given: Floats | None) -> Iterator[BasePoints]:
    """Sets of base points, the most promising first, each made when it is asked for."""
    if isinstance(domain, Hull):
        yield _deepest(head, domain.points, domain.points, weights=True)
        return
    size = 1 + np.abs(head.bias - head.bias.mean()).max()
    centred = head.weight - head.weight.mean(axis=0)
    length2 = np.median(np.einsum("ij,ij->i", centred, centred))
    if length2 > 0:
        for scale in SCALES:
            yield _clipped(head, domain, scale * size / length2 * centred)
        if np.isfinite(centred).all():
            inverse = np.linalg.pinv(centred).T
            for scale in SCALES:
                yield _clipped(head, domain, scale * size * inverse)
    yield _clipped(head, domain, np.zeros_like(head.weight))
    if given is not None:
        inside = np.flatnonzero(domain.contains(given))
        if len(inside):
            yield _deepest(head, given[inside], given[inside], weights=False)


def _clipped(head: AffineHead, box: Box, points: Float64) -> BasePoints:
    bases = in_box(box, points)
    return BasePoints(bases, head.logits(bases))


def in_box(box: Box, points: Float64) -> Float64:
    """Points (m, d) brought into the box, whatever became of their coordinates."""
    return np.clip(np.nan_to_num(points), box.lo, box.hi)


def _deepest(head: AffineHead, points: Floats, members: Floats, weights: bool) -> BasePoints:
    """For each class that point whose logit stands highest above all others."""
    best = np.full(head.classes, -np.inf)
    index = np.zeros(head.classes, dtype=np.int64)
    step = max(1, ENTRIES_AT_ONCE // max(head.weight.shape))
    for start in range(0, len(points), step):
        logits = head.logits(points[start : start + step])
        top = np.sort(logits, axis=1)[:, -2:]
        lead = logits - np.where(logits == top[:, 1:], top[:, :1], top[:, 1:])
        row = lead.argmax(axis=0)
        value = lead[row, np.arange(head.classes)]
        better = value > best
        best[better], index[better] = value[better], row[better] + start
    chosen = members[index].astype(np.float64)
    if not weights:
        return BasePoints(chosen, head.logits(chosen))
    one = csr_array((np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), len(points)))
    return BasePoints(one, head.logits(chosen))


def on_segments(logits: Float64, pairs: Ints) -> tuple[NDArray[np.bool_], Float64]:
    """Pairs that tie above all others between their base points, and two places on each such segment."""
    good = np.zeros(len(pairs), dtype=bool)
    steps = np.zeros((len(pairs), 2))
    size = max(1, ENTRIES_AT_ONCE // logits.shape[1])
    for start in range(0, len(pairs), size):
        block = slice(start, start + size)
        good[block], steps[block] = _on_segments(logits, pairs[block])
    return good, steps


def _on_segments(logits: Float64, pairs: Ints) -> tuple[NDArray[np.bool_], Float64]:
    first, second = pairs.T
    rows = np.arange(len(pairs))
    here, change = logits[first], logits[second] - logits[first]
    lead = here[rows, first] - here[rows, second]
    fall = -(change[rows, first] - change[rows, second])
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(fall == 0, 0.5, lead / fall)
    crossing = (lead >= 0) & (lead <= fall)
    place = np.where(crossing, place, 0.0)
    reach = np.abs(change).max(axis=1)
    change *= place[:, None]
    here += change
    top = np.minimum(here[rows, first], here[rows, second])
    size = np.abs(here).max(axis=1)
    here[rows, first] = here[rows, second] = -np.inf
    gap = top - here.max(axis=1)
    gap = np.where(np.isposinf(gap), 1.0 + size, gap)  # two classes only
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.where(reach > 0, gap / (8 * reach), 0.0)
    steps = np.clip(np.stack([place - width, place + width], axis=1), 0.0, 1.0)
    return crossing & (gap > LEAST_GAP * size), steps


def ascend(head: AffineHead, box: Box, pairs: Ints) -> tuple[NDArray[np.int64], Float64, Float64]:
    """Pairs for which a short ascent finds a tie above all others: their rows, and a point on each side."""
    size = max(1, ENTRIES_AT_ONCE // max(head.weight.shape))
    parts = [_ascend(head, box, pairs[start : start + size]) for start in range(0, len(pairs), size)]
    rows = np.concatenate([part[0] + i * size for i, part in enumerate(parts)])
    return rows, np.vstack([part[1] for part in parts]), np.vstack([part[2] for part in parts])


def _ascend(head: AffineHead, box: Box, pairs: Ints) -> tuple[NDArray[np.int64], Float64, Float64]:
    first, second = pairs.T
    centred = head.weight - head.weight.mean(axis=0)
    length2 = np.median(np.einsum("ij,ij->i", centred, centred)) or 1.0
    size = 1 + np.abs(head.bias - head.bias.mean()).max()
    z = in_box(box, 4 * size / length2 * (centred[first] + centred[second]))
    open_rows = np.arange(len(pairs))
    for _ in range(ASCENT_STEPS):
        c, j = first[open_rows], second[open_rows]
        index = np.arange(len(open_rows))
        logits = head.logits(z[open_rows])
        mine, other = logits[index, c], logits[index, j]
        logits[index, c] = logits[index, j] = -np.inf
        rival = logits.argmax(axis=1)
        lead = np.minimum(mine, other) - logits[index, rival]
        behind = lead < size
        if not behind.any():
            break
        open_rows, c, j, rival = open_rows[behind], c[behind], j[behind], rival[behind]
        lower = np.where(mine[behind] < other[behind], c, j)
        away = head.weight[lower] - head.weight[rival]
        norm2 = np.einsum("ij,ij->i", away, away)
        length = np.where(norm2 > 0, (2 * size - lead[behind]) / np.where(norm2 > 0, norm2, 1.0), 0.0)
        z[open_rows] = in_box(box, z[open_rows] + length[:, None] * away)
    low, high, good = bracket_box(head, box, z, first, second)
    return np.flatnonzero(good), low[good], high[good]


def bracket_box(
    head: AffineHead, box: Box, z: Float64, first: Ints, second: Ints
) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """From each point to the nearest tie of its two classes, and a little to either side of it."""
    index = np.arange(len(z))
    logits = head.logits(z)
    ahead = logits[index, first] >= logits[index, second]
    winner, loser = np.where(ahead, first, second), np.where(ahead, second, first)
    step = steps_to_boundary(head, z, winner, loser, box)
    v = head.weight[winner] - head.weight[loser]
    with np.errstate(invalid="ignore"):
        moved = z - np.where(np.isfinite(step), step, 0.0)[:, None] * v
    tie = in_box(box, moved)
    logits = head.logits(tie)
    top = np.minimum(logits[index, first], logits[index, second])
    logits[index, first] = logits[index, second] = -np.inf
    gap = top - logits.max(axis=1)
    gap = np.where(np.isposinf(gap), 1.0, gap)
    longest = np.sqrt(np.einsum("ij,ij->i", head.weight, head.weight).max())
    norm = longest * np.sqrt(np.einsum("ij,ij->i", v, v))
    width = np.where(norm > 0, np.maximum(gap, 0.0) / (8 * np.where(norm > 0, norm, 1.0)), 0.0)
    sign = np.where(ahead, 1.0, -1.0)[:, None]
    low = in_box(box, tie + sign * width[:, None] * v)
    high = in_box(box, tie - sign * width[:, None] * v)
    return low, high, np.isfinite(step) & (gap > 0)


def bracket(head: AffineHead, domain: Domain, point: Float64, first: int, second: int) -> Float64 | csr_array:
    """A point of the domain on either side of a tie found by a linear program, as two bases."""
    if isinstance(domain, Box):
        low, high, _ = bracket_box(head, domain, point[None, :], np.array([first]), np.array([second]))
        return np.vstack([low, high])
    weights = np.maximum(point, 0.0)
    weights /= weights.sum()
    logits = head.logits(domain.points)
    here = weights @ logits
    lead = logits[:, first] - logits[:, second]
    others = np.delete(here, [first, second])
    gap = min(here[first], here[second]) - others.max() if len(others) else 1.0
    width = min(0.5, max(gap, 0.0) / (8 * np.abs(logits - here).max() + 1e-300))
    rows = np.tile((1 - width) * weights, (2, 1))
    rows[0, lead.argmax()] += width
    rows[1, lead.argmin()] += width
    return csr_array(rows)
