"""`featgeom report`: one HTML file to pass on."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, featgeom_command, run_argument


@featgeom_command("featgeom report RUN")
@run_argument
def report(console: Console, run: Path) -> None:
    """Write RUN/report.html from the stored results: one file, readable by someone who did not run it."""
    from featgeom.report.opened import open_run

    opened = open_run(run)
    path = opened.report()
    console.result({"report": str(path), "studies": list(opened.results)}, str(path))


command = report
