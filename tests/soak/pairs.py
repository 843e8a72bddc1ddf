"""Two processes on one run: both are done, or one is refused in a line; the run is whole after them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import featgeom as fg

from ..faults.conftest import write_arrays
from ..faults.processes import FEATGEOM, featgeom
from .trials import Trial, unsound

PAIRS = (
    ("collapse", "svm"), ("collapse", "collapse"), ("report", "collapse"), ("verify", "svm"),
    ("report", "report"),
    ("report --paper", "boundaries"), ("overview", "verify"), ("analyze", "analyze"), ("analyze", "report"),
)  # fmt: skip


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Start both, the second a moment later, and look at the run when both have ended."""
    rng = np.random.default_rng(seed)
    arrays = write_arrays(place / "f.npz")
    whole = fg.analyze(arrays, out=place / "whole", studies="overview,collapse").folder
    for number in range(count):
        pair = PAIRS[number % len(PAIRS)]
        run = place / "run"
        if pair != ("analyze", "analyze"):
            shutil.copytree(whole, run)
        yield tried(pair, arrays, run, float(rng.uniform(0, 1.0)))
        shutil.rmtree(run)


def tried(pair: tuple[str, str], arrays: Path, run: Path, later: float) -> Trial:
    """One pair."""
    kind = " and ".join(pair)
    started = []
    for name in pair:
        words = name.split()
        asked = [words[0], str(run), *words[1:]]
        if name == "analyze":
            asked = ["analyze", str(arrays), "-o", str(run), "--studies", "overview,collapse"]
        started.append(
            subprocess.Popen(
                [*FEATGEOM, *asked, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        )
        time.sleep(later)
    refused = 0
    for name, process in zip(pair, started, strict=True):
        err = process.communicate()[1]
        wrong = unsound(process.returncode, err)
        if not wrong and process.returncode == 2 and "is writing there" not in err:
            wrong = err
        if not wrong and process.returncode == 1 and name != "verify":
            wrong = "status 1"
        if wrong:
            return Trial(kind, "unsound", f"{name} ended with {process.returncode}: {wrong}")
        refused += process.returncode == 2
    left = fg.open_run(run).damages()
    if left:
        return Trial(kind, "damaged", left[0])
    if featgeom(["report", run, "--quiet"]).status != 0 or featgeom(["verify", run, "--quiet"]).status != 0:
        return Trial(kind, "unverified", "the run is not proved after both")
    return Trial(kind, "one refused by name, whole" if refused else "both done, whole")
