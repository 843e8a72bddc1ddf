"""The whole network against its last layer alone: the place of the boundary, and how well they generalise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.data.images import keep_classes
from featgeom.data.sources import load_splits
from featgeom.head import AffineHead
from featgeom.margins.comparison import compare_head, one_row_a_class
from featgeom.margins.machine import max_margin
from featgeom.models.sources import load_classifier
from featgeom.progress import bar
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.statistics import median_interval
from featgeom.studies.retrain import drawn_anew
from featgeom.training.head import train_head
from featgeom.training.loop import train
from featgeom.training.recipes import find_recipe

SEEDS = 10
STEPS = 2_000  # of a last layer
WHOLE = "whole network"
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {"steps": 400}),
    "digits 1 and 8": ("digits", {"steps": 400, "classes": ("1", "8")}),
    "two blobs": ("simulated_blobs", {"options": {"hidden": 50, "features": 8}, "steps": 1_000}),
    "two moons": ("simulated_moons", {"options": {"hidden": 50, "features": 8}, "steps": 1_000}),
}


class Measured(NamedTuple):
    """The share of test samples that a last layer gets right, and how far its boundaries are from the middle.

    ``off`` is the mean of |place − ½| over the pairs of classes, 0 where all boundaries halve their gaps.
    """

    accuracy: float
    off: float


def study(folder: Path, data: str | None = None, seed: int = 0, progress: bool = False) -> Record:
    """Train each network with ten seeds, then its last layer alone on the same features, in three ways.

    The new layers start from fresh weights: by plain descent, as the paper does it; by accelerated descent,
    to the limit of that; and the standard machine, which halves every gap. Trainings are in FOLDER/training.
    """
    found: dict[tuple[str, str], list[Measured]] = {}
    trainings = [(task, seed + i) for task in TASKS for i in range(SEEDS)]
    for task, one in bar(trainings, desc="whole and alone", disable=not progress):
        recipe, changes = TASKS[task]
        place = folder / "training" / f"alone-{task.replace(' ', '-')}-{one}"
        run = train(recipe, place, one, per_decade=1, **changes)
        for layer, measured in _measured(run.last, recipe, changes, one):
            found.setdefault((task, layer), []).append(measured)
    rows = tuple(_row(task, layer, found) for task, layer in found)
    table = Table(
        "alone",
        "The whole network against its last layer trained alone",
        (
            Column("data"),
            Column("last layer"),
            Column("test accuracy"),
            Column("at least"),
            Column("at most"),
            Column("off the middle", "of the gap"),
            Column("no less"),
            Column("no more"),
            Column("seeds better than whole"),
            Column("worse"),
        ),
        rows,
        f"Medians over {SEEDS} seeds, with intervals that hold the median with 95 % (order statistics). "
        "Off the middle: the mean of |place in gap − ½| over pairs of classes, 0 where each boundary "
        "halves its gap. Better and worse: seeds by test accuracy.",
    )
    return Record(tuple(_findings(table)), tables=(table,), settings={"seed": seed, "seeds": SEEDS})


def _measured(
    checkpoint: Path, recipe: str, changes: dict[str, Any], seed: int
) -> Iterator[tuple[str, Measured]]:
    """Every last layer on the features of one network."""
    classifier = load_classifier(checkpoint)
    plan = find_recipe(recipe, **changes)
    parts = {split: keep_classes(part, plan.classes) for split, part in load_splits(plan.images).items()}
    z = {split: np.asarray(classifier.features(part.images), np.float64) for split, part in parts.items()}
    y = {split: part.labels for split, part in parts.items()}
    right = classifier.head.classify(z["train"]) == y["train"]
    x, labels = z["train"][right], y["train"][right]
    start = drawn_anew(classifier.head, seed)
    heads = {
        WHOLE: classifier.head,
        "alone, gradient descent": train_head(x, labels, STEPS, start=start).last,
        "alone, accelerated": train_head(x, labels, STEPS, method="accelerated_gd", start=start).last,
        "standard machine": one_row_a_class(max_margin(x, labels)),
    }
    for name, head in heads.items():
        accuracy = float((head.classify(z["test"]) == y["test"]).mean())
        yield name, Measured(accuracy, off_middle(head, x, labels))


def off_middle(head: AffineHead, x: Float64, y: Ints) -> float:
    """The mean distance of the boundaries' places in their gaps from the middle, over pairs with a gap.

    >>> x, y = np.array([[0.0], [4.0]]), np.array([0, 1])
    >>> off_middle(AffineHead([[-1.0], [1.0]], [1.0, -1.0]), x, y)
    0.25
    """
    places = compare_head(head, max_margin(x, y), x, y, points=1).head.position
    return float(np.abs(places[np.isfinite(places)] - 0.5).mean())


def _row(task: str, layer: str, found: dict[tuple[str, str], list[Measured]]) -> tuple[Any, ...]:
    """Medians and intervals of one layer over the seeds, and how often it beats the whole network."""
    mine = found[task, layer]
    figures: list[float] = []
    for values in zip(*mine, strict=True):
        interval = median_interval(values)
        figures += [float(np.median(values)), float(interval.lower), float(interval.upper)]
    gained = np.array([m.accuracy - w.accuracy for m, w in zip(mine, found[task, WHOLE], strict=True)])
    counts = (None, None) if layer == WHOLE else (int((gained > 0).sum()), int((gained < 0).sum()))
    return (task, layer, *figures, *counts)


def _findings(table: Table) -> Iterator[Finding]:
    """Task by task, what training alone changes."""
    rows = {(row[0], row[1]): row for row in table.rows}
    for task in dict.fromkeys(row[0] for row in table.rows):
        whole, alone = rows[task, WHOLE], rows[task, "alone, gradient descent"]
        nearer = "nearer to" if whole[5] < alone[5] else "no nearer to"
        yield Finding(
            f"{task}: the whole network's boundaries are {nearer} the middle of the gaps ({whole[5]:.3g} "
            f"off, the layer trained alone {alone[5]:.3g}); test accuracy {whole[2]:.4g} against "
            f"{alone[2]:.4g}, better with the layer alone for {alone[8]} of {SEEDS} seeds, worse for "
            f"{alone[9]}.",
            "estimated",
        )
