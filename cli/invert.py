"""`featgeom invert`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom invert RUN
featgeom invert RUN --samples 40 --any
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--samples", default=4, show_default=True, help="Samples to start from; each has five targets.")
@click.option("--minimal/--any", default=True, show_default=True, help="Look for images near the start.")
@device_option
def invert(console: Console, run: Path, device: str, **options: object) -> None:
    """Images for chosen features: other samples, flip points, class means, centres of cells, and beyond.

    Each image is inside the bounds and is read again by the network; the result states the residual, whether
    the features found lie in their class's hull, and how far the image moved from where the search began.
    """
    show_study(console, run, "invert", device, **options)


command = invert
