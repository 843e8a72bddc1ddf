"""Run folders damaged at random: named and refused, or no damage at all; never used in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import featgeom as fg

from ..faults.conftest import write_arrays
from ..faults.damage import KINDS
from .trials import Trial, called, unsound

STUDIES = "overview,hulls,collapse"
MADE_AGAIN = ("report.html", "figures/")


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Damage, ask for the report and the verification of what is left."""
    rng = np.random.default_rng(seed)
    whole, other = (
        fg.analyze(write_arrays(place / f"{n}.npz", seed=n), out=place / f"run{n}", studies=STUDIES).folder
        for n in (11, 12)
    )
    files = [str(p.relative_to(whole)) for p in sorted(whole.rglob("*")) if p.is_file() and p.name != ".lock"]
    for number in range(count):
        run = Path(shutil.copytree(whole, place / "broken"))
        kind = [*KINDS, "deleted", "of another run", "several"][number % (len(KINDS) + 3)]
        broken = [str(f) for f in rng.choice(files, 3 if kind == "several" else 1, replace=False)]
        for file in broken:
            damage(run, other, file, str(rng.choice(list(KINDS))) if kind == "several" else kind, rng)
        yield judged(kind, whole, run, broken)
        shutil.rmtree(run)


def damage(run: Path, other: Path, file: str, kind: str, rng: np.random.Generator) -> None:
    """Change one file of a run."""
    path = run / file
    if kind == "deleted":
        path.unlink()
    elif kind == "of another run":
        path.write_bytes((other / file).read_bytes())
    else:
        path.write_bytes(KINDS[kind](path.read_bytes(), rng))


def judged(kind: str, whole: Path, run: Path, broken: list[str]) -> Trial:
    """What verify and report make of a folder of which these files were changed."""
    changed = [file for file in broken if not same(whole / file, run / file)]
    said = {word: called([word, str(run), "--quiet"]) for word in ("verify", "report")}
    for word, (status, out, err) in said.items():
        wrong = unsound(status, err)
        if wrong:
            return Trial(kind, "unsound", f"{word} with {broken} changed: {wrong}")
        if "internal error" in out:
            return Trial(kind, "unsound", f"{word} with {broken} changed: {out[-300:]}")
    verified, reported = said["verify"][0], said["report"][0]
    if not changed:
        return Trial(kind, "without effect" if (verified, reported) == (0, 0) else "refused")
    if verified == 0:
        return Trial(kind, "silent", f"verify says 0 with {changed} changed")
    if all(file.startswith(MADE_AGAIN) for file in changed):
        if reported != 0 or called(["verify", str(run), "--quiet"])[0] != 0:
            return Trial(kind, "unmended", f"report does not mend {changed}")
        return Trial(kind, "named, then made again")
    if reported == 0:
        return Trial(kind, "silent", f"report says 0 with {changed} changed")
    return Trial(kind, "refused by name" if named(said, run, changed) else "refused")


def named(said: dict[str, tuple[int, str, str]], run: Path, changed: list[str]) -> bool:
    """Whether one of the changed files is named."""
    return any(str(run / file) in "".join(map(str, answer)) for answer in said.values() for file in changed)


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same, as documents where they are such."""
    if not other.exists():
        return False
    if one.name == "index.json":
        try:
            return bool(json.loads(one.read_bytes()) == json.loads(other.read_bytes()))
        except (ValueError, RecursionError):
            return False
    return one.read_bytes() == other.read_bytes()
