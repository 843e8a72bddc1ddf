"""What the commands of single studies share."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console


def show_study(console: Console, run: Path, study: str, device: str, **options: object) -> None:
    """Make one study of a run, with options of its own, store it, and show it."""
    from featgeom.studies.analysis import analyze
    from featgeom.studies.run import Run

    opened = Run(run)
    for record in analyze(opened, (study,), device=device, progress=console.progress, **options):
        console.result({"run": str(opened.folder), "result": record.to_json()}, record.to_text())
