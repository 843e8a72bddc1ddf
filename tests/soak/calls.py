"""Calls that no command should take: one line, status 2, nothing written."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import featgeom as fg

from ..faults.conftest import write_arrays
from ..faults.wrong_use import calls
from .trials import Trial, called, unsound


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Give each call in an empty folder, and look at all that it could have touched."""
    places = prepared(place)
    work = place / "work"
    work.mkdir()
    known = list(calls())
    order = random.Random(seed).sample(known, min(count, len(known)))
    before, here = snapshot(place), Path.cwd()
    os.chdir(work)
    try:
        for words, _ in order:
            status, out, err = called([word.format_map(places) for word in words])
            kind = next((word for word in words if not word.startswith("-")), "no command")
            wrong = unsound(status, err) or (
                f"status {status}, said {out[:80]!r}" if status != 2 or out else ""
            )
            if not wrong and snapshot(place) != before:
                wrong = "something was written"
                before = snapshot(place)
            yield Trial(kind, "one line", f"featgeom {' '.join(words)}: {wrong}" if wrong else "")
    finally:
        os.chdir(here)


def prepared(place: Path) -> dict[str, Path]:
    """What the calls name: a run, arrays, an empty folder, a foreign one, a file, and nothing."""
    arrays = write_arrays(place / "f.npz")
    run = fg.analyze(arrays, out=place / "run", studies="overview,collapse").folder
    (place / "empty").mkdir()
    (place / "foreign").mkdir()
    (place / "foreign/thesis.tex").write_text("years of work")
    (place / "file.txt").write_text("notes\n" * 9)
    return {
        "run": run, "arrays": arrays, "empty": place / "empty", "foreign": place / "foreign",
        "file": place / "file.txt", "out": place / "out",
    }  # fmt: skip


def snapshot(place: Path) -> dict[Path, int | None]:
    """Every file, with the time of its last change."""
    files = [p for p in place.rglob("*") if p.name not in (".lock", ".owner")]
    return {p: p.stat().st_mtime_ns if p.is_file() else None for p in files}
