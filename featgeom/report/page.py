"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.catalog import STUDIES
from featgeom.errors import BadArgument, BadData
from featgeom.locks import owned
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.report.view import scene_document, scripts_of, view_element, view_style
from featgeom.runs.commit import PATIENCE, commit
from featgeom.runs.record import STANDINGS, Record, is_number

if TYPE_CHECKING:
    from featgeom.runs.run import Run

ROWS_SHOWN = 2_000  # longer tables are cut in the page, which says where the rest is
ROWS_OPEN = 20  # longer tables are closed at first


def write_report(run: Run) -> Path:
    """Write RUN/report.html from the stored records, and the pictures it holds to RUN/figures.

    Raises BadData where the run has no results yet.
    """
    pictures: dict[str, bytes] = {}
    with owned(run.folder, PATIENCE):  # who comes later shows what came before
        contents = {"report.html": report_page(run, pictures).encode()}
        commit(run.folder, "report", contents | pictures)
    return run.folder / "report.html"


def report_page(run: Run, pictures: dict[str, bytes]) -> str:
    """The page; the pictures it holds go into ``pictures`` as SVG files, by their path in the run."""
    for split in run.splits:
        run.features(split)  # a page says nothing of features that are damaged
    records = run.results
    if not records:
        raise BadData(f"{run.folder}: has no results yet; `featgeom analyze` makes them")
    sections = [section(record, drawn(run, record, pictures)) for record in ordered(records)]
    return page_of(run, sections, three_dimensions(run), run.folder.resolve().name, run.digest)


def page_of(
    run: Run, sections: Sequence[Mapping[str, Any]], view: Mapping[str, str], name: str, digest: str
) -> str:
    """The page of some sections and a view, of a run of that name when it had that digest."""
    found = Counter(finding.standing for part in sections for finding in part["record"].findings)
    return filled(
        resource("report.html"),
        run=run.asked,
        name=name,
        digest=digest,
        facts=facts(run),
        command=command(run, name),
        sections=sections,
        standings=[(word, meaning, found[word]) for word, meaning in STANDINGS.items()],
        statements=statements(run),
        style=resource("report.css") + view_style(),
        view=view,
        script=resource("report_tables.js"),
        long=ROWS_OPEN,
        policy=content_policy([*scripts_of(), resource("report_tables.js")]),
    )


def three_dimensions(run: Run) -> dict[str, str]:
    """The 3-D picture of the run, as an element of the page, or why there is none."""
    from featgeom.figures.scene_of import scene_of_run

    try:
        scene = scene_of_run(run, "decision")
    except (BadArgument, BadData) as error:
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
    return sum(run.statements(study) for study in run.studies)


def drawn(run: Run, record: Record, files: dict[str, bytes]) -> list[dict[str, Any]]:
    """The pictures of one record, which go into ``files`` as well."""
    from featgeom.figures.style import svg

    pictures = []
    for drawing in STUDIES[record.study].drawings(record, run.classes):
        text = svg(drawing.figure)
        files[f"figures/{drawing.name}.svg"] = text.encode()
        inches = drawing.figure.get_figwidth()
        pictures.append({"name": drawing.name, "caption": drawing.caption, "svg": text, "inches": inches})
    return pictures


def section(record: Record, pictures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the template needs of one record."""
    tables = [
        {
            "table": table,
            "cells": table.cells()[:ROWS_SHOWN],
            "left_out": max(0, len(table.rows) - ROWS_SHOWN),
            "numeric": [all(is_number(row[j]) for row in table.rows) for j in range(len(table.columns))],
        }
        for table in record.tables
    ]
    question = STUDIES[record.study].question
    return {"record": record, "question": question, "tables": tables, "pictures": pictures}


def facts(run: Run) -> list[tuple[str, str]]:
    """What was asked, as label and text."""
    model, data = run.asked["model"], run.asked["data"]
    sizes = ", ".join(f"{split} {part['samples']:,}" for split, part in data["splits"].items())
    rows = [("Head", f"{model['dimension']:,} features → {len(model['classes']):,} classes")]
    if "weights_sha256" in model:
        rows[:0] = [("Network", f"{model['name']} ({model['arch']})")]
        rows += [
            *(("Note", note) for note in model.get("notes", ())),
            (
                "Self-check",
                f"largest |W·φ(x) + b − logits| on a batch: {model['residual']:.2g}{_decisions(run)}",
            ),
            ("Weights", f"sha256 {model['weights_sha256'][:16]}…"),
        ]
    rows += [
        ("Data", f"{data['name']}: {sizes}"),
        *([("Classes", f"matched {data['matched']}")] if "matched" in data else []),
        *(("Said", line) for line in run.asked.get("said", ())),
        ("Made", f"{run.asked['created']}, featgeom {run.asked['versions']['featgeom']}"),
    ]
    return rows


def _decisions(run: Run) -> str:
    """How head and network decide, over all samples."""
    parts = [run.features(split) for split in run.splits]
    others, count = sum(part.disagreements for part in parts), sum(len(part) for part in parts)
    if others:
        return f"; head and network choose another class on {others:,} of {count:,} samples"
    return f"; the same class on all of {count:,} samples"


def command(run: Run, name: str) -> str:
    """The command that makes this run again; none where it was made from objects in memory."""
    from shlex import join

    if not run.asked["command"]:
        return ""
    return join(["featgeom", "analyze", *run.asked["command"], "-o", name])
