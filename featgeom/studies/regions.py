"""The regions of the feature domain: who borders on whom, who owns how much, what is guaranteed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from featgeom.arrays import Floats, Ints, blocks
from featgeom.certificates.claim import Claim
from featgeom.hulls.hull import ConvexHull
from featgeom.progress import doing
from featgeom.proofs import regions as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.proof import Found, proved
from featgeom.regions.adjacency import Meetings, meetings
from featgeom.regions.cells import Cells
from featgeom.regions.domains import Box
from featgeom.regions.shares import Shares
from featgeom.runs.claims import bare, should_be_bare
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.sharing import shared, together
from featgeom.status import Status

SAMPLES = 100_000  # of the observed box, for the shares of the classes
BALLS, CLASSES = 1, 16  # whose largest ball, and whose hull, a worker looks at at a time
WITNESSES = 2_000  # features tried as evidence before a linear program is
PROGRAM_WORK = 5e8  # of all linear programs of a kind, each of (classes times dimensions)^1.5


def programs(classes: int, dimension: int) -> int:
    """How many linear programs over all classes may be solved: some minutes of them."""
    return int(PROGRAM_WORK / (classes * dimension) ** 1.5)


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Cells, their neighbours, sizes and shares, and the features whose class a hull guarantees.

    The domain is the orthant where no feature of the run is negative, else all of feature space; shares and
    largest balls are taken in the box of the observed bounds. What is guaranteed is guaranteed of features.
    """
    reference, question = run.features(run.reference_split), run.features(run.question_split)
    head, classes = reference.head, run.classes
    observed = f"box of {run.reference_split}/features"
    box, domain = Box(*run.subjects.box(observed)), run.subjects.domain
    cells, boxed = Cells(head, domain), Cells(head, box)
    step = max(1, len(reference) // WITNESSES)
    pairs, allowed = proof.asked_pairs(Found.of(run, {})), programs(head.classes, head.dimension)
    with doing("which cells meet", disable=not progress):
        met = meetings(head, cells.domain, pairs, reference.features[::step], allowed)
    degree = np.bincount(pairs[met.tie_rows >= 0].ravel(), minlength=len(classes))
    empty = {c: cells.is_empty(c) for c in np.flatnonzero(degree == 0).tolist()[:allowed]}
    balls = dict[str, Claim]()
    sought = list(range(len(classes))) if proof.sought(Found.of(run, {})) else []
    for made in shared(run, largest_balls, together(sought, BALLS), "largest balls", progress):
        balls |= made
    shares = boxed.shares(SAMPLES, seed=run.seed)
    margins = cells.margins(question.features)

    claims: dict[str, Claim] = {
        "ties": met.ties.named(domain=domain),
        "no-ties": met.no_ties.named(domain=domain),
    }
    claims |= {f"empty-{c}": e.certificate.named(domain=domain) for c, e in empty.items() if e.certificate}
    claims |= balls
    claims[f"classes-{run.question_split}"] = margins.certificate.named(
        points=f"{run.question_split}/features"
    )
    claims |= guaranteed_inside(run, device, progress)
    said = Found.of(run, claims)
    borders = border_counts(margins.classes, margins.rival, len(classes)) if proof.few(said) else None
    busiest = busiest_border(margins.classes, margins.rival, len(classes))
    findings = [
        *proved(said, proof.adjacency),
        program_finding(met, allowed),
        share_finding(shares, classes, run.reference_split),
        *proved(said, proof.guaranteed),
        *proved(said, proof.float32),
    ]
    return Record(
        tuple(findings),
        {
            **proof.values(said),
            "undecided": [tuple(pair) for pair in pairs[met.status == Status.UNDECIDED].tolist()],
            "linear_programs": met.programs,
            "empty": {c: e.status.name for c, e in empty.items()},
        },
        (cell_table(said, shares, busiest), inside_table(said)),
        {
            **proof.arrays(said),
            **({} if borders is None else {"borders": borders}),
            "share": shares.share,
            "share_low": shares.low,
            "share_high": shares.high,
        },
        claims,
        {"samples": SAMPLES, "seed": run.seed, "confidence": shares.confidence},
    )


def largest_balls(run: Run, classes: Sequence[int]) -> dict[str, Claim]:
    """The claims about the largest balls in the cells of some classes, in the observed box."""
    observed = f"box of {run.reference_split}/features"
    cells, claims = Cells(run.subjects.head, Box(*run.subjects.box(observed))), dict[str, Claim]()
    for c in classes:
        if (claim := cells.chebyshev(c).certificate) is not None:
            claims[f"ball-{c}"] = claim.named(domain=observed)
    return claims


def program_finding(met: Meetings, allowed: int) -> Finding:
    """How many linear programs were solved, and what was left for their cost."""
    text = f"For this {met.programs:,} linear programs were needed"
    if met.programs >= allowed and (met.status == Status.UNDECIDED).any():
        text = f"{met.programs:,} linear programs were solved for this, of pairs whose rows of the head are "
        text += "nearest; more take too long at this size, so what cheaper evidence leaves open is undecided"
    return Finding(f"{text}.")


def observed_box(features: Floats) -> Box:
    """The bounds of features that may be a memory map."""
    parts = [(block.min(axis=0), block.max(axis=0)) for block in blocks(features)]
    return Box(np.min([low for low, _ in parts], axis=0), np.max([high for _, high in parts], axis=0))


def border_counts(classes: Ints, rivals: Ints, count: int) -> Ints:
    """How many features have their least margin between each two classes, (C, C), symmetric."""
    borders = np.zeros((count, count), dtype=np.int64)
    np.add.at(borders, (classes, rivals), 1)
    return borders + borders.T


def busiest_border(classes: Ints, rivals: Ints, count: int) -> Ints:
    """With which class each has most borders, (C,), the lowest number of several; −1 where it has none."""
    both = np.concatenate([classes * count + rivals, rivals * count + classes])
    pairs, often = np.unique(both, return_counts=True)
    order = np.lexsort((-pairs, often))  # the last of each class has most, and the lowest number of these
    most = np.full(count, -1, dtype=np.int64)
    most[pairs[order] // count] = pairs[order] % count
    return most


def guaranteed_inside(run: Run, device: str, progress: bool) -> dict[str, Claim]:
    """For each class the guarantee of its hull, and which questions of that class lie in it."""
    found, known, claims = Found.of(run, {}), run.subjects, dict[str, Claim]()
    asked = []
    for c in range(len(run.classes)):
        words = proof.reference(found, c), proof.question(found, c)
        asked.append((c, *words, {name: known.rows(name) for name in words}))
    large = should_be_bare(run.features(run.reference_split).features)
    work = partial(guarantee_and_inside, device, large)
    for made in shared(run, work, together(asked, CLASSES), "hulls in their cells", progress):
        claims |= made
    return claims


Asked = tuple[int, str, str, dict[str, Any]]  # a class, the words for its hull and its questions, their rows


def guarantee_and_inside(device: str, large: bool, run: Run, asked: Sequence[Asked]) -> dict[str, Claim]:
    """The same of some classes; where ``large``, bare."""
    known, cells, claims = run.subjects, Cells(run.subjects.head), dict[str, Claim]()
    for c, of, queries, rows in asked:
        known.know(rows)
        hull = known.points(of)
        if not len(hull):
            continue
        kept = cells.guarantee(hull, c)
        made = {f"guarantee-{c}": kept.certificate.named(points=of)}
        if kept.status is Status.GUARANTEED and len(rows[queries]):
            found = ConvexHull(hull, device=device).contains(known.kept(queries))
            made[f"inside-{c}"] = found.certificate.named(points=of, queries=queries)
        claims |= {name: bare(claim) for name, claim in made.items()} if large else made
    return claims


def share_finding(shares: Shares, classes: tuple[str, ...], reference: str) -> Finding:
    """Who owns most and least of the observed box."""
    most, least = int(shares.share.argmax()), int(shares.share.argmin())
    return Finding(
        f"Of the box of observed {reference} bounds, class {classes[most]} owns most "
        f"({100 * shares.share[most]:.1f} %), {classes[least]} least ({100 * shares.share[least]:.2f} %).",
        "estimated",
    )


def inside_table(found: Found) -> Table:
    """Who lies in the guaranteed hull of each class."""
    return headed("regions", "inside", found, proof.inside_columns(found))


def cell_table(found: Found, shares: Shares, busiest: Ints) -> Table:
    """A row for each cell."""
    computed = {
        Column("nearest borders with"): [found.classes[c] if c >= 0 else None for c in busiest.tolist()],
        Column("share of the box", "%"): (100 * shares.share).tolist(),
        Column("95 % from", "%"): (100 * shares.low).tolist(),
        Column("to", "%"): (100 * shares.high).tolist(),
    }
    return headed("regions", "cells", found, {**proof.cell_columns(found), **computed})
