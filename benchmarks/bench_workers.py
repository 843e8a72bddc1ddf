"""Studies and verification by workers of this machine beside one process: wall and processor time.

    python benchmarks/bench_workers.py [--workers 1,2] [--classes 100] [--dimension 64] [--studies ...]

A run is one of `thousand.py`. Each row is a study, its claims stored, in a process that has done it once
before; that workers start, import and compile is not counted, and they have one thread each. The overhead is
what the process that asks and its workers take of the processor, beside one process alone. Where others use
the machine too, that says more than the wall.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from thousand import arrays_of_a_run

import featgeom as fg
from featgeom.runs.making import arrays_run
from featgeom.threads import set_threads
from featgeom.workers import _clients, in_use

STUDIES = ("overview", "hulls", "regions", "boundaries", "svm")
Took = tuple[float, float, float]  # wall, processor of this process, processor of its workers


def of_workers() -> float:
    """Processor seconds that all workers have taken so far."""
    return sum(_clients[-1].run(time.process_time).values()) if in_use() else 0.0


def took(work: Callable[[], Any]) -> Took:
    """What a piece of work takes."""
    wall, mine, theirs = time.perf_counter(), time.process_time(), of_workers()
    work()
    return time.perf_counter() - wall, time.process_time() - mine, of_workers() - theirs


def measured(folder: Path, studies: list[str]) -> dict[str, Took]:
    """Every study, and the verification of them all, at their second time."""
    found = {}
    for _ in range(2):
        for study in studies:
            found[study] = took(lambda study=study: fg.open_run(folder).study(study))  # type: ignore[misc]
        found["verify"] = took(lambda: fg.open_run(folder).verify())
    return found


def main() -> None:
    """One process, then so many workers each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--studies", nargs="+", default=list(STUDIES))
    for name, value in (("classes", 100), ("dimension", 64), ("train", 50), ("test", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    set_threads(1)
    with tempfile.TemporaryDirectory() as place:
        file, folder = Path(place) / "features.npz", Path(place) / "run"
        np.savez(file, **arrays_of_a_run(asked.classes, asked.dimension, asked.train, asked.test))
        arrays_run(folder, file)
        alone = measured(folder, asked.studies)
        for study, (wall, mine, _) in alone.items():
            print(f"{study:<12} one process: {wall:6.1f} s on the wall, {mine:6.1f} s of the processor")
        for count in map(int, asked.workers.split(",")):
            set_threads(count)  # one for each
            with fg.cluster(workers=count):
                found = measured(folder, asked.studies)
            for study, (wall, mine, theirs) in found.items():
                share, more = wall / alone[study][0], (mine + theirs) / alone[study][1] - 1
                print(
                    f"{study:<12} {count} workers: {wall:6.1f} s on the wall, {share:4.2f} of one process; "
                    f"processor {mine:6.1f} s here, {theirs:6.1f} s there, {more:+.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
