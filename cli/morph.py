"""`featgeom morph`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom morph RUN
featgeom morph RUN --morphs 1 --steps 12
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--alike", default=64, show_default=True, help="Pairs predicted alike, whose segments count.")
@click.option("--morphs", default=3, show_default=True, help="Pairs of samples that are morphed.")
@click.option("--steps", default=6, show_default=True, help="Steps of a morph; it has one frame more.")
@device_option
def morph(console: Console, run: Path, device: str, **options: object) -> None:
    """Morphs between samples, straight in pixels and straight in features, with every change of class.

    The pictures are figures/morph.png (for each pair a row straight in pixels and one straight in features)
    and figures/morph-N.gif in the run. Also counted: how often a straight segment between two samples
    predicted alike changes class, in either space.
    """
    show_study(console, run, "morph", device, **options)


command = morph
