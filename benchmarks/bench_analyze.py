"""The main job end to end against its feature extraction alone: `featgeom analyze` beside `featgeom extract`.

    python benchmarks/bench_analyze.py [--pairs N]

Both are timed as whole processes, in turn, into fresh folders; the ratio is taken pair by pair. With
FEATGEOM_DATA set, CIFAR-10 with ResNet-20 and MNIST with LeNet-5 are measured, else the built-in digits
network alone (there the ratio says little: extraction takes milliseconds, starting up takes seconds).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REACH = 1.5


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


def seconds(command: str, words: list[str], folder: str) -> float:
    """Wall-clock time of one whole process."""
    started = time.perf_counter()
    line = [sys.executable, "-m", "featgeom_cli", command, *words, "-o", folder, "--quiet"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Time every job and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3, help="how often each is timed")
    pairs = parser.parse_args().pairs
    print(f"{'job':<24}{'extract [s]':>12}{'analyze [s]':>12}{'ratio':>8}   reach ≤ {REACH}")
    for name, words in jobs().items():
        extracts, analyses = [], []
        for _ in range(pairs):
            with tempfile.TemporaryDirectory() as folder:
                extracts.append(seconds("extract", words, f"{folder}/extract"))
                analyses.append(seconds("analyze", words, f"{folder}/analyze"))
        ratio = statistics.median(a / e for a, e in zip(analyses, extracts, strict=True))
        print(
            f"{name:<24}{statistics.median(extracts):>12.1f}{statistics.median(analyses):>12.1f}{ratio:>8.2f}"
        )


if __name__ == "__main__":
    main()
