"""What the second paper observes, beside what a run measures: one table from the records of its studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from featgeom.analysis import make_studies
from featgeom.papers.earlier import Earlier, second_paper
from featgeom.runs.record import Column, Finding, Record, Table, shown
from featgeom.runs.run import Run
from featgeom.studies.compare import name_of

NEEDED = ("regions", "boundaries", "flips", "planes", "morph", "compare", "invert")
SPACES = ("pixel", "wavelet", "feature")

Records = Mapping[str, Record]
Figures = dict[str, float | int | None]


@dataclass(frozen=True)
class Observation:
    """What the paper or its siblings say, and the figures by which a run answers."""

    paper: str
    measured: Callable[[Records], Figures]


def study(run: Run, device: str = "cpu", progress: bool = False, *, beside: tuple[Run, ...]) -> Record:
    """The table "the paper observes, we measure", with a column for the run and for each one beside it.

    The records that a run holds are used as they are, whatever their sample counts; the others are made, and
    stored. The counts are rows of the table.

    Source: Yousefzadeh, arXiv 2202.04052, and its siblings 1903.08789, 2112.03411, 2203.10447.
    """
    settings: dict[str, Any] = {}
    answers: dict[str, Records] = {}
    earlier: dict[str, Earlier] = {}
    for one in (run, *beside):
        records = records_of(one, device, progress)
        name = name_of(one, settings)
        settings[name], answers[name] = {study: records[study].settings for study in NEEDED}, records
        known = second_paper(one.asked["model"].get("weights_sha256"))
        if known is not None:
            earlier[name] = known
    tables = tuple(_table(name, title, part, answers) for name, title, part in OBSERVATIONS)
    count, networks = sum(len(table.rows) for table in tables), list(settings)
    if earlier:
        tables = (*tables, _before(tables, earlier))
    return Record(
        (
            Finding(
                f"{count} figures on {len(networks)} {'network' if len(networks) == 1 else 'networks'}. What "
                "is proved, computed or estimated is said in the studies that the figures come from."
            ),
        ),
        {"networks": networks},
        tables,
        {},
        {},
        settings,
    )


def _table(name: str, title: str, part: tuple[Observation, ...], answers: dict[str, Records]) -> Table:
    """Some observations, one row a figure, one column a network."""
    rows: list[tuple[Any, ...]] = []
    for observation in part:
        figures = [observation.measured(records) for records in answers.values()]
        labels = dict.fromkeys(label for column in figures for label in column)
        rows += [
            (observation.paper if i == 0 else "", label, *(column.get(label) for column in figures))
            for i, label in enumerate(labels)
        ]
    return Table(
        name,
        f"The paper observes, we measure: {title}",
        (Column("the paper"), Column("we measure"), *(Column(network) for network in answers)),
        tuple(rows),
        "Of the paper its abstract and the author's related papers were at hand. (p): proved, and checked "
        "again by featgeom verify where it is about features. Diameter: of the hull of the training samples "
        "drawn, in the same space. A pixel distance to a flip is the best found. Lower bounds on it and what "
        "is out of reach are computed in float64 and not proved.",
    )


def _before(tables: tuple[Table, ...], earlier: Mapping[str, Earlier]) -> Table:
    """Every figure of a network that was measured before and printed otherwise, before and now."""
    rows: list[tuple[Any, ...]] = []
    alike = dict.fromkeys(earlier, 0)
    for table in tables:
        networks, paper = [column.name for column in table.columns[2:]], ""
        for said, quantity, *figures in table.rows:
            paper = said or paper
            for network, figure in zip(networks, figures, strict=True):
                before = earlier[network].figure(paper, quantity) if network in earlier else None
                if before == shown(figure):
                    alike[network] += 1
                elif before is not None:
                    rows.append((paper, quantity, network, before, shown(figure)))
    days = "; ".join(
        f"{network}: of {earlier[network].date}; the same in all digits printed: {count}"
        for network, count in alike.items()
    )
    return Table(
        "before",
        "What has changed: figures before and now",
        (
            Column("the paper"),
            Column("we measure"),
            Column("network"),
            Column("before"),
            Column("now"),
        ),
        tuple(rows),
        f"Before, of networks known by their weights: {days}. What was not measured then is left out.",
    )


def records_of(run: Run, device: str, progress: bool) -> Records:
    """Every record that is needed: the stored ones, and those still to be made."""
    stored = run.results
    missing = tuple(name for name in NEEDED if name not in stored)
    if not missing:
        return stored
    made = make_studies(run, missing, device=device, progress=progress)
    return {**stored, **{record.study: record for record, _ in made}}


def _partition(records: Records) -> Figures:
    v, share = records["regions"].values, records["regions"].arrays["share"]
    return {
        "classes with a cell (p)": v["classes"] - len(v["empty"]),
        "pairs of cells that meet (p)": v["edges"],
        "largest share of the observed box": float(share.max()),
        "smallest share of the observed box": float(share.min()),
    }


def _guaranteed(records: Records) -> Figures:
    inside = records["regions"].values["inside"]
    return {
        "hulls of correct training samples": len(inside["guaranteed"]),
        "of these, inside their cell (p)": sum(s == "GUARANTEED" for s in inside["guaranteed"]),
        "test features": inside["of"],
        "of these, inside their class's hull (p)": inside["inside"],
    }


def _outside(records: Records) -> Figures:
    v, s = records["compare"].values, records["compare"].settings
    figures: Figures = {"samples of the hull": s["train_samples"], "test samples": s["test_samples"]}
    for name in SPACES:
        figures[f"{name} space: dimension"] = v[name]["dimension"]
        figures[f"{name} space: share inside (p)"] = v[name]["inside"]
        figures[f"{name} space: median distance / diameter"] = v[name]["relative_distance"]
    return figures


def _class_hulls(records: Records) -> Figures:
    v = records["compare"].values
    figures: Figures = {"pairs of class hulls": v["pixel"]["pairs"]}
    for name in SPACES:
        figures[f"{name} space: disjoint (p)"] = v[name]["apart"]
        figures[f"{name} space: meeting (p)"] = v[name]["meeting"]
    return figures


def _arrangement(records: Records) -> Figures:
    planes = records["planes"].values["planes"]
    return {
        "planes through three samples": len(planes),
        "pixel space: classes seen": sum(len(p["pieces"]) for p in planes),
        "pixel space: pieces of them": sum(sum(p["pieces"].values()) for p in planes),
        "feature space: classes seen (p)": sum(len(p["cells"]) for p in planes),
        "feature space: pieces of them (p)": sum(len(p["cells"]) for p in planes),
    }


def _segments(records: Records) -> Figures:
    v = records["morph"].values
    return {
        "segments between samples predicted alike": v["alike"],
        "pixel space: change class, at least": v["pixel_segments_that_change"],
        "pixel space: segments where that is exact": v.get("pixel_segments_exact", 0),
        "feature space: change class (p)": v["alike"] - v["feature_segments_that_stay"],
    }


def _vulnerability(records: Records) -> Figures:
    flips, lengths = records["flips"].values, records["compare"].values
    lower = flips.get("lower") or {}
    return {
        "samples flipped": flips["samples"],
        "pixel space: found and verified": flips["found"],
        "pixel space: median distance": flips["median_pixel"],
        "pixel space: median lower bound": lower.get("median_lower"),
        "pixel space: samples with a lower bound above 0": lower.get("positive"),
        "pixel space: lower bound / distance found": lower.get("median_ratio"),
        "feature space: median distance (p)": flips["median_feature"],
        "pixel space: of the diameter": lengths["pixel"]["relative_boundary"],
        "feature space: of the diameter": lengths["feature"]["relative_boundary"],
        "features travelled by a pixel flip / nearest flip": flips["detour"],
        "share with the same nearest class": flips["same_class"],
    }


def _confidence(records: Records) -> Figures:
    auroc = records["boundaries"].values["error_auroc"]
    return {
        "rank correlation, pixel and feature distance": records["flips"].values["rank_correlation"],
        "rank correlation, feature distance and softmax": records["boundaries"].values["rank_correlation"],
        "AUROC for wrong predictions, feature distance": auroc["distance"],
        "AUROC for wrong predictions, softmax": auroc["softmax"],
    }


def _directions(records: Records) -> Figures:
    figures: Figures = {}
    for name, spectrum in records["flips"].values["directions"].items():
        figures[f"{name} space: directions"] = spectrum["count"]
        figures[f"{name} space: rank"] = spectrum["rank"]
        figures[f"{name} space: condition on the span"] = spectrum["condition"]
        figures[f"{name} space: components for 90 %"] = spectrum["ninety"]
    return figures


def _morphing(records: Records) -> Figures:
    v = records["morph"].values
    return {"frames straight in features": v["frames"], "of these, found as images": v["frames_found"]}


def _inversion(records: Records) -> Figures:
    figures: Figures = {}
    for name, kind in records["invert"].values["kinds"].items():
        figures[f"{name}: targets"] = kind["targets"]
        figures[f"{name}: images found"] = kind["solved"]
        figures[f"{name}: out of reach for every image"] = kind.get("out_of_reach")
    return figures


def _reached(records: Records) -> Figures:
    """Of records made before this was counted: nothing."""
    inside = records["invert"].values.get("guaranteed")
    if inside is None:
        return {}
    asked, found, out = (inside[key] for key in ("targets", "solved", "out_of_reach"))
    return {
        "targets in the hull of their class (p)": asked,
        "of these, images found": found,
        "of these, out of reach for every image": out,
        "share reached, at least": found / asked if asked else None,
        "share reached, at most": 1 - out / asked if asked else None,
    }


def _extrapolation(records: Records) -> Figures:
    v = records["compare"].values
    return {
        f"{kind}, {name} space: distance / diameter": v[name]["relative_strangers"][kind]
        for kind in v["pixel"]["relative_strangers"]
        for name in ("pixel", "feature")
    }


def _ambiguity(records: Records) -> Figures:
    distance, confidence = (records["boundaries"].arrays[k] for k in ("distance", "confidence"))
    finite = distance[np.isfinite(distance)]
    return {
        "test samples": len(distance),
        "share with softmax below 0.9": float((confidence < 0.9).mean()),
        "least distance to a boundary (p)": float(finite.min()) if len(finite) else None,
        "median distance to a boundary (p)": float(np.median(finite)) if len(finite) else None,
    }


def _took(records: Records) -> Figures:
    return {f"{name}: seconds on the clock": records[name].seconds for name in NEEDED}


OBSERVATIONS = (
    (
        "regions",
        "regions and hulls",
        (
            Observation("the domain of the last hidden layer is partitioned", _partition),
            Observation("some regions are guaranteed a class", _guaranteed),
            Observation("test samples lie outside the training hull, in every space", _outside),
            Observation("hulls of classes describe what was learned", _class_hulls),
        ),
    ),
    (
        "boundaries",
        "boundaries in the two spaces",
        (
            Observation("boundaries are arranged differently in the two spaces", _arrangement),
            Observation("what a straight line crosses differs, too", _segments),
            Observation("adversarial vulnerability: boundaries are near in pixels", _vulnerability),
            Observation("flip distance is a measure of confidence", _confidence),
            Observation("directions to flips: rank, condition number, pivoted QR", _directions),
            Observation("ambiguity: some samples lie near a boundary", _ambiguity),
        ),
    ),
    (
        "images",
        "images of chosen features, and features of other images",
        (
            Observation("morphing: paths through feature space", _morphing),
            Observation("what regions of feature space mean for images", _inversion),
            Observation("images reach the regions that are guaranteed a class", _reached),
            Observation("extrapolation: functions are asked outside the hull", _extrapolation),
        ),
    ),
    ("time", "what the studies took", (Observation("–", _took),)),
)
