"""Which pairs of class hulls are measured where all are too many, as `featgeom.proofs.neighbours` tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from featgeom.arrays import Float64
from featgeom.proofs.neighbours import FIRST, MOST_ASKED

Pair = tuple[int, int]


class Measured(Protocol):
    """Two hulls of which it is known how far they are apart, at most."""

    @property
    def distance(self) -> float:
        """An upper bound."""


Apart = TypeVar("Apart", bound=Measured)


def nearest_pairs(
    means: Mapping[int, Float64],
    below: Float64,
    measure: Callable[[Sequence[Pair]], Mapping[Pair, Apart]],
    most: int = MOST_ASKED,
) -> dict[Pair, Apart]:
    """The hulls of pairs of classes among which each class's nearest is sought, measured.

    ``means`` are those of the points of each class; ``below`` (C, C) are lower bounds on all distances. The
    pairs of nearest means come first; then, round by round, each class whose nearest measured hull is farther
    than some bound is measured with the hull of the least bound, until it has asked for ``most`` pairs.
    """
    found: dict[Pair, Apart] = {}
    if not means:
        return found
    wanted = {
        (min(a, b), max(a, b)) for a, near in _nearest_means(means, min(FIRST, most)).items() for b in near
    }
    asked = dict.fromkeys(means, min(FIRST, most))
    best = np.full(len(below), np.inf)
    rest = below.copy()
    while wanted:
        new = measure(sorted(wanted))
        found |= new
        for (a, b), apart in new.items():
            rest[a, b] = rest[b, a] = np.inf
            best[[a, b]] = np.minimum(best[[a, b]], apart.distance)
        wanted = set()
        for a in means:
            b = int(rest[a].argmin())
            if asked[a] < most and rest[a, b] < best[a]:
                wanted.add((min(a, b), max(a, b)))
                asked[a] += 1
    return found


def _nearest_means(of: Mapping[int, Float64], count: int) -> dict[int, list[int]]:
    """The classes whose means are nearest to that of each class."""
    classes = np.array(sorted(of))
    means = np.stack([of[c] for c in classes.tolist()])
    squares = np.einsum("ij,ij->i", means, means)
    near = {}
    for place, a in enumerate(classes.tolist()):
        apart = squares - 2 * (means @ means[place])
        apart[place] = np.inf
        near[a] = classes[np.argsort(apart, kind="stable")[: min(count, len(classes) - 1)]].tolist()
    return near
