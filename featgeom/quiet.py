"""Libraries that write to the standard output or error, which belong to the command, kept from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

SILENCE = Lock()


@contextmanager
def without_output(descriptor: int = 1) -> Iterator[None]:
    """While it lasts nothing reaches a file descriptor, whoever writes there: a banner of HiGHS on 1, say.

    Safe among threads that write nothing there themselves.

    >>> with without_output():
    ...     _ = os.write(1, b"a banner")
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    with SILENCE, open(os.devnull, "wb") as nowhere:
        try:
            kept = os.dup(descriptor)
        except OSError:  # there is no such stream
            yield
            return
        try:
            os.dup2(nowhere.fileno(), descriptor)
            yield
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)
