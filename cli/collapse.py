"""`featgeom collapse`: neural-collapse measures NC1 to NC4."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = "featgeom collapse RUN"


@featgeom_command(EXAMPLE)
@run_argument
@device_option
def collapse(console: Console, run: Path, device: str) -> None:
    """Measure how near features and head are to the simplex that training drives them towards."""
    show_study(console, run, "collapse", device)


command = collapse
