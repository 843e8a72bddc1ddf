"""What the benchmarks of the hull floor share: data, clocks, and lines of a table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def timed(work: Callable[[], Any], repeat: int = 1) -> tuple[Any, float]:
    """What ``work`` returns, and the least of its times in seconds."""
    best = np.inf
    for _ in range(repeat):
        started = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - started)
    return result, best


def clocked(work: Callable[[], Any], repeat: int = 1) -> tuple[Any, float, float]:
    """What ``work`` returns, and the least of its times: on the wall, and of all processor cores together.

    Where others use the machine too, ratios of processor time say more than ratios of time on the wall.
    """
    wall = cores = np.inf
    for _ in range(repeat):
        started, spent = time.perf_counter(), time.process_time()
        result = work()
        wall = min(wall, time.perf_counter() - started)
        cores = min(cores, time.process_time() - spent)
    return result, wall, cores


def line(name: str, seconds: float, ours: float, note: str = "") -> None:
    """One peer: its time per question, and as a ratio of ours."""
    print(f"  {name:<44} {seconds * 1e3:12.4g} ms {seconds / ours:12,.1f} x   {note}", flush=True)


def features() -> dict[str, np.ndarray]:
    """CIFAR-10 features of ResNet-20 from FEATGEOM_DATA, or Gaussian ones of the same shape, said so."""
    file = Path(os.environ.get("FEATGEOM_DATA", "")) / "features" / "resnet20.npz"
    if file.is_file():
        return dict(np.load(file))
    print("FEATGEOM_DATA does not name the real features: Gaussian data of the same shape instead")
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=60_000)
    points = np.maximum(rng.normal(size=(60_000, 64)) + 3 * rng.normal(size=(10, 64))[labels], 0)
    parts = {"train": slice(0, 50_000), "test": slice(50_000, None)}
    result = {f"features_{k}": points[s].astype(np.float32) for k, s in parts.items()}
    result |= {f"y_{k}": labels[s] for k, s in parts.items()}
    return result | {"logits_train": np.eye(10)[labels[:50_000]]}


def images() -> tuple[np.ndarray, np.ndarray] | None:
    """CIFAR-10 train and test images as float32 rows in [0, 1], or None where they are not there."""
    folder = Path(os.environ.get("FEATGEOM_DATA", "")) / "cifar10" / "cifar-10-batches-bin"
    if not folder.is_dir():
        return None

    def read(*names: str) -> np.ndarray:
        rows = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 3073) for name in names])
        return rows[:, 1:].astype(np.float32) / 255

    return read(*(f"data_batch_{i}.bin" for i in range(1, 6))), read("test_batch.bin")
