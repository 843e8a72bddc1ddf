"""Networks side by side as files: a page whose tables sort, with charts of their columns, CSV, and LaTeX."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from featgeom.answers.network_runs import RUNS
from featgeom.answers.networks import Networks
from featgeom.files import refuse_foreign, write_whole
from featgeom.report.paper import csv_table, latex_table
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.runs.record import Table, is_number

PAGE = "networks.html"


def networks_page(found: Networks) -> str:
    """One self-contained page."""
    scripts = [resource(name, "featgeom.answers") for name in ("sort.js", "charts.js")]
    return filled(
        resource(PAGE, "featgeom.answers"),
        style=resource("report.css"),
        policy=content_policy(scripts),
        scripts=scripts,
        tables=[_shown(table) for table in found.tables],
    )


def _shown(table: Table) -> dict[str, Any]:
    numeric = [all(is_number(row[j]) for row in table.rows) for j in range(len(table.columns))]
    rows = [
        [(cell, _key(value)) for cell, value in zip(cells, values, strict=True)]
        for cells, values in zip(table.cells(), table.rows, strict=True)
    ]
    return {"table": table, "numeric": numeric, "rows": rows}


def _key(value: Any) -> str:
    """What a cell is sorted by: every digit of a number, nothing where it is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value)


def refuse_others(out: Path) -> None:
    """Raise BadData for a folder that holds something else than a table of networks, and their runs."""
    refuse_foreign(out, PAGE, "table of networks", {RUNS})


def write_networks(found: Networks, out: Path) -> list[Path]:
    """Write OUT/networks.html, and each table as .csv and .tex; the files.

    Raises BadData for a folder that holds something else.
    """
    refuse_others(out)
    contents = {PAGE: networks_page(found)}
    for table in found.tables:
        contents[f"{table.name}.csv"] = csv_table(table)
        contents[f"{table.name}.tex"] = latex_table(table, f"tab:{table.name}")
    for name, text in contents.items():
        write_whole(out / name, text.encode())
    return [out / name for name in contents]
