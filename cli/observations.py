"""`featgeom observations`: what the second paper observes, beside what a run measures."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom observations RUN
featgeom observations CLEAN --beside ROBUST
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option(
    "--beside",
    multiple=True,
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Another run, with a column of its own; may be given again.",
)
@device_option
def observations(console: Console, run: Path, device: str, beside: tuple[Path, ...]) -> None:
    """One table: what the paper on hulls and boundaries in feature space observes, what these networks show.

    Results that a run holds are used as they are; the studies it lacks are made, with their default numbers
    of samples, and stored. To choose those numbers, run the single studies first. (arXiv 2202.04052.)
    """
    from featgeom.runs.run import Run

    others = tuple(Run(folder) for folder in beside)
    show_study(console, run, "observations", device, beside=others)


command = observations
