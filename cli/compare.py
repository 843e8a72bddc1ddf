"""`featgeom compare`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom compare RUN")
@run_argument
@device_option
def compare(console: Console, run: Path, device: str) -> None:
    """Feature space against pixel space: hulls, distances and classes of the same samples.

    In the hull of the training samples or not, how far, how wide, which classes meet: in pixel space, in a
    wavelet space and in feature space, with pixels reduced to as many dimensions as a control.
    """
    show_study(console, run, "compare", device)


command = compare
