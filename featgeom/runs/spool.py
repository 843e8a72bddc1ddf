"""Rows of an array on disk, copied to a file beside it where memory should not hold them all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import BLOCK_BYTES, Ints, file_map, read_rows
from featgeom.limits import memory_budget

TIMES = 4  # as large as the array, at most: by class the samples are twice so, all and the correct
ALIGNED = 64  # bytes


def is_too_large(whole: NDArray[Any]) -> bool:
    """Whether an array lies on disk, and memory should not hold its rows twice."""
    return file_map(whole) is not None and 2 * whole.nbytes > memory_budget()


class Spool:
    """A file without a name, gone with the process, for rows of one array; it takes room as it is written.

    >>> spool = Spool(np.arange(8.0).reshape(4, 2))
    >>> spool.rows(np.array([3, 1]))
    array([[6., 7.],
           [2., 3.]])
    """

    def __init__(self, whole: NDArray[Any]) -> None:
        self._whole, self._end = whole, 0
        self._size = max(1, TIMES * whole.nbytes)
        self._file = tempfile.TemporaryFile(dir=_folder_of(whole))  # noqa: SIM115, it lasts as long as this
        finalize(self, self._file.close)
        self._file.truncate(self._size)
        self._map = np.memmap(self._file, np.uint8, "r", shape=(self._size,))

    def rows(self, rows: Ints) -> NDArray[Any]:
        """Those rows as a view of the file; in memory, where it is full."""
        whole = self._whole
        each = whole[:1].nbytes
        start, stop = self._end, self._end + len(rows) * each
        if stop > self._size:
            return whole[rows]
        self._file.seek(start)
        step = max(1, min(BLOCK_BYTES, memory_budget() // 8) // max(1, each))
        for first in range(0, len(rows), step):
            self._file.write(read_rows(whole, rows[first : first + step]).data)
        self._file.flush()
        self._end = -(-stop // ALIGNED) * ALIGNED
        view = np.asarray(self._map[start:stop]).view(whole.dtype)
        return view.reshape(len(rows), *whole.shape[1:])


def _folder_of(whole: Any) -> Path | None:
    """The folder of the file that an array is mapped from, if it can be written to."""
    while whole is not None:
        if isinstance(whole, np.memmap) and whole.filename:
            folder = Path(str(whole.filename)).parent
            return folder if os.access(folder, os.W_OK) else None
        whole = getattr(whole, "base", None)
    return None
