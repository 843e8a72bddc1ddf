"""Head against machine over a series of checkpoints, beside the rate that theory gives."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featgeom.collapse import neural_collapse
from featgeom.data.images import ImageSet
from featgeom.data.sources import load_splits
from featgeom.errors import BadArgument
from featgeom.features.extraction import fit_images
from featgeom.features.matching import match_classes
from featgeom.head import AffineHead
from featgeom.margins.comparison import compare_head, cross_entropy, joint_margin, one_row_a_class
from featgeom.models.sources import load_classifier
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.studies.svm import machines_of

COLUMNS = (
    Column("steps"),
    Column("loss"),
    Column("accuracy"),
    Column("margin", "feature distance"),
    Column("angle to standard", "degrees"),
    Column("to augmented", "degrees"),
    Column("head's margin", "of standard's"),
    Column("agreement on the box"),
    Column("place in gap"),
    Column("margin with bias", "of augmented's"),
    Column("NC1"),
    Column("rows' sum moved", "of head's move"),
)


def trajectory(
    checkpoints: Sequence[str | Path],
    images: str,
    *,
    arch: str | None = None,
    split: str = "train",
    classes: Sequence[str] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> Record:
    """Compare the head of every checkpoint with the machines on its own features.

    Steps are the last number in a checkpoint's file name (`step-00000100.safetensors`). At each checkpoint
    the machines are those of the samples that it predicts correctly, so they change with the features. Theory
    (Soudry et al., arXiv 1710.10345) speaks of a head on fixed features: its angle to the machine
    fades like 1/log t. Of whole networks it says, where they are homogeneous in their weights and gradient
    descent drives the loss to 0, that their direction tends to one in which the last layer is the machine of
    its own features (Lyu and Li, arXiv 1906.05890: a KKT point of the network's margin holds the conditions
    of that machine, which suffice, as it is a convex program). A head without bias is compared with the
    machine without, under the name of the augmented one.

    Raises BadArgument for checkpoints without steps in their names, or several of one step.
    """
    from featgeom.progress import bar

    started = time.perf_counter()
    series = sorted((steps_of(path), Path(path)) for path in checkpoints)
    if len({steps for steps, _ in series}) < len(series):
        raise BadArgument("checkpoints: two of them are of the same step")
    part = _images(images, split, tuple(classes))
    rows: list[tuple[float | int | None, ...]] = []
    first: AffineHead | None = None
    for steps, path in bar(series, desc="checkpoints", disable=not progress):
        figures, head = _measure(path, part, arch, seed, device)
        first = first or head
        rows.append((steps, *figures, sum_moved(first, head)))
    table = Table(
        "trajectory",
        f"Head and machine on {part.split} features of each checkpoint",
        COLUMNS,
        tuple(rows),
        "Machines separate the samples predicted correctly; a dash stands where fewer than two classes "
        "have any, or the machine would be too large. Agreement is estimated on points drawn uniformly "
        "from the features' box. Place in gap: of the boundary of the two classes of least margin, 0 at "
        "the first, 0.5 halfway, 1 at the second. Margin with bias: the least margin over ‖(W, b)‖, of "
        "which the augmented machine has the most. Full-batch gradient descent of cross-entropy conserves "
        "the sum of the head's rows; the last column says how far it moved, as a share of how far the "
        "head did.",
    )
    return Record(
        findings=_findings(table),
        values={column.name: table.column(column.name) for column in COLUMNS},
        tables=(table,),
        settings={"images": part.name, "split": part.split, "checkpoints": [path.name for _, path in series]},
        seconds=time.perf_counter() - started,
    )


def steps_of(path: str | Path) -> int:
    """The last number in a file name: the steps a checkpoint has seen.

    >>> steps_of("run-2/step-00000100.safetensors")
    100
    """
    found = re.findall(r"\d+", Path(path).stem)
    if not found:
        raise BadArgument(f"{path}: no number in its name tells how many steps it has seen")
    return int(found[-1])


def sum_moved(first: AffineHead, later: AffineHead) -> float | None:
    """How far the sum of the rows of (W, b) moved, as a share of the move of all; None before any move.

    >>> sum_moved(AffineHead([[1.0], [2.0]]), AffineHead([[2.0], [1.0]]))
    0.0
    """
    if later.weight.shape != first.weight.shape:
        return None
    moved = np.hstack([later.weight - first.weight, (later.bias - first.bias)[:, None]])
    length = float(np.linalg.norm(moved))
    return float(np.linalg.norm(moved.sum(axis=0))) / length if length > 0 else None


def _images(source: str, split: str, classes: tuple[str, ...]) -> ImageSet:
    from featgeom.data.images import keep_classes

    parts = load_splits(source)
    if split not in parts and len(parts) > 1:
        raise BadArgument(f"{source}: no split '{split}'; it has {', '.join(parts)}")
    return keep_classes(parts.get(split, next(iter(parts.values()))), classes)


def _measure(
    path: Path, part: ImageSet, arch: str | None, seed: int, device: str
) -> tuple[tuple[float | None, ...], AffineHead]:
    """The figures of one row of the table, and the head."""
    classifier = load_classifier(path, arch=arch, device=device, probe=part)
    if classifier.head.classes != len(part.classes):
        raise BadArgument(
            f"{path}: has {classifier.head.classes} classes, the images {len(part.classes)}; name a subset"
        )
    part = match_classes(classifier, part).apply(fit_images(classifier, part))
    if not part.labelled:
        raise BadArgument(f"{part.name}: a trajectory needs labels, those of these images are unknown")
    features, head, labels = classifier.features(part.images), classifier.head, part.labels
    logits = head.logits(features)
    loss = float(cross_entropy(head, features, labels).mean())
    right = logits.argmax(axis=1) == labels
    collapse = neural_collapse(features, labels, head)
    figures: list[float | None] = [None] * 7
    if len(np.unique(labels[right])) > 1:
        x, y = features[right], labels[right]
        limit = "augmented" if head.bias.any() else "none"
        if machines := machines_of(x, y, ("standard", limit)):
            standard = compare_head(head, machines["standard"], x, y, seed=seed)
            there = machines[limit].classes
            slots = np.searchsorted(there, y)
            most = joint_margin(one_row_a_class(machines[limit]), x, slots)
            figures = [
                machines["standard"].margin,
                standard.overall_angle,
                compare_head(head, machines[limit], x, y, seed=seed, points=1).overall_angle,
                standard.overall_margin_ratio,
                standard.domain_agreement,
                float(standard.head.position[standard.head.margin.argmin()]),
                joint_margin(AffineHead(head.weight[there], head.bias[there]), x, slots) / most,
            ]
    return (loss, float(right.mean()), *figures, collapse.nc1), head


def _findings(table: Table) -> tuple[Finding, ...]:
    """First and last of what was measured."""
    rows = [row for row in table.rows if row[5] is not None]
    if not rows:
        return (Finding("No checkpoint predicts samples of two classes correctly, so there is no machine."),)
    last = rows[-1]
    angles = np.array([row[5] for row in rows], float)
    course = "falls at every checkpoint" if (np.diff(angles) <= 0).all() else "does not fall steadily"
    return (
        Finding(
            f"After {last[0]:,} steps the loss is {last[1]:.3g} and the head is {last[4]:.2f}° from the "
            f"standard machine of its own features, {last[5]:.2f}° from the augmented one; at {rows[0][0]:,} "
            f"steps it was {rows[0][4]:.2f}° and {rows[0][5]:.2f}°."
        ),
        Finding(
            f"The angle to the augmented machine {course}; "
            f"the least is {angles.min():.2f}°, after {rows[int(angles.argmin())][0]:,} steps."
        ),
        Finding(
            f"The head reaches {100 * float(last[6] or 0):.1f} % of the standard machine's margin at the end."
        ),
    )
