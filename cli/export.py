"""`featgeom export`: every figure of every sample, for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, UserPath, featgeom_command, run_argument

EXAMPLE = """
featgeom export RUN --to csv -o samples.csv
featgeom export RUN --to projector -o projector  then: tensorboard --logdir projector
"""
FORMATS = ("csv", "parquet", "npz", "projector", "fiftyone")


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--to", type=click.Choice(FORMATS), default="csv", show_default=True, help="The format.")
@click.option("-o", "--out", type=UserPath(), help="The file or folder to write.  [default: in RUN/export]")
def export(console: Console, run: Path, to: str, out: Path | None) -> None:
    """Write what RUN knows of each of its samples: label, prediction, radius, rival, hull distances, ...

    What studies have stored of every sample is there as STUDY_NAME, and decision_1 to decision_3 are exact
    coordinates: the four classes confused most are told apart in them as in the whole space. projector is a
    folder for TensorBoard's embedding projector, fiftyone one that FiftyOne loads as
    FiftyOneImageClassificationDataset, with all figures as attributes of the labels.
    """
    from featgeom.analysis import open_run
    from featgeom.answers.exporting import export

    opened = open_run(run)
    files = export(opened, to, out)
    samples = sum(len(opened.features(split)) for split in opened.splits)
    where = files[0] if len(files) == 1 else files[-1].parent
    console.result(
        f"{samples:,} samples: {where}", {"samples": samples, "files": [str(f) for f in files]}, run
    )


command = export
