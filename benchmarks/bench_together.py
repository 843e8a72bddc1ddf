"""Two copies of one analysis side by side, beside one alone: what sharing a machine costs.

    python benchmarks/bench_together.py [--copies 2] [--classes 30] [--studies overview,hulls,regions]

Every copy is a process that chooses its threads by the load that it finds, as `featgeom` does of itself; with
``--threads`` it is told. Wanted of two copies is 2.5 times the time of one, or less. A machine that is busy
with other work says little: the load before each measurement is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from thousand import arrays_of_a_run


def seconds_of(copies: int, file: Path, folder: Path, words: list[str]) -> float:
    """Seconds until the last of some analyses that began together has ended."""
    command = [sys.executable, "-m", "featgeom_cli", "analyze", str(file), "--quiet", *words]
    start = time.perf_counter()
    running = [
        subprocess.Popen([*command, "-o", str(folder / f"{copies}-{i}")], stdout=subprocess.DEVNULL)
        for i in range(copies)
    ]
    statuses = [one.wait() for one in running]
    if any(statuses):
        raise SystemExit("an analysis failed")
    return time.perf_counter() - start


def main() -> None:
    """Print the time of one, of all, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--classes", type=int, default=30)
    parser.add_argument("--studies", default="overview,hulls,regions")
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    words = ["--studies", asked.studies]
    words += ["--threads", str(asked.threads)] if asked.threads else []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "features.npz"
        np.savez(file, **arrays_of_a_run(asked.classes, 64, 50, 5))
        seconds_of(1, file, Path(place) / "first", words)  # everything is compiled
        found = {}
        for copies in (1, asked.copies):
            load = os.getloadavg()[0]
            found[copies] = seconds_of(copies, file, Path(place), words)
            print(f"{copies} at a time: {found[copies]:.1f} s (load before: {load:.1f})", flush=True)
    print(f"ratio: {found[asked.copies] / found[1]:.2f}")


if __name__ == "__main__":
    main()
