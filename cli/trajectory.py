"""`featgeom trajectory`: head against machine over a series of checkpoints."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom.catalog import STUDIES
from featgeom_cli.common import Console, device_option, featgeom_command, out_option, seed_option

EXAMPLE = """
featgeom train digits -o series
featgeom trajectory series/step-*.safetensors digits -o trajectory
"""


@featgeom_command(EXAMPLE)
@click.argument("checkpoints", nargs=-1, required=True)
@click.argument("images")
@out_option
@click.option("--arch", help="Architecture of state dicts: a built-in name, or FILE.py:NAME.")
@click.option("--split", default="train", show_default=True, help="Which part of the images.")
@click.option("--classes", help="A subset of the classes, as NAME,NAME,...")
@device_option
@seed_option
def trajectory(
    console: Console,
    checkpoints: tuple[str, ...],
    images: str,
    out: Path | None,
    arch: str | None,
    split: str,
    classes: str | None,
    device: str,
    seed: int,
) -> None:
    """Compare the head of each of CHECKPOINTS with support vector machines on its own features of IMAGES.

    Writes trajectory.json and a plot against log t, with the theoretical rate beside it.
    """
    from featgeom.data.words import read_names
    from featgeom.figures.style import svg
    from featgeom.figures.trajectory import draw
    from featgeom.files import claimed_folder, write_json, write_whole
    from featgeom.studies.trajectory import trajectory as follow

    folder = out or Path("runs") / "trajectory"
    with claimed_folder(folder, "trajectory.json", "trajectory"):
        followed = follow(
            checkpoints,
            images,
            arch=arch,
            split=split,
            classes=read_names(classes),
            seed=seed,
            device=device,
            progress=console.progress,
        )
        record = STUDIES["trajectory"].named(followed)
        write_json(folder / "trajectory.json", record.to_json())
        for drawing in draw(record):
            write_whole(folder / f"{drawing.name}.svg", svg(drawing.figure).encode())
    console.result(f"{record.to_text()}\n\nIn {folder}", {"folder": str(folder), **record.to_json()})


command = trajectory
