"""Where the classes meet in feature space: nearest boundaries, ambiguity, flip directions, slices."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.ambiguity import Ambiguity, ambiguity
from featgeom.boundaries.crossings import crossings
from featgeom.boundaries.directions import DirectionSpectrum, direction_spectrum
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.ties import FlipPoints, tie_points
from featgeom.errors import BadArgument, BadData, nearest_name
from featgeom.features.features import FeatureSet
from featgeom.progress import doing
from featgeom.proofs import boundaries as proof
from featgeom.proofs.boundaries import PAIRS_OF_ALL, chosen_norm
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.status import Status
from featgeom.studies.nearest_flips import nearest_flips
from featgeom.studies.slices import Triple, stored_slices
from featgeom.text import visible

UNIT = "feature distance"
AMBIGUOUS_SHOWN = 24


def study(
    run: Run,
    device: str = "cpu",
    progress: bool = False,
    *,
    slices: tuple[tuple[str, str, str], ...],
    traces: bool,
    norm: str,
) -> Record:
    """The boundaries of a run's head, asked by the samples of its question split.

    ``slices`` names triples of classes (their means) or of samples (#17); where there are none, triples are
    chosen by how many samples have their nearest boundary between the classes. ``traces`` asks for the
    traces of the class hulls on these slices. ``norm`` is that of the distances to the nearest boundary.
    """
    question = run.features(run.question_split)
    domain, asked = run.subjects.domain, f"{run.question_split}/features"
    head, z = question.head, np.asarray(question.features)
    measure = chosen_norm(norm, run.features(run.reference_split))
    unit = UNIT if measure.plain else f"{measure.name} distance"
    with doing("nearest boundaries", disable=not progress):
        flips = nearest_flips(run, domain, measure, progress)
    ranked = ambiguity(flips.distance, head.logits(z), question.labels)
    pairs = boundary_pairs(flips, head.classes)
    means = run.subjects.means(run.reference_split)
    present = np.flatnonzero(np.isfinite(means[:, 0])).tolist()
    meeting = tied_pairs(head, means, present, domain) if head.classes <= PAIRS_OF_ALL else {}
    spectra = direction_spectrum(z, flips.point, flips.classes[:, 0])
    triples = [named_triple(names, question, means, run.classes) for names in slices]
    triples = triples or chosen_triples(pairs, means, present, run.classes)
    with doing("slices", disable=not progress):
        drawn, slice_claims = stored_slices(triples, run, traces)

    claims = {"nearest": flips.certificate.named(points=asked, domain=domain), **slice_claims}
    if len(flips.certificate_empty):
        claims["no-tie"] = flips.certificate_empty.named(domain=domain)
    ends, base = proof.segments(Found.of(run, {})), f"{run.reference_split}/means"
    if len(ends):
        segments = crossings(head, means[ends[:, 0]], means[ends[:, 1]]).certificate
        claims["means"] = segments.named(start=rows_of(base, ends[:, 0]), end=rows_of(base, ends[:, 1]))
    settings = {"domain": domain, "slices": [list(t.names) for t in triples], "traces": traces, "norm": norm}
    said = Found.of(run, claims, settings)
    findings = [
        *(proved(said, proof.nearest) or [none_found(run.question_split)]),
        *ambiguity_findings(ranked, run.question_split),
        spectrum_finding(spectra[None], head.dimension, head.classes),
        *proved(said, proof.between_means),
        *proved(said, proof.slices),
        *trace_findings(drawn),
    ]
    return Record(
        tuple(findings),
        {
            "domain": domain,
            "unit": unit,
            "rank_correlation": ranked.rank_correlation,
            "error_auroc": {
                "distance": ranked.error_auroc_distance,
                "softmax": ranked.error_auroc_confidence,
            },
            "directions": {"rank": spectra[None].rank, "condition": spectra[None].condition},
            "slices": drawn,
        },
        (
            pair_table(pairs, meeting, run.classes, run.question_split, unit),
            ambiguous_table(ranked, flips, question, run.classes, unit),
            calibration_table(ranked, run.question_split, unit),
            spectrum_table(spectra, run.classes),
        ),
        {
            "distance": flips.distance,
            "lower_bound": flips.lower_bound,
            "prediction": flips.classes[:, 0],
            "rival": flips.classes[:, 1],
            "label": np.asarray(question.labels),
            "confidence": ranked.confidence,
            "log_odds": ranked.log_odds,
            "singular_values": spectra[None].singular_values,
            **thumbnails(run, ranked.order[:AMBIGUOUS_SHOWN]),
        },
        claims,
        settings,
        {"results/boundaries.graphml": graphml(pairs, run.classes)},
    )


@dataclass(frozen=True)
class Pair:
    """Two classes and the samples whose nearest boundary is theirs."""

    classes: tuple[int, int]
    counts: tuple[int, int]
    mean: float
    least: float

    @property
    def count(self) -> int:
        """Samples on both sides."""
        return sum(self.counts)


def boundary_pairs(flips: FlipPoints, classes: int) -> list[Pair]:
    """The pairs of classes that are the nearest boundary of some sample, most frequent first."""
    found = np.isfinite(flips.distance)
    own, rival = flips.classes[found].T
    code = np.minimum(own, rival) * classes + np.maximum(own, rival)
    values, of, counts = np.unique(code, return_inverse=True, return_counts=True)
    firsts = np.bincount(of, weights=own == values[of] // classes, minlength=len(values)).astype(np.int64)
    by_pair = flips.distance[found][np.argsort(of, kind="stable")]
    result = []
    for value, first, distance in zip(
        values.tolist(), firsts.tolist(), np.split(by_pair, np.cumsum(counts))[:-1], strict=True
    ):
        both = (first, len(distance) - first)
        result.append(Pair(divmod(value, classes), both, float(distance.mean()), float(distance.min())))
    return sorted(result, key=lambda pair: (-pair.count, pair.classes))


def tied_pairs(head: Any, means: Float64, present: list[int], domain: str) -> dict[tuple[int, int], Status]:
    """For every pair of classes with a mean, whether the two tie anywhere in the domain above all others."""
    result = {}
    for a, b in combinations(present, 2):
        result[a, b] = tie_points(head, means[[a]], [a, b], domain).status[0]
    return result


def named_triple(
    names: tuple[str, str, str], part: FeatureSet, means: Float64, classes: tuple[str, ...]
) -> Triple:
    """Three class means by class name, or samples of the question split by number, as in #17.

    Raises BadArgument for a class that is unknown or has no mean, and for a sample that does not exist.
    """
    points, own = [], []
    for name in names:
        if name.startswith("#"):
            if not name[1:].isdecimal() or int(name[1:]) >= len(part.labels):
                raise BadArgument(f"slice: no sample {name} (there are {len(part.labels):,}, from #0)")
            points.append(np.asarray(part.features[int(name[1:])], np.float64))
            own.append(int(part.predictions[int(name[1:])]))
        elif name in classes:
            own.append(classes.index(name))
            points.append(means[own[-1]])
            if not np.isfinite(points[-1]).all():
                raise BadArgument(f"slice: class '{name}' has no correctly predicted sample, so no mean")
        else:
            raise BadArgument(f"slice: unknown class '{name}'{nearest_name(name, list(classes))}")
    return Triple(names, np.array(points), (own[0], own[1], own[2]))


def chosen_triples(
    pairs: list[Pair], means: Float64, present: list[int], classes: tuple[str, ...]
) -> list[Triple]:
    """The two most frequent pairs that share no class, each with the class most often met beside it."""
    triples: list[Triple] = []
    used: set[int] = set()
    for pair in pairs:
        a, b = pair.classes
        if len(triples) == 2 or used & {a, b} or not {a, b} <= set(present):
            continue
        beside = dict.fromkeys((c for c in present if c not in (a, b)), 0)
        for other in pairs:
            for c in other.classes:
                if c in beside and set(other.classes) & {a, b}:
                    beside[c] += other.count
        if not beside:
            continue
        c = max(beside, key=lambda c: (beside[c], -c))
        try:
            Plane.through(*means[[a, b, c]])
        except BadArgument:
            continue  # the means lie on a line, so no plane is theirs
        triples.append(Triple((classes[a], classes[b], classes[c]), means[[a, b, c]], (a, b, c)))
        used |= {a, b}
    return triples


def thumbnails(run: Run, rows: Ints) -> dict[str, NDArray[Any]]:
    """The images of some samples, where the run's source can still be read."""
    try:
        images = run.images(run.question_split)
    except BadData:
        return {}
    return {"ambiguous_images": images.images[rows], "ambiguous_rows": rows}


def none_found(split: str) -> Finding:
    """What is said where no boundary is known."""
    return Finding(f"No decision boundary was found for any {split} sample.")


def ambiguity_findings(ranked: Ambiguity, split: str) -> list[Finding]:
    """How flip distance compares with the softmax."""
    text = (
        f"Distance to the boundary and softmax confidence rank {split} samples with Spearman correlation "
        f"{ranked.rank_correlation:.4f}"
    )
    if np.isfinite(ranked.error_auroc_distance):
        text += (
            f"; for finding misclassified samples their AUROC is {ranked.error_auroc_distance:.4f} and "
            f"{ranked.error_auroc_confidence:.4f}"
        )
    return [Finding(text + ".")]


def spectrum_finding(spectrum: DirectionSpectrum, dimension: int, classes: int) -> Finding:
    """How many directions the flips need."""
    if not spectrum.count:
        return Finding("No sample has a flip direction.")
    ninety = int(np.searchsorted(spectrum.explained, 0.9)) + 1
    return Finding(
        f"The {spectrum.count:,} flip directions have rank {spectrum.rank} in {dimension} dimensions "
        f"(without bounds of the domain it would be at most {min(classes - 1, dimension)}); {ninety} "
        f"principal directions carry 90 % of their squared length."
    )


def trace_findings(drawn: list[dict[str, Any]]) -> list[Finding]:
    """How well the traces of hulls on the slices are known, and which are not."""
    gaps = np.array([trace["gap"] for one in drawn for trace in one["traces"].values()])
    known, findings = gaps[np.isfinite(gaps)], list[Finding]()
    if len(known):
        findings.append(Finding(f"The traces of class hulls on the slices are known to {known.max():.2g}."))
    if missing := len(gaps) - len(known):
        text = f"Of {len(gaps)} traces of class hulls on the slices {missing} were not found within the work"
        findings.append(Finding(f"{text} allowed."))
    return findings


def pair_table(
    pairs: list[Pair],
    meeting: dict[tuple[int, int], Status],
    classes: tuple[str, ...],
    split: str,
    unit: str,
) -> Table:
    """A row for each pair of classes that some sample has as its nearest boundary, or that may meet."""
    known = {pair.classes: pair for pair in pairs}
    words = {Status.SOLVED: "yes", Status.INFEASIBLE: "no", None: "yes"}
    rows = []
    for a, b in [*known, *(p for p in meeting if p not in known)]:
        pair = known.get((a, b))
        ties = words.get(Status.SOLVED if pair else meeting.get((a, b)), "not decided")
        counts = pair.counts if pair else (0, 0)
        rows.append((classes[a], classes[b], *counts, pair and pair.mean, pair and pair.least, ties))
    return Table(
        "pairs",
        f"Nearest boundaries of {split} samples by pair of classes",
        (
            Column("class"), Column("and"), Column("samples of the first"), Column("of the second"),
            Column("mean distance", unit), Column("least", unit), Column("cells meet"),
        ),
        tuple(rows),
        "A sample counts where the nearest boundary of its predicted class is that pair's. Cells meet where "
        "there is a point of the domain at which the two tie and no other class beats them.",
    )  # fmt: skip


def ambiguous_table(
    ranked: Ambiguity, flips: FlipPoints, part: FeatureSet, classes: tuple[str, ...], unit: str
) -> Table:
    """The samples nearest to a boundary."""
    rows = tuple(
        (
            int(i), classes[int(part.labels[i])], classes[flips.classes[i, 0]], classes[flips.classes[i, 1]],
            float(flips.distance[i]), float(ranked.confidence[i]),
        )
        for i in ranked.order[:AMBIGUOUS_SHOWN]
    )  # fmt: skip
    return Table(
        "ambiguous",
        f"Most ambiguous {part.split} samples",
        (
            Column("sample"), Column("label"), Column("predicted"), Column("flips to"),
            Column("distance", unit), Column("softmax"),
        ),
        rows,
    )  # fmt: skip


def calibration_table(ranked: Ambiguity, split: str, unit: str) -> Table:
    """Accuracy by tenth of distance and of confidence."""
    assert ranked.by_distance is not None
    assert ranked.by_confidence is not None
    by_d, by_c = ranked.by_distance, ranked.by_confidence
    columns = (by_d.mean, by_d.accuracy, by_c.mean, by_c.accuracy)
    rows = tuple(
        (i + 1, int(by_d.count[i]), *(float(column[i]) for column in columns)) for i in range(len(by_d.count))
    )
    return Table(
        "calibration",
        f"Accuracy on {split} by distance to the boundary, and by softmax confidence",
        (
            Column("group"), Column("samples"), Column("mean distance", unit), Column("accuracy"),
            Column("mean softmax"), Column("accuracy by softmax"),
        ),
        rows,
        "Groups of equal size, the most ambiguous first; each measure makes its own groups.",
    )  # fmt: skip


def spectrum_table(spectra: dict[int | None, DirectionSpectrum], classes: tuple[str, ...]) -> Table:
    """Rank, condition and concentration of the flip directions."""
    rows = []
    for key, s in spectra.items():
        share = [float(s.explained[k]) if k < len(s.explained) else None for k in (0, 1, 2)]
        pivot = int(s.pivots[0]) if s.count else None
        rows.append(("all" if key is None else classes[key], s.count, s.rank, s.condition, *share, pivot))
    return Table(
        "directions",
        "Flip directions: how samples must move to change class",
        (
            Column("predicted"), Column("samples"), Column("rank"), Column("condition"),
            Column("share of 1st"), Column("of 2"), Column("of 3"), Column("first pivot"),
        ),
        tuple(rows),
        "Shares of the squared length carried by the first principal directions (not centred). Condition is "
        "∞ where the rank is less than the dimension. The first pivot of QR is the sample that moves "
        "farthest.",
    )  # fmt: skip


def graphml(pairs: list[Pair], classes: tuple[str, ...]) -> bytes:
    """The classes by number, with their names, and an edge for each pair that is a nearest boundary."""
    graph = nx.Graph()
    graph.add_nodes_from((c, {"name": visible(name)}) for c, name in enumerate(classes))
    for pair in pairs:
        graph.add_edge(*pair.classes, samples=pair.count, mean_distance=pair.mean, least_distance=pair.least)
    written = io.BytesIO()
    nx.write_graphml(graph, written)
    return written.getvalue()
