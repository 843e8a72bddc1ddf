"""What the overview proves: distances to boundaries, and which class hulls lie in their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from featgeom.certificates.classes import ClassBall, ClassMargin
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.proofs.proof import Columns, Found, Proof, some
from featgeom.runs.record import Column
from featgeom.runs.subjects import of_class
from featgeom.status import Status

UNIT = "feature distance"
SAMPLES = ("all", "correct")
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
HEADS = ("least", "10 %", "median", "90 %", "greatest")


def hulls(found: Found, samples: str) -> Iterator[tuple[int, str, int]]:
    """The class, the words and the number of samples of each hull that has some."""
    for c in range(len(found.classes)):
        of = of_class(found.reference, c, samples == "correct")
        if found.count(of):
            yield c, of, found.count(of)


def claims(found: Found) -> None:
    """A ball about every sample, and where each class's hull lies."""
    for split in found.subjects.parts:
        found.must(f"balls-{split}", ClassBall, points=f"{split}/features", domain="space")
        found.must(f"float32-{split}", ClassMargin, points=f"{split}/features")
        for name in ("balls", "float32"):
            found.meant(f"{name}-{split}", own=found.subjects.predicted(split))
    for samples in SAMPLES:
        for c, of, _ in hulls(found, samples):
            kept_or_broken(found, f"{samples}-{c}", c, of)


def kept_or_broken(found: Found, name: str, c: int, of: str) -> None:
    """Declare that the hull of some samples lies in the cell of class c, or who of them does not."""
    found.must(name, GuaranteedHull, BrokenHull, points=of)
    found.meant(name, own=c, breakers=some)


def guaranteed(found: Found) -> Iterator[str]:
    """One sentence for the hulls of all samples, one for those of the correctly predicted."""
    texts = {
        "all": f"Of the hulls of all {found.reference} features of a class",
        "correct": f"Of the hulls of its correctly predicted {found.reference} features",
    }
    for samples, text in texts.items():
        mine = [found[f"{samples}-{c}"] for c, _, _ in hulls(found, samples)]
        kept = sum(isinstance(claim, GuaranteedHull) for claim in mine)
        meaning = "every point of such a hull, not only its samples, gets that class from the head"
        rest = "the others hold samples at which another class has as large a logit"
        if mine:
            said = f"{text}, {kept:,} of {len(mine):,} lie whole in that class's cell"
            yield f"{said}: {meaning if kept else rest}."


def figures(found: Found) -> list[dict[str, Any]]:
    """What is known of the hull of each class, of all its samples and of the correctly predicted."""
    known = {(samples, c): n for samples in SAMPLES for c, _, n in hulls(found, samples)}
    result = []
    for c in range(len(found.classes)):
        for samples in SAMPLES:
            n, status = known.get((samples, c), 0), Status.UNDECIDED
            if n:
                kept = isinstance(found[f"{samples}-{c}"], GuaranteedHull)
                status = Status.GUARANTEED if kept else Status.BROKEN
            result.append({"label": c, "samples": samples, "count": n, "status": status.name})
    return result


def guarantee_columns(found: Found) -> Columns:
    """A row for each class and choice of samples."""
    rows = figures(found)
    return {
        Column("class", proved=True): [found.classes[row["label"]] for row in rows],
        Column("samples", proved=True): [row["samples"] for row in rows],
        Column("n", proved=True): [row["count"] for row in rows],
        Column("status", proved=True): [row["status"] for row in rows],
    }


def distance_columns(found: Found, split: str) -> Columns:
    """Quantiles of the distance to the nearest boundary, by predicted class."""
    distance, predicted = found[f"balls-{split}"].radius, found.subjects.predicted(split)
    groups = [distance[predicted == c] for c in range(len(found.classes))] + [distance]
    quantiles = [
        np.quantile(group, QUANTILES).tolist() if len(group) else [None] * len(QUANTILES) for group in groups
    ]
    columns: dict[Column, Sequence[Any]] = {
        Column("predicted class", proved=True): [*found.classes, "all"],
        Column("samples", proved=True): [len(group) for group in groups],
    }
    return columns | {
        Column(head, UNIT, True, "lower"): [row[i] for row in quantiles] for i, head in enumerate(HEADS)
    }


def arrays(found: Found) -> dict[str, np.ndarray]:
    """Distances, labels and predictions of all samples."""
    result: dict[str, np.ndarray] = {}
    for split, part in found.subjects.parts.items():
        result[f"{split}_distance"] = found[f"balls-{split}"].radius
        result[f"{split}_prediction"] = found.subjects.predicted(split)
        result[f"{split}_label"] = np.asarray(part.labels)
    return result


def tables(found: Found) -> dict[str, Callable[[Found], Columns]]:
    """The guarantees, and the distances of every part."""
    of_parts = {f"distance-{split}": partial(distance_columns, split=split) for split in found.subjects.parts}
    return {"guarantees": guarantee_columns, **of_parts}


PROOF = Proof(claims, (guaranteed,), tables, lambda found: {"guarantees": figures(found)}, arrays)
