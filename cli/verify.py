"""`featgeom verify`: every certificate of a run, checked again exactly."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, featgeom_command, run_argument


@featgeom_command("featgeom verify RUN")
@run_argument
@click.option("--statements", is_flag=True, help="Print what each claim states, in words.")
def verify(console: Console, run: Path, statements: bool) -> int:
    """Re-check everything that a run calls proved, in exact arithmetic, from its stored features and head.

    First the features, by their digests; then every claim, found by the words that say what it is about; then
    every sentence, table and figure that is called proved, each made again from the claims and compared with
    what is stored; then whether the report shows that. What is missing, refuted, undecided or said without
    proof is named, with the reason, and the exit status is 1, as it is where nothing is called proved; else
    it is 0. RUN may be the report in a run's folder.
    """
    from featgeom.analysis import open_run

    run = run.parent if run.name == "report.html" else run
    found = open_run(run).verify(console.progress)
    console.result(found.to_text(statements), found.to_json(), run)
    return 0 if found.holds else 1


command = verify
