"""The main job end to end against its feature extraction alone: `featgeom analyze` beside `featgeom extract`.

    python benchmarks/bench_analyze.py [--pairs N] [--studies all] [--only ResNet]

Both are timed as whole processes, in turn, into fresh folders; the ratio is taken pair by pair, on the wall
and in processor time, which says more where others use the machine too. With
FEATGEOM_DATA set, CIFAR-10 with ResNet-20 and MNIST with LeNet-5 are measured, else the built-in digits
network alone (there the ratio says little: extraction takes milliseconds, starting up takes seconds).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REACH = {"overview": 1.5, "all": 2.0}


def jobs() -> dict[str, list[str]]:
    """What to analyse, by name."""
    found = {"digits": ["digits", "digits"]}
    data = os.environ.get("FEATGEOM_DATA")
    if data:
        checkpoints = Path(data) / "checkpoints"
        lenet = f"{checkpoints / 'architectures.py'}:lenet5"
        found["LeNet-5 on MNIST"] = [
            str(checkpoints / "lenet5_clean.safetensors"), f"mnist:{data}/mnist", "--arch", lenet,
        ]  # fmt: skip
        found["ResNet-20 on CIFAR-10"] = [
            str(checkpoints / "resnet20-12fca82f.th"), f"cifar10:{data}/cifar10", "--arch", "cifar_resnet20",
        ]  # fmt: skip
    return found


def seconds(command: str, words: list[str], folder: str) -> tuple[float, float]:
    """Time of one whole process, on the wall and of the processor."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [sys.executable, "-m", "featgeom_cli", command, *words, "-o", folder, "--quiet"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, spent


def main() -> None:
    """Time every job and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3, help="how often each is timed")
    parser.add_argument("--studies", default="overview")
    parser.add_argument("--only", default="", help="jobs whose name begins so")
    asked = parser.parse_args()
    print(f"reach ≤ {REACH.get(asked.studies, '?')}")
    print(f"{'job':<24}{'time':<12}{'extract [s]':>12}{'analyze [s]':>12}{'ratio':>8}")
    for name, words in jobs().items():
        if not name.startswith(asked.only):
            continue
        extracts, analyses = [], []
        for _ in range(asked.pairs):
            with tempfile.TemporaryDirectory() as folder:
                extracts.append(seconds("extract", words, f"{folder}/extract"))
                analyses.append(seconds("analyze", [*words, "--studies", asked.studies], f"{folder}/all"))
        for clock, mine, all_ in zip(("wall", "processor"), zip(*extracts), zip(*analyses), strict=True):
            ratio = statistics.median(a / e for a, e in zip(all_, mine, strict=True))
            few, many = statistics.median(mine), statistics.median(all_)
            print(f"{name:<24}{clock:<12}{few:>12.1f}{many:>12.1f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
