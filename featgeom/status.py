"""How a computation ended: the vocabulary shared by every result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Status(Enum):
    """How one question was answered. The value is advice in plain words.

    Batched results hold an object array of members, so that ``(result.status == Status.OUTSIDE).sum()``
    counts.
    """

    SOLVED = "solved to the tolerance asked for; the bounds hold"
    ITERATION_LIMIT = "stopped at the iteration limit; the bounds hold but are wider than asked for"
    PRECISION_LIMIT = "rounding prevents further progress; the bounds hold but are wider than asked for"

    COMPUTED = "a plain calculation in float64; no bound on it is claimed"
    ESTIMATED = "depends on a random or finite sample; comes with an interval or says what it cannot see"

    INSIDE = "proved to lie in the hull"
    OUTSIDE = "proved to lie outside the hull"

    SEPARATED = "the hulls are proved disjoint"
    OVERLAPPING = "the hulls are proved to share a point"
    NOT_SEPARABLE = "no affine machine separates these classes; see the certificate"

    GUARANTEED = "proved to lie in one cell, so every point of it has that class"
    BROKEN = "some point of it has another class; see the breakers"

    INFEASIBLE = "proved that no point satisfies the conditions"
    UNREACHABLE = "no image inside the bounds reaches it, by a bound computed with slack for its rounding"
    UNBOUNDED = "proved to have no bound in this domain"

    PROVED = "re-checked exactly from the stored evidence"
    REFUTED = "the stored evidence contradicts the statement"

    NOT_FOUND = "a search found nothing that meets the conditions; that proves nothing about what exists"

    UNDECIDED = "the evidence at this tolerance settles it neither way"

    def __repr__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name

    @property
    def advice(self) -> str:
        """What the member means, in plain words."""
        return self.value


@dataclass(frozen=True)
class Stats:
    """What a computation cost.

    ``iterations`` counts steps of the solver over the whole batch, ``passes`` how many times all points
    were read, ``seconds`` wall-clock time.
    """

    iterations: int = 0
    passes: int = 0
    seconds: float = 0.0


StatusArray = NDArray[np.object_]


def status_array(n: int, fill: Status = Status.UNDECIDED) -> StatusArray:
    """An object array of ``n`` equal statuses, to be refined.

    >>> status_array(2)
    array([UNDECIDED, UNDECIDED], dtype=object)
    """
    result = np.empty(n, dtype=object)
    result[:] = fill
    return result


def tally(status: StatusArray) -> dict[str, int]:
    """How many answers of each status there are, by name, most frequent first.

    >>> tally(status_array(3))
    {'UNDECIDED': 3}
    """
    from collections import Counter

    members: list[Any] = list(status)
    return {member.name: count for member, count in Counter(members).most_common()}
