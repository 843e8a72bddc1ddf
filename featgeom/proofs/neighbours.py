"""Where there are too many pairs of class hulls to measure all: which are, and what is proved of the others.

For each class the pairs with the classes of nearest means are measured, and then those that a bound on all
distances leaves open, nearest first, `MOST_ASKED` at most. The record stores for each class a distance within
which no other hull lies but those measured (the array ``others-SAMPLES``); `others` proves it again from the
features, so that no pair can be left out silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from featgeom.arrays import Float64
from featgeom.exact.apart import apart_below
from featgeom.proofs.proof import Columns, Found, Unproved
from featgeom.runs.record import Column

MOST_ASKED = 10  # pairs measured for each class on its own account
FIRST = 2  # of these, with the classes of nearest means
UNIT = "feature distance"
# Another machine rounds otherwise: its product may be off to the other side, and its middles lie elsewhere.
TIMES, SLACK = 8.0, 1 - 1e-9  # how often a stored bound has its error taken off, and what is left of it


def stated(found: Found, samples: str) -> list[tuple[int, int]]:
    """The pairs of classes that claims are about, by their names."""
    prefix = f"pair-{samples}-"
    known = [re.fullmatch(r"(\d+)-(\d+)", name.removeprefix(prefix)) for name in found.named(prefix)]
    pairs = [(int(match[1]), int(match[2])) for match in known if match]
    return sorted({(a, b) for a, b in pairs if a < b < len(found.classes)})


def bounds(found: Found, words: Sequence[str], times: float = 1.0) -> Float64:
    """Lower bounds on the distance of every two hulls of the points so named, (C, C), made once.

    Infinite where one of the two has no points, and between a hull and itself. Rounding is taken off
    ``times`` over.
    """

    def make() -> Float64:
        present = [c for c, of in enumerate(words) if found.count(of)]
        result = np.full((len(words),) * 2, np.inf)
        if present:
            below = apart_below([found.subjects.kept(words[c]) for c in present], times)
            result[np.ix_(present, present)] = below
        return result

    return found.subjects.once(("apart", *words, times), make)


def unmeasured(below: Float64, pairs: Sequence[tuple[int, int]]) -> Float64:
    """For each class how far it is from all hulls but those it is measured with, at least, (C,)."""
    rest = below.copy()
    for a, b in pairs:
        rest[a, b] = rest[b, a] = np.inf
    least: Float64 = rest.min(axis=1, initial=np.inf)
    return least


def others(found: Found, samples: str, below: Float64) -> Float64:
    """What the record says no other hull is nearer than, by class. Raises Unproved where that is not so."""
    said = found.record(f"others-{samples}")
    least = unmeasured(below, stated(found, samples))
    if said.shape != least.shape or not (said <= least).all():
        raise Unproved(
            f"its array 'others-{samples}' says more than is so of the pairs that were not measured"
        )
    return said


Measured = Sequence[tuple[int, int, float, float]]  # two classes, and bounds on the distance of their hulls


class Near(NamedTuple):
    """The nearest of the hulls measured with that of a class, and bounds on its distance.

    No other hull, measured or not, is nearer than ``others``.
    """

    other: int
    low: float
    high: float
    others: float


def nearest(count: int, measured: Measured, rest: Float64) -> dict[int, Near]:
    """For each class that is measured with some: the nearest of these, by the upper bounds."""
    seen: dict[int, list[tuple[float, float, int]]] = {}
    for a, b, low, high in measured:
        for mine, other in ((a, b), (b, a)):
            seen.setdefault(mine, []).append((high, low, other))
    result = {}
    for c in range(count):
        if c in seen:
            (high, low, other), *farther = sorted(seen[c])
            result[c] = Near(other, low, high, min([float(rest[c]), *(bound for _, bound, _ in farther)]))
    return result


def sentence(found: Found, text: str, measured: Measured, rest: Float64) -> Iterator[str]:
    """How many classes have their nearest hull among those measured."""
    near = nearest(len(found.classes), measured, rest)
    sure = sum(one.high <= rest[c] for c, one in near.items())
    if near:
        yield (
            f"For {sure:,} of {len(near):,} classes ({text}) it is proved that no hull of another class is "
            "nearer than the nearest of those measured."
        )


def columns(found: Found, measured: Measured, rest: Float64) -> Columns:
    """A row for each class: which hull is nearest of those measured, and how near any hull may be."""
    near = nearest(len(found.classes), measured, rest)
    order = sorted(near, key=lambda c: near[c].high)
    values: dict[Column, list[Any]] = {
        Column("class", proved=True): [found.classes[c] for c in order],
        Column("nearest measured", proved=True): [found.classes[near[c].other] for c in order],
        Column("distance", UNIT, True, "upper"): [near[c].high for c in order],
        Column("of any hull", UNIT, True, "lower"): [min(near[c].low, near[c].others) for c in order],
        Column("proved nearest", proved=True): [near[c].high <= near[c].others for c in order],
    }
    return values if near else {}
