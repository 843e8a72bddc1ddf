"""What featgeom decided by itself and its user should know, said as it happens and kept with the run.

Everything goes through the logger "featgeom" of the standard library: a remark is of level INFO, what may be
wrong of level WARNING. Python shows warnings on standard error unless the user's own logging says otherwise;
the command line shows both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("featgeom")
LOGGER.setLevel(logging.INFO)
LISTENERS: list[tuple[Callable[[str], None], bool]] = []


def _tell(record: logging.LogRecord) -> bool:
    """Hand a line to all who listen; whether it goes on to the handlers of logging."""
    for listen, _ in LISTENERS:
        listen(record.getMessage())
    return not any(alone for _, alone in LISTENERS)


LOGGER.addFilter(_tell)


def remark(text: str) -> None:
    """Say what was done, where one could have expected something else."""
    LOGGER.info("%s", text)


def caution(text: str) -> None:
    """Say what is probably not what the user meant."""
    LOGGER.warning("%s", text)


@contextmanager
def heard(listen: Callable[[str], None], alone: bool = False) -> Iterator[None]:
    """Hand everything that is said meanwhile to ``listen``; with ``alone`` logging does not get it.

    >>> lines = []
    >>> with heard(lines.append):
    ...     remark("3 files are no images")
    >>> lines
    ['3 files are no images']
    """
    entry = (listen, alone)
    LISTENERS.append(entry)
    try:
        yield
    finally:
        LISTENERS.remove(entry)


@contextmanager
def unsaid() -> Iterator[None]:
    """Keep everything that is said meanwhile from logging and from all who listen: it is only tried.

    >>> lines = []
    >>> with heard(lines.append), unsaid():
    ...     remark("this network would fit, too")
    >>> lines
    []
    """
    listening = LISTENERS[:]
    LISTENERS[:] = [(lambda _: None, True)]
    try:
        yield
    finally:
        LISTENERS[:] = listening
