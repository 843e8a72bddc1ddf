"""Pairs of features that point in nearly the same direction, among all, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import numpy as np

from featgeom.answers.directions import unit_length
from featgeom.arrays import Float64, Floats, Ints
from featgeom.progress import bar
from featgeom.remarks import remark

BLOCK = 2048  # features looked at in one step: a table of 2048 x 2048 cosines is held
LONG = 10**12  # multiplications, about a minute of one core: what takes more is said before


@dataclass
class NearPairs:
    """The nearest pairs found so far, by cosine distance, and how many there are.

    ``first`` < ``second`` (p,) count through all parts, ``distance`` (p,) is 1 less the cosine. ``count``
    pairs are nearer than asked, of which ``across`` are of two parts and ``other`` of two labels; those found
    are all of them, or the ``most`` nearest.
    """

    most: int
    first: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    second: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    distance: Float64 = field(default_factory=lambda: np.zeros(0))
    count: int = 0
    across: int = 0
    other: int = 0

    @property
    def farthest(self) -> float:
        """A pair that is no nearer need not be kept."""
        return float(self.distance.max()) if len(self.distance) == self.most else np.inf

    def keep(self, first: Ints, second: Ints, distance: Float64) -> None:
        """Put some more pairs among those that are kept; of equal ones the earlier."""
        mine = self.first, self.second, self.distance
        joined = [np.concatenate(p) for p in zip(mine, (first, second, distance), strict=True)]
        if len(joined[2]) > self.most:
            last = np.partition(joined[2], self.most - 1)[self.most - 1]
            nearer, equal = np.flatnonzero(joined[2] < last), np.flatnonzero(joined[2] == last)
            kept = np.concatenate([nearer, equal[: self.most - len(nearer)]])
            joined = [part[kept] for part in joined]
        self.first, self.second, self.distance = joined

    def order(self) -> None:
        """The nearest first."""
        order = np.lexsort((self.second, self.first, self.distance))
        self.first, self.second = self.first[order], self.second[order]
        self.distance = self.distance[order]


def near_pairs(
    parts: Sequence[Floats],
    labels: Sequence[Ints],
    rows: Sequence[Ints],
    near: float,
    most: int,
    progress: bool = False,
) -> NearPairs:
    """All pairs of features nearer to each other than ``near`` by cosine distance, the ``most`` nearest kept.

    ``parts``: features (n, d) of each part; ``labels`` (n,) of each, negative where unknown; ``rows``: which
    of each part are asked about. Held are a few blocks and the pairs kept, however many there are; time grows
    with the square of their number, and where that is long, it is said after the first block. A feature of
    zeros has no direction: its distance from all others counts as 1.

    >>> z = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.01]])
    >>> found = near_pairs([z], [np.array([0, 0, 1])], [np.arange(3)], near=1e-3, most=10)
    >>> found.first, found.second, found.count, found.other
    (array([0]), array([2]), 1, 1)
    """
    starts = np.cumsum([0, *map(len, parts)])
    places = [
        (part, rows[part][start : start + BLOCK])
        for part in range(len(parts))
        for start in range(0, len(rows[part]), BLOCK)
    ]

    def directions(place: tuple[int, Ints]) -> Float64:
        return unit64(parts[place[0]][place[1]])

    found = NearPairs(most)
    steps = len(places) * (len(places) + 1) // 2
    began, slow = monotonic(), _multiplications(parts, rows) > LONG
    with bar(total=steps, desc="near-duplicates", disable=not progress, delay=2, leave=False) as shown:
        for j, there in enumerate(places):
            columns = directions(there)
            for here in places[: j + 1]:
                apart = 1 - (columns if here is there else directions(here)) @ columns.T
                if here is there:
                    apart[np.tril_indices(len(columns))] = np.inf
                _take(found, apart, here, there, labels, starts, near)
                shown.update()
            if slow and j == 1:  # three steps are done
                _say(sum(map(len, rows)), (monotonic() - began) * steps / 3)
    found.distance = cosine_distances(parts, found.first, found.second)
    found.order()
    return found


def _multiplications(parts: Sequence[Floats], rows: Sequence[Ints]) -> int:
    count = sum(map(len, rows))
    return count * (count - 1) // 2 * int(parts[0].shape[1])


def _say(count: int, seconds: float) -> None:
    remark(
        f"near-duplicates: {count * (count - 1) // 2:,} pairs of {count:,} features are compared, about "
        f"{timedelta(seconds=round(seconds))} (hours:minutes:seconds) by the first ones; near = 0 (--near 0) "
        "leaves that out and compares pixels alone"
    )


def _take(
    found: NearPairs,
    apart: Float64,
    here: tuple[int, Ints],
    there: tuple[int, Ints],
    labels: Sequence[Ints],
    starts: Ints,
    near: float,
) -> None:
    """Count the pairs of two blocks, whose distances are given, and keep the nearest."""
    below = apart < near
    count = int(np.count_nonzero(below))
    if count == 0:
        return
    mine, theirs = (labels[part][rows] for part, rows in (here, there))
    known = (mine >= 0)[:, None] & (theirs >= 0)
    found.count += count
    found.across += count if here[0] != there[0] else 0
    found.other += int(np.count_nonzero(below & known & (mine[:, None] != theirs)))
    i, j = np.nonzero(below & (apart < found.farthest))
    found.keep(starts[here[0]] + here[1][i], starts[there[0]] + there[1][j], apart[i, j])


def cosine_distances(parts: Sequence[Floats], first: Ints, second: Ints) -> Float64:
    """1 less the cosine of the angle of some pairs (p,), counted through all parts; 0 where both are equal.

    It is half the squared distance of the directions, which does not cancel; 1 where a feature is zero.

    >>> z = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 1.0]])
    >>> cosine_distances([z[:1], z[1:]], np.array([0, 0]), np.array([1, 2])).round(3)
    array([0.   , 0.293])
    """
    starts, apart = np.cumsum([0, *map(len, parts)]), np.zeros(len(first))
    for start in range(0, len(first), BLOCK):
        some = slice(start, start + BLOCK)
        a, b = (_directions(parts, starts, which[some]) for which in (first, second))
        directed = a.any(axis=1) & b.any(axis=1)
        apart[some] = np.where(directed, ((a - b) ** 2).sum(axis=1) / 2, 1.0)
    return apart


def _directions(parts: Sequence[Floats], starts: Ints, samples: Ints) -> Float64:
    part = np.searchsorted(starts, samples, side="right") - 1
    picked = np.zeros((len(samples), parts[0].shape[1]))
    for which, features in enumerate(parts):
        here = part == which
        picked[here] = features[samples[here] - starts[which]]
    return unit64(picked)


def unit64(z: Floats) -> Float64:
    """Rows (n, d) scaled to unit length, in float64."""
    return np.asarray(unit_length(z.astype(np.float64)), np.float64)
