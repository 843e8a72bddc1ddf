"""`featgeom flips`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom flips RUN
featgeom flips RUN --samples 1000 --device cuda
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--samples", default=64, show_default=True, help="Samples to flip, a seeded draw.")
@device_option
def flips(console: Console, run: Path, device: str, **options: object) -> None:
    """The closest changes of class in pixel space, beside the exact ones in feature space.

    Each change found is verified by running the network on both sides of the boundary; its distance is an
    upper bound, and a lower bound is computed where the network allows it. Images, distances, classes and
    directions are stored in the run.
    """
    show_study(console, run, "flips", device, **options)


command = flips
