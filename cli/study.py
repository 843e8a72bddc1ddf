"""What the commands of single studies share."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console


def show_study(console: Console, run: Path, study: str, device: str) -> None:
    """Make one study of a run, store it, and show it."""
    from featgeom.studies.analysis import analyze
    from featgeom.studies.run import Run

    opened = Run(run)
    for record in analyze(opened, (study,), device=device, progress=console.progress):
        console.result({"run": str(opened.folder), "result": record.to_json()}, record.to_text())
