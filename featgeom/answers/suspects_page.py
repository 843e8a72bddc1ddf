"""The page of suspects, to be gone through by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from featgeom.answers.explain_page import shown_pixels
from featgeom.answers.suspecting import Suspects
from featgeom.report.between import address
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.runs.record import Table, shown

if TYPE_CHECKING:
    from featgeom.runs.run import Run


PAIRS_SHOWN = 200


def suspects_page(run: Run, found: Suspects, removals: Table | None = None) -> str:
    """One self-contained page, with the samples whose removal separates hulls where they are given."""
    script = resource("suspects.js", "featgeom.answers")
    picture = _pictures(run, found)
    rows = found.table.to_dicts()
    cards = [
        {
            "sample": row["sample"], "label": row["label"], "suggested": row["suggested"],
            "reasons": row["reasons"], "image": picture(row["sample"]),
            "score": shown(row["score"]), "margin": shown(row["label margin"]),
            "file": row.get("image", ""), "ratio": shown(row["hull ratio"]),
            "other": f"{row['other neighbours']:.0%}", "out": f"{row['as far out']:.1%}",
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
        pairs=_pairs(found.duplicates.table, picture),
        duplicates=found.duplicates,
        classes=run.classes,
        removals=removals,
    )


def _pictures(run: Run, found: Suspects) -> Callable[[str], str | None]:
    """What gives the address of the picture of a sample (SPLIT:ROW); None where images are not found."""

    @cache
    def picture(sample: str) -> str | None:
        split, _, row = sample.rpartition(":")
        known = found.images[split]
        return None if known is None else address(shown_pixels(run, known.images[int(row)])[None])

    return picture


def _pairs(table: Table, picture: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """The first pairs of duplicates, as a page shows them."""
    return [
        {
            "samples": [
                {
                    "name": row[name], "label": row[f"label {name}"], "file": row.get(f"image {name}", ""),
                    "image": picture(row[name]),
                }
                for name in "AB"
            ],
            "distance": shown(row["cosine distance"]),
            "same": shown(row["same pixels"]),
            "pixels": shown(row.get("pixels apart")),
            "labels": _labels(row["label A"], row["label B"]),
        }
        for row in table.to_dicts()[:PAIRS_SHOWN]
    ]  # fmt: skip


def _labels(a: str, b: str) -> str:
    return ("same" if a == b else "differ") if a and b else "–"
