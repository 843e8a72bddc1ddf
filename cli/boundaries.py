"""`featgeom boundaries`: where the classes meet in feature space."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument

EXAMPLE = """
featgeom boundaries RUN
featgeom boundaries RUN --slice cat,dog,deer --slice cat,dog,#17
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="A,B,C",
    help="Slice through three class means, or samples as #17; may be given again.",
)
@click.option("--traces/--no-traces", default=True, help="Draw where the class hulls cut the slices.")
@device_option
def boundaries(console: Console, run: Path, slices: tuple[str, ...], device: str, **options: Any) -> None:
    """Nearest boundaries, the most ambiguous samples, flip directions and exact slices of a run.

    Stores the result in RUN/results (the pairs of classes also as boundaries.graphml) and renews
    RUN/report.html.
    """
    import io

    import networkx as nx

    from featgeom.files import write_whole
    from featgeom.report.opened import open_run
    from featgeom.studies.boundaries import boundary_graph, study

    triples = []
    for text in slices:
        names = tuple(part.strip() for part in text.split(","))
        if len(names) != 3:
            raise click.UsageError(f"--slice: expected three classes or samples as A,B,C, got '{text}'")
        triples.append(names)
    opened = open_run(run)
    started = time.perf_counter()
    record = study(opened, device=device, progress=console.progress, slices=tuple(triples), **options)
    record = replace(record, seconds=time.perf_counter() - started)
    opened.save(record)
    graph = io.BytesIO()
    nx.write_graphml(boundary_graph(record), graph)
    write_whole(opened.folder / "results" / "boundaries.graphml", graph.getvalue())
    report = opened.report()
    console.result(
        {"run": str(run), "report": str(report), "result": record.to_json()},
        f"{record.to_text()}\n\nReport: {report}",
    )


command = boundaries
