"""Work shared among all cores by threads that each run one chunk at a time.

Every chunk runs on one thread, its matrix products included: a product split among threads waits for the
slowest of them at each tile, which costs many times the product itself when the machine is shared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier


def workers() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    import torch

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers())
    gathered = Barrier(workers())

    def prepare() -> None:
        torch.set_num_threads(1)  # holds for this thread, but is also what later threads begin with
        gathered.wait()

    for ready in [pool.submit(prepare) for _ in range(workers())]:
        ready.result()
    torch.set_num_threads(before)
    return pool


def in_threads(task: Callable[[int, int], object], count: int, chunk: int) -> None:
    """Run ``task(start, stop)`` over consecutive chunks, on all cores, for compiled work without torch."""
    with ThreadPoolExecutor(workers()) as threads:
        list(threads.map(lambda start: task(start, min(count, start + chunk)), range(0, count, chunk)))


def in_parallel(task: Callable[[int, int], object], count: int, chunk: int) -> None:
    """Run ``task(start, stop)`` over consecutive chunks of ``count`` things, on all cores."""
    starts = range(0, count, chunk)
    list(_pool(os.getpid()).map(lambda start: task(start, min(count, start + chunk)), starts))
