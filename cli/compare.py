"""`featgeom compare`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom compare RUN
featgeom compare RUN --other mnist:DIR            also asked: how far from the hulls these lie
featgeom compare CLEAN --beside ROBUST            two networks side by side
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--train-samples", default=1000, show_default=True, help="Samples that hulls are made of.")
@click.option("--test-samples", default=200, show_default=True, help="Samples that are asked about.")
@click.option("--flip-samples", default=32, show_default=True, help="Of these, samples flipped in pixels.")
@click.option(
    "--other",
    "others",
    multiple=True,
    metavar="IMAGES",
    help="Another source of images, asked about as well; may be given again.",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Another run, of which the same is asked; may be given again.",
)
@device_option
def compare(console: Console, run: Path, device: str, beside: tuple[Path, ...], **options: object) -> None:
    """The same questions in pixel, wavelet and feature space: inside the hull, how far, which classes meet.

    Distances are given as a part of each hull's diameter, the only unit that compares between spaces. The
    samples are seeded draws of the run's images; their numbers are in the result.
    """
    from featgeom.runs.run import Run

    others = tuple(Run(folder) for folder in beside)
    show_study(console, run, "compare", device, beside=others, **options)


command = compare
