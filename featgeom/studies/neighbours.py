"""Which pairs of class hulls are measured where all are too many, as `featgeom.proofs.neighbours` tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from featgeom.arrays import Float64
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import Separation, separate
from featgeom.parallel import in_parallel
from featgeom.proofs.neighbours import FIRST, MOST_ASKED

Pair = tuple[int, int]


def nearest_pairs(
    hulls: Mapping[int, ConvexHull],
    below: Float64,
    most: int = MOST_ASKED,
    tell: Callable[[int], object] = lambda pairs: None,
) -> dict[Pair, Separation]:
    """The hulls of pairs of classes among which each class's nearest is sought, measured.

    ``below`` (C, C) are lower bounds on all distances. The pairs of nearest means come first; then, round by
    round, each class whose nearest measured hull is farther than some bound is measured with the hull of the
    least bound, until it has asked for ``most`` pairs. ``tell`` hears how many pairs were measured just now.
    """
    found: dict[Pair, Separation] = {}
    if not hulls:
        return found
    wanted = {
        (min(a, b), max(a, b)) for a, near in _nearest_means(hulls, min(FIRST, most)).items() for b in near
    }
    asked = dict.fromkeys(hulls, min(FIRST, most))
    best = np.full(len(below), np.inf)
    rest = below.copy()
    while wanted:
        new = _measured(hulls, sorted(wanted), tell)
        found |= new
        for (a, b), apart in new.items():
            rest[a, b] = rest[b, a] = np.inf
            best[[a, b]] = np.minimum(best[[a, b]], apart.distance)
        wanted = set()
        for a in hulls:
            b = int(rest[a].argmin())
            if asked[a] < most and rest[a, b] < best[a]:
                wanted.add((min(a, b), max(a, b)))
                asked[a] += 1
    return found


def _nearest_means(hulls: Mapping[int, ConvexHull], count: int) -> dict[int, list[int]]:
    """The classes whose means are nearest to that of each class."""
    classes = np.array(sorted(hulls))
    means = np.stack([hulls[c].points.mean(axis=0, dtype=np.float64) for c in classes.tolist()])
    squares = np.einsum("ij,ij->i", means, means)
    near = {}
    for place, a in enumerate(classes.tolist()):
        apart = squares - 2 * (means @ means[place])
        apart[place] = np.inf
        near[a] = classes[np.argsort(apart, kind="stable")[: min(count, len(classes) - 1)]].tolist()
    return near


def _measured(
    hulls: Mapping[int, ConvexHull], pairs: list[Pair], tell: Callable[[int], object]
) -> dict[Pair, Separation]:
    """The hulls of these pairs, on all cores."""
    found: dict[Pair, Separation] = {}

    def run(start: int, stop: int) -> None:
        for a, b in pairs[start:stop]:
            found[a, b] = separate(hulls[a], hulls[b])
        tell(stop - start)

    in_parallel(run, len(pairs), 4)
    return {pair: found[pair] for pair in pairs}
