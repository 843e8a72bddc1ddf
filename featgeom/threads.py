"""How many threads are used: as many as asked for, else as many as the machine has cores to spare.

Products of matrices wait for the slowest of their threads, and waiting threads keep their core busy: beside
other busy processes many threads are far slower than one.
"""

from __future__ import annotations

import os
import sys

from featgeom.errors import BadArgument

VARIABLE = "FEATGEOM_THREADS"
LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PATIENT = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}  # threads that wait leave their core to others
_chosen: list[int] = []
_held: list[object] = []


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spare(cores: int, load: float) -> int:
    """How many of the cores other processes leave, one at least, by the average number that are busy.

    >>> spare(8, 0.4), spare(8, 2.6), spare(2, 7.9)
    (8, 5, 1)
    """
    return min(cores, max(1, cores - round(load)))


def threads() -> int:
    """The number of threads: what was set, else the variable FEATGEOM_THREADS, else all cores."""
    return _chosen[0] if _chosen else _given(VARIABLE) or cores()


def _given(variable: str) -> int:
    """The number that a variable of the environment gives, 0 where it gives none."""
    first = os.environ.get(variable, "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def set_threads(count: int | None = None) -> int:
    """Let compiled code, numpy and torch use ``count`` threads; without it, as many as cores are to spare.

    These are judged by the load of the last minute (`os.getloadavg`), unless FEATGEOM_THREADS or
    OMP_NUM_THREADS gives a number. Libraries that are loaded already are told, and those that are not yet
    will find it in the environment. Returns the number. Raises BadArgument for one below 1.

    >>> before = threads()
    >>> set_threads(1), threads(), set_threads(before) == before
    (1, 1, True)
    """
    if count is not None and count < 1:
        raise BadArgument(f"threads: expected a whole number of at least 1, got {count}")
    wanted = count or _by_the_load()
    _chosen[:] = [wanted]
    os.environ |= dict.fromkeys(LIBRARIES, str(wanted)) | {
        k: os.environ.get(k, v) for k, v in PATIENT.items()
    }
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        _held[:] = [threadpool_limits(wanted)]
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(wanted)
    return wanted


def _by_the_load() -> int:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return _given(VARIABLE) or _given(LIBRARIES[0]) or spare(cores(), load)
