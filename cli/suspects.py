"""`featgeom suspects`: samples whose label the geometry contradicts, and those that are there twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featgeom_cli.common import Console, UserPath, device_option, featgeom_command, run_argument

if TYPE_CHECKING:
    from featgeom.runs.record import Table

EXAMPLE = """
featgeom suspects RUN --most 200 -o suspects
featgeom suspects RUN --near 0.02 --pairs 5000
"""
SHOWN = 20, 10  # suspects and pairs in the terminal; the files have all


@featgeom_command(EXAMPLE)
@run_argument
@click.option(
    "--most", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Samples of each part."
)
@click.option(
    "-o", "--out", type=UserPath(file_okay=False), help="The folder to write.  [default: RUN/suspects]"
)
@click.option("--separate", is_flag=True, help="Also list samples without which hulls that meet are apart.")
@click.option(
    "--near",
    type=click.FloatRange(0, 2),
    default=1e-2,
    show_default=True,
    help="Cosine distance of features below which two samples may be near-duplicates; 0 for the same pixels "
    "alone.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="Pairs listed of each kind, the same pixels and near-duplicates; all are counted.",
)
@device_option
def suspects(
    console: Console, run: Path, most: int, out: Path | None, separate: bool, near: float, pairs: int,
    device: str,
) -> None:  # fmt: skip
    """List the samples of RUN whose labels are the most suspicious, and those that are there twice.

    Writes suspects.csv and suspects.html, a page to go through by keyboard (keep, relabel, drop) that saves
    the decisions as CSV. The score is a suspicion, not a proof; that a sample lies in the guaranteed region
    of another class is checked exactly before it is said, and is a statement about features and the head.
    duplicates.csv has the pairs of all samples, within and across parts, whose pixels are the same, which is
    a fact, and then those that are near in features alone, which is a suspicion, the nearest first.
    With --separate, removals.csv has a row for every two classes whose hulls are proved to meet: a few
    samples without which they are proved to be apart (none where no list is proved), the shortest list first,
    and how many any list must have.
    """
    from featgeom.analysis import open_run
    from featgeom.answers.removals import removals
    from featgeom.answers.suspecting import suspects as found_suspects
    from featgeom.answers.suspects_page import suspects_page
    from featgeom.files import refuse_foreign, write_whole
    from featgeom.report.paper import csv_table

    opened = open_run(run)
    folder = out or run / "suspects"
    refuse_foreign(folder, "suspects.html", "list of suspects")
    found = found_suspects(opened, most, device, near, pairs, console.progress)
    twice = found.duplicates
    tables = [found.table, twice.table]
    apart = removals(opened, device) if separate else None
    if apart is not None:
        tables.append(apart)
    for table in tables:
        write_whole(folder / f"{table.name}.csv", csv_table(table).encode())
    write_whole(folder / "suspects.html", suspects_page(opened, found, apart).encode())
    text = f"{_first(found.table, SHOWN[0])}\n\n{twice.summary}"
    text += f"\n\n{_first(twice.table, SHOWN[1])}" if twice.table.rows else ""
    if apart is not None:
        text += f"\n\n{apart.to_text()}" if apart.rows else ""
        text += f"\n\n{apart.note.partition('. ')[0]}."
    page = folder / "suspects.html"
    result = {table.name: table.to_dicts() for table in tables} | {"duplicates_counted": dict(twice.counts)}
    console.result(f"{text}\n\n{page}", result, run, page)


def _first(table: Table, most: int) -> str:
    """The first rows of a table, and how many more there are."""
    left = len(table.rows) - most
    more = f"\n... and {left:,} more in {table.name}.csv" if left > 0 else ""
    return replace(table, rows=table.rows[:most]).to_text() + more


command = suspects
