"""Whether the page of a report is, byte for byte, the one that is made of the results of its run."""

from __future__ import annotations

import json
import re
import time
from html import unescape
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from featgeom.errors import BadData
from featgeom.proofs.checking import fallen
from featgeom.report.drawings import drawing_fault
from featgeom.report.page import ordered, page_of, section, three_dimensions
from featgeom.report.view import view_markup
from featgeom.runs.checks import Check

if TYPE_CHECKING:
    from featgeom.runs.run import Run

DIGEST = re.compile(r'<meta name="featgeom-run" content="([^"]*)">')
TITLE = re.compile(r"<title>([^<]*) · featgeom</title>")
SCENE = re.compile(r'<script type="application/json" id="view-scene">([^<]*)</script>')
PART = re.compile(
    r'<section id="(?P<section>[^"]*)">'
    r'|<figure id="(?P<name>[^"]*)" style="--wide: (?P<inches>\d+(?:\.\d+)?)in">\n'
    r'<div class="canvas">(?P<svg>.*?)</div>\n<figcaption>(?P<caption>[^<]*)</figcaption>',
    re.DOTALL,
)
BEFORE, AT_MOST = 40, 160  # letters of a line that are told: before a difference, and altogether


class Taken:
    """What a page says that comes from elsewhere than results, and goes into the page it is compared with.

    That is the digest, the ``name`` of the run, the scene of the picture in three dimensions, and of each
    section the ``pictures`` with their captions. All else of the page is compared.
    """

    def __init__(self, page: str) -> None:
        self.digest, name, self.scene = (_first(pattern, page) for pattern in (DIGEST, TITLE, SCENE))
        self.name = unescape(name)
        self.pictures: dict[str, list[dict[str, str]]] = {}
        mine: list[dict[str, str]] = []
        for part in PART.finditer(page):
            if part["section"] is not None:
                mine = self.pictures.setdefault(unescape(part["section"]), [])
            else:
                words = {key: unescape(part[key]) for key in ("name", "inches", "caption")}
                mine.append(words | {"svg": part["svg"]})

    @property
    def notes(self) -> list[str]:
        """What the scene says of itself in words."""
        try:
            return [str(note) for note in json.loads(self.scene)["notes"]]
        except (ValueError, KeyError, TypeError):
            return []


def check_report(run: Run) -> list[Check]:
    """Whether the report of a run, if there is one, shows what its results say."""
    path = Path(run.folder) / "report.html"
    if not path.exists():
        return []
    start = time.perf_counter()
    try:
        fault = _fault(run, path.read_bytes().decode("utf-8", errors="replace"))
    except BadData:
        fault = "cannot be held against results that are damaged"
    if fault:
        return [fallen("report", "report.html", "report", f"{fault}; `featgeom report RUN` makes it again")]
    return [Check("report", "report.html", "report", "", {"PROVED": 1}, (), time.perf_counter() - start)]


def _fault(run: Run, page: str) -> str:
    """What the page shows that the one made of the results would not, or the other way round."""
    taken = Taken(page)
    for pictures in taken.pictures.values():
        for picture in pictures:
            if fault := drawing_fault(picture["svg"].removesuffix("\n")):
                return f"shows '{fault[:AT_MOST]}' in picture {picture['name']}, which no drawing holds"
    made = _made_again(run, taken)
    if page != made:
        return _difference(page.splitlines(), made.splitlines()) or "has other line ends than its results"
    return "" if taken.digest == run.digest else "was made of other results or claims"


def _made_again(run: Run, taken: Taken) -> str:
    """The page of the results, with what was taken of the one stored."""
    sections = [section(record, taken.pictures.get(record.study, [])) for record in ordered(run.results)]
    scene: Any = SimpleNamespace(notes=taken.notes)
    view = {"picture": view_markup(scene, taken.scene), "why": ""} if taken.scene else three_dimensions(run)
    return page_of(run, sections, view, taken.name, taken.digest)


def _first(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    return found[1] if found else ""


def _difference(shown: list[str], said: list[str]) -> str:
    """The first line of one page that is not that of the other, from shortly before it differs."""
    for a, b in zip_longest(shown, said):
        if a != b:
            letters = zip_longest(a or "", b or "")
            start = max(0, next(i for i, (x, y) in enumerate(letters) if x != y) - BEFORE)
            return f"shows {_quoted(a, start)}, where the results say {_quoted(b, start)}"
    return ""


def _quoted(line: str | None, start: int) -> str:
    if line is None:
        return "nothing"
    rest = line[start:]
    return f"'{rest if len(rest) <= AT_MOST else rest[: AT_MOST - 3] + '...'}'"
