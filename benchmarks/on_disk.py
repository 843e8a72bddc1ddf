"""A run of a million samples written to disk block by block, and a watch over what is read of its file.

Features are those of `thousand.py`, about class means in the orthant, but spread as a wide network spreads
them: along 128 factors, with some noise beside them.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from thousand import class_middles, head_of

from featgeom.features.manifest import SHARD
from featgeom.features.store import BLOCK_ROWS, StoreWriter, kept_from_others
from featgeom.head import AffineHead
from featgeom.models.self_check import SelfCheck
from featgeom.runs.making import record_features, write_run
from featgeom.runs.run import Run

FACTORS, REST = 128, 0.3  # along how many directions the features of a class spread, and how much elsewhere
WAIT, FORGET = 0.1, 10  # seconds between two looks, and at how many of them files are forgotten


def run_on_disk(folder: Path, classes: int, dimension: int, counts: dict[str, int]) -> Run:
    """A run with as many samples of each class in each split, never held in memory."""
    rng = np.random.default_rng(0)
    middles = class_middles(classes, dimension, rng)
    arrays = head_of(middles, rng)
    head = AffineHead(arrays["weight"], arrays["bias"])
    factors = rng.standard_normal((FACTORS, dimension), dtype=np.float32)
    factors *= np.sqrt((1 - REST**2) / np.square(factors).sum(axis=0))  # every coordinate varies by one
    names = [str(c) for c in range(classes)]
    said = hashlib.sha256(repr((classes, dimension, counts)).encode()).hexdigest()
    model = {"name": "made", "arch": None, "source": None, "residual": 0.0}
    model |= {"dimension": dimension, "classes": names}
    splits = {split: {"samples": classes * each, "sha256": said} for split, each in counts.items()}
    run = write_run(folder, model, {"source": None, "name": "made", "splits": splits}, 0, [])
    for split, each in counts.items():
        labels = rng.permutation(np.repeat(np.arange(classes), each))

        def batches(labels: np.ndarray = labels) -> Iterator[tuple[np.ndarray, np.ndarray, SelfCheck]]:
            for start in range(0, len(labels), BLOCK_ROWS):
                mine = labels[start : start + BLOCK_ROWS]
                spread = rng.standard_normal((len(mine), FACTORS), dtype=np.float32) @ factors
                spread += REST * rng.standard_normal(spread.shape, dtype=np.float32)
                points = np.maximum(middles.astype(np.float32)[mine] + spread, 0)
                logits = points @ arrays["weight"].T + arrays["bias"]
                yield points, logits, SelfCheck(0.0, 0.0, 0.0, 0, len(mine))

        place = run.folder / "features" / split
        with kept_from_others(place):
            about = {"arrays": said, "images": {"name": "made", "split": split}, "classes": names}
            writer = StoreWriter(place, about, {}, head, labels, BLOCK_ROWS)
            if not writer.complete:
                writer.fill(batches())
        record_features(run, split)
    return run


class Watch:
    """What this process reads and holds meanwhile: bytes from the disk, memory of its own, and all resident.

    The system is made to forget the files every second, but for what is just mapped, so that what is read
    twice comes twice from the disk and is counted twice, and so is what was read ahead and forgotten. ``own``
    is the most anonymous memory seen, ``resident`` the most of all, pages of the files included; in bytes.
    """

    def __init__(self, *files: Path) -> None:
        self._files = [os.open(file, os.O_RDONLY) for file in files]
        self.read = self.own = self.resident = 0
        self.wall = self.cores = 0.0

    def __enter__(self) -> Self:
        self._look()
        self._before = figures("/proc/self/io", "read_bytes"), time.perf_counter(), time.process_time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
        read, wall, cores = self._before
        self.wall, self.cores = time.perf_counter() - wall, time.process_time() - cores
        self.read = figures("/proc/self/io", "read_bytes") - read
        self.resident = 1024 * figures("/proc/self/status", "VmHWM")
        for file in self._files:
            os.close(file)

    def _keep_looking(self) -> None:
        looks = 0
        while not self._ended.wait(WAIT):
            looks += 1
            self._look(looks % FORGET == 0)

    def _look(self, forget: bool = True) -> None:
        self.own = max(self.own, 1024 * figures("/proc/self/status", "RssAnon"))
        for file in self._files if forget else ():
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def figures(file: str, name: str) -> int:
    """One number that the system tells of this process."""
    return int(next(line for line in Path(file).read_text().splitlines() if line.startswith(name)).split()[1])


def files_of(run: Run) -> list[Path]:
    """The files of features of a run."""
    return [run.folder / "features" / split / SHARD for split in run.splits]
