"""Commands with few descriptors, short files, small disks: done, or refused with nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import featgeom as fg

from ..faults.conftest import write_arrays
from ..faults.processes import featgeom, small_disk
from .trials import Trial, unsound

COMMANDS = ("verify", "report", "collapse", "overview", "analyze")


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """A limit drawn at random, a command, and a look at what is left."""
    rng = np.random.default_rng(seed)
    arrays = write_arrays(place / "f.npz")
    whole = fg.analyze(arrays, out=place / "whole", studies="overview,collapse").folder
    for number in range(count):
        kind = ("few descriptors", "short files", "small disk")[number % 3]
        command = str(rng.choice(COMMANDS))
        limits: dict[str, int] = {}
        with ExitStack() as stack:
            folder = place / f"trial{number}"
            if kind == "few descriptors":
                limits["NOFILE"] = int(rng.integers(6, 30))  # with fewer Python itself does not start
            elif kind == "short files":
                limits["FSIZE"] = int(10 ** rng.uniform(0, 6))
            else:
                used = (
                    0
                    if command == "analyze"
                    else sum(4 * -(-p.stat().st_size // 4096) for p in whole.rglob("*"))
                )
                try:
                    stack.enter_context(small_disk(folder, used + int(rng.integers(8, 400))))
                except PermissionError:
                    yield Trial(kind, "not tried: mounting takes root")
                    continue
            folder.mkdir(exist_ok=True)
            yield tried(kind, command, arrays, whole, folder / "run", limits)
        shutil.rmtree(folder)


def tried(kind: str, command: str, arrays: Path, whole: Path, run: Path, limits: dict[str, int]) -> Trial:
    """One command under a limit."""
    words = [command, str(run)]
    if command == "analyze":
        words = ["analyze", str(arrays), "-o", str(run), "--studies", "overview,collapse"]
    else:
        shutil.copytree(whole, run)
    done = featgeom([*words, "--quiet"], limits)
    what = f"{command} with {limits or 'a small disk'}"
    wrong = unsound(done.status, done.err)
    if wrong or done.status == 1:
        return Trial(kind, "unsound", f"{what}: {wrong or 'status 1'}")
    left = [path for path in run.rglob(".*") if path.name != ".lock"]
    if left:
        return Trial(kind, "left over", f"{what}: {left[0]}")
    begun = (
        command == "analyze" and done.status
    )  # what is not yet in the index is made when it is given again
    if begun and kind == "small disk":
        subprocess.run(["mount", "-o", "remount,size=40m", str(run.parent)], check=True)
    if begun and (again := featgeom([*words, "--quiet"])).status:
        return Trial(kind, "stuck", f"{what}: given again: {again.err[-300:]}")
    if (run / "index.json").exists() and (damages := fg.open_run(run).damages()):
        return Trial(kind, "damaged", f"{what}: {damages[0]}")
    if command != "analyze" and done.status and featgeom(["verify", run, "--quiet"]).status not in (0, 1):
        return Trial(kind, "damaged", f"{what}: cannot be verified after it")
    return Trial(kind, "done" if done.status == 0 else "refused in a line")
