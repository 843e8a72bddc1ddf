"""What compiled rounds of projection pass on: the problem, the rule, what is known, and room to work in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from featgeom.hulls.minimum_norm import compiled


class Problem(NamedTuple):
    """Queries (q, d) beside points (n, d), read in blocks of ``size`` rows; lengths of each as ``reach``."""

    points: Any
    size: Any
    queries: Any
    own: Any
    reach: Any


class Rule(NamedTuple):
    """When a query is done, and how large its working set may grow."""

    rtol: Any
    floor: Any
    last: Any
    add: Any
    spare: Any


class Work(NamedTuple):
    """What is known of each query: its working set (support first), its bounds, how it went.

    Where ``packed`` has columns it keeps the inner products of each working set that is not done, in the row
    ``slot``, and these are solved on unless their precision was found too low for a query, which is then
    ``fine``.
    """

    rows: Any
    weights: Any
    packed: Any
    slot: Any
    total: Any
    support: Any
    residual: Any
    normal: Any
    proof: Any
    upper: Any
    lower: Any
    level: Any
    steps: Any
    stuck: Any
    fine: Any


class Room(NamedTuple):
    """Arrays to work in, of one thread."""

    active: Any
    order: Any
    share: Any
    gram: Any
    fresh: Any
    four: Any
    axis: Any
    triangle: Any


@compiled
def room_for(most, add, d, wide):  # type: ignore[no-untyped-def]
    """Room for working sets of at most so many points."""
    square = most if wide else 0
    return Room(
        np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.empty(most),
        np.empty((square, square)), np.zeros((-(-add // 4) * 4 if wide else 0, d)), np.zeros((4, d)),
        np.empty((square + 1, 1)), np.empty((square + 1, square + 1)),
    )  # fmt: skip
