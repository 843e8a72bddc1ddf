"""Feature space against pixel space: the study of a run."""

from __future__ import annotations

import numpy as np

from featgeom.studies.record import Column, Finding, Record, Table
from featgeom.studies.run import Run
from featgeom.studies.spaces import SpaceComparison, SpaceMeasures, compare_spaces

TRAIN, TEST = 1000, 200


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """In the hull or not, how far, how wide, which classes meet: in pixel, wavelet and feature space.

    The samples are seeded draws of the run's images, the same in every space; the numbers are in the record.
    """
    found = compare_spaces(
        run.classifier(device),
        run.images(run.reference_split),
        run.images(run.question_split),
        train_samples=TRAIN,
        test_samples=TEST,
        device=device,
        seed=run.seed,
    )
    train, test = len(found.train_rows), len(found.test_rows)
    asked = f"{test} {run.question_split} samples and the hull of {train} {run.reference_split} samples"
    arrays: dict[str, np.ndarray] = {"train_rows": found.train_rows, "test_rows": found.test_rows}
    for name, part in found.measures.items():
        key = name.replace(", ", "-").replace(" ", "-")
        arrays |= {f"{key}_distance": part.distance, f"{key}_noise": part.noise}
    return Record(
        "compare",
        "Feature space against pixel space",
        (
            *(_hull_finding(found.measures[name], asked) for name in ("pixel", "wavelet", "feature")),
            _classes_finding(found),
        ),
        {
            name: {
                "dimension": part.dimension,
                "inside": part.inside,
                "median_distance": float(np.median(part.distance)),
                "relative_distance": part.relative_distance,
                "diameter": part.diameter,
                "radius": part.radius,
                "extreme": part.extreme,
                "pairs": part.pairs,
                "apart": part.apart,
                "meeting": part.meeting,
                "gap": part.gap,
            }
            for name, part in found.measures.items()
        },
        (_hull_table(found, asked), _classes_table(found, run.reference_split)),
        arrays,
        {},
        {"train_samples": train, "test_samples": test, "seed": run.seed},
    )


def _hull_finding(part: SpaceMeasures, asked: str) -> Finding:
    return Finding(
        f"In {part.space} space (dimension {part.dimension}; {asked}): {100 * part.inside:.1f} % lie inside; "
        f"the median distance to the hull is {part.relative_distance:.4f} of its diameter."
    )


def _classes_finding(found: SpaceComparison) -> Finding:
    pixel, feature = found.measures["pixel"], found.measures["feature"]
    return Finding(
        f"Of {pixel.pairs} pairs of class hulls {pixel.apart} are disjoint in pixel space and "
        f"{feature.apart} in feature space, {pixel.meeting} and {feature.meeting} share a point."
    )


def _hull_table(found: SpaceComparison, asked: str) -> Table:
    rows = tuple(
        (
            part.space,
            part.dimension,
            part.inside,
            float(np.median(part.distance)),
            part.relative_distance,
            float(np.median(part.neighbour)) / part.diameter if part.diameter else None,
            float(np.median(part.noise)) / part.diameter if part.diameter else None,
            part.diameter,
            part.radius,
            part.extreme,
        )
        for part in found.measures.values()
    )
    lengths = ("median distance", "same / diameter", "nearest sample / diameter", "noise / diameter")
    return Table(
        "hulls",
        f"The hull in each space: {asked}",
        (
            Column("space"),
            Column("dimension"),
            Column("share inside"),
            *(Column(name) for name in lengths),
            Column("diameter"),
            Column("enclosing radius"),
            Column("share extreme"),
        ),
        rows,
        "Distances are in the units of each space; only those divided by the diameter compare between "
        "spaces. Inside is proved, sample by sample. Noise is uniform in the bounds. Wavelet: coarse Haar "
        "coefficients of level 2.",
    )


def _classes_table(found: SpaceComparison, split: str) -> Table:
    rows = tuple(
        (
            part.space,
            part.pairs,
            part.apart,
            part.meeting,
            part.gap / part.diameter if part.diameter else None,
        )
        for part in found.measures.values()
    )
    return Table(
        "classes",
        f"Hulls of two classes of {split} samples",
        (
            Column("space"),
            Column("pairs"),
            Column("disjoint"),
            Column("meeting"),
            Column("least gap / diameter"),
        ),
        rows,
        "Disjoint and meeting are proved; pairs that are neither were not decided.",
    )
