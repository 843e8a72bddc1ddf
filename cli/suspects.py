"""`featgeom suspects`: samples whose label the geometry contradicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from featgeom_cli.common import Console, UserPath, device_option, featgeom_command, run_argument


@featgeom_command("featgeom suspects RUN --most 200 -o suspects")
@run_argument
@click.option(
    "--most", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Samples of each part."
)
@click.option(
    "-o", "--out", type=UserPath(file_okay=False), help="The folder to write.  [default: RUN/suspects]"
)
@click.option("--separate", is_flag=True, help="Also list samples without which hulls that meet are apart.")
@device_option
def suspects(console: Console, run: Path, most: int, out: Path | None, separate: bool, device: str) -> None:
    """List the samples of RUN whose labels are the most suspicious, training and test part.

    Writes suspects.csv and suspects.html, a page to go through by keyboard (keep, relabel, drop) that saves
    the decisions as CSV. The score is a suspicion, not a proof; that a sample lies in the guaranteed region
    of another class is checked exactly before it is said, and is a statement about features and the head.
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
    found = found_suspects(opened, most, device)
    write_whole(folder / "suspects.csv", csv_table(found.table).encode())
    apart = removals(opened, device) if separate else None
    if apart is not None:
        write_whole(folder / "removals.csv", csv_table(apart).encode())
    write_whole(folder / "suspects.html", suspects_page(opened, found, apart).encode())
    names = [column.name for column in found.table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in found.table.rows]
    text = replace(found.table, rows=found.table.rows[:20]).to_text()
    left = len(rows) - 20
    more = f"\n... and {left:,} more" if left > 0 else ""
    if apart is not None:
        more += f"\n\n{apart.to_text()}" if apart.rows else ""
        more += f"\n\n{apart.note.partition('. ')[0]}."
    page = folder / "suspects.html"
    console.result(f"{text}{more}\n\n{page}", rows, run, page)


command = suspects
