"""Arrays that claims are about, found again by content: a whole array, or some rows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import blocks
from featgeom.errors import BadData

Array = NDArray[Any]


class Sources:
    """Arrays by name, and where in them an array comes from.

    >>> known = Sources({"features": np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)})
    >>> known.find(np.array([[3.0, 4.0]]))
    ('features', array([1]))
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = dict(arrays)
        self._hashes: dict[str, tuple[Array, Array]] = {}

    def get(self, name: str, rows: Array | None = None) -> Array:
        """The array of that name, or some of its rows. Raises BadData if there is none."""
        if name not in self.arrays:
            raise BadData(f"there is no '{name}' to check against")
        array = self.arrays[name]
        if rows is None:
            return array
        if rows.dtype.kind not in "iu" or (len(rows) and (rows.min() < 0 or rows.max() >= len(array))):
            raise BadData(f"rows that '{name}' does not have")
        return array[rows]

    def find(self, value: Array) -> tuple[str, Array | None] | None:
        """The source that holds these very numbers, and which of its rows they are (None for all)."""
        for name, array in self.arrays.items():
            if array.shape == value.shape and (array is value or _equal(array, value)):
                return name, None
        for name, array in self.arrays.items():
            if array.ndim == value.ndim == 2 and array.shape[1] == value.shape[1] and len(value):
                rows = self._rows(name, value)
                if rows is not None:
                    return name, rows
        return None

    def _rows(self, name: str, value: Array) -> Array | None:
        if name not in self._hashes:
            hashes = _row_hashes(self.arrays[name])
            order = np.argsort(hashes, kind="stable")
            self._hashes[name] = order, hashes[order]
        order, hashes = self._hashes[name]
        wanted = _row_hashes(value)
        place = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
        if not (hashes[place] == wanted).all():
            return None
        rows: Array = order[place]
        return rows if _equal(self.arrays[name][rows], value) else None


def _equal(left: Array, right: Array) -> bool:
    """Whether two arrays hold the same bytes once both are of the type of the second."""
    pairs = zip(blocks(left), blocks(right), strict=True) if left.dtype == right.dtype else [(left, right)]
    return all(
        np.array_equal(a, b) and np.array_equal(np.signbit(a), np.signbit(b))
        if a.dtype.kind == "f"
        else np.array_equal(a, b)
        for a, b in pairs
    )


def _row_hashes(array: Array) -> Array:
    """A 64-bit number for each row that is the same for equal rows, float32 or float64."""
    factors = np.random.default_rng(0).integers(1, 2**63, array.shape[1], dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    parts = [
        (np.ascontiguousarray(block, dtype=np.float64).view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
        for block in blocks(array)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
