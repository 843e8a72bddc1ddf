"""`featgeom flips`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom flips RUN")
@run_argument
@device_option
def flips(console: Console, run: Path, device: str) -> None:
    """The closest changes of class in pixel space, beside the exact ones in feature space.

    Each change found is verified by running the network on both sides of the boundary; its distance is an
    upper bound. Images, distances and classes are stored in the run.
    """
    show_study(console, run, "flips", device)


command = flips
