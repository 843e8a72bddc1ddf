"""Arrays that memory should not hold, put into a file without a name, gone with the process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import IO, Any
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike, NDArray

from featgeom.arrays import blocks, file_map, release
from featgeom.limits import memory_budget
from featgeom.remarks import caution

Room = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]
SMALL = 1 << 16  # bytes below which an array stays in memory
SEGMENT = 1 << 28  # bytes of the file that are mapped at once: a process may have some ten thousand maps
ALIGNED = 64  # bytes


def held_at_once() -> int:
    """How many bytes of evidence memory holds, before the rest goes to a file."""
    return memory_budget() // 4


class Shelf:
    """Room for arrays in a file in ``folder``, which takes as much as is written to it.

    >>> array = Shelf().put(np.arange(20_000.0))
    >>> float(array[19_999]), array.flags.writeable, file_map(array) is None
    (19999.0, False, False)
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = self.file(folder)
        finalize(self, self._file.close)
        self._segment: NDArray[Any] = np.zeros(0, np.uint8)
        self._size = self._end = 0  # of the file, and of what is taken of its last segment

    @staticmethod
    def file(folder: Path | None) -> IO[bytes]:
        """A file without a name in a folder; where that cannot be written to, in that for temporary files."""
        place = folder if folder is not None and os.access(folder, os.W_OK) else None
        return tempfile.TemporaryFile(dir=place)

    def room(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array to be written to; in memory, where it is small or the disk is full."""
        kind = np.dtype(dtype)
        wanted = prod(shape) * kind.itemsize
        if wanted < SMALL:
            return np.empty(shape, kind)
        try:
            if self._end + wanted > len(self._segment):
                self._grow(max(SEGMENT, wanted))
            if hasattr(os, "posix_fallocate"):  # where the disk is full, better now than in the midst of it
                os.posix_fallocate(self._file.fileno(), self._size - len(self._segment) + self._end, wanted)
        except OSError as error:
            caution(f"no room on disk for what memory should not hold ({error}): memory holds it")
            return np.empty(shape, kind)
        part = self._segment[self._end : self._end + wanted]
        self._end += -(-wanted // ALIGNED) * ALIGNED
        return part.view(kind).reshape(shape)

    def put(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same array, in the file, where it cannot be written to; a small one as it is."""
        if array.nbytes < SMALL or file_map(array) is not None:
            return array
        found, start = self.room(array.shape, array.dtype), 0
        for part in blocks(array):
            found[start : start + len(part)] = part
            start += len(part)
        return closed(found)

    def _grow(self, size: int) -> None:
        """Map some more of the file."""
        self._file.truncate(self._size + size)
        mapped = np.memmap(self._file, np.uint8, "r+", offset=self._size, shape=(size,))
        self._segment, self._size, self._end = np.asarray(mapped), self._size + size, 0


def closed(array: NDArray[Any]) -> NDArray[Any]:
    """The array, which from here on cannot be written to, with its pages given back."""
    array.flags.writeable = False
    release(file_map(array))
    return array
