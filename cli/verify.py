"""`featgeom verify`: every certificate of a run, checked again exactly."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, featgeom_command, run_argument


@featgeom_command("featgeom verify RUN")
@run_argument
def verify(console: Console, run: Path) -> int:
    """Re-check every claim of a run from its stored features, head and evidence, in exact arithmetic.

    Prints how many statements of each claim are proved, refuted or undecided, with the reason for each that
    is not proved. The exit status is 1 if any is refuted.
    """
    from featgeom.analysis import open_run

    found = open_run(run).verify()
    console.result(found.to_text(), found.to_json(), run)
    return 0 if found.refuted == 0 else 1


command = verify
