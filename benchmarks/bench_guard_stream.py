"""What `featgeom guard RUN IMAGES -o scores.csv` takes beside the extraction of the same images.

    python benchmarks/bench_guard_stream.py RUN [--count 10000] [--score hull]

The first ``--count`` images of the run's test part pass through its network alone, in the batches of the
stream, and then through network and guard into a file. Printed: seconds on the wall and of all processor
cores, and their ratios; the network with its guard less the network alone is what the guard costs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from support import clocked

import featgeom as fg
from featgeom.answers.asked import Asking
from featgeom.answers.stream import BATCH, Watch, write_scores


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--score", default="hull")
    asked = parser.parse_args()
    run = fg.open_run(asked.run)
    classifier = run.classifier()
    last = min(asked.count, len(run.features(run.question_split))) - 1
    images = Asking(run, classifier).images([f"{run.question_split}:0-{last}"])
    guard = fg.fit_guard(run, score=asked.score)
    watch = Watch(classifier, guard)

    def alone() -> int:
        parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        return sum(len(classifier.features(np.stack([one.load() for one in part]))) for part in parts)

    def guarded() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return len(write_scores(watch, images, Path(folder) / "scores.csv"))

    watch.rows(images[:BATCH])  # nothing is loaded while the clocks run
    rows, *network = clocked(alone)
    same, *both = clocked(guarded)
    print(f"{run.asked['model']['name']}: {rows:,} images, score {asked.score}, {same:,} rows")
    for name, one, two in zip(("on the wall", "of all cores"), network, both):
        print(f"seconds {name}: extraction {one:.1f}, with the guard {two:.1f}, {two / one:.2f} times")


if __name__ == "__main__":
    main()
