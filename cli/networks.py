"""`featgeom networks`: networks side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, UserPath, device_option, featgeom_command, network_options

EXAMPLE = """
featgeom networks CLEAN ADVERSARIAL -o side-by-side
featgeom networks CLEAN ADVERSARIAL --foreign mnist:DIR --planes 20
featgeom networks series/step-*.safetensors --images digits --studies hulls,svm
"""


@featgeom_command(EXAMPLE)
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    type=UserPath(file_okay=False),
    default="networks",
    show_default=True,
    help="The folder to write: a page of tables and charts, CSV, LaTeX; with --images the runs, too.",
)
@click.option(
    "--images", help="A source such as cifar10:DIR: RUNS are then checkpoints, made runs on these images."
)
@click.option("--studies", help="With --images: studies of each, as hulls,svm,flips; all for the geometry.")
@click.option(
    "--foreign",
    multiple=True,
    help="Images of none of the classes, a folder or a source, for NC5: once for all, or once for each RUN.",
)
@click.option(
    "--planes",
    type=click.IntRange(min=0),
    default=0,
    help="Compare decisions on so many planes through three images, too.",
)
@network_options
@device_option
def networks(
    console: Console, runs: tuple[str, ...], out: Path, images: str | None, studies: str | None,
    foreign: tuple[str, ...], planes: int, device: str, **reading: Any,
) -> None:  # fmt: skip
    """Set the networks of two or more RUNS side by side: one row a network.

    Accuracy, guaranteed classes, margins, hulls, flips and inversions in both spaces, neural collapse, angle
    to the support vector machine, as far as the studies of each run are stored; and for every two networks
    that were asked about the same images, which differences are more than chance. Checkpoints of one
    `featgeom train` are joined as curves. With --images, RUNS are checkpoints: each is made a run in
    OUT/runs, where it stays; the options that say how to read a checkpoint are for all of them.
    """
    from featgeom.answers.network_runs import RUNS, network_runs
    from featgeom.answers.networks import networks as side_by_side
    from featgeom.answers.networks_page import refuse_others, write_networks
    from featgeom_cli.extract import pixel_spec

    words = [os.path.expanduser(word) for word in runs]
    refuse_others(out)
    strange = foreign if len(foreign) > 1 else next(iter(foreign), None)
    if images is None:
        if given := [name.replace("_", "-") for name, value in reading.items() if value]:
            raise click.UsageError(f"--{given[0]} says how to read checkpoints, which go with --images")
        if studies:
            raise click.UsageError("--studies goes with --images; `featgeom NAME RUN` makes a study of a run")
        found = side_by_side([Path(word) for word in words], strange, device, planes)
    else:
        pixels = pixel_spec(*(reading.pop(name) for name in ("shape", "mean", "std")))
        chosen = studies.split(",") if studies else ()
        reading |= {"pixels": pixels, "device": device, "progress": console.progress}
        made = network_runs(words, images, out / RUNS, chosen, **reading)
        found = side_by_side(made, strange, device, planes)
    files = write_networks(found, out)
    result = found.to_json() | {"files": [str(file) for file in files]}
    console.result(f"{found.to_text()}\n\n{files[0]}", result, report=files[0])


command = networks
