"""What the commands of single studies share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from featgeom_cli.common import Console


def show_study(console: Console, run: Path, study: str, device: str, **options: Any) -> None:
    """Make one study of a run, with its own options, store it, and show it."""
    from featgeom.analysis import analyze
    from featgeom.runs.run import Run

    opened = Run(run)
    given = {study: options}
    for record in analyze(opened, (study,), device=device, progress=console.progress, options=given):
        console.result({"run": str(opened.folder), "result": record.to_json()}, record.to_text())
