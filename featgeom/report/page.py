"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.catalog import STUDIES
from featgeom.errors import BadData
from featgeom.files import read_json, write_whole
from featgeom.report.view import scene_document, view_element, view_style
from featgeom.runs.record import STANDINGS, Record, is_number

if TYPE_CHECKING:
    from featgeom.runs.run import Run

ROWS_SHOWN = 60  # longer tables are cut in the page, which says where the rest is


def write_report(run: Run) -> Path:
    """Write RUN/report.html from the stored records, and the pictures it holds to RUN/figures.

    Raises BadData where the run has no results yet.
    """
    records = run.results
    if not records:
        raise BadData(f"{run.folder}: has no results yet; `featgeom analyze` makes them")
    sections = [section(run, record) for record in ordered(records)]
    found = Counter(finding.standing for record in records.values() for finding in record.findings)
    page = _template().render(
        run=run.asked,
        name=run.folder.resolve().name,
        facts=facts(run),
        command=command(run),
        sections=sections,
        standings=[(word, meaning, found[word]) for word, meaning in STANDINGS.items()],
        statements=statements(run),
        style=_resource("report.css") + view_style(),
        view=three_dimensions(run),
    )
    path = run.folder / "report.html"
    write_whole(path, page.encode())
    return path


def three_dimensions(run: Run) -> dict[str, str]:
    """The 3-D picture of the run, as an element of the page, or why there is none."""
    from featgeom.figures.scene_of import scene_of_run

    try:
        scene = scene_of_run(run, "decision")
    except BadData as error:
        return {"picture": "", "why": str(error)}
    return {"picture": view_element(scene, scene_document(scene, run)), "why": ""}


def ordered(records: Any) -> list[Record]:
    """The records in a reader's order, which is that of the catalogue.

    >>> ordered({"svm": 2, "overview": 1})
    [1, 2]
    """
    return [records[name] for name in STUDIES if name in records]


def statements(run: Run) -> int:
    """How many statements the stored claims of the run hold."""
    files = (run.folder / "claims").glob("*.json")
    return sum(int(claim["count"]) for path in files for claim in read_json(path)["claims"])


def section(run: Run, record: Record) -> dict[str, Any]:
    """What the template needs of one record; its pictures are stored as SVG files as well."""
    from featgeom.figures.style import svg

    pictures = []
    study = STUDIES[record.study]
    for drawing in study.drawings(record, run.classes):
        text = svg(drawing.figure)
        write_whole(run.folder / "figures" / f"{drawing.name}.svg", text.encode())
        inches = drawing.figure.get_figwidth()
        pictures.append({"name": drawing.name, "caption": drawing.caption, "svg": text, "inches": inches})
    tables = [
        {
            "table": table,
            "cells": table.cells()[:ROWS_SHOWN],
            "left_out": max(0, len(table.rows) - ROWS_SHOWN),
            "numeric": [all(is_number(row[j]) for row in table.rows) for j in range(len(table.columns))],
        }
        for table in record.tables
    ]
    return {"record": record, "question": study.question, "tables": tables, "pictures": pictures}


def facts(run: Run) -> list[tuple[str, str]]:
    """What was asked, as label and text."""
    model, data = run.asked["model"], run.asked["data"]
    sizes = ", ".join(f"{split} {part['samples']:,}" for split, part in data["splits"].items())
    rows = [("Head", f"{model['dimension']:,} features → {len(model['classes']):,} classes")]
    if "weights_sha256" in model:
        rows[:0] = [("Network", f"{model['name']} ({model['arch']})")]
        rows += [
            ("Self-check", f"largest |W·φ(x) + b − logits| on a batch: {model['residual']:.2g}"),
            ("Weights", f"sha256 {model['weights_sha256'][:16]}…"),
        ]
    rows += [
        ("Data", f"{data['name']}: {sizes}"),
        ("Made", f"{run.asked['created']}, featgeom {run.asked['versions']['featgeom']}"),
    ]
    return rows


def command(run: Run) -> str:
    """The command that makes this run again; none where it was made from objects in memory."""
    from shlex import join

    if not run.asked["command"]:
        return ""
    return join(["featgeom", "analyze", *run.asked["command"], "-o", run.folder.name])


def _resource(name: str) -> str:
    return files("featgeom.report").joinpath(name).read_text("utf-8")


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_resource("report.html"))
