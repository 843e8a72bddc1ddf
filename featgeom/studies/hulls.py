"""The hulls of the features: lengths, vertices, how far new features lie outside, how far apart they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from featgeom.arrays import Float64, Ints, blocks
from featgeom.certificates.claim import Claim
from featgeom.certificates.hulls import HullVertices
from featgeom.features.features import FeatureSet
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import Separation, separate
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.status import Status

UNIT = "feature distance"
MOST_POINTS = 60_000  # of a hull, beyond which its vertices are not counted
MOST_CLASSES = 100  # beyond which pairs of hulls are not measured
SAMPLES = {"all": "all samples", "correct": "correctly predicted"}


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Hulls of the features of each class, of all its samples and of the correctly predicted, and of all.

    Distances are in feature space, each beside lengths of the same hull. Questions are the features of the
    test split where there is one, each asked of the hulls of its label's class and of the hull of all.
    """
    reference, question = run.features(run.reference_split), run.features(run.question_split)
    own = classified(reference)
    same = run.reference_split == run.question_split
    claims = dict[str, Claim]()
    rows, asked = np.arange(len(reference)), np.arange(len(question))
    whole = measured(reference, rows, question, asked, -1, "all", same, device, claims, None)
    parts = [whole]
    for c in range(len(run.classes)):
        asked, outer = np.flatnonzero(question.labels == c), whole.vertices
        for samples, right in (("all", rows >= 0), ("correct", own == c)):
            chosen = np.flatnonzero((reference.labels == c) & right)
            if len(chosen):
                part = measured(reference, chosen, question, asked, c, samples, same, device, claims, outer)
                parts.append(part)
                outer = part.vertices
    pairs = separations(parts, len(run.classes), claims)
    findings = [
        outside_finding(parts, run.reference_split, run.question_split, same),
        *pair_findings(pairs, run.reference_split),
        *limits(parts, len(run.classes)),
    ]
    arrays: dict[str, np.ndarray] = {f"{run.question_split}_label": np.asarray(question.labels)}
    for samples in SAMPLES:
        distance = np.full(len(question), np.nan)
        for part in parts:
            if part.label >= 0 and part.samples == samples:
                distance[part.asked] = part.distance
        arrays[f"{run.question_split}_own_{samples}"] = distance
        arrays[f"pair_distance_{samples}"] = pair_matrix(pairs[samples], len(run.classes))
    arrays[f"{run.question_split}_all"] = np.full(len(question), np.nan) if same else whole.distance
    return Record(
        tuple(findings),
        {"hulls": [part.summary() for part in parts], "pairs": pair_values(pairs)},
        (hull_table(parts, run.classes, run.question_split), *pair_tables(pairs, parts, run.classes)),
        arrays,
        claims,
        {"question": run.question_split, "relative_gap": 1e-6},
    )


def classified(features: FeatureSet) -> Ints:
    """The head's class of every sample."""
    return np.concatenate([features.head.classify(block) for block in blocks(features.features)])


@dataclass(frozen=True, eq=False)
class Vertices:
    """Which of some ``rows`` of the reference are vertices of the hull of these rows, and the proof."""

    rows: Ints
    claim: HullVertices

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which of the rows are proved vertices."""
        mask = np.zeros(len(self.rows), dtype=bool)
        mask[self.claim.rows[~self.claim.inside]] = True
        return mask

    @property
    def undecided(self) -> int:
        """Of how many rows nothing is proved."""
        return len(self.rows) - len(self.claim)


def vertices(hull: ConvexHull, rows: Ints, outer: Vertices | None) -> Vertices:
    """The vertices of the hull of some rows, most of which may be known as those of the hull of more rows.

    A vertex of a hull is one of every smaller hull that it belongs to, by the same plane.
    """
    if outer is None:
        return Vertices(rows, hull.extreme_points().certificate)
    at = np.searchsorted(outer.rows, rows)
    known = np.flatnonzero(outer.mask[at])
    planes = outer.claim.normal[np.searchsorted(outer.claim.rows, at[known])]
    found = hull.extreme_points(only=np.setdiff1d(np.arange(len(rows)), known)).certificate
    order = np.argsort(np.concatenate([known, found.rows]))
    claim = HullVertices(
        hull.points,
        np.concatenate([known, found.rows])[order],
        np.concatenate([np.zeros(len(known), dtype=bool), found.inside])[order],
        csr_array(vstack([csr_array((len(known), len(rows))), found.support], format="csr"))[order],
        np.vstack([planes, found.normal])[order],
    )
    return Vertices(rows, claim)


@dataclass(frozen=True)
class Part:
    """One hull, its lengths, and the distances of those questions that were put to it."""

    label: int
    samples: str
    hull: ConvexHull
    vertices: Vertices | None
    diameter: float
    radius: float
    asked: Ints
    distance: Float64
    inside: int

    @property
    def extreme(self) -> int | None:
        """How many points are proved vertices, where that was asked."""
        return int(self.vertices.mask.sum()) if self.vertices else None

    def summary(self) -> dict[str, Any]:
        """For programs."""
        names = ("label", "samples", "extreme", "diameter", "radius", "inside")
        return {name: getattr(self, name) for name in names} | {
            "undecided": self.vertices.undecided if self.vertices else 0,
            "points": len(self.hull),
            "questions": len(self.asked),
            "median_distance": float(np.median(self.distance)) if len(self.distance) else None,
        }


def measured(
    reference: FeatureSet, rows: Ints, question: FeatureSet, asked: Ints, label: int, samples: str,
    same: bool, device: str, claims: dict[str, Claim], outer: Vertices | None,
) -> Part:  # fmt: skip
    """Lengths, vertices and questions of the hull of some rows of the reference."""
    name = f"{samples}-{label}" if label >= 0 else "everything"
    points = (
        reference.features if len(rows) == len(reference) else np.ascontiguousarray(reference.features[rows])
    )
    hull = ConvexHull(points, device=device)
    ball, across = hull.enclosing_ball(), hull.diameter()
    claims |= {f"ball-{name}": ball.certificate, f"diameter-{name}": across.certificate}
    extreme = vertices(hull, rows, outer) if len(rows) <= MOST_POINTS else None
    if extreme:
        claims[f"extreme-{name}"] = extreme.claim
    if same:  # a sample is no question to a hull that it belongs to: distances are to the hull of the others
        asked = np.zeros(0, dtype=np.int64)
    queries = question.features[asked]
    projected = hull.project(queries)
    claims[f"distance-{name}"] = projected.certificate
    inside = 0
    near = np.flatnonzero(projected.lower_bound == 0)
    if len(near):
        member = hull.contains(queries[near])
        inside = int((member.status == Status.INSIDE).sum())
        claims[f"inside-{name}"] = member.certificate
    return Part(label, samples, hull, extreme, across.value, ball.radius, asked, projected.distance, inside)


Pairs = dict[str, dict[tuple[int, int], Separation]]


def separations(parts: list[Part], count: int, claims: dict[str, Claim]) -> Pairs:
    """The distance between the hulls of every two classes, in both versions."""
    pairs: Pairs = {samples: {} for samples in SAMPLES}
    if count > MOST_CLASSES:
        return pairs
    for samples in SAMPLES:
        mine = [part for part in parts if part.label >= 0 and part.samples == samples]
        for a, b in itertools.combinations(mine, 2):
            result = separate(a.hull, b.hull)
            pairs[samples][a.label, b.label] = result
            claims[f"pair-{samples}-{a.label}-{b.label}"] = result.certificate
    return pairs


def pair_values(pairs: Pairs) -> dict[str, list[dict[str, Any]]]:
    """Every pair, for programs."""
    return {
        samples: [
            {"classes": key, "status": r.status.name, "distance": r.distance, "lower_bound": r.lower_bound}
            for key, r in found.items()
        ]
        for samples, found in pairs.items()
    }


def pair_matrix(found: dict[tuple[int, int], Separation], count: int) -> Float64:
    """Distances (C, C), zero where hulls overlap, NaN where nothing is known."""
    matrix = np.full((count, count), np.nan)
    for (i, j), result in found.items():
        value = 0.0 if result.status is Status.OVERLAPPING else result.distance
        matrix[i, j] = matrix[j, i] = value
    return matrix


def outside_finding(parts: list[Part], reference: str, question: str, same: bool) -> Finding:
    """Whether new features lie in the hull of the old ones."""
    whole = parts[0]
    if same:
        return Finding(f"There is one split alone, so no {question} feature is new to the hulls.")
    n, median = len(whole.asked), float(np.median(whole.distance))
    return Finding(
        f"Of {n:,} {question} features {whole.inside:,} ({100 * whole.inside / n:.2f} %) are proved to lie "
        f"in the hull of all {reference} features; the median distance from it is {median:.4g}, beside a "
        f"hull of diameter {whole.diameter:.4g}.",
        "proved",
    )


def pair_findings(pairs: Pairs, reference: str) -> list[Finding]:
    """How many pairs of class hulls are apart."""
    findings = []
    for samples, text in SAMPLES.items():
        found = list(pairs[samples].values())
        if found:
            apart = sum(r.status is Status.SEPARATED for r in found)
            together = sum(r.status is Status.OVERLAPPING for r in found)
            said = f"Of {len(found):,} pairs of class hulls of {reference} features ({text}), {apart:,} are"
            findings.append(Finding(f"{said} proved disjoint and {together:,} proved to overlap.", "proved"))
    return findings


def limits(parts: list[Part], count: int) -> list[Finding]:
    """What was left out for its cost."""
    findings = []
    if any(part.extreme is None for part in parts):
        findings.append(Finding(f"Vertices are not counted for hulls of more than {MOST_POINTS:,} points."))
    if count > MOST_CLASSES:
        findings.append(Finding(f"Pairs of hulls are not measured for more than {MOST_CLASSES} classes."))
    return findings


def hull_table(parts: list[Part], classes: tuple[str, ...], question: str) -> Table:
    """A row for each hull."""
    rows = []
    for part in parts:
        median = float(np.median(part.distance)) if len(part.distance) else None
        rows.append(
            (
                classes[part.label] if part.label >= 0 else "all classes", SAMPLES[part.samples],
                len(part.hull), part.extreme, part.diameter, part.radius, len(part.asked), part.inside,
                median, median / part.diameter if median is not None and part.diameter > 0 else None,
            )
        )  # fmt: skip
    return Table(
        "hulls",
        "Hulls, their lengths, and how far new features lie from them",
        (
            Column("class"), Column("samples"), Column("n"), Column("vertices"), Column("diameter", UNIT),
            Column("radius of the smallest ball", UNIT), Column(f"{question} features asked"),
            Column("inside"), Column("median distance", UNIT), Column("of the diameter"),
        ),
        tuple(rows),
        "Vertices: samples proved to lie outside the hull of all the others. Questions to the hull of a "
        "class are the features labelled so. A distance means something only beside a length of the same "
        "space.",
    )  # fmt: skip


def pair_tables(pairs: Pairs, parts: list[Part], classes: tuple[str, ...]) -> list[Table]:
    """A row for each pair of classes, nearest first."""
    across = {(part.label, part.samples): part.diameter for part in parts}
    tables = []
    for samples, text in SAMPLES.items():
        found = sorted(pairs[samples].items(), key=lambda item: item[1].lower_bound)
        if not found:
            continue
        rows = tuple(
            (
                classes[i], classes[j], r.status.name, 0.0 if r.status is Status.OVERLAPPING else r.distance,
                r.lower_bound / max(across[i, samples], across[j, samples], 1e-300),
            )
            for (i, j), r in found
        )  # fmt: skip
        columns = (
            Column("class"), Column("other"), Column("status"), Column("distance", UNIT),
            Column("of the greater diameter"),
        )  # fmt: skip
        note = "The distance of two disjoint hulls is the margin of the hard-margin support vector machine."
        tables.append(Table(f"pairs-{samples}", f"Distances of class hulls, {text}", columns, rows, note))
    return tables
