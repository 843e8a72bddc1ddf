"""`featgeom report`: one HTML file to pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, featgeom_command, run_argument


@featgeom_command("featgeom report RUN --paper")
@run_argument
@click.option(
    "--paper",
    is_flag=True,
    help="Also figures as PDF and PNG, every table whole as CSV and LaTeX (booktabs).",
)
def report(console: Console, run: Path, paper: bool) -> None:
    """Write RUN/report.html from the stored results: one file, readable by someone who did not run it."""
    from featgeom.analysis import open_run

    opened = open_run(run)
    path = opened.report()
    document: dict[str, Any] = {"studies": list(opened.results)}
    if paper:
        from featgeom.report.paper import write_paper

        document["paper"] = [str(file) for file in write_paper(opened)]
        console.note(f"{len(document['paper'])} files in {run / 'figures'} and {run / 'tables'}")
    console.result(str(path), document, run, path)


command = report
