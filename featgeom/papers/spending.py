"""What making each experiment took: processor time, added up over all calls that worked on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featgeom.files import read_json, write_json

SPENT = "spent.json"


@contextmanager
def spending(folder: Path, name: str) -> Iterator[None]:
    """Add the processor time of what is done inside to what NAME has taken so far, in FOLDER/spent.json.

    That of this process and of its ended children, in seconds. It is added where an error or an interruption
    ends the block, too; a killed process adds nothing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with spending(Path(place), "moons"):
    ...         _ = sum(range(1_000))
    ...     list(spent(Path(place)))
    ['moons']
    """
    start = _so_far()
    try:
        yield
    finally:
        before = spent(folder)
        seconds = before.get(name, 0.0) + _so_far() - start
        write_json(folder / SPENT, {**before, name: seconds})


def spent(folder: Path) -> dict[str, float]:
    """The processor time by name, in seconds; empty where none was written."""
    path = folder / SPENT
    return {name: float(value) for name, value in read_json(path).items()} if path.exists() else {}


def _so_far() -> float:
    return time.process_time() + sum(os.times()[2:4])  # the former is finer than 0.01 s
