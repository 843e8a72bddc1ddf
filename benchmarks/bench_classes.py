"""Every study of feature space as the classes grow, beside one pass, with the slope on log scales.

    python benchmarks/bench_classes.py [--classes 10 30 100 300 1000] [--studies overview ...] [--verify]
        [--dimension D] [--test 5] [--report]

Runs are those of `thousand.py`: 50 training and 5 test samples of each class (``--test`` takes others), in 64
dimensions up to 100 classes and in 512 at 1,000; with ``--dimension`` in so many at all sizes, so that
samples alone grow with the classes. A pass is one float32 product of all features with the head's weights and
one read of them. Each study is timed with its claims stored, in a process that has imported everything;
``--verify`` adds the check of the whole run. Rows are processor time, which says more than the wall where
others use the machine too; both are printed as they are found, and the most memory resident meanwhile, with
the interpreter, its libraries and what earlier studies left to it. The slope is that of the time between the
last two sizes.
``--report`` adds the making of the report, whose size is printed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from on_disk import figures
from support import clocked
from thousand import arrays_of_a_run

from featgeom import open_run
from featgeom.runs.making import arrays_run

STUDIES = ("overview", "hulls", "regions", "boundaries", "svm", "collapse")


def dimension_of(classes: int) -> int:
    """64 dimensions for few classes, 512 for a thousand."""
    return int(np.clip(2 ** np.round(np.log2(classes / 2)), 64, 512))


def one_pass(arrays: dict[str, np.ndarray]) -> float:
    """Processor seconds of a float32 product of all features with the head's weights, and of one read."""
    parts = [arrays[f"features_{split}"] for split in ("train", "test")]
    weight = arrays["weight"].T.copy()
    product = clocked(lambda: [part @ weight for part in parts], 3)[2]
    return product + clocked(lambda: [part.max() for part in parts], 3)[2]


def found_of(classes: int, asked: argparse.Namespace) -> tuple[float, dict[str, tuple[float, float]]]:
    """The pass, and seconds and MiB of every study of one run."""
    arrays = arrays_of_a_run(classes, asked.dimension or dimension_of(classes), 50, asked.test)
    found: dict[str, tuple[float, float]] = {}

    def measured(name: str, work: Callable[[], Any]) -> Any:
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is from here on
        result, wall, seconds = clocked(work)
        held = figures("/proc/self/status", "VmHWM") / 1024
        found[name] = seconds, held
        print(
            f"  {classes:5,d} classes: {name} {seconds:.1f} s, {wall:.1f} s on the wall, {held:,.0f} MiB",
            flush=True,
        )
        return result

    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "features.npz", **arrays)
        run = open_run(arrays_run(Path(folder) / "run", Path(folder) / "features.npz").folder)
        for study in asked.studies:
            measured(study, partial(run.study, study))
        if asked.verify:
            print(f"  holds: {measured('verify', run.verify).holds}", flush=True)
        if asked.report:
            size = Path(measured("report", run.report)).stat().st_size
            print(f"  the report has {size / 1e6:.1f} MB", flush=True)
    return one_pass(arrays), found


def main() -> None:
    """Print one row a study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument("--studies", nargs="+", default=list(STUDIES))
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--dimension", type=int)
    parser.add_argument("--test", type=int, default=5)
    asked = parser.parse_args()
    found_of(10, asked)  # everything is imported and compiled
    passes, studies = zip(*(found_of(c, asked) for c in asked.classes), strict=True)
    print("study       " + "".join(f"{c:>10,d}" for c in asked.classes) + "   slope   passes")
    for study in studies[0]:
        row = [found[study][0] for found in studies]
        slope = (
            np.log(row[-1] / row[-2]) / np.log(asked.classes[-1] / asked.classes[-2]) if row[1:] else np.nan
        )
        shown = "".join(f"{value:>10.2f}" for value in row)
        print(f"{study:<12}{shown}{slope:>8.2f}{row[-1] / passes[-1]:>9,.0f}")
        print("    MiB     " + "".join(f"{found[study][1]:>10,.0f}" for found in studies))
    print("pass        " + "".join(f"{value:>10.4f}" for value in passes))


if __name__ == "__main__":
    main()
