"""The regions of the feature domain: who borders on whom, who owns how much, what is guaranteed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from featgeom.arrays import Floats, Ints, blocks
from featgeom.certificates.claim import Claim
from featgeom.features.features import FeatureSet
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.cells import Cells
from featgeom.regions.chebyshev import Chebyshev
from featgeom.regions.domains import Box
from featgeom.regions.shares import Shares
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.status import Status

SAMPLES = 100_000  # of the observed box, for the shares of the classes
BALLS_UP_TO = 100_000  # classes times dimensions: beyond, one linear program a class takes too long
WITNESSES = 2_000  # features tried as evidence before a linear program is
UNIT = "feature distance"


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Cells, their neighbours, sizes and shares, and the features whose class a hull guarantees.

    The domain is the orthant where no feature of the run is negative, else all of feature space; shares and
    largest balls are taken in the box of the observed bounds. What is guaranteed is guaranteed of features.
    """
    reference, question = run.features(run.reference_split), run.features(run.question_split)
    head, classes = reference.head, run.classes
    box = observed_box(reference.features)
    domain = "orthant" if (box.lo >= 0).all() and question.features.min() >= 0 else "space"
    cells, boxed = Cells(head, domain), Cells(head, box)
    step = max(1, len(reference) // WITNESSES)
    graph = cells.adjacency(reference.features[::step])
    empty = {c: cells.is_empty(c) for c in range(len(classes)) if graph.degree[c] == 0}
    small = head.classes * head.dimension <= BALLS_UP_TO
    balls = [boxed.chebyshev(c) for c in range(len(classes))] if small else []
    shares = boxed.shares(SAMPLES, seed=run.seed)
    margins = cells.margins(question.features)
    inside = GuaranteedInside.of(reference, question, margins.classes, device)

    claims: dict[str, Claim] = {"ties": graph.graph["ties"], "no-ties": graph.graph["no_ties"]}
    claims |= {f"empty-{c}": e.certificate for c, e in empty.items() if e.certificate is not None}
    claims |= {f"ball-{c}": b.certificate for c, b in enumerate(balls) if b.certificate is not None}
    claims |= {f"classes-{run.question_split}": margins.certificate} | inside.claims
    borders = border_counts(margins.classes, margins.rival, len(classes))
    unsafe = int((~margins.float32_safe).sum())
    findings = [
        adjacency_finding(graph, domain, len(classes)),
        share_finding(shares, classes, run.reference_split),
        inside.finding(run.reference_split, run.question_split),
        Finding(
            f"{len(question) - unsafe:,} of {len(question):,} {run.question_split} features keep their class "
            "however the head is evaluated in float32 (any order of summation).",
            "proved",
        ),
    ]
    return Record(
        tuple(findings),
        {
            "domain": domain,
            "classes": len(classes),
            "edges": graph.number_of_edges(),
            "non_edges": sorted(graph.graph["non_edges"]),
            "undecided": graph.graph["undecided"],
            "linear_programs": graph.graph["programs"],
            "empty": {c: e.status.name for c, e in empty.items()},
            "inside": inside.summary(),
            "float32_unsafe": unsafe,
        },
        (
            cell_table(classes, graph, balls, shares, borders),
            inside.table(classes, run.reference_split, run.question_split),
        ),
        {
            "edges": np.array(graph.edges, dtype=np.int64).reshape(-1, 2),
            "borders": borders,
            f"{run.question_split}_inside": inside.inside,
            f"{run.question_split}_float32_safe": margins.float32_safe,
            "share": shares.share,
            "share_low": shares.low,
            "share_high": shares.high,
        },
        claims,
        {"samples": SAMPLES, "seed": run.seed, "confidence": shares.confidence},
    )


def observed_box(features: Floats) -> Box:
    """The bounds of features that may be a memory map."""
    parts = [(block.min(axis=0), block.max(axis=0)) for block in blocks(features)]
    return Box(np.min([low for low, _ in parts], axis=0), np.max([high for _, high in parts], axis=0))


def border_counts(classes: Ints, rivals: Ints, count: int) -> Ints:
    """How many features have their least margin between each two classes, (C, C), symmetric."""
    borders = np.zeros((count, count), dtype=np.int64)
    np.add.at(borders, (classes, rivals), 1)
    return borders + borders.T


@dataclass(frozen=True)
class GuaranteedInside:
    """The features that lie in a hull which is guaranteed its class: that of the right predictions.

    ``inside`` (n,): proved inside; ``undecided``: how many could not be settled.
    """

    predicted: Ints
    labels: Ints
    inside: np.ndarray[Any, np.dtype[np.bool_]]
    undecided: int
    guaranteed: list[Status]
    claims: dict[str, Claim]

    @classmethod
    def of(
        cls, reference: FeatureSet, question: FeatureSet, predicted: Ints, device: str
    ) -> GuaranteedInside:
        """Ask of every feature whether it lies in the hull of its predicted class."""
        cells = Cells(reference.head)
        own = np.concatenate([reference.head.classify(b) for b in blocks(reference.features)])
        inside, undecided = np.zeros(len(question), dtype=bool), 0
        claims: dict[str, Claim] = {}
        guaranteed = []
        for c in range(reference.head.classes):
            rows = np.flatnonzero((reference.labels == c) & (own == c))
            if not len(rows):
                guaranteed.append(Status.UNDECIDED)
                continue
            hull = np.ascontiguousarray(reference.features[rows])
            kept = cells.guarantee(hull, c)
            guaranteed.append(kept.status)
            claims[f"guarantee-{c}"] = kept.certificate
            mine = np.flatnonzero(predicted == c)
            if not len(mine) or kept.status is not Status.GUARANTEED:
                continue
            found = ConvexHull(hull, device=device).contains(question.features[mine])
            inside[mine] = found.status == Status.INSIDE
            undecided += int((found.status == Status.UNDECIDED).sum())
            claims[f"inside-{c}"] = found.certificate
        labels = np.asarray(question.labels)
        return cls(predicted, labels, inside, undecided, guaranteed, claims)

    def summary(self) -> dict[str, Any]:
        """For programs."""
        return {
            "inside": int(self.inside.sum()),
            "of": len(self.inside),
            "undecided": self.undecided,
            "guaranteed": [s.name for s in self.guaranteed],
        }

    def finding(self, reference: str, question: str) -> Finding:
        """How many features have a class that a hull guarantees."""
        n = len(self.inside)
        hulls = sum(s is Status.GUARANTEED for s in self.guaranteed)
        text = (
            f"{hulls} of {len(self.guaranteed)} hulls of correctly predicted {reference} features are "
            f"guaranteed regions; {int(self.inside.sum()):,} of {n:,} {question} features "
            f"({100 * self.inside.mean():.2f} %) lie inside the one of their class"
        )
        rest = f", {self.undecided} are undecided" if self.undecided else ""
        return Finding(f"{text}{rest}. Outside, the head still decides; no hull vouches for it.", "proved")

    def table(self, classes: tuple[str, ...], reference: str, question: str) -> Table:
        """A row for each class."""
        rows = []
        for c, name in enumerate(classes):
            mine = self.predicted == c
            held = mine & self.inside
            right = int((self.labels[held] == c).sum())
            rows.append((name, self.guaranteed[c].name, int(mine.sum()), int(held.sum()), right))
        return Table(
            "inside",
            f"{question.capitalize()} features inside guaranteed hulls of {reference} features",
            (
                Column("class"), Column("hull"), Column("predicted so"), Column("inside"),
                Column("of these, labelled so"),
            ),
            tuple(rows),
            "Inside is proved by the hull engine; in d dimensions almost no new feature lies in the hull of "
            "the old ones once d is large, so look at distances (featgeom hulls) beside these counts.",
        )  # fmt: skip


def adjacency_finding(graph: Any, domain: str, count: int) -> Finding:
    """How the cells meet."""
    edges, pairs = graph.number_of_edges(), count * (count - 1) // 2
    where = "in the orthant z ≥ 0" if domain == "orthant" else "in feature space"
    apart, undecided = len(graph.graph["non_edges"]), len(graph.graph["undecided"])
    text = f"Of {pairs:,} pairs of cells {edges:,} meet {where}, {apart:,} are proved not to meet"
    text += f", {undecided:,} are undecided" if undecided else ""
    return Finding(f"{text} ({graph.graph['programs']:,} linear programs were needed).", "proved")


def share_finding(shares: Shares, classes: tuple[str, ...], reference: str) -> Finding:
    """Who owns most and least of the observed box."""
    most, least = int(shares.share.argmax()), int(shares.share.argmin())
    return Finding(
        f"Of the box of observed {reference} bounds, class {classes[most]} owns most "
        f"({100 * shares.share[most]:.1f} %), {classes[least]} least ({100 * shares.share[least]:.2f} %).",
        "estimated",
    )


def cell_table(
    classes: tuple[str, ...], graph: Any, balls: list[Chebyshev], shares: Shares, borders: Ints
) -> Table:
    """A row for each cell."""
    return Table(
        "cells",
        "Cells",
        (
            Column("class"), Column("neighbours"), Column("nearest borders with"),
            Column("largest ball, at least", UNIT), Column("at most", UNIT),
            Column("share of the box", "%"), Column("95 % from", "%"), Column("to", "%"),
        ),
        tuple(
            (
                name, int(graph.degree[c]),
                classes[int(borders[c].argmax())] if borders[c].any() else None,
                balls[c].radius if balls else None, balls[c].upper if balls else None,
                100 * float(shares.share[c]), 100 * float(shares.low[c]), 100 * float(shares.high[c]),
            )
            for c, name in enumerate(classes)
        ),
        "Neighbours: classes whose cell meets this one in the domain, apart from all others. Nearest borders "
        "with: the rival of least margin for most samples. Largest ball and share are those in the box of "
        "observed bounds; the share is of its volume, estimated by uniform samples, most of which are unlike "
        f"any feature. Largest balls are sought where classes times dimensions are at most {BALLS_UP_TO:,}.",
    )  # fmt: skip
