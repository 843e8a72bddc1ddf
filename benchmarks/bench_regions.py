"""The adjacency graph of all cells in the orthant, beside one linear program for each pair of classes.

    python benchmarks/bench_regions.py [--largest C]

Sizes: C classes in d dimensions, heads with independent normal weights (and, where FEATGEOM_DATA is set, that
of ResNet-20 on CIFAR-10). The time of the graph includes the exact check of all its evidence; the linear
program (HiGHS) is timed on a few pairs and multiplied by their number.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from featgeom import AffineHead, Cells
from featgeom.regions.contest import contest

SIZES = ((10, 64), (100, 16), (100, 512), (1000, 2048))
TIMED_PAIRS = 3  # one alone where there are 1,000 classes


def heads(largest: int) -> dict[str, AffineHead]:
    """Heads to be measured, by name."""
    found = {}
    data = os.environ.get("FEATGEOM_DATA")
    if data:
        with np.load(Path(data) / "features" / "resnet20.npz") as arrays:
            found["ResNet-20"] = AffineHead(arrays["fc_weight"], arrays["fc_bias"])
    for classes, d in SIZES:
        if classes <= largest:
            rng = np.random.default_rng(0)
            weight = rng.standard_normal((classes, d)) / np.sqrt(d)
            bias = rng.standard_normal(classes) * 0.05
            found[f"normal {classes} x {d}"] = AffineHead(weight.astype(np.float32), bias)
    return found


def main() -> None:
    """Print one line a head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--largest", type=int, default=1000, help="most classes to try (default 1000)")
    largest = parser.parse_args().largest
    print(
        "head                 pairs    edges  non-edges  undecided  programs  graph [s]  all by LP [s]  ratio"
    )
    for name, head in heads(largest).items():
        cells = Cells(head, "orthant")
        start = time.perf_counter()
        graph = cells.adjacency()
        taken = time.perf_counter() - start
        pairs = head.classes * (head.classes - 1) // 2
        start = time.perf_counter()
        timed = 1 if head.classes >= 1000 else TIMED_PAIRS
        for j in range(1, 1 + timed):
            contest(head, cells.domain, 0, j)
        programs = (time.perf_counter() - start) / timed * pairs
        found = graph.graph
        print(
            f"{name:18s} {pairs:7,d}  {graph.number_of_edges():7,d}  {len(found['non_edges']):9,d}  "
            f"{len(found['undecided']):9,d}  {found['programs']:8,d}  {taken:9.2f}  {programs:13.1f}  "
            f"{programs / taken:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
