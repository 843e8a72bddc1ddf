"""`featgeom check`: samples of a run's statements, solved again by a generic solver."""

from __future__ import annotations

from pathlib import Path

import click

from featgeom_cli.common import Console, featgeom_command, run_argument, seed_option


@featgeom_command("featgeom check RUN --with cvxpy --samples 50")
@run_argument
@click.option(
    "--with",
    "by",
    type=click.Choice(["cvxpy"]),
    default="cvxpy",
    show_default=True,
    help="What solves again.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 10**6),
    default=50,
    show_default=True,
    help="Statements of each kind, drawn at random.",
)
@click.option("--solver", default="CLARABEL", show_default=True, help="The solver that cvxpy calls.")
@seed_option
def check(console: Console, run: Path, by: str, samples: int, solver: str, seed: int) -> int:
    """Solve samples of a run's statements again, as plain convex programs in a solver that is not ours.

    Lists how many agree with our bounds to within the tolerance of that solver, and every one that does not.
    The exit status is 0 only where something was answered and all of it agrees. The programs are those of
    featgeom.formulations.
    """
    from featgeom.analysis import open_run

    found = open_run(run).check(samples, seed, solver, progress=console.progress)
    console.result(found.to_text(), found.to_json(), run)
    return 0 if found.agrees else 1


command = check
