"""Images with chosen features: the inversion study of a run."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Ints
from featgeom.boundaries.flips import flip_points
from featgeom.pixels.inversion import Inversion, invert
from featgeom.status import Status
from featgeom.studies.record import Column, Finding, Record, Table
from featgeom.studies.run import Run

PAIRS = 16
RESTARTS = 1

Summary = dict[str, float | int | None]


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """From seeded samples of the question split: to another sample's features, a flip point, a class mean.

    Each image found is read again by the network; its residual is relative to the target's length.
    """
    features = run.features(run.question_split)
    points = np.asarray(features.features, np.float64)
    rows = np.random.default_rng(run.seed).permutation(len(features))[:PAIRS]
    flips = flip_points(features.head, points[rows])
    targets = {
        "features of another sample": points[np.roll(rows, 1)],
        "nearest flip point": flips.point,
        "mean of the nearest rival class": _means(run, flips.classes[:, 1]),
    }
    stacked = np.concatenate(list(targets.values()))
    starts = np.tile(run.images(run.question_split).images[rows], (len(targets), 1, 1, 1))
    found = invert(run.classifier(device), stacked, starts, minimal=True, restarts=RESTARTS, seed=run.seed)
    groups = np.split(np.arange(len(stacked)), len(targets))
    said = {name: _summary(found, group) for name, group in zip(targets, groups, strict=True)}
    return Record(
        "invert",
        "Images for chosen features",
        tuple(_finding(name, summary) for name, summary in said.items()),
        said,
        (_table(said, run.question_split),),
        {
            "rows": rows,
            "targets": stacked,
            "images": found.images,
            "residual": found.residual,
            "moved": found.moved,
        },
        {},
        {"pairs": len(rows), "restarts": RESTARTS, "seed": run.seed},
    )


def _means(run: Run, classes: Ints) -> np.ndarray:
    """The mean reference features of each of these classes; of all samples where a class has none."""
    reference = run.features(run.reference_split)
    labels = np.asarray(reference.labels)
    every = np.ones(len(labels), bool)
    masks = [labels == c if (labels == c).any() else every for c in classes]
    return np.stack([np.asarray(reference.features[mask], np.float64).mean(axis=0) for mask in masks])


def _summary(found: Inversion, rows: Ints) -> Summary:
    solved = rows[found.status[rows] == Status.SOLVED]
    return {
        "targets": len(rows),
        "solved": len(solved),
        "largest_residual_solved": float(found.residual[solved].max()) if len(solved) else None,
        "median_moved": float(np.median(found.moved[solved])) if len(solved) else None,
        "class_of_target": int((found.classes == found.target_classes)[solved].sum()),
    }


def _finding(name: str, said: Summary) -> Finding:
    text = (
        f"{name[0].upper()}{name[1:]}: an image was found for {said['solved']} of {said['targets']} targets"
    )
    if said["solved"]:
        text += f", moving the start by {said['median_moved']:.4g} (median, pixel space)"
    return Finding(text + ".")


def _table(said: dict[str, Summary], split: str) -> Table:
    return Table(
        "inversions",
        f"Inversions from {split} samples",
        (
            Column("target"),
            Column("asked"),
            Column("solved"),
            Column("largest residual", "relative"),
            Column("median moved", "pixel distance"),
            Column("class of the target"),
        ),
        tuple((name, *summary.values()) for name, summary in said.items()),
        "Solved: relative residual at most 1e-6 when the network reads the image again, inside the bounds. "
        "What was not solved may exist all the same. A flip point lies on a boundary: either class may show.",
    )
