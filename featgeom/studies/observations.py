"""What the second paper observes, beside what a run measures: one table from the records of its studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from featgeom.studies.analysis import analyze
from featgeom.studies.compare import name_of
from featgeom.studies.record import Column, Finding, Record, Table, shown
from featgeom.studies.run import Run

NEEDED = ("regions", "boundaries", "flips", "planes", "morph", "compare", "invert")
SPACES = ("pixel", "wavelet", "feature")

Records = Mapping[str, Record]


@dataclass(frozen=True)
class Observation:
    """A topic of the paper, what it and its siblings say of it, and how a run answers."""

    topic: str
    paper: str
    measured: Callable[[Records], str]


def study(run: Run, device: str = "cpu", progress: bool = False, *, beside: tuple[Run, ...] = ()) -> Record:
    """The table "the paper observes, we measure", with a column for the run and for each one beside it.

    The records that a run holds are used as they are, whatever their sample counts; the others are made, and
    stored. Every figure names what it was counted from.

    Source: Yousefzadeh, arXiv 2202.04052, and its siblings 1903.08789, 2112.03411, 2203.10447.
    """
    answers: dict[str, list[str]] = {}
    settings: dict[str, Any] = {}
    for one in (run, *beside):
        records = records_of(one, device, progress)
        name = name_of(one, answers)
        answers[name] = [observation.measured(records) for observation in OBSERVATIONS]
        settings[name] = {study: records[study].settings for study in NEEDED}
    rows = tuple(
        (o.topic, o.paper, *(column[i] for column in answers.values())) for i, o in enumerate(OBSERVATIONS)
    )
    return Record(
        "observations",
        "The second paper's observations, measured",
        (
            Finding(
                f"{len(OBSERVATIONS)} observations, measured on {len(answers)} "
                f"{'network' if len(answers) == 1 else 'networks'}. What is proved of each is in the studies "
                "that the figures come from; samples drawn for a figure are counted in it."
            ),
        ),
        {"networks": {name: dict(zip(TOPICS, column)) for name, column in answers.items()}},
        (
            Table(
                "observations",
                "The paper observes, we measure",
                (Column("topic"), Column("the paper"), *(Column(name) for name in answers)),
                rows,
                "Of the paper its abstract and the author's related papers were at hand. Lengths relative to "
                "a diameter are those of the hull of the training samples in the same space.",
            ),
        ),
        {},
        {},
        settings,
    )


def records_of(run: Run, device: str, progress: bool) -> Records:
    """Every record that is needed: the stored ones, and those still to be made."""
    stored = run.results
    missing = tuple(name for name in NEEDED if name not in stored)
    made = {record.study: record for record in analyze(run, missing, device=device, progress=progress)}
    return {**stored, **made}


def _partition(records: Records) -> str:
    v = records["regions"].values
    pairs = v["classes"] * (v["classes"] - 1) // 2
    share = records["regions"].arrays["share"]
    return (
        f"{v['classes'] - len(v['empty'])} cells; {v['edges']} of {pairs} pairs meet (proved); of the "
        f"observed box they own {100 * share.min():.1f} to {100 * share.max():.1f} %"
    )


def _guaranteed(records: Records) -> str:
    inside = records["regions"].values["inside"]
    held = sum(status == "GUARANTEED" for status in inside["guaranteed"])
    return (
        f"{held} of {len(inside['guaranteed'])} hulls of correctly predicted training samples lie in their "
        f"cell (proved); {inside['inside']} of {inside['of']} test features lie in the one of their class"
    )


def _outside(records: Records) -> str:
    v, s = records["compare"].values, records["compare"].settings
    parts = [
        f"{name} ({v[name]['dimension']}): {100 * (1 - v[name]['inside']):.1f} % outside, "
        f"{_part(v[name]['relative_distance'])} away"
        for name in SPACES
    ]
    return f"{'; '.join(parts)} ({s['test_samples']} samples, hull of {s['train_samples']}; of the diameter)"


def _class_hulls(records: Records) -> str:
    v = records["compare"].values
    parts = [f"{name} {v[name]['apart']} disjoint, {v[name]['meeting']} meet" for name in SPACES]
    return f"of {v['pixel']['pairs']} pairs: {'; '.join(parts)} (proved)"


def _arrangement(records: Records) -> str:
    planes = records["planes"].values["planes"]
    pieces = [sum(p["pieces"].values()) for p in planes]
    seen = [len(p["pieces"]) for p in planes]
    return (
        f"on {len(planes)} planes: pixels {_list(pieces)} pieces of {_list(seen)} classes; features "
        f"{_list(len(p['cells']) for p in planes)} cells, each one piece (proved)"
    )


def _segments(records: Records) -> str:
    v = records["morph"].values
    return (
        f"features: {v['alike'] - v['feature_segments_that_stay']} of {v['alike']} segments between samples "
        f"predicted alike change class (proved); pixels: {v['pixel_segments_that_change']} do"
    )


def _vulnerability(records: Records) -> str:
    flips, lengths = records["flips"].values, records["compare"].values
    at = [_part(lengths[name]["relative_boundary"]) for name in ("pixel", "feature")]
    return (
        f"median flip {shown(flips['median_pixel'])} in pixels (found, {flips['found']} of "
        f"{flips['samples']}), {shown(flips['median_feature'])} in features (exact); "
        f"{at[0]} and {at[1]} of the diameter"
    )


def _confidence(records: Records) -> str:
    flips, ranked = records["flips"].values, records["boundaries"].values
    return (
        f"rank correlation of flip distance in pixels and in features {shown(flips['rank_correlation'])}, "
        f"same nearest class {_percent(flips['same_class'])}; in features with softmax "
        f"{shown(ranked['rank_correlation'])}"
    )


def _directions(records: Records) -> str:
    spectra = records["flips"].values["directions"]
    return "; ".join(
        f"{name}: rank {s['rank']} of {s['count']}, condition on the span {shown(s['condition'])}, 90 % in "
        f"{s['ninety']} components"
        for name, s in spectra.items()
    )


def _morphing(records: Records) -> str:
    v = records["morph"].values
    return f"{v['frames_found']} of {v['frames']} frames straight in features found as images"


def _inversion(records: Records) -> str:
    kinds = records["invert"].values["kinds"]
    parts = [
        f"{name} {k['solved']} of {k['targets']}"
        + (f", {k['found_in_hull']} in the hull" if k["solved"] else "")
        for name, k in kinds.items()
    ]
    return "; ".join(parts)


def _extrapolation(records: Records) -> str:
    v = records["compare"].values
    kinds = v["pixel"]["relative_strangers"]
    parts = [
        f"{kind} {_part(v['pixel']['relative_strangers'][kind])} | "
        f"{_part(v['feature']['relative_strangers'][kind])}"
        for kind in kinds
    ]
    test = (
        f"test samples {_part(v['pixel']['relative_distance'])} | {_part(v['feature']['relative_distance'])}"
    )
    return "; ".join((test, *parts))


def _ambiguity(records: Records) -> str:
    record = records["boundaries"]
    distance, confidence = record.arrays["distance"], record.arrays["confidence"]
    finite = distance[np.isfinite(distance)]
    near = finite.min() if len(finite) else np.nan
    auroc = record.values["error_auroc"]
    return (
        f"least distance to a boundary {shown(float(near))}, median {shown(float(np.median(finite)))}; "
        f"softmax below 0.9 for {_percent(float((confidence < 0.9).mean()))} of {len(distance):,}; finds "
        f"errors with AUROC {shown(auroc['distance'])} (softmax {shown(auroc['softmax'])})"
    )


def _part(value: Any) -> str:
    return shown(value) if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return shown(share) if share is None else f"{100 * share:.1f} %"


def _list(numbers: Any) -> str:
    return ", ".join(str(n) for n in numbers)


OBSERVATIONS = (
    Observation("Domain", "the domain of the last hidden layer is partitioned by the head", _partition),
    Observation("Guaranteed regions", "some regions are guaranteed a class", _guaranteed),
    Observation(
        "Hulls and new samples",
        "test samples lie outside the hull of the training set, in pixel, wavelet and feature space",
        _outside,
    ),
    Observation(
        "Hulls of classes", "the hulls of the classes are a way to see a feature space", _class_hulls
    ),
    Observation(
        "Arrangement of boundaries", "differs markedly between pixel and feature space", _arrangement
    ),
    Observation("Segments", "a class is convex in feature space, and need not be in pixels", _segments),
    Observation("Adversarial vulnerability", "boundaries are near in pixel space", _vulnerability),
    Observation("Confidence", "flip distance is a measure of confidence", _confidence),
    Observation("Directions to flips", "studied by rank, condition number and pivoted QR", _directions),
    Observation("Morphing", "a path in feature space has images along it", _morphing),
    Observation("Regions seen from pixels", "what a region means is told by its images", _inversion),
    Observation(
        "Extrapolation", "functions are asked outside of the hulls (pixel | feature space)", _extrapolation
    ),
    Observation("Ambiguity", "samples near a boundary are ambiguous", _ambiguity),
)
TOPICS = tuple(observation.topic for observation in OBSERVATIONS)
