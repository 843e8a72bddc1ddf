"""`featgeom retrain`: the last layer drawn anew and trained alone, beside the whole network."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = """
featgeom retrain RUN
featgeom retrain RUN --steps 100000 --method normalised_gd
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--steps", default=2000, show_default=True, help="Steps of full-batch descent.")
@click.option("--method", help="gd or normalised_gd; both by default.")
@click.option("--no-bias", is_flag=True, help="Leave the bias out of the training.")
@device_option
def retrain(console: Console, run: Path, steps: int, method: str | None, no_bias: bool, device: str) -> None:
    """Draw the last layer anew, train it alone on the stored features, and compare it with the machines.

    Plain and normalised gradient descent from the same fresh weights, in float64, beside the network's own
    last layer and the rate that theory gives. `featgeom train --head-of` trains a last layer anew with any
    loss and optimiser, and writes checkpoints.
    """
    options = {"steps": steps, "bias": not no_bias} | ({"methods": (method,)} if method else {})
    show_study(console, run, "retrain", device, **options)


command = retrain
