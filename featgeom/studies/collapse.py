"""Neural collapse of a run's features, class by class."""

from __future__ import annotations

import numpy as np

from featgeom.collapse import NeuralCollapse, neural_collapse
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.studies.overview import collapse_table


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """NC1 to NC4 on every split of a run, and how each class stands to its row of the head."""
    parts = {split: run.features(split) for split in run.splits}
    measured = {
        split: neural_collapse(part.features, part.labels, part.head, run.subjects.predicted(split))
        for split, part in parts.items()
    }
    reference = measured[run.reference_split]
    findings = tuple(
        Finding(
            f"On {split}: NC1 {found.nc1:.4g}, NC2 {found.nc2.norms:.4g} (norms) and {found.nc2.angles:.4g} "
            f"(angles), NC3 {found.nc3:.4g}, NC4 {found.nc4:.4g}; all are 0 at full collapse."
        )
        for split, found in measured.items()
    )
    tables = [
        Table(f"{table.name}-{split}", table.title, table.columns, table.rows, table.note)
        for split, found in measured.items()
        for table in [collapse_table(found, split)]
    ]
    tables.append(class_table(reference, parts[run.reference_split].head.weight, run))
    return Record(
        findings=findings,
        values={split: values_of(found) for split, found in measured.items()},
        tables=tuple(tables),
        arrays={f"means-{split}": found.means for split, found in measured.items()},
        settings={"reference": run.reference_split},
    )


def values_of(found: NeuralCollapse) -> dict[str, float]:
    """The measures by name, for programs."""
    return {
        "nc1": found.nc1,
        "nc2_norms": found.nc2.norms,
        "nc2_angles": found.nc2.angles,
        "nc2_head_norms": found.nc2_head.norms,
        "nc2_head_angles": found.nc2_head.angles,
        "nc3": found.nc3,
        "nc4": found.nc4,
    }


def class_table(found: NeuralCollapse, weight: np.ndarray, run: Run) -> Table:
    """Each class: samples, distance of its mean from the common mean, angle to its row of the head."""
    centred = found.means - found.means.mean(axis=0)
    rows = []
    for place, label in enumerate(found.classes):
        mean, row = centred[place], weight[label]
        size = float(np.linalg.norm(mean) * np.linalg.norm(row))
        angle = float(np.degrees(np.arccos(np.clip(mean @ row / size, -1, 1)))) if size > 0 else np.inf
        rows.append((run.classes[label], int(found.counts[place]), float(np.linalg.norm(mean)), angle))
    return Table(
        "classes",
        f"Class means on {run.reference_split}",
        (
            Column("class"),
            Column("samples"),
            Column("mean from the common mean", "feature distance"),
            Column("angle to its row of the head", "degrees"),
        ),
        tuple(rows),
        "At full collapse the distances are equal and the angles 0.",
    )
