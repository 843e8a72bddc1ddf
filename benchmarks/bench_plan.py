"""The prices by which `featgeom plan` predicts, fitted to measured runs; how far it is off on others.

    python benchmarks/bench_plan.py [--write] [--observed FILE.json] [--check N,Q,D,C ...]

Runs are those of `thousand.py`. Each study is made in a process of its own, on one thread, its claims stored;
measured are processor seconds, the most memory held, and beside them the speed of the core in that process.
With ``--write`` the prices go to where the package has them, where those of studies that are not among
``--studies`` stay as they are; ``--observed`` keeps what was measured in a
file, and what is there already is not measured again. Sizes under ``--check``, training and test samples of
each class, dimensions and classes, are measured as well, and left out of the fit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from thousand import arrays_of_a_run

from featgeom.planning.costs import COSTS, TERMS, Size, fit, predict, speed_here, stored_costs
from featgeom.threads import set_threads

SIZES = (  # training samples of a class, test samples of a class, dimensions, classes
    (100, 20, 16, 5), (50, 5, 32, 30), (400, 40, 64, 10), (50, 5, 64, 60), (50, 5, 128, 300),
    (4000, 400, 64, 10), (50, 5, 512, 1000),
)  # fmt: skip
MORE = {  # where wide machines of pairs weigh most, and where samples do, not questions
    "svm": ((1000, 100, 512, 10), (200, 20, 2048, 100)),
    **dict.fromkeys(("regions", "overview", "collapse"), ((1000, 2, 512, 100),)),
}


def measured(folder: Path, study: str) -> dict[str, float]:
    """One study of a run, made in this process."""
    from featgeom import open_run

    set_threads(1)
    run, speed = open_run(folder), speed_here()
    start = time.process_time()
    run.study(study)
    seconds = time.process_time() - start
    return {"seconds": seconds, "speed": speed, "memory": most_held()}


def most_held() -> float:
    """The most bytes that this program has held, and not, as `resource` tells, the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def observed(sizes: list[tuple[int, ...]], studies: list[str], kept: Path | None) -> list[dict[str, Any]]:
    """All studies of all sizes, each measured in a process of its own."""
    found: list[dict[str, Any]] = json.loads(kept.read_text()) if kept and kept.exists() else []
    for train, test, dimension, classes in sizes:
        size = vars(Size(train * classes, test * classes, dimension, classes))
        new = [s for s in studies if not any(one["size"] == size and one["study"] == s for one in found)]
        if not new:
            continue
        with tempfile.TemporaryDirectory() as place:
            file, run = Path(place) / "features.npz", Path(place) / "run"
            np.savez(file, **arrays_of_a_run(classes, dimension, train, test))
            from featgeom.runs.making import arrays_run

            arrays_run(run, file)
            for study in new:
                words = [sys.executable, __file__, "--one", str(run), study]
                told = subprocess.run(words, capture_output=True, text=True, check=True)
                found.append({"size": size, "study": study} | json.loads(told.stdout.splitlines()[-1]))
                print(f"  {size}, {study}: {found[-1]['seconds']:.1f} s", flush=True)
                if kept:
                    kept.write_text(json.dumps(found, indent=1))
    return found


def main() -> None:
    """Fit, and print how far predictions are off."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(Path(sys.argv[2]), sys.argv[3])))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--observed", type=Path)
    parser.add_argument("--check", nargs="*", default=[])
    parser.add_argument("--studies", nargs="+", default=list(TERMS))
    asked = parser.parse_args()
    checked = [tuple(int(n) for n in words.split(",")) for words in asked.check]
    every = observed([*SIZES, *checked], asked.studies, asked.observed)
    for study in set(MORE) & set(asked.studies):
        every += [one for one in observed([*MORE[study]], [study], asked.observed) if one not in every]
    every = [one for one in every if one["study"] in asked.studies]
    left_out = [vars(Size(a * c, b * c, d, c)) for a, b, d, c in checked]
    costs = fit([one for one in every if one["size"] not in left_out])
    print(
        "study        size                                       measured  predicted   ratio   memory ratio"
    )
    for one in every:
        (said,) = (c for c in predict(Size(**one["size"]), one["speed"], costs) if c.study == one["study"])
        size = ", ".join(f"{value:,}" for value in one["size"].values())
        print(
            f"{one['study']:<12} {size:<40} {one['seconds']:>8.1f} s {said.seconds:>8.1f} s"
            f"{said.seconds / one['seconds']:>8.2f}{said.memory / one['memory']:>12.2f}"
            f"{'   (left out)' if one['size'] in left_out else ''}"
        )
    if asked.write:
        costs.studies = stored_costs().studies | costs.studies
        COSTS.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1) + b"\n")


if __name__ == "__main__":
    main()
