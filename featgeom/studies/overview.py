"""The first look at a classifier: accuracy, feature domain, margins, guaranteed hulls, neural collapse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.collapse import ClassSums, NeuralCollapse, neural_collapse
from featgeom.features.doubt import doubt
from featgeom.features.features import FeatureSet
from featgeom.progress import doing
from featgeom.proofs import overview as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.overview import QUANTILES, UNIT
from featgeom.proofs.proof import Found, proved
from featgeom.regions.guarantee import guarantees
from featgeom.regions.radius import surveyed_radius
from featgeom.regions.running import AsRun, surveyed_run
from featgeom.regions.survey import Survey, blocks_of, joined_surveys, rows_at_once, survey
from featgeom.runs.claims import bare, should_be_bare
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.sharing import shared, together
from featgeom.runs.subjects import of_class
from featgeom.status import Status
from featgeom.workers import in_use

NEAREST_SHOWN = 12
CLASSES = 16  # whose hulls a worker looks at at a time
SURVEYED = 4096  # samples that a worker surveys at a time, about


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Everything that the head's closed forms tell about the features of a run.

    Distances are to the nearest decision boundary in feature space R^d, from the sample's own side, so they
    are radii of balls in which the head's class cannot change; they say nothing about pixels.
    """
    with doing("class and nearest boundary of all samples", disable=not progress):
        looks = {split: Look(run.features(split), len(run.classes)) for split in run.splits}
        parts = {split: Part.of(run, split, looks[split], progress) for split in run.splits}
    reference, question = parts[run.reference_split], parts[run.question_split]
    guarantees, claims = guaranteed_hulls(run, progress)
    for split, part in parts.items():
        claims[f"balls-{split}"] = part.certificate.named(points=f"{split}/features", domain="space")
        claims[f"float32-{split}"] = part.as_run.certificate.named(points=f"{split}/features")
    features, look = reference.set, looks[run.reference_split]
    with doing("neural collapse", disable=not progress):
        known = reference.predicted, look.sums.means()
        collapse = neural_collapse(features.features, features.labels, features.head, *known)
    domain = look.domain()

    findings = [
        Finding(f"Accuracy is {part.accuracy:.4f} on {split} ({part.correct.sum():,} of {len(part.set):,}).")
        for split, part in parts.items()
        if part.set.labelled
    ]
    doubts = {split: doubt(p.set.labels, p.predicted, len(run.classes)) for split, p in parts.items()}
    findings += [Finding(f"On {split} {why}.") for split, why in doubts.items() if why]
    findings += [float32_finding(part, split) for split, part in parts.items()]
    findings += [domain_finding(domain, run.reference_split), boundary_finding(question, run.question_split)]
    said = Found.of(run, claims)
    findings += proved(said, proof.guaranteed)
    findings.append(
        Finding(
            f"Neural collapse on {run.reference_split}: NC1 {collapse.nc1:.3g}, NC3 {collapse.nc3:.3g}, "
            f"NC4 {collapse.nc4:.3g} (all 0 when collapsed)."
        )
    )
    tables = [
        accuracy_table(parts),
        domain_table(domain),
        *(distance_table(split, said) for split in parts),
        guarantee_table(guarantees, said),
        confusion_table(question, run.classes, run.question_split),
        nearest_table(question, run.classes, run.question_split),
        collapse_table(collapse, run.reference_split),
    ]
    nc = {f"nc{k}": getattr(collapse, f"nc{k}") for k in (1, 3, 4)}
    nc |= {"nc2_norms": collapse.nc2.norms, "nc2_angles": collapse.nc2.angles}
    values = {
        "dimension": reference.set.dimension,
        "classes": len(run.classes),
        "accuracy": {split: part.accuracy if part.set.labelled else None for split, part in parts.items()},
        "float32": {split: float32_values(part) for split, part in parts.items()},
        "head_residual": run.asked["model"]["residual"],
        "domain": domain,
        "neural_collapse": nc,
        "guarantees": [guarantee.summary() for guarantee in guarantees],
    }
    arrays: dict[str, np.ndarray] = {}
    for split, part in parts.items():
        arrays |= {f"{split}_distance": part.distance, f"{split}_rival": part.rival}
        arrays |= {f"{split}_label": np.asarray(part.set.labels), f"{split}_prediction": part.predicted}
    return Record(
        tuple(findings),
        values,
        tuple(tables),
        arrays,
        claims,
        {"quantiles": QUANTILES},
    )


@dataclass(frozen=True)
class Part:
    """One split with what the head says of every sample.

    ``distance`` (n,) is to the nearest boundary of the predicted class's cell, ``rival`` (n,) who is there.
    """

    set: FeatureSet
    predicted: Ints
    correct: NDArray[np.bool_]
    distance: Float64
    rival: Ints
    certificate: Claim
    as_run: AsRun

    @classmethod
    def of(cls, run: Run, split: str, look: Look, progress: bool = False) -> Part:
        """Classify every sample exactly and measure its distance to the nearest boundary."""
        features, start = run.features(split), time.perf_counter()
        head, points = features.head, features.features
        seen = surveyed(run, split, look, progress)
        predicted = run.subjects.predicted(split)
        radii = surveyed_radius(head, points, seen, start)
        correct = predicted == features.labels
        running = surveyed_run(head, points, features.predictions, seen)
        return cls(features, predicted, correct, radii.ball, radii.ball_rival, radii.certificate, running)

    @property
    def accuracy(self) -> float:
        """Share of samples whose predicted class is their label."""
        return float(self.correct.mean())


def surveyed(run: Run, split: str, look: Look, progress: bool) -> Survey:
    """The survey of a part, some of it by each worker of a `cluster`; its classes are known then."""
    head, points, n = run.subjects.head, run.features(split).features, len(run.features(split))
    if not in_use() or not n:
        return survey(head, points, look.see)
    for block in blocks_of(head, points):
        look.see(block)
    size = rows_at_once(head)
    step = size * max(1, SURVEYED // size)
    asked = [(split, start, start + step) for start in range(0, n, step)]
    classes, found = zip(*shared(run, survey_of_some, asked, f"survey of {split}", progress), strict=True)
    run.subjects.know({}, {split: np.concatenate(classes)})
    return joined_surveys(found)


def survey_of_some(run: Run, asked: tuple[str, int, int]) -> tuple[Ints, Survey]:
    """The classes and the survey of consecutive samples of a part."""
    split, start, stop = asked
    points = run.features(split).features[start:stop]
    return run.subjects.classified(points), survey(run.subjects.head, points)


@dataclass(frozen=True)
class ClassGuarantee:
    """Whether the hull of some samples of one class lies in that class's cell."""

    label: int
    samples: str
    count: int
    status: Status
    worst_margin: float
    distance: float
    breakers: int
    inflation: float

    def summary(self) -> dict[str, Any]:
        """For programs."""
        return {**vars(self), "status": self.status.name}


def guaranteed_hulls(run: Run, progress: bool) -> tuple[list[ClassGuarantee], dict[str, Any]]:
    """The guarantee of each class's hull, of all its samples and of those that are predicted right."""
    known, predicted = run.subjects, run.subjects.predicted(run.reference_split)
    large = should_be_bare(run.features(run.reference_split).features)
    asked = [
        (label, predicted[known.rows(of_class(run.reference_split, label))] == label)
        for label in range(len(run.classes))
    ]
    found, claims = list[ClassGuarantee](), dict[str, Any]()
    work = partial(hulls_in_cells, large)
    for some, made in shared(run, work, together(asked, CLASSES), "hulls in their cells", progress):
        found += some
        claims |= made
    return found, claims


def hulls_in_cells(
    large: bool, run: Run, asked: Sequence[tuple[int, NDArray[np.bool_]]]
) -> tuple[list[ClassGuarantee], dict[str, Any]]:
    """The guarantees of some classes, given which samples of each are correct; where ``large``, bare."""
    known, head = run.subjects, run.subjects.head
    found, claims = list[ClassGuarantee](), dict[str, Any]()
    for label, correct in asked:
        whole, right = (of_class(run.reference_split, label, right) for right in (False, True))
        points = known.points(whole)
        choices = {"all": np.ones(len(points), bool), "correct": correct}
        chosen = {samples: mask for samples, mask in choices.items() if mask.any()}
        if correct.all():
            chosen.pop("correct", None)  # the hull is the same
        found_here = guarantees(head, points, label, list(chosen.values())) if chosen else []
        made = dict(zip(chosen, found_here, strict=True))
        for samples, of in (("all", whole), ("correct", right)):
            if not choices[samples].any():
                found.append(ClassGuarantee(label, samples, 0, Status.UNDECIDED, -np.inf, 0.0, 0, 0.0))
                continue
            result = made.get(samples, made["all"])
            named = result.certificate.named(points=of)
            claims[f"{samples}-{label}"] = bare(named) if large else named
            found.append(
                ClassGuarantee(
                    label, samples, int(choices[samples].sum()), result.status, result.worst_margin,
                    result.distance, len(result.breakers), result.inflation,
                )
            )  # fmt: skip
    return found, claims


def guarantee_table(guarantees: list[ClassGuarantee], found: Found) -> Table:
    """A row for each class and choice of samples."""
    computed: dict[Column, Sequence[Any]] = {
        Column("worst margin", "logits"): [g.worst_margin for g in guarantees],
        Column("distance to the boundary", UNIT): [g.distance for g in guarantees],
        Column("samples that break it"): [g.breakers for g in guarantees],
        Column("inflation"): [g.inflation for g in guarantees],
    }
    return headed("overview", "guarantees", found, {**proof.guarantee_columns(found), **computed})


class Look:
    """What is seen of the features of a split in the one reading that the survey takes, block by block."""

    def __init__(self, features: FeatureSet, classes: int) -> None:
        self._size = features.features.shape
        self.sums = ClassSums(np.asarray(features.labels), classes, features.dimension)
        self._low = np.full(features.dimension, np.inf)
        self._high, self._zeros, self._squares = -self._low, np.zeros(features.dimension), 0.0

    def see(self, block: Floats) -> None:
        """The next features."""
        self.sums.add(block)
        self._low = np.minimum(self._low, block.min(axis=0))
        self._high = np.maximum(self._high, block.max(axis=0))
        self._zeros += (block == 0).sum(axis=0)
        self._squares += float(np.einsum("ij,ij->", block, block, dtype=np.float64))

    def domain(self) -> dict[str, Any]:
        """Observed bounds of the features, share of exact zeros, and whether all are at least 0 (orthant)."""
        (n, d), low, high = self._size, self._low, self._high
        return {
            "least": float(low.min()),
            "greatest": float(high.max()),
            "orthant": bool(low.min() >= 0),
            "share_of_zeros": float(self._zeros.sum() / (n * d)),
            "constant_features": int((low == high).sum()),
            "root_mean_square_norm": float(np.sqrt(self._squares / n)),
            "low": low,
            "high": high,
        }


def domain_finding(domain: dict[str, Any], split: str) -> Finding:
    """What the features observed say of the domain."""
    where = "all lie in the orthant z ≥ 0" if domain["orthant"] else "take both signs"
    constant = f"; {domain['constant_features']} features never vary" if domain["constant_features"] else ""
    return Finding(
        f"The {split} features {where}, between {domain['least']:.4g} and {domain['greatest']:.4g}, with "
        f"{100 * domain['share_of_zeros']:.1f} % exact zeros{constant}."
    )


def domain_table(domain: dict[str, Any]) -> Table:
    """The observed feature domain."""
    names = {
        "least": "least feature", "greatest": "greatest feature", "share_of_zeros": "share of exact zeros",
        "constant_features": "features that never vary", "orthant": "all in the orthant z ≥ 0",
        "root_mean_square_norm": "root mean square of ‖z‖",
    }  # fmt: skip
    return Table(
        "domain",
        "Feature domain, as observed",
        (Column("quantity"), Column("value")),
        tuple((text, domain[key]) for key, text in names.items()),
        "Observed bounds say where these images map to, not where every image must.",
    )


def boundary_finding(part: Part, split: str) -> Finding:
    """How far samples are from a boundary, beside the size of the features."""
    median = float(np.median(part.distance))
    wrong = part.distance[~part.correct]
    text = f"The median {split} sample lies {median:.4g} from the nearest boundary in feature space"
    if len(wrong):
        text += f", the median misclassified one {float(np.median(wrong)):.4g}"
    return Finding(text + ".")


def float32_values(part: Part) -> dict[str, Any]:
    """Where the network that ran may differ from the head in exact arithmetic, and where it did."""
    radius = part.as_run.radius
    return {
        "differ": part.as_run.differ.tolist(),
        "unsafe": int((~part.as_run.safe).sum()),
        "radius": float(radius.max(initial=0.0)),
    }


def float32_finding(part: Part, split: str) -> Finding:
    """Which head is meant, on how many samples the one that ran differs, and how far it could."""
    found = float32_values(part)
    return Finding(
        f"Classes are those of the head in exact arithmetic on the stored features; the network as it ran "
        f"gave {len(found['differ']):,} of {len(part.set):,} {split} samples another. float32, in any order "
        f"of summation, moves the lead of a class by at most {found['radius']:.2g} logits here; "
        f"{found['unsafe']:,} samples lead by so little that it could change their class."
    )


def accuracy_table(parts: dict[str, Part]) -> Table:
    """Samples and accuracy of every split."""
    rows = tuple(
        (name, len(p.set), *((int(p.correct.sum()), p.accuracy) if p.set.labelled else (None, None)))
        for name, p in parts.items()
    )
    return Table(
        "accuracy",
        "Accuracy",
        (Column("split"), Column("samples"), Column("correct"), Column("accuracy")),
        rows,
        "By the head in exact arithmetic on the stored features.",
    )


def distance_table(split: str, found: Found) -> Table:
    """Quantiles of the distance to the nearest boundary, by predicted class."""
    return headed("overview", f"distance-{split}", found, proof.distance_columns(found, split))


def confusion_table(part: Part, classes: tuple[str, ...], split: str) -> Table:
    """The pairs that are confused, most frequent first."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (np.asarray(part.set.labels), part.predicted), 1)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    pairs = sorted(zip(*np.nonzero(counts)), key=lambda pair: -counts[pair])
    rows = tuple(
        (classes[i], classes[j], int(counts[i, j]), float(counts[i, j] / totals[i])) for i, j in pairs
    )
    return Table(
        "confusion",
        f"Confused on {split}",
        (Column("label"), Column("predicted"), Column("samples"), Column("share of the label's samples")),
        rows,
    )


def nearest_table(part: Part, classes: tuple[str, ...], split: str) -> Table:
    """The samples nearest to a boundary."""
    order = np.argsort(part.distance, kind="stable")[:NEAREST_SHOWN]
    rows = tuple(
        (int(i), classes[int(part.set.labels[i])], classes[part.predicted[i]], classes[part.rival[i]],
         float(part.distance[i]))
        for i in order
    )  # fmt: skip
    return Table(
        "nearest",
        f"The {len(rows)} {split} samples nearest to a boundary",
        (Column("sample"), Column("label"), Column("predicted"), Column("across"), Column("distance", UNIT)),
        rows,
        "Distances of all samples are in the arrays of this result.",
    )


def collapse_table(collapse: NeuralCollapse, split: str) -> Table:
    """Neural-collapse measures with what each says."""
    return Table(
        "collapse",
        f"Neural collapse on {split} features",
        (Column("measure"), Column("value"), Column("what 0 means")),
        (
            ("NC1", collapse.nc1, "all features of a class coincide"),
            ("NC2, norms", collapse.nc2.norms, "class means are equally long, about their common mean"),
            ("NC2, angles", collapse.nc2.angles, "class means are spread like a simplex"),
            ("NC2 of the head, norms", collapse.nc2_head.norms, "rows of the head are equally long"),
            (
                "NC2 of the head, angles",
                collapse.nc2_head.angles,
                "rows of the head are spread like a simplex",
            ),
            ("NC3", collapse.nc3, "the head is proportional to the centred class means"),
            ("NC4", collapse.nc4, "the head decides like the nearest class mean"),
        ),
        "Definitions of Papyan, Han and Donoho (2020).",
    )
