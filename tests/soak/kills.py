"""Long commands killed at a random moment and given again: the end is as if undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import featgeom as fg

from ..faults.conftest import write_arrays
from ..faults.processes import FEATGEOM, featgeom
from .trials import Trial

VOLATILE = {"seconds", "since", "time", "created", "date"}


def commands(place: Path) -> dict[str, tuple[list[str], Path | None]]:
    """Words of each long command, {out} where it writes, and the run that it begins from, if any."""
    arrays = str(write_arrays(place / "f.npz"))
    run = fg.analyze(arrays, out=place / "run", studies="overview,collapse").folder
    return {
        "train": (["train", "digits", "--steps", "300", "-o", "{out}"], None),
        "extract": (["extract", "digits", "digits", "-o", "{out}"], None),
        "analyze": (["analyze", arrays, "--studies", "overview,hulls", "-o", "{out}"], None),
        "hulls": (["hulls", "{out}"], run),
        "svm": (["svm", "{out}"], run),
        "report": (["report", "{out}", "--paper"], run),
    }


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Kill, look at what is left, resume, compare with what an undisturbed process left."""
    rng = np.random.default_rng(seed)
    known = commands(place)
    expected: dict[str, tuple[float, dict[str, Any]]] = {}
    for number in range(count):
        name = list(known)[number % len(known)]
        words, run = known[name]
        if name not in expected:
            out, begun = prepared(place / "whole" / name, run), time.monotonic()
            done = featgeom([word.format(out=out) for word in words])
            assert done.status == 0, done.err
            expected[name] = time.monotonic() - begun, contents(out)
        yield tried(name, words, prepared(place / "killed", run), expected[name], rng)
        shutil.rmtree(place / "killed", ignore_errors=True)


def prepared(out: Path, run: Path | None) -> Path:
    """The folder that a command writes into, as it is before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if run is not None:
        shutil.copytree(run, out)
    return out


def tried(
    name: str, words: list[str], out: Path, expected: tuple[float, dict[str, Any]], rng: np.random.Generator
) -> Trial:
    """One kill."""
    filled = [word.format(out=out) for word in words]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*FEATGEOM, *filled], stdout=quiet, stderr=quiet, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    time.sleep(float(rng.uniform(0.3, 1.0)) * expected[0])
    process.kill()
    ended = process.wait() == 0
    if (out / "index.json").exists():
        left = [line for line in fg.open_run(out).damages() if "missing" not in line]
        if left:
            return Trial(name, "damaged", f"after the kill: {left[0]}")
    done = featgeom(filled)
    if done.status != 0:
        return Trial(name, "stuck", f"resumed: {done.err[-300:]}")
    differ = differences(contents(out), expected[1])
    if differ:
        return Trial(name, "differs", f"{differ[:5]}")
    return Trial(name, "had ended, equal" if ended else "resumed, equal")


def contents(folder: Path) -> dict[str, Any]:
    """All files; documents without times, and what stands for all of a run's other files left out."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or any(part.startswith(".") for part in Path(name).parts):
            continue
        if name in ("index.json", "report.html"):
            found[name] = True
        elif path.suffix == ".json":
            found[name] = steady(json.loads(path.read_bytes()))
        else:
            found[name] = path.read_bytes()
    return found


def steady(value: Any) -> Any:
    """A document without what depends on the clock."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in VOLATILE}
    return [steady(one) for one in value] if isinstance(value, list) else value


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The files that are not the same."""
    absent = object()
    return sorted(n for n in {*one, *other} if one.get(n, absent) != other.get(n, absent))
