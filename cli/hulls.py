"""`featgeom hulls`: the study of convex hulls of the features."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = "featgeom hulls RUN"


@featgeom_command(EXAMPLE)
@run_argument
@device_option
def hulls(console: Console, run: Path, device: str) -> None:
    """Tell how large the hulls of the classes are, how far apart, and how far new features lie outside.

    For every class, of all samples and of the correctly predicted, and for all features: vertices, diameter,
    smallest ball, distances of test features, share inside; and the distance between every two class hulls.
    Every figure is proved; `featgeom verify RUN` re-checks it."""
    show_study(console, run, "hulls", device)


command = hulls
