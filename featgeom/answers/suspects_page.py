"""The page of suspects, to be gone through by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featgeom.answers.explain_page import shown_pixels
from featgeom.answers.suspecting import Suspects
from featgeom.report.between import address
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.runs.record import Table, shown

if TYPE_CHECKING:
    from featgeom.runs.run import Run


def suspects_page(run: Run, found: Suspects, removals: Table | None = None) -> str:
    """One self-contained page, with the samples whose removal separates hulls where they are given."""
    script = resource("suspects.js", "featgeom.answers")

    def image(split: str, row: int) -> str | None:
        known = found.images[split]
        return None if known is None else address(shown_pixels(run, known.images[row])[None])

    names = [column.name for column in found.table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in found.table.rows]
    cards = [
        {
            "sample": row["sample"], "label": row["label"], "suggested": row["suggested"],
            "reasons": row["reasons"], "image": image(row["split"], row["row"]),
            "score": shown(row["score"]), "margin": shown(row["label margin"]),
            "file": row.get("image", ""), "ratio": shown(row["hull ratio"]),
            "other": f"{row['other neighbours']:.0%}",
        }
        for row in rows
    ]  # fmt: skip
    return filled(
        resource("suspects.html", "featgeom.answers"),
        title=f"{run.asked['model']['name']} on {run.asked['data']['name']}",
        note=found.table.note,
        style=resource("report.css"),
        policy=content_policy([script]),
        script=script,
        suspects=cards,
        classes=run.classes,
        removals=removals,
    )
