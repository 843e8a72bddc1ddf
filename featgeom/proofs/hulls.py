"""What the study of hulls proves: everything it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64
from featgeom.certificates.claim import Claim
from featgeom.certificates.extent import EnclosingBall, HullDiameter
from featgeom.certificates.hulls import HullDistance, HullMembership, HullVertices
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.decimals import bounded
from featgeom.exact.rounding import over, under
from featgeom.proofs import neighbours
from featgeom.proofs.proof import Columns, Found, Proof
from featgeom.runs.record import Column
from featgeom.runs.subjects import of_class
from featgeom.status import Status

UNIT = "feature distance"
MOST_POINTS = 60_000  # of a hull, beyond which its vertices are not counted
MOST_WORK = 4e11  # points² times dimensions of a hull, beyond which its vertices are not counted
MOST_CLASSES = 100  # beyond which not all pairs of hulls are measured, but those that `neighbours` says
SAMPLES = {"all": "all samples", "correct": "correctly predicted"}


def words(split: str, c: int, samples: str) -> str:
    """What a hull is the hull of; −1 stands for all classes."""
    return of_class(split, c, samples == "correct") if c >= 0 else f"{split}/features"


@dataclass(frozen=True)
class Hull:
    """One of the hulls: of which class (−1 for all) and samples, in words, and who is asked about."""

    label: int
    samples: str
    of: str
    points: int
    asked: str
    questions: int

    dimension: int

    @property
    def counted(self) -> bool:
        """Whether its vertices are: they cost one product of all its points with all."""
        return self.points <= MOST_POINTS and self.points**2 * self.dimension <= MOST_WORK

    @property
    def name(self) -> str:
        """What its claims are called after."""
        return f"{self.samples}-{self.label}" if self.label >= 0 else "everything"


def hulls(found: Found) -> list[Hull]:
    """All hulls that have points. A sample is no question to a hull that it belongs to."""
    two, d = found.reference != found.question, found.subjects.head.weight.shape[1]
    result = []
    for label, samples in [(-1, "all"), *((c, s) for c in range(len(found.classes)) for s in SAMPLES)]:
        of, asked = words(found.reference, label, samples), words(found.question, label, "all")
        if found.count(of):
            questions = found.count(asked) if two else 0
            result.append(Hull(label, samples, of, found.count(of), asked, questions, d))
    return result


def pairs(found: Found, samples: str) -> list[tuple[str, Hull, Hull]]:
    """The pairs of classes whose hulls are measured, every two if few, each with the name of its claim."""
    mine = {hull.label: hull for hull in hulls(found) if hull.label >= 0 and hull.samples == samples}
    if few(found):
        chosen = list(combinations(mine, 2))
    else:
        chosen = [(a, b) for a, b in neighbours.stated(found, samples) if a in mine and b in mine]
    return [(pair_name(samples, a, b), mine[a], mine[b]) for a, b in chosen]


def few(found: Found) -> bool:
    """Whether there are so few classes that all pairs are measured."""
    return len(found.classes) <= MOST_CLASSES


def pair_name(samples: str, a: int, b: int) -> str:
    """What the claim about the hulls of two classes is called."""
    return f"pair-{samples}-{a}-{b}"


def bounds(found: Found, samples: str, times: float = 1.0) -> Float64:
    """Lower bounds on the distances of all class hulls (C, C), rounding taken off so often."""
    named = [words(found.reference, c, samples) for c in range(len(found.classes))]
    return neighbours.bounds(found, named, times)


def others(found: Found, samples: str) -> Float64:
    """What is known of the distance of each class from the hulls that it is not measured with, (C,)."""
    return neighbours.others(found, samples, bounds(found, samples))


def measured(found: Found, samples: str) -> list[tuple[int, int, float, float]]:
    """The pairs of classes that are measured, with bounds on the distances of their hulls."""
    known = [(a.label, b.label, pair(found[name])) for name, a, b in pairs(found, samples)]
    return [(a, b, low, high) for a, b, (_, high, low) in known]


def claims(found: Found) -> None:
    """Lengths, vertices and questions of every hull, and every pair."""
    for hull in hulls(found):
        found.must(f"ball-{hull.name}", EnclosingBall, points=hull.of)
        found.must(f"diameter-{hull.name}", HullDiameter, points=hull.of)
        if hull.counted:
            found.must(f"extreme-{hull.name}", HullVertices, points=hull.of)
        if hull.questions:
            asked = {"points": hull.of, "queries": hull.asked}
            found.must(f"distance-{hull.name}", HullDistance, **asked)
            distance = found.get(f"distance-{hull.name}")
            near = isinstance(distance, HullDistance) and (distance.lower == 0).any()
            (found.must if near else found.may)(f"inside-{hull.name}", HullMembership, **asked)
    for samples in SAMPLES:
        for name, a, b in pairs(found, samples):
            found.must(name, HullSeparation, HullOverlap, points_a=a.of, points_b=b.of)


def vertices(found: Found, hull: Hull) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which reference samples are proved vertices of a hull, and of which it is decided, (n,).

    A vertex of a hull is one of every smaller hull that it belongs to, so that none is claimed twice: what is
    known of the hull of all holds for those of its classes, and what of these for the correctly predicted.
    """
    n, rows = found.count(f"{found.reference}/features"), found.subjects.rows(hull.of)
    own = np.arange(n) if rows is None else rows
    extreme, decided = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    claim = found[f"extreme-{hull.name}"]
    extreme[own[claim.rows[~claim.inside]]] = decided[own[claim.rows]] = True
    above = {"correct": hull.label, "all": -1}[hull.samples] if hull.label >= 0 else None
    if above is not None:
        of = words(found.reference, above, "all")
        outer = Hull(above, "all", of, found.count(of), "", 0, hull.dimension)
        if outer.counted:
            known = np.zeros(n, dtype=bool)
            known[own] = vertices(found, outer)[0][own]
            extreme, decided = extreme | known, decided | known
    return extreme, decided


def figures(found: Found, hull: Hull) -> dict[str, Any]:
    """The figures of one hull."""
    extreme, decided = vertices(found, hull) if hull.counted else (None, None)
    distance = found[f"distance-{hull.name}"].upper if hull.questions else np.zeros(0)
    inside = found.get(f"inside-{hull.name}") if hull.questions else None
    return {
        "label": hull.label,
        "samples": hull.samples,
        "extreme": None if extreme is None else int(extreme.sum()),
        "diameter": found[f"diameter-{hull.name}"].upper,
        "radius": found[f"ball-{hull.name}"].upper,
        "inside": 0 if inside is None else int(inside.inside.sum()),
        "undecided": 0 if decided is None else hull.points - int(decided.sum()),
        "points": hull.points,
        "questions": hull.questions,
        "median_distance": float(np.median(distance)) if len(distance) else None,
    }


def pair(claim: Claim) -> tuple[Status, float, float]:
    """Status, distance and lower bound of two hulls."""
    if isinstance(claim, HullSeparation):
        return Status.SEPARATED if claim.lower > 0 else Status.UNDECIDED, claim.upper, claim.lower
    return Status.OVERLAPPING, 0.0, 0.0


def outside(found: Found) -> Iterator[str]:
    """Whether new features lie in the hull of the old ones."""
    whole = hulls(found)[0]
    if whole.questions:
        n, distance, across = whole.questions, found["distance-everything"], found["diameter-everything"]
        inside = figures(found, whole)["inside"]
        yield (
            f"Of {n:,} {found.question} features {inside:,} ({100 * inside / n:.2f} %) are proved to lie in "
            f"the hull of all {found.reference} features; the median distance from it is "
            f"{bounded(np.median(distance.lower), np.median(distance.upper))}, beside a hull of diameter "
            f"{bounded(across.lower, across.upper)}."
        )


def apart(found: Found) -> Iterator[str]:
    """How many pairs of class hulls are apart."""
    for samples, text in SAMPLES.items():
        known = [pair(found[name])[0] for name, _, _ in pairs(found, samples)]
        if known:
            yield (
                f"Of {len(known):,} {'' if few(found) else 'measured '}pairs of class hulls of "
                f"{found.reference} features ({text}), {known.count(Status.SEPARATED):,} are proved disjoint "
                f"and {known.count(Status.OVERLAPPING):,} proved to overlap."
            )


def nearest(found: Found) -> Iterator[str]:
    """Where not all pairs are measured: for how many classes the nearest is among those that are."""
    for samples, text in () if few(found) else SAMPLES.items():
        yield from neighbours.sentence(found, text, measured(found, samples), others(found, samples))


def nearest_columns(found: Found, samples: str) -> Columns:
    """Where not all pairs are measured: the nearest hull of each class."""
    if few(found):
        return {}
    return neighbours.columns(found, measured(found, samples), others(found, samples))


def hull_columns(found: Found) -> Columns:
    """A row for each hull."""
    rows = [figures(found, hull) for hull in hulls(found)]
    names = ("points", "extreme", "diameter", "radius", "questions", "inside", "median_distance")
    values = {name: [row[name] for row in rows] for name in names}
    lengths = [found[f"diameter-{hull.name}"].lower for hull in hulls(found)]
    share = [
        over(m / across) if m is not None and across > 0 else None
        for m, across in zip(values["median_distance"], lengths, strict=True)
    ]
    return {
        Column("class", proved=True): [
            found.classes[row["label"]] if row["label"] >= 0 else "all classes" for row in rows
        ],
        Column("samples", proved=True): [SAMPLES[row["samples"]] for row in rows],
        Column("n", proved=True): values["points"],
        Column("vertices", proved=True): values["extreme"],
        Column("diameter", UNIT, True, "upper"): values["diameter"],
        Column("radius of the smallest ball", UNIT, True, "upper"): values["radius"],
        Column(f"{found.question} features asked", proved=True): values["questions"],
        Column("inside", proved=True): values["inside"],
        Column("median distance", UNIT, True, "upper"): values["median_distance"],
        Column("of the diameter", "", True, "upper"): share,
    }


def pair_columns(found: Found, samples: str) -> Columns:
    """A row for each pair of classes, nearest first."""
    known = [(a, b, pair(found[name])) for name, a, b in pairs(found, samples)]
    known.sort(key=lambda one: one[2][2])
    across = {
        hull.label: found[f"diameter-{hull.name}"].upper for _, *two in pairs(found, samples) for hull in two
    }
    return (
        {
            Column("class", proved=True): [found.classes[a.label] for a, _, _ in known],
            Column("other", proved=True): [found.classes[b.label] for _, b, _ in known],
            Column("status", proved=True): [status.name for _, _, (status, _, _) in known],
            Column("distance", UNIT, True, "upper"): [distance for _, _, (_, distance, _) in known],
            Column("of the greater diameter", "", True, "lower"): [
                under(lower / max(across[a.label], across[b.label], 1e-300)) for a, b, (_, _, lower) in known
            ],
        }
        if known
        else {}
    )


def values(found: Found) -> dict[str, Any]:
    """The figures of every hull and pair, for programs."""
    known = {
        samples: [(a, b, pair(found[name])) for name, a, b in pairs(found, samples)] for samples in SAMPLES
    }
    return {
        "hulls": [figures(found, hull) for hull in hulls(found)],
        "pairs": {
            samples: [
                {"classes": (a.label, b.label), "status": s.name, "distance": distance, "lower_bound": lower}
                for a, b, (s, distance, lower) in some
            ]
            for samples, some in known.items()
        },
    }


def arrays(found: Found) -> dict[str, np.ndarray]:
    """The distances of all questions, and between all classes."""
    everyone = np.asarray(found.subjects.parts[found.question].labels)
    result: dict[str, np.ndarray] = {f"{found.question}_label": everyone}
    for samples in SAMPLES:
        distance = np.full(len(everyone), np.nan)
        for hull in hulls(found):
            if hull.label >= 0 and hull.samples == samples and hull.questions:
                distance[found.subjects.rows(hull.asked)] = found[f"distance-{hull.name}"].upper
        result[f"{found.question}_own_{samples}"] = distance
        if few(found):
            result[f"pair_distance_{samples}"] = pair_matrix(found, samples)
    whole = hulls(found)[0]
    result[f"{found.question}_all"] = (
        found["distance-everything"].upper if whole.questions else np.full(len(everyone), np.nan)
    )
    return result


def pair_matrix(found: Found, samples: str) -> Float64:
    """Distances (C, C), zero where hulls overlap, NaN where nothing is known."""
    matrix = np.full((len(found.classes),) * 2, np.nan)
    for name, a, b in pairs(found, samples):
        matrix[a.label, b.label] = matrix[b.label, a.label] = pair(found[name])[1]
    return matrix


def tables(found: Found) -> dict[str, Callable[[Found], Columns]]:
    """Every table."""
    made = {"nearest": nearest_columns, "pairs": pair_columns}
    of_pairs = {f"{name}-{s}": partial(make, samples=s) for name, make in made.items() for s in SAMPLES}
    return {"hulls": hull_columns, **of_pairs}


PROOF = Proof(claims, (outside, apart, nearest), tables, values, arrays)
