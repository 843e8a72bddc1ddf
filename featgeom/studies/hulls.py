"""The hulls of the features: lengths, vertices, how far new features lie outside, how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Ints
from featgeom.certificates.claim import Claim
from featgeom.certificates.hulls import HullVertices
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate
from featgeom.progress import bar
from featgeom.proofs import hulls as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.hulls import SAMPLES, Hull
from featgeom.proofs.neighbours import FIRST, MOST_ASKED, SLACK, TIMES, unmeasured
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Finding, Record
from featgeom.runs.run import Run
from featgeom.studies.neighbours import nearest_pairs


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Hulls of the features of each class, of all its samples and of the correctly predicted, and of all.

    Distances are in feature space, each beside lengths of the same hull. Questions are the features of the
    test split where there is one, each asked of the hulls of its label's class and of the hull of all.
    """
    claims = dict[str, Claim]()
    found = Found.of(run, {})
    outer: Vertices | None = None
    whole: Vertices | None = None
    made: dict[str, ConvexHull] = {}
    for hull in bar(proof.hulls(found), desc="hulls", disable=not progress):
        outer = whole if hull.samples == "all" else outer
        made[hull.name] = ConvexHull(np.ascontiguousarray(run.subjects.points(hull.of)), device=device)
        outer = measured(run, hull, made[hull.name], claims, outer)
        whole = outer if hull.label < 0 else whole
    rest: dict[str, np.ndarray] = {}
    for samples in SAMPLES:
        if proof.few(found):
            for name, a, b in bar(proof.pairs(found, samples), desc="pairs of hulls", disable=not progress):
                named = separate(made[a.name], made[b.name]).certificate
                claims[name] = named.named(points_a=a.of, points_b=b.of)
        else:
            chosen, rest[f"others-{samples}"] = near_pairs(found, samples, made, progress)
            claims |= chosen
    return said(Found.of(run, claims).beside(rest), rest)


def near_pairs(
    found: Found, samples: str, made: Mapping[str, ConvexHull], progress: bool
) -> tuple[dict[str, Claim], NDArray[np.float64]]:
    """The pairs in which each class's nearest hull is sought, and how near the others may be, by class."""
    of = {hull.label: hull for hull in proof.hulls(found) if hull.label >= 0 and hull.samples == samples}
    below = proof.bounds(found, samples, TIMES)
    with bar(desc="pairs of hulls", total=MOST_ASKED * len(of), disable=not progress) as shown:
        pairs = nearest_pairs({c: made[hull.name] for c, hull in of.items()}, below, tell=shown.update)
    claims: dict[str, Claim] = {
        proof.pair_name(samples, a, b): apart.certificate.named(points_a=of[a].of, points_b=of[b].of)
        for (a, b), apart in pairs.items()
    }
    return claims, unmeasured(below, list(pairs)) * SLACK


def said(found: Found, rest: Mapping[str, NDArray[np.float64]]) -> Record:
    """The record that the claims prove, whole; ``rest`` says how near hulls may be that are not measured."""
    if found.reference == found.question:
        first = [Finding(f"There is one split alone, so no {found.question} feature is new to the hulls.")]
    else:
        first = list(proved(found, proof.outside))
    nearest = {f"nearest-{samples}": proof.nearest_columns(found, samples) for samples in SAMPLES}
    made = nearest | {f"pairs-{samples}": proof.pair_columns(found, samples) for samples in SAMPLES}
    return Record(
        (*first, *proved(found, proof.apart), *proved(found, proof.nearest), *limits(found)),
        proof.values(found),
        (
            headed("hulls", "hulls", found, proof.hull_columns(found)),
            *(headed("hulls", name, found, columns) for name, columns in made.items() if columns),
        ),
        {**proof.arrays(found), **rest},
        found.claims,
        {"question": found.question, "relative_gap": 1e-6},
    )


def limits(found: Found) -> list[Finding]:
    """What was left out for its cost."""
    findings = []
    if any(hull.points > proof.MOST_POINTS for hull in proof.hulls(found)):
        text = f"Vertices are not counted for hulls of more than {proof.MOST_POINTS:,} points."
        findings.append(Finding(text))
    large = [hull for hull in proof.hulls(found) if hull.points <= proof.MOST_POINTS]
    if costly := [hull for hull in large if not hull.counted]:
        text = (
            f"The vertices of hulls of {min(hull.points for hull in costly):,} points or more are not counted"
        )
        findings.append(Finding(f"{text}: in {costly[0].dimension:,} dimensions that is too much work."))
    if not proof.few(found):
        text = (
            f"Of more than {proof.MOST_CLASSES} classes not all pairs of hulls are measured: for each class "
        )
        text += f"{FIRST} of nearest means, then those that a bound leaves open, {MOST_ASKED} at most."
        findings.append(Finding(text))
    return findings


def measured(
    run: Run, hull: Hull, points: ConvexHull, claims: dict[str, Claim], outer: Vertices | None
) -> Vertices | None:
    """Lengths, vertices and questions of one hull; its vertices, where these are counted."""
    claims[f"ball-{hull.name}"] = points.enclosing_ball().certificate.named(points=hull.of)
    claims[f"diameter-{hull.name}"] = points.diameter().certificate.named(points=hull.of)
    if hull.questions:
        questioned(run, hull, points, claims)
    if not hull.counted:
        return None
    chosen = run.subjects.rows(hull.of)
    rows = np.arange(hull.points) if chosen is None else chosen
    claim, extreme = vertices(points, rows, outer)
    claims[f"extreme-{hull.name}"] = claim.named(points=hull.of)
    return extreme


def questioned(run: Run, hull: Hull, points: ConvexHull, claims: dict[str, Claim]) -> None:
    """The distances of all questions, and whether those lie in the hull that may."""
    about, queries = {"points": hull.of, "queries": hull.asked}, run.subjects.points(hull.asked)
    projected = points.project(queries)
    claims[f"distance-{hull.name}"] = projected.certificate.named(**about)
    near = np.flatnonzero(projected.certificate.lower == 0)
    if len(near):
        member = points.contains(queries[near]).certificate
        moved = replace(member, queries=queries, rows=near[member.rows])
        claims[f"inside-{hull.name}"] = moved.named(**about)


@dataclass(frozen=True, eq=False)
class Vertices:
    """Which of some ``rows`` of the reference are proved vertices of the hull of these rows (``mask``)."""

    rows: Ints
    mask: NDArray[np.bool_]


def vertices(hull: ConvexHull, rows: Ints, outer: Vertices | None) -> tuple[HullVertices, Vertices]:
    """The vertices of the hull of some rows; those of the hull of more rows are known, and not claimed again.

    A vertex of a hull is one of every smaller hull that it belongs to.
    """
    mask = np.zeros(len(rows), dtype=bool)
    if outer is not None:
        mask = outer.mask[np.searchsorted(outer.rows, rows)]
    only = None if outer is None else np.flatnonzero(~mask)
    claim = hull.extreme_points(only=only).certificate
    mask[claim.rows[~claim.inside]] = True
    return claim, Vertices(rows, mask)
