"""Work shared among as many threads as may be used (`featgeom.threads`), each with one chunk at a time.

Every chunk runs on one thread, its matrix products included: a product split among threads waits for the
slowest of them at each tile, which costs many times the product itself when the machine is shared.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

from threadpoolctl import threadpool_limits

from featgeom.threads import threads

Given = TypeVar("Given")
Made = TypeVar("Made")


@lru_cache(maxsize=1)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    import torch

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers)
    gathered = Barrier(workers)

    def prepare() -> None:
        torch.set_num_threads(1)  # holds for this thread, but is also what later threads begin with
        gathered.wait()

    for ready in [pool.submit(prepare) for _ in range(workers)]:
        ready.result()
    torch.set_num_threads(before)
    return pool


def in_threads(task: Callable[[int, int], object], count: int, chunk: int) -> None:
    """Run ``task(start, stop)`` over consecutive chunks, in threads, for work without torch."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads()) as pool:
        list(pool.map(lambda start: task(start, min(count, start + chunk)), range(0, count, chunk)))


def in_parallel(task: Callable[[int, int], object], count: int, chunk: int) -> None:
    """Run ``task(start, stop)`` over consecutive chunks of ``count`` things, in as many threads as may be."""
    starts = range(0, count, chunk)
    list(_pool(os.getpid(), threads()).map(lambda start: task(start, min(count, start + chunk)), starts))


def ahead(make: Callable[[Given], Made], items: Iterable[Given], depth: int = 2) -> Iterator[Made]:
    """What ``make`` makes of each item, in order; a thread is up to ``depth`` items ahead of who uses it.

    >>> list(ahead(lambda number: 2 * number, range(3)))
    [0, 2, 4]
    """
    pool = ThreadPoolExecutor(1)  # one alone, so that what reads need not bear several at a time
    waiting = deque[Future[Made]]()
    try:
        for item in items:
            waiting.append(pool.submit(copy_context().run, make, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
