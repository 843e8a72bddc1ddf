"""`featgeom maps`: what network and machine decide, where a plane shows it all."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom maps RUN")
@run_argument
@device_option
def maps(console: Console, run: Path, device: str) -> None:
    """Draw what the network and a support vector machine decide, in feature space and in pixel space.

    For networks with two features, or images of two pixels, as in the first paper: agreement on uniform
    points, both maps and their overlay, support vectors against the samples of highest loss.
    """
    show_study(console, run, "maps", device)


command = maps
