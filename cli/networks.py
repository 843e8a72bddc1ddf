"""`featgeom networks`: networks side by side."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, UserPath, device_option, featgeom_command

EXAMPLE = """
featgeom networks CLEAN ADVERSARIAL -o side-by-side
featgeom networks CLEAN ADVERSARIAL --foreign mnist:DIR
"""


@featgeom_command(EXAMPLE)
@click.argument("runs", nargs=-1, required=True, type=UserPath())
@click.option(
    "-o",
    "--out",
    type=UserPath(file_okay=False),
    default="networks",
    show_default=True,
    help="The folder to write: a page of tables and charts, CSV, LaTeX.",
)
@click.option("--foreign", help="Images of none of the classes, a folder or a source, for NC5.")
@device_option
def networks(console: Console, runs: tuple[Path, ...], out: Path, foreign: str | None, device: str) -> None:
    """Set the networks of two or more RUNS side by side: one row a network.

    Accuracy, guaranteed classes, margins, hulls, flips and inversions in both spaces, neural collapse, angle
    to the support vector machine, as far as the studies of each run are stored; and for every two networks
    that were asked about the same images, which differences are more than chance. Checkpoints of one
    `featgeom train` are joined as curves.
    """
    from featgeom.answers.networks import networks as side_by_side
    from featgeom.answers.networks_page import write_networks

    found = side_by_side(runs, foreign, device)
    files = write_networks(found, out)
    result = found.to_json() | {"files": [str(file) for file in files]}
    console.result(f"{found.to_text()}\n\n{files[0]}", result, report=files[0])


command = networks
