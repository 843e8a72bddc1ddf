"""`featgeom invert`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom invert RUN")
@run_argument
@device_option
def invert(console: Console, run: Path, device: str) -> None:
    """Images whose features are those of other samples, flip points and class means.

    Each image is inside the bounds and is read again by the network; the result states the residual, and how
    far the image moved from where the search began.
    """
    show_study(console, run, "invert", device)


command = invert
