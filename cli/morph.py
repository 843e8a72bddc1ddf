"""`featgeom morph`: one study that needs the network and the images."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study


@featgeom_command("featgeom morph RUN")
@run_argument
@device_option
def morph(console: Console, run: Path, device: str) -> None:
    """Morphs between samples, straight in pixels and straight in features, with every change of class.

    The pictures are figures/morph.png (for each pair a row straight in pixels and one straight in features)
    and figures/morph-N.gif in the run. Also counted: how often a straight segment between two samples
    predicted alike changes class, in either space.
    """
    show_study(console, run, "morph", device)


command = morph
