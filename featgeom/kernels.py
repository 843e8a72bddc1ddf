"""Functions that are compiled, and what was compiled kept for the next process where it can be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any


def kernel(nogil: bool = False, fastmath: bool | set[str] = False) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles a function by numba, with that package's options.

    Where nothing can be written beside the code nor in the user's cache, or the disk is full, each process
    compiles for itself.

    >>> kernel()(lambda x: x + 1)(2)
    3
    """

    def compiled(function: Callable[..., Any]) -> Any:
        from numba import njit

        try:
            made = njit(function, cache=True, nogil=nogil, fastmath=fastmath)
        except RuntimeError:  # numba found no place
            return njit(function, nogil=nogil, fastmath=fastmath)
        made._cache = Forgiving(made._cache)
        return made

    return compiled


class Forgiving:
    """A cache of numba's that does without what it cannot write."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def save_overload(self, *compiled: Any) -> None:
        """Keep what was compiled, if that can be done."""
        with suppress(OSError):
            self._cache.save_overload(*compiled)
