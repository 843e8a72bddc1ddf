"""One safetensors file of known arrays, written in place block by block and read as memory maps.

The safetensors library writes a file at once from memory and copies on reading with numpy; features of a
million images need neither. The format is a length, a JSON header and the arrays one after the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from featgeom.errors import BadData
from featgeom.files import parsed

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
CODES = {dtype: code for code, dtype in DTYPES.items()}
HEADER = 1_000_000  # bytes; the six arrays of a store take a thousand
Size = Annotated[int, msgspec.Meta(ge=0, le=2**60)]


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What the header of a file says of one array."""

    dtype: Literal["F32", "F64", "I64"]
    shape: Annotated[list[Size], msgspec.Meta(max_length=2)]
    data_offsets: tuple[Size, Size]


@dataclass(frozen=True)
class Array:
    """Where one array lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        """Its length in bytes."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """The header of a file and the place of every array in it."""

    header: bytes
    arrays: dict[str, Array]

    @classmethod
    def plan(cls, shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> Layout:
        """The layout for arrays of these types and shapes, those of 8 bytes first so that all are aligned.

        >>> layout = Layout.plan({"a": (np.dtype("f4"), (3, 2)), "b": (np.dtype("i8"), (3,))})
        >>> sorted((a.offset - len(layout.header), name) for name, a in layout.arrays.items())
        [(0, 'b'), (24, 'a')]
        """
        order: list[str] = sorted(shapes, key=lambda name: -shapes[name][0].itemsize)
        record: dict[str, Any] = {}
        offsets: dict[str, int] = {}
        end = 0
        for name in order:
            dtype, shape = shapes[name]
            start, end = end, end + Array(dtype, shape, 0).nbytes
            record[name] = {"dtype": CODES[dtype], "shape": list(shape), "data_offsets": [start, end]}
            offsets[name] = start
        text = json.dumps(record, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        header = len(text).to_bytes(8, "little") + text
        arrays = {name: Array(*shapes[name], offset=len(header) + offsets[name]) for name in order}
        return cls(header, arrays)

    @classmethod
    def read(cls, path: Path) -> Layout:
        """The layout of an existing file, whose length must be what its header says."""
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                start = file.read(8)
                text = file.read(min(int.from_bytes(start, "little"), size, HEADER))
        except OSError as error:
            raise BadData(f"{path}: cannot be read ({error.strerror})") from None
        record = parsed(text, dict[str, Entry], path)
        base = 8 + len(text)
        arrays = {
            name: Array(DTYPES[entry.dtype], tuple(entry.shape), base + entry.data_offsets[0])
            for name, entry in record.items()
        }
        layout = cls(start + text, arrays)
        if size != layout.nbytes:
            raise BadData(f"{path}: truncated or damaged, it has {size:,} bytes of {layout.nbytes:,}")
        return layout

    @property
    def nbytes(self) -> int:
        """The length of the whole file."""
        return max((a.offset + a.nbytes for a in self.arrays.values()), default=len(self.header))

    def open(self, path: Path, name: str, mode: Any = "r") -> NDArray[Any]:
        """One array of the file as a memory map."""
        array = self.arrays[name]
        if array.nbytes == 0:
            return np.empty(array.shape, array.dtype)
        return np.memmap(path, array.dtype, mode, array.offset, array.shape)

    def write_rows(self, file: Any, name: str, first: int, rows: NDArray[Any]) -> None:
        """Put rows of one array into their place in a file opened for writing."""
        array = self.arrays[name]
        stride = Array(array.dtype, array.shape[1:], 0).nbytes
        file.seek(array.offset + first * stride)
        file.write(np.ascontiguousarray(rows, array.dtype).data)
