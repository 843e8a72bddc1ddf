"""`featgeom planes`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom planes RUN")
@run_argument
@click.option("--planes", default=3, show_default=True, help="Planes, each through three samples.")
@device_option
def planes(console: Console, run: Path, device: str, **options: object) -> None:
    """The classes on planes through three samples, in pixel space and in feature space.

    In feature space the partition of a plane is exact, and a class is one convex piece; in pixel space the
    network is run on a lattice, and the pieces of each class are counted.
    """
    show_study(console, run, "planes", device, **options)


command = planes
