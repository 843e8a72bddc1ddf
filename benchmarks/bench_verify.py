"""The exact check of claims beside the computation that found them, and beside plain float64.

    FEATGEOM_DATA=... python benchmarks/bench_verify.py

ResNet-20 on CIFAR-10, 50,000 x 64 features, 10 classes, where FEATGEOM_DATA is set; else features of the same
size from a normal distribution.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from featgeom import AffineHead, Cells, ConvexHull


def world() -> tuple[AffineHead, np.ndarray, np.ndarray]:
    """A head, features to make hulls of, and features to ask about."""
    data = os.environ.get("FEATGEOM_DATA")
    if data:
        with np.load(Path(data) / "features" / "resnet20.npz") as arrays:
            head = AffineHead(arrays["fc_weight"], arrays["fc_bias"])
            return head, arrays["features_train"], arrays["features_test"]
    rng = np.random.default_rng(0)
    weight, features = rng.standard_normal((10, 64)), np.abs(rng.standard_normal((60_000, 64)))
    features = features.astype(np.float32)
    return AffineHead(weight.astype(np.float32)), features[:50_000], features[50_000:]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call takes, the second time, and what it returns."""
    call()
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def main() -> None:
    """Print one line a claim."""
    head, train, test = world()
    cells = Cells(head, "orthant")
    predicted = cells.margins(train).classes
    largest = int(np.bincount(predicted).argmax())
    mine = np.ascontiguousarray(train[predicted == largest])
    jobs: dict[str, Callable[[], Any]] = {
        "classes and margins, 50,000 x 10": lambda: cells.margins(train).certificate,
        "radii in space, 50,000 x 10": lambda: Cells(head).radius(train).certificate,
        "radii in the orthant, 50,000 x 10": lambda: cells.radius(train).certificate,
        "guarantee of one class's hull": lambda: cells.guarantee(mine, largest).certificate,
        "adjacency of 10 cells": lambda: cells.adjacency().graph["ties"],
        "projection of 1,000 on one class's hull": lambda: ConvexHull(mine).project(test[:1000]).certificate,
    }
    plain, _ = timed(lambda: train.astype(np.float64) @ head.weight.T)
    print(f"plain float64 logits of the 50,000 features: {plain:.3f} s")
    print("claim                                     statements  proved  solve [s]  check [s]  check/solve")
    for name, job in jobs.items():
        solving, claim = timed(job)
        checking, verdicts = timed(claim.check)
        proved = verdicts.tally.get("PROVED", 0)
        print(
            f"{name:40s}  {len(claim):10,d}  {proved:6,d}  {solving:9.3f}  {checking:9.3f}  "
            f"{checking / solving:11.2f}"
        )


if __name__ == "__main__":
    main()
