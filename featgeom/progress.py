"""How far a long question is: a bar at a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")
EVERY = 10.0  # seconds between two lines where there is no terminal
LINE = "{desc}: {n_fmt} of {total_fmt} ({percentage:.0f} %), {elapsed} gone, {remaining} left"


class _Lines:
    """A stream on which every state of a bar is a line of its own."""

    def write(self, text: str) -> None:
        """One state; clearing the bar says nothing."""
        if said := text.strip():
            print(said, file=sys.stderr)

    def flush(self) -> None:
        """Write what is waiting."""
        sys.stderr.flush()


def bar(items: Iterable[Any] | None = None, *, desc: str, disable: bool, **more: Any) -> Any:
    """A tqdm bar over ``items`` on standard error; without a terminal a line every ten seconds of it.

    >>> list(bar(range(3), desc="three", disable=True))
    [0, 1, 2]
    """
    from tqdm import tqdm

    if not sys.stderr.isatty():
        more |= {"file": _Lines(), "mininterval": EVERY, "maxinterval": EVERY, "delay": EVERY, "leave": False}
        more |= {"bar_format": LINE} if "total" in more or hasattr(items, "__len__") else {}
    return tqdm(items, desc=desc, disable=disable, **more)


def in_batches(
    ask: Callable[[slice], Result], count: int, size: int, what: str, progress: bool = False
) -> Result:
    """The results of ``ask`` for rows 0 to ``count``, ``size`` at a time, joined field by field.

    A result is a dataclass of arrays with one row a question; its ``stats`` are those of the first part.

    >>> from featgeom.pixels.segments import ClassPath
    >>> in_batches(lambda rows: ClassPath(np.arange(5)[rows], np.ones(5)[rows]), 5, 2, "rows").classes
    array([0, 1, 2, 3, 4])
    """
    starts = bar(range(0, count, size), desc=what, disable=not progress)
    return in_one([ask(slice(i, min(i + size, count))) for i in starts])


def in_one(parts: Sequence[Result]) -> Result:
    """Results of some rows each, joined as `in_batches` does."""
    names = [f.name for f in fields(parts[0]) if f.name != "stats"]  # type: ignore[arg-type]
    joined: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return replace(parts[0], **joined)  # type: ignore[type-var]
