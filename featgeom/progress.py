"""A long question asked a few rows at a time, so that a person sees how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")


def in_batches(
    ask: Callable[[slice], Result], count: int, size: int, what: str, progress: bool = False
) -> Result:
    """The results of ``ask`` for rows 0 to ``count``, ``size`` at a time, joined field by field.

    A result is a dataclass of arrays with one row a question; its ``stats`` are those of the first part.

    >>> from featgeom.pixels.segments import ClassPath
    >>> in_batches(lambda rows: ClassPath(np.arange(5)[rows], np.ones(5)[rows]), 5, 2, "rows").classes
    array([0, 1, 2, 3, 4])
    """
    from tqdm import tqdm

    starts = tqdm(range(0, count, size), desc=what, disable=not progress)
    parts = [ask(slice(i, min(i + size, count))) for i in starts]
    names = [f.name for f in fields(parts[0]) if f.name != "stats"]  # type: ignore[arg-type]
    joined: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return replace(parts[0], **joined)  # type: ignore[type-var]
