"""The hulls of the features: lengths, vertices, how far new features lie outside, how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Ints, file_map, release
from featgeom.certificates.claim import Claim
from featgeom.certificates.hulls import HullDistance, HullVertices
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate
from featgeom.limits import memory_budget
from featgeom.parallel import in_parallel
from featgeom.proofs import hulls as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.hulls import SAMPLES, Hull
from featgeom.proofs.neighbours import FIRST, MOST_ASKED, SLACK, TIMES, unmeasured
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Finding, Record
from featgeom.runs.run import Run
from featgeom.runs.sharing import in_parts, shared
from featgeom.runs.told import set_aside
from featgeom.shelf import Shelf, held_at_once
from featgeom.studies.neighbours import Pair, nearest_pairs

WORKING = 1 / 2  # of the memory that may be held, for what works on hulls
ASKING = 1 / 4  # for questions and what is computed of them; the rest holds what proves the claims
LEAST = 1 << 20  # bytes, which a hull has at least to work in
ASKED = 6.5  # numbers that are held for each coordinate of a question while it is asked
PAIRS = 16  # of hulls, that are measured at a time
QUESTIONS = 1024  # to one hull, that a worker answers at a time


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Hulls of the features of each class, of all its samples and of the correctly predicted, and of all.

    Distances are in feature space, each beside lengths of the same hull. Questions are the features of the
    test split where there is one, each asked of the hulls of its label's class and of the hull of all. The
    workers of a `cluster` share the questions to the hull of all, the classes, and the pairs.
    """
    found = Found.of(run, {})
    everything, *others = proof.hulls(found)
    claims, outer = measured(run, everything, None, device, progress)
    of_classes = [tuple(mine) for _, mine in groupby(others, lambda hull: hull.label)]
    asked = [(mine, None if outer is None else outer.among(run, mine[0])) for mine in of_classes]
    held = held_by(run, claims)
    for made in shared(run, partial(hulls_of_class, device), asked, "hulls of classes", progress):
        claims |= held(made)
    rest: dict[str, np.ndarray] = {}
    for samples in SAMPLES:
        if proof.few(found):
            pairs = measured_pairs(run, proof.pairs(found, samples), device, progress)
        else:
            pairs, rest[f"others-{samples}"] = near_pairs(run, found, samples, device, progress)
        claims |= {name: apart.claim for name, apart in pairs.items()}
    return said(Found.of(run, claims).beside(rest), rest)


def held_by(run: Run, claims: dict[str, Claim]) -> Callable[[dict[str, Claim]], dict[str, Claim]]:
    """Gives claims back that hold what only proves them in memory or, once that is too much, on disk.

    The first that are given are those so far, which change.
    """
    total, shelf = 0, list[Shelf]()

    def held(made: dict[str, Claim]) -> dict[str, Claim]:
        nonlocal total
        proving = [getattr(claim, name) for claim in made.values() for name in claim.unsaid]
        total += sum(array.nbytes for array in proving if isinstance(array, np.ndarray))
        if total > held_at_once() and not shelf:
            shelf.append(Shelf(run.folder))
            claims.update({name: set_aside(claim, shelf[0]) for name, claim in claims.items()})
        return {name: set_aside(claim, shelf[0]) for name, claim in made.items()} if shelf else made

    claims |= held(claims)
    return held


def hulls_of_class(
    device: str, run: Run, asked: tuple[tuple[Hull, ...], Vertices | None]
) -> dict[str, Claim]:
    """The claims about the hulls of one class, the larger first, with the vertices of the hull of all."""
    claims = dict[str, Claim]()
    hulls, outer = asked
    for hull in hulls:
        more, outer = measured(run, hull, outer, device)
        claims |= more
        give_back(run.subjects.kept(hull.of), run.subjects.kept(hull.asked))
    return claims


def give_back(*arrays: NDArray[Any]) -> None:
    """Give the pages of arrays on disk back to the system, which reads them again when needed."""
    for array in arrays:
        release(file_map(array))


class Apart(NamedTuple):
    """The claim about two hulls, and an upper bound on their distance."""

    claim: Claim
    distance: float


def measured_pairs(
    run: Run, pairs: Sequence[tuple[str, Hull, Hull]], device: str, progress: bool
) -> dict[str, Apart]:
    """How far the hulls of some pairs are apart, by the names of the claims."""
    some = [pairs[start : start + PAIRS] for start in range(0, len(pairs), PAIRS)]
    made = shared(run, partial(some_pairs, device), some, "pairs of hulls", progress)
    return {name: apart for part in made for name, apart in part.items()}


def some_pairs(device: str, run: Run, pairs: Sequence[tuple[str, Hull, Hull]]) -> dict[str, Apart]:
    """The same of few pairs, on all cores."""
    found: dict[str, Apart] = {}
    words = {hull.of for _, *both in pairs for hull in both}
    points = {of: run.subjects.kept(of) for of in words}
    share = None  # of memory for each hull, where all of them would not fit
    if 2 * sum(some.nbytes for some in points.values()) > working():
        share = max(LEAST, working() // len(words))
    hulls = {of: ConvexHull(some, device, share) for of, some in points.items()}

    def measure(start: int, stop: int) -> None:
        for name, a, b in pairs[start:stop]:
            apart = separate(hulls[a.of], hulls[b.of])
            claim = apart.certificate.named(points_a=a.of, points_b=b.of)
            found[name] = Apart(claim, apart.distance)
            if share is not None:
                give_back(points[a.of], points[b.of])

    in_parallel(measure, len(pairs), 1)
    return {name: found[name] for name, _, _ in pairs}


def near_pairs(
    run: Run, found: Found, samples: str, device: str, progress: bool
) -> tuple[dict[str, Apart], NDArray[np.float64]]:
    """The pairs in which each class's nearest hull is sought, and how near the others may be, by class."""
    of = {hull.label: hull for hull in proof.hulls(found) if hull.label >= 0 and hull.samples == samples}
    below = proof.bounds(found, samples, TIMES)

    def measure(pairs: Sequence[Pair]) -> dict[Pair, Apart]:
        named = [(proof.pair_name(samples, a, b), of[a], of[b]) for a, b in pairs]
        return dict(zip(pairs, measured_pairs(run, named, device, progress).values(), strict=True))

    means = {}
    for c, hull in of.items():
        points = run.subjects.kept(hull.of)
        means[c] = points.mean(axis=0, dtype=np.float64)
        give_back(points)
    pairs = nearest_pairs(means, below, measure)
    named = {proof.pair_name(samples, a, b): apart for (a, b), apart in pairs.items()}
    return named, unmeasured(below, list(pairs)) * SLACK


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
    run: Run, hull: Hull, outer: Vertices | None, device: str, progress: bool = False
) -> tuple[dict[str, Claim], Vertices | None]:
    """Lengths, questions and vertices of one hull; its vertices once more, where these are counted."""
    points, claims = convex(run, hull.of, device), dict[str, Claim]()
    claims[f"ball-{hull.name}"] = points.enclosing_ball().certificate.named(points=hull.of)
    claims[f"diameter-{hull.name}"] = points.diameter().certificate.named(points=hull.of)
    if hull.questions:
        claims |= questioned(run, hull, device, progress)
    if not hull.counted:
        return claims, None
    claim, extreme = vertices(run, hull, outer, device, progress)
    return claims | {f"extreme-{hull.name}": claim}, extreme


def most_at_once(hull: Hull) -> int:
    """How many questions to a hull memory should hold, with what is computed of them."""
    return int(memory_budget() * ASKING / (8 * ASKED * hull.dimension))


def working() -> int:
    """The bytes that what works on hulls may hold."""
    return max(LEAST, int(memory_budget() * WORKING))


@lru_cache(maxsize=1)
def convex(run: Run, of: str, device: str) -> ConvexHull:
    """The hull of some points, made once for all that is asked of it in a row."""
    return ConvexHull(run.subjects.kept(of), device, working())


def questioned(run: Run, hull: Hull, device: str, progress: bool) -> dict[str, Claim]:
    """The distances of all questions, and whether those lie in the hull that may."""
    about, queries = {"points": hull.of, "queries": hull.asked}, run.subjects.kept(hull.asked)
    points = convex(run, hull.of, device)
    asking = partial(distances, hull, device)
    rows, most = np.arange(hull.questions), most_at_once(hull)
    evidence = in_parts(run, asking, rows, QUESTIONS, "questions to a hull", progress, most)
    distance = HullDistance(points.points, queries, **evidence)
    claims: dict[str, Claim] = {f"distance-{hull.name}": distance.named(**about)}
    near = np.flatnonzero(distance.lower == 0)
    if len(near):
        member = points.contains(queries[near]).certificate
        moved = replace(member, queries=queries, rows=near[member.rows])
        claims[f"inside-{hull.name}"] = moved.named(**about)
    return claims


def distances(hull: Hull, device: str, run: Run, rows: Ints) -> dict[str, Any]:
    """What proves the distances of some of the questions."""
    return convex(run, hull.of, device).project(run.subjects.kept(hull.asked)[rows]).certificate.evidence


@dataclass(frozen=True, eq=False)
class Vertices:
    """Which of some ``rows`` of the reference are proved vertices of the hull of these rows (``mask``)."""

    rows: Ints
    mask: NDArray[np.bool_]

    def among(self, run: Run, hull: Hull) -> Vertices:
        """Those among the points of a hull of some of these rows, of which they are vertices, too."""
        rows = rows_of(run, hull)
        return Vertices(rows, self.mask[np.searchsorted(self.rows, rows)])


def rows_of(run: Run, hull: Hull) -> Ints:
    """The numbers of the samples that a hull is the hull of."""
    rows = run.subjects.rows(hull.of)
    return np.arange(hull.points) if rows is None else rows


def vertices(
    run: Run, hull: Hull, outer: Vertices | None, device: str, progress: bool
) -> tuple[Claim, Vertices]:
    """The vertices of a hull; those of the hull of more rows are known, and not claimed again.

    A vertex of a hull is one of every smaller hull that it belongs to.
    """
    own = rows_of(run, hull)
    mask = np.zeros(len(own), dtype=bool) if outer is None else outer.among(run, hull).mask
    asked = np.flatnonzero(~mask)
    asking = partial(extremes, hull, device)
    evidence = in_parts(run, asking, asked, QUESTIONS, "vertices of a hull", progress, most_at_once(hull))
    claim = HullVertices(convex(run, hull.of, device).points, **evidence)
    mask[claim.rows[~claim.inside]] = True
    return claim.named(points=hull.of), Vertices(own, mask)


def extremes(hull: Hull, device: str, run: Run, rows: Ints) -> dict[str, Any]:
    """What proves of some points of a hull that they are its vertices, or are not."""
    found = convex(run, hull.of, device).extreme_points(only=rows, measured=False)
    return found.certificate.evidence
