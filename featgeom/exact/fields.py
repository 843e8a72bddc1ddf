"""The door: all evidence enters here. Each field of a claim says once what it may be; only that gets in.

A field is declared by `floats`, `stored`, `whole`, `truths`, `sparse` or `word`. Dimensions are named, and
the same name means the same length everywhere in a claim. What passes is of one type (float64, float32 or
float64 as stored, int64, bool), converted exactly or refused: nothing unsigned, complex, half or extended
gets in, no object, no NaN, and infinity only where the field says so. A single row that does not pass is set
aside, and the others stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import blocks

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EXACT = 1 << 53  # whole numbers beyond this are not all floats
SIGNED, REAL = ["i1", "i2", "i4", "i8"], ["f4", "f8"]


@dataclass(frozen=True)
class Spec:
    """What one field may be: type, named shape, range, where it may be infinite, and whether it must rise."""

    type: str
    shape: tuple[str | int, ...]
    low: float = -np.inf
    high: float | str = np.inf  # the name of a dimension: whole numbers below its length
    infinite: str = ""  # "+", "-" or "+-": which infinities are allowed
    rising: bool = False
    some: bool = False  # at least one row
    choices: tuple[str, ...] = ()
    mixed: tuple[str, str] | None = None  # the shape of sparse weights, none negative, that may stand instead


def _declared(*args: Any, **kwargs: Any) -> Any:
    return field(metadata={"spec": Spec(*args, **kwargs)})


def floats(*shape: str | int, **limits: Any) -> Any:
    """Finite numbers in float64; a plain number where there is no shape."""
    return _declared("float64", shape, **limits)


def stored(*shape: str | int, some: bool = False) -> Any:
    """Finite numbers in float32 or float64, as they are stored; with ``some``, not none."""
    return _declared("stored", shape, some=some)


def whole(*shape: str | int, low: int = 0, below: str | float = np.inf, rising: bool = False) -> Any:
    """Whole numbers in int64, not below ``low``, and below a dimension where one is named."""
    return _declared("int64", shape, low=low, high=below, rising=rising)


def truths(*shape: str | int) -> Any:
    """Truth values."""
    return _declared("bool", shape)


def sparse(rows: str | int, columns: str, **limits: Any) -> Any:
    """A sparse matrix (CSR) of finite float64, each row's columns in rising order."""
    return _declared("sparse", (rows, columns), **limits)


def word(*choices: str) -> Any:
    """One of some words."""
    return _declared("word", (), choices=choices)


def specs(claim: Any) -> Iterator[tuple[str, Spec]]:
    """The declared fields of a claim or a kind of claim, by name."""
    return ((f.name, f.metadata["spec"]) for f in fields(claim) if "spec" in f.metadata)


class Refused(Exception):
    """Why evidence does not get in."""


def admit(claim: Any, counted: str) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """The fields of a claim, converted, and which of its statements have a row that did not pass, (count,).

    ``counted`` is the dimension of the statements, "" where there is one. Raises Refused.
    """
    lengths = _lengths(claim)
    result: dict[str, Any] = {}
    faults: list[NDArray[np.bool_]] = []
    for name, spec in specs(claim):
        value = getattr(claim, name)
        try:
            if spec.type == "word" or not spec.shape:
                result[name] = _scalar(value, spec, lengths)
                continue
            if spec.type == "sparse" or (spec.mixed and not isinstance(value, np.ndarray)):
                shape: tuple[str | int, ...] = spec.mixed or spec.shape
                converted, good = _sparse(value, replace(spec, low=0) if spec.mixed else spec, shape, lengths)
            else:
                shape = spec.shape
                converted, good = _array(value, spec, lengths)
            if shape[0] == counted:
                faults.append(~good)
            elif not good.all():
                raise Refused("holds a value that is out of range")
            result[name] = converted
        except Refused as error:
            raise Refused(f"{name} {error}") from None
    if not counted:
        return result, np.zeros(1, dtype=bool)
    return result, np.logical_or.reduce(faults)


def _lengths(claim: Any) -> dict[str, int]:
    """The length of each named dimension, by the first array that has it."""
    lengths: dict[str, int] = {}
    for name, spec in specs(claim):
        value = getattr(claim, name)
        names = spec.mixed if spec.mixed and not isinstance(value, np.ndarray) else spec.shape
        if spec.type == "sparse" or isinstance(value, np.ndarray):
            for have, dimension in zip(getattr(value, "shape", ()), names):
                if isinstance(dimension, str) and isinstance(have, int):
                    lengths.setdefault(dimension, have)
    return lengths


def _fit(shape: tuple[int, ...], names: tuple[str | int, ...], lengths: dict[str, int]) -> None:
    """Match a shape with its names, learning the lengths that are new."""
    for have, name in zip(shape, names):
        want = lengths.setdefault(name, have) if isinstance(name, str) else name
        if have != want:
            raise Refused(f"has the shape {shape}, where {name} is {want}")
    if len(shape) != len(names):
        raise Refused(f"has {len(shape)} dimensions, not {len(names)}")


def _scalar(value: Any, spec: Spec, lengths: dict[str, int]) -> Any:
    if spec.type == "word":
        if not isinstance(value, str) or value not in spec.choices:
            raise Refused(f"is none of {', '.join(spec.choices)}")
        return value
    if spec.type == "bool":
        if not isinstance(value, bool | np.bool_):
            raise Refused("is no truth value")
        return bool(value)
    is_whole = isinstance(value, int | np.signedinteger) and not isinstance(value, bool)
    if spec.type == "float64" and not is_whole and not isinstance(value, float | np.float32):
        raise Refused(f"is no float64, but {type(value).__name__}")
    if (spec.type == "int64" and not is_whole) or (is_whole and not -EXACT <= value <= EXACT):
        raise Refused("is no whole number that float64 holds")
    number = int(value) if spec.type == "int64" else float(value)
    if not _in_range(np.array([number]), spec, lengths).all():
        raise Refused(f"is out of range: {number}")
    return number


def _array(value: Any, spec: Spec, lengths: dict[str, int]) -> tuple[Any, NDArray[np.bool_]]:
    """An array in its declared type, and which of its rows are fine; the others are set to what is
    harmless."""
    if type(value) not in (np.ndarray, np.memmap):
        raise Refused(f"is no array, but {type(value).__name__}")
    array = _typed(np.asarray(value), spec.type)
    _fit(array.shape, spec.shape, lengths)
    parts = [_in_range(part, spec, lengths).reshape(len(part), -1).all(axis=1) for part in blocks(array)]
    good = np.concatenate(parts) if parts else np.ones(0, dtype=bool)
    if spec.some and len(array) == 0:
        raise Refused("is empty")
    if spec.rising and not (np.diff(array) > 0).all():
        raise Refused("does not rise")
    if not good.all():
        array = array.copy()
        array[~good] = spec.low if np.isfinite(spec.low) else 0
    return array, good


def _typed(array: NDArray[Any], wanted: str) -> NDArray[Any]:
    kind = array.dtype.newbyteorder("=").str[1:]
    if wanted == "bool":
        if kind != "b1":
            raise Refused(f"holds {array.dtype}, not truth values")
        return array
    if kind in SIGNED and wanted in ("float64", "stored"):
        if array.size and not (array.min() >= -EXACT and array.max() <= EXACT):
            raise Refused("holds whole numbers that float64 does not")
    elif kind not in (SIGNED if wanted == "int64" else REAL):
        raise Refused(f"holds {array.dtype}, not {wanted}")
    name = (
        kind
        if wanted == "stored" and kind in REAL
        else {"stored": "f8", "float64": "f8", "int64": "i8"}[wanted]
    )
    return np.ascontiguousarray(array, dtype=np.dtype(name))


def _in_range(array: NDArray[Any], spec: Spec, lengths: dict[str, int]) -> NDArray[np.bool_]:
    fine = array >= spec.low
    fine &= array < lengths[spec.high] if isinstance(spec.high, str) else array <= spec.high
    if "+" not in spec.infinite:
        fine &= array != np.inf
    if "-" not in spec.infinite:
        fine &= array != -np.inf
    return fine


def _sparse(
    value: Any, spec: Spec, names: tuple[str | int, ...], lengths: dict[str, int]
) -> tuple[csr_array, NDArray[np.bool_]]:
    """A sparse matrix in float64, and which of its rows are fine; the others are emptied."""
    from scipy.sparse import csr_array

    if type(value) is not csr_array:
        raise Refused(f"is no sparse matrix by rows, but {type(value).__name__}")
    shape: Any = tuple(int(n) for n in value.shape)
    _fit(shape, names, lengths)
    data, indices, start = (np.asarray(part) for part in (value.data, value.indices, value.indptr))
    if data.dtype == bool:
        data = data.astype(np.int8)
    data, indices, start = _typed(data, "float64"), _typed(indices, "int64"), _typed(start, "int64")
    lined_up = start.shape == (shape[0] + 1,) and data.ndim == 1 and data.shape == indices.shape
    if (
        not lined_up
        or start[0] != 0
        or start[-1] != len(data)
        or start.min() < 0
        or (np.diff(start) < 0).any()
    ):
        raise Refused("is not a sparse matrix by rows")
    counts = np.diff(start)
    row = np.repeat(np.arange(shape[0]), counts)
    wrong = ~_in_range(data, spec, lengths) | (indices < 0) | (indices >= shape[1])
    wrong[1:] |= (indices[1:] <= indices[:-1]) & (row[1:] == row[:-1])
    good = np.bincount(row[wrong], minlength=shape[0]) == 0
    if not good.all():
        kept = good[row]
        data, indices = data[kept], indices[kept]
        start = np.concatenate([[0], np.cumsum(np.where(good, counts, 0))])
    return csr_array((data, indices, start), shape=shape), good
