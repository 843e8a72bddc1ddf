"""`featgeom regions`: the study of cells, neighbours and guarantees."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument


@featgeom_command("featgeom regions RUN")
@run_argument
@device_option
def regions(console: Console, run: Path, device: str) -> None:
    """How the head divides the feature domain: cells, neighbours, shares, guaranteed hulls.

    Which cells meet (with evidence on every pair), the largest ball in each, the share of the observed box
    that each class owns, and which samples lie in a hull that is guaranteed its class. The result is stored
    in the run; `featgeom verify RUN` re-checks all that is proved.
    """
    from featgeom.analysis import analyze
    from featgeom.runs.run import Run

    (record,) = analyze(Run(run), ("regions",), device=device, progress=console.progress)
    console.result(record.to_json(), record.to_text())


command = regions
