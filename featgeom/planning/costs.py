"""The cost model: what each study does as a sum of few kinds of work, each with a measured price.

Prices are fitted to measured runs (`benchmarks/bench_plan.py`, which writes costs.json) and told for a core
that multiplies 1e9 numbers a second, so that a machine's speed, measured anew, is all that has to be known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from featgeom.errors import BadArgument
from featgeom.files import read_document
from featgeom.limits import memory_budget

COSTS = Path(__file__).parent / "costs.json"
MANY = 100  # classes, beyond which not all pairs of hulls are measured, nor of cells asked about
NEAR = 10  # but at most so many for each class
DRAWN = 100_000  # points drawn for the shares of the classes
MOST_WORK = 4e11  # points² times dimensions of a hull, beyond which its vertices are not counted
BALLS = 1e6  # classes² times dimensions, beyond which the largest balls in cells are not sought
PROGRAMS = 5e8  # of all linear programs of a study, each of (classes times dimensions)^1.5
TIED = 64  # classes, beyond which not every pair of means is asked for a tie
MACHINES = 45  # pairs of classes that machines are made of
ASKED = 6.5  # numbers that are held for each coordinate of a question while it is asked
TOGETHER = 1024  # questions that are asked at a time at least
READ_AGAIN = 1 << 30  # bytes of features, of which more are not held by what reads them again
WIDE = 256  # dimensions from which machines of pairs come from inner products
AGREEMENTS, COMPARED = 30_000, 5  # points that machines are compared on, and of how many pairs at a time
UNKNOWNS = 4000  # of a machine of all classes, beyond which there is none


@dataclass(frozen=True)
class Size:
    """How large a run is: samples that hulls are made of, samples asked about, dimensions, classes."""

    samples: int
    questions: int
    dimension: int
    classes: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = {"classes": 2, "questions": 0}.get(name, 1)
            if value < least:
                raise BadArgument(f"{name}: expected a whole number of at least {least}, got {value}")


def _pairs(size: Size) -> float:
    every = size.classes * (size.classes - 1) / 2
    return every if size.classes <= MANY else min(every, NEAR * size.classes)


def _counted(size: Size, points: float) -> float:
    """The work of finding the vertices of a hull of so many points, none where they are not counted."""
    work = points**2 * size.dimension
    return work if work <= MOST_WORK else 0.0


def _bound(size: Size, budget: float) -> float:
    """Bytes that hulls hold at most, where ``budget`` may be held.

    That is half of it for what works on them, a quarter for what proves the claims, which then goes to disk,
    and a quarter for the questions to one hull, or the points whose vertices are sought, or for `TOGETHER`.
    """
    each, alone = ASKED * 8 * size.dimension, size.samples / size.classes
    asked = [size.questions, *(points for points in (alone, size.samples) if _counted(size, points))]
    return 0.75 * budget + min(each * max(asked), max(0.25 * budget, each * TOGETHER))


def _program(size: Size) -> float:
    return float(size.classes * size.dimension) ** 1.5


def _unknowns(size: Size) -> int:
    """Of a machine of all classes; none where there is no such machine."""
    count = (size.classes - 1) * (size.dimension + 1)
    return count if count <= UNKNOWNS else 0


def _machines(size: Size) -> float:
    return min(MACHINES, size.classes * (size.classes - 1) / 2)


# Numbers multiplied, or looked at, in billions.
WORK: dict[str, Callable[[Size], float]] = {
    "start": lambda s: 1.0,
    "features": lambda s: (s.samples + s.questions) * s.dimension / 1e9,
    "margins": lambda s: (s.samples + s.questions) * s.classes / 1e9,
    "logits": lambda s: (s.samples + s.questions) * s.classes * s.dimension / 1e9,
    "asked": lambda s: s.questions * (s.dimension + s.classes) / 1e9,
    "traces": lambda s: s.samples / s.classes * s.dimension / 1e9,
    "flips": lambda s: s.questions * s.classes * s.dimension / 1e9,
    "ties": lambda s: _pairs(s) * s.classes * s.dimension * (s.classes <= TIED) / 1e9,
    "classes": lambda s: s.classes / 1e9,
    "heads": lambda s: s.classes**2 * s.dimension / 1e9,
    "cells": lambda s: _pairs(s) * s.classes / 1e9,
    "drawn": lambda s: DRAWN * s.classes * s.dimension / 1e9,
    "balls": lambda s: s.classes * _program(s) * (s.classes**2 * s.dimension <= BALLS) / 1e9,
    "programs": lambda s: min(_pairs(s) * _program(s), PROGRAMS) / 1e9,
    "questions": lambda s: s.samples * s.questions * s.dimension / 1e9,
    "vertices": lambda s: _counted(s, s.samples) / 1e9,
    "class vertices": lambda s: s.classes * _counted(s, s.samples / s.classes) / 1e9,
    "pairs": lambda s: _pairs(s) * s.samples / s.classes * s.dimension / 1e9,
    "pair count": lambda s: _pairs(s) / 1e9,
    "pair machines": lambda s: _machines(s) * s.samples / s.classes * s.dimension / 1e9,
    "pair systems": lambda s: _machines(s) * s.dimension**3 * (s.dimension < WIDE) / 1e9,
    "pair products": lambda s: (
        _machines(s) * (2 * s.samples / s.classes) ** 2 * s.dimension * (s.dimension >= WIDE) / 1e9
    ),
    "wide": lambda s: float(s.dimension >= WIDE),
    "pair points": lambda s: s.samples / s.classes * s.dimension * (_machines(s) > 0) / 1e9,
    "agreements": lambda s: (
        AGREEMENTS * (-(-_machines(s) // COMPARED) + 2 * (_unknowns(s) > 0)) * s.dimension / 1e9
    ),
    "machine": lambda s: s.samples * s.classes * s.dimension * (_unknowns(s) > 0) / 1e9,
    "machine system": lambda s: _unknowns(s) ** 3 / 1e9,
    "machine matrix": lambda s: _unknowns(s) ** 2 / 1e9,
    "covariance": lambda s: s.dimension**3 / 1e9,
}
TERMS = {
    "overview": ("start", "features", "margins", "logits", "classes", "heads"),
    "hulls": ("start", "questions", "vertices", "class vertices", "pairs", "pair count", "classes"),
    "regions": ("start", "cells", "drawn", "balls", "programs", "margins", "logits", "classes"),
    "boundaries": ("start", "features", "margins", "logits", "flips", "ties", "traces", "classes"),
    "svm": (
        "start", "margins", "logits", "agreements", "pair machines", "pair systems", "pair products",
        "machine", "machine system",
    ),
    "collapse": ("start", "features", "logits", "margins", "covariance"),
}  # fmt: skip
KNOWN = {  # products in float64 that are made at least, however little they weigh at the sizes measured
    "overview": {"logits": 6.0},
    "hulls": {"questions": 2.0},
    "regions": {"drawn": 1.0, "logits": 2.0},
    "boundaries": {"logits": 1.0},
    "svm": {"logits": 2.0},
    "collapse": {"logits": 2.0},
}
SHARED = {  # by a cluster's workers
    "overview": ("logits",),
    "hulls": ("questions", "vertices", "class vertices", "pairs", "pair count"),
    "regions": ("balls",),
    "svm": ("agreements", "pair machines", "pair systems", "pair products"),
}
# what leaves points on disk where memory should not hold them
BOUNDED = ("overview", "hulls", "regions", "collapse")
HELD = ("start", "features", "classes")  # what takes memory
HELD_BY = {
    "boundaries": ("start", "asked"),
    "svm": ("start", "wide", "pair points", "classes", "machine matrix"),
}


class Study(msgspec.Struct):
    """The prices of one study: of each kind of work, in seconds, and in bytes."""

    seconds: dict[str, float]
    bytes: dict[str, float]


class Costs(msgspec.Struct):
    """The prices of all studies, and how many runs they were fitted to."""

    runs: int
    studies: dict[str, Study]


@dataclass(frozen=True)
class Cost:
    """Predicted seconds of one core, and bytes held at most, of one study of a run.

    ``shared`` of the seconds are divided among the workers of a cluster, where one is in use.
    """

    study: str
    seconds: float
    memory: float
    shared: float


@cache
def stored_costs() -> Costs:
    """The prices that come with the package."""
    return read_document(COSTS, Costs)


def predict(size: Size, speed: float, costs: Costs | None = None, budget: int | None = None) -> list[Cost]:
    """What each study of a run of that size takes on a core that multiplies ``speed``·1e9 numbers a second.

    ``budget`` is the memory in bytes that may be held, if not that which is set: it bounds what is held
    by studies that read features again instead.

    >>> prices = Costs(1, {"overview": Study({"logits": 2.0, "start": 1.0}, {"features": 8e9})})
    >>> predict(Size(900, 100, 50, 20), 4.0, prices)
    [Cost(study='overview', seconds=0.2505, memory=400000.0, shared=0.0005)]
    """
    known = costs or stored_costs()
    most = memory_budget() if budget is None else budget

    def cost(name: str, study: Study) -> Cost:
        seconds = {kind: price * WORK[kind](size) / speed for kind, price in study.seconds.items()}
        held = {kind: price * WORK[kind](size) for kind, price in study.bytes.items()}
        if name in BOUNDED and "features" in held:
            bound = _bound(size, most) if name == "hulls" else min(most, READ_AGAIN)
            held["features"] = min(held["features"], bound)
        memory = sum(held.values())
        shared = sum(seconds.get(kind, 0.0) for kind in SHARED.get(name, ()))
        return Cost(name, sum(seconds.values()), memory, shared)

    return [cost(name, study) for name, study in known.studies.items()]


def fitted(
    sizes: Sequence[Size],
    measured: Sequence[float],
    terms: Iterable[str],
    known: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The prices, none negative, that come nearest to what was measured, in squares of relative errors.

    None is below what is ``known`` of it.

    >>> sizes = [Size(100 * k, 0, 10, 5) for k in (1, 2, 3)]
    >>> prices = fitted(sizes, [1.0, 1.5, 2.0], ["start", "features"])
    >>> round(prices["start"], 6), round(prices["features"] * 1000 / 1e9, 6)
    (0.5, 0.5)
    """
    from scipy.optimize import nnls

    names = list(terms)
    work = np.array([[WORK[name](size) for name in names] for size in sizes])
    least = np.array([(known or {}).get(name, 0.0) for name in names])
    rows = work / np.asarray(measured)[:, None]
    scale = rows.max(axis=0)
    scale[scale == 0] = 1.0
    found = nnls(rows / scale, 1 - rows @ least)[0] / scale + least
    return {name: float(price) for name, price in zip(names, found, strict=True) if price > 0}


def fit(observed: Sequence[Mapping[str, Any]]) -> Costs:
    """The prices of all studies, from ``observed`` runs: size, study, seconds, speed and memory of each."""
    studies = {}
    for name, terms in TERMS.items():
        mine = [one for one in observed if one["study"] == name]
        if mine:
            sizes = [Size(**one["size"]) for one in mine]
            seconds = [one["seconds"] * one["speed"] for one in mine]
            memory = [one["memory"] for one in mine]
            studies[name] = Study(
                fitted(sizes, seconds, terms, KNOWN.get(name)), fitted(sizes, memory, HELD_BY.get(name, HELD))
            )
    return Costs(len({msgspec.json.encode(one["size"]) for one in observed}), studies)


def speed_here() -> float:
    """How many billions of numbers one core of this machine multiplies in a second, in float64."""
    from threadpoolctl import threadpool_limits

    left, right = np.ones((512, 512)), np.ones((512, 512))
    best = np.inf
    with threadpool_limits(1, "blas"):
        for _ in range(8):
            start = time.process_time()
            left @ right
            best = min(best, max(time.process_time() - start, 1e-6))
    return 512**3 / best / 1e9
