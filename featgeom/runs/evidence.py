"""Evidence on disk: the fields of a claim as JSON, their arrays beside it, each with a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import blocks
from featgeom.errors import BadArgument, BadData


class Arrays(dict[str, NDArray[Any]]):
    """Arrays to be stored, by name; of those that are equal one."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def keep(self, array: NDArray[Any]) -> tuple[str, str]:
        """The name that an array is stored by, and its digest."""
        said = digest(array)
        if said not in self._names:
            self._names[said] = f"a{len(self)}"
            self[self._names[said]] = np.ascontiguousarray(array)
        return self._names[said], said


SPARSE = ("data", "indices", "indptr")


def stored(value: Any, arrays: Arrays) -> dict[str, Any]:
    """One field as JSON; arrays that have to be stored are added to ``arrays``.

    Raises BadArgument for a value that is neither array, sparse array, number nor string.

    >>> stored(0.5, Arrays())
    {'float': '0x1.0000000000000p-1'}
    """
    if isinstance(value, csr_array):
        parts = {part: _stored_array(getattr(value, part), arrays) for part in SPARSE}
        return {"sparse": parts, "shape": [int(n) for n in value.shape]}
    if isinstance(value, np.ndarray):
        return _stored_array(value, arrays)
    if isinstance(value, bool | np.bool_):
        return {"truth": bool(value)}
    if isinstance(value, int | np.integer):
        return {"integer": int(value)}
    if isinstance(value, float | np.floating):
        return {"float": float(value).hex()}
    if isinstance(value, str):
        return {"text": value}
    raise BadArgument(f"a claim cannot hold a value of type {type(value).__name__}")


def restored(field: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The value of a stored field. Raises BadData where an array is not what it was."""
    if "array" in field:
        array = arrays[field["array"]]
        if digest(array) != field["sha256"]:
            raise BadData("its evidence is not what it was when the record was written")
        return array
    if "sparse" in field:
        data, indices, indptr = (restored(field["sparse"][part], arrays) for part in SPARSE)
        matrix = csr_array((data, indices, indptr), shape=tuple(field["shape"]))
        matrix.check_format(full_check=True)
        return matrix
    if "float" in field:
        return float.fromhex(field["float"])
    return next(iter(field[key] for key in ("truth", "integer", "text") if key in field))


def _stored_array(array: NDArray[Any], arrays: Arrays) -> dict[str, Any]:
    name, said = arrays.keep(array)
    return {"array": name, "sha256": said}


def digest(array: NDArray[Any]) -> str:
    """SHA-256 over type, shape and bytes of an array, read in blocks."""
    result = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    for block in blocks(array) if array.ndim else [array]:
        result.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return result.hexdigest()
