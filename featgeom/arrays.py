"""What callers hand in (numpy, torch, lists, memory maps), brought to one form and checked."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.errors import BadArgument
from featgeom.progress import looked

Floats = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_BYTES = 1 << 26  # how much of a memory-mapped array is looked at in one step
AROUND = 1 << 19  # bytes of a file that come with a row which is touched, where the system holds them
SMALL = 1 << 28  # bytes of an array whose pages the system is likely to hold


def as_numpy(value: ArrayLike, name: str) -> NDArray[Any]:
    """The same values as a numpy array; torch tensors on any device included."""
    given: Any = value
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        if str(given.dtype) == "torch.bfloat16":
            given = given.float()
        given = given.numpy()
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise BadArgument(f"{name}: not an array of numbers ({error})") from None
    if array.dtype.kind not in "fiub":
        raise BadArgument(f"{name}: expected numbers, got an array of {array.dtype}")
    return array


def as_points(
    value: ArrayLike,
    name: str = "points",
    dimension: int | None = None,
    allow_empty: bool = False,
    checked: bool = False,
) -> Floats:
    """Points as a finite C-contiguous array of shape (n, d), float32 or float64.

    float32 and float64 keep their precision and are not copied when already contiguous (a memory map
    stays one); every other type is converted to float64, which holds it exactly (integers beyond 2^53
    are refused). Those that are ``checked`` are known to be finite, and not looked at again.

    Raises BadArgument for another shape, another dimension than ``dimension``, NaN, infinity, or no
    points at all.

    >>> as_points([[1, 2], [3, 4]]).dtype
    dtype('float64')
    """
    array = as_numpy(value, name)
    if array.ndim != 2:
        raise BadArgument(f"{name}: expected shape (n, d), got {array.shape}")
    if dimension is not None and array.shape[1] != dimension:
        raise BadArgument(f"{name}: expected dimension {dimension}, got {array.shape[1]}")
    if array.shape[1] == 0:
        raise BadArgument(f"{name}: the dimension is 0")
    if not allow_empty and len(array) == 0:
        raise BadArgument(f"{name}: no points")
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        lowest, highest = int(array.min()), int(array.max())
        if max(abs(lowest), abs(highest)) > 2**53:
            raise BadArgument(f"{name}: integers beyond 2^53 are not exact in float64")
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        array = array.astype(np.float64)
    array = np.ascontiguousarray(array)
    for block in () if checked else blocks(array):
        if not np.isfinite(block).all():
            raise BadArgument(f"{name}: contains NaN or infinity")
    return array


def as_float64(
    value: ArrayLike, name: str = "points", dimension: int | None = None, allow_empty: bool = False
) -> Float64:
    """Like `as_points`, in float64 (which holds float32 exactly)."""
    return as_points(value, name, dimension, allow_empty).astype(np.float64, copy=False)


def as_vector(value: ArrayLike, name: str, length: int | None = None) -> Float64:
    """A finite float64 vector of shape (length,)."""
    array = as_numpy(value, name)
    if array.ndim != 1 or (length is not None and len(array) != length):
        wanted = "(n,)" if length is None else f"({length},)"
        raise BadArgument(f"{name}: expected shape {wanted}, got {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise BadArgument(f"{name}: contains NaN or infinity")
    return array


def as_labels(
    value: ArrayLike, name: str = "labels", n: int | None = None, classes: int | None = None
) -> Ints:
    """Class labels as int64 of shape (n,), each in [0, classes)."""
    array = as_numpy(value, name)
    if array.ndim != 1:
        raise BadArgument(f"{name}: expected shape (n,), got {array.shape}")
    if n is not None and len(array) != n:
        raise BadArgument(f"{name}: expected {n} labels, got {len(array)}")
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):
        raise BadArgument(f"{name}: class labels must be whole numbers")
    labels = array.astype(np.int64)
    if len(labels) and labels.min() < 0:
        raise BadArgument(f"{name}: label {labels.min()} is negative")
    if classes is not None and len(labels) and labels.max() >= classes:
        raise BadArgument(
            f"{name}: label {labels.max()} is out of range for {classes} classes (0 to {classes - 1})"
        )
    return labels


def is_ordinary(*arrays: NDArray[Any]) -> bool:
    """Whether float64 can square and sum these numbers without nearing its limits.

    The largest of each array is 0, or between 1e-60 and 1e60.

    >>> is_ordinary(np.ones(3), np.array([1e-300, 2.0])), is_ordinary(np.array([1e-150, 0.0]))
    (True, False)
    """
    largest = [float(np.abs(part).max()) for array in arrays for part in blocks(array) if part.size]
    return all(top == 0 or 1e-60 <= top <= 1e60 for top in largest)


def blocks(array: NDArray[Any], block_bytes: int = BLOCK_BYTES) -> Iterator[NDArray[Any]]:
    """Consecutive row blocks (views) of at most about ``block_bytes`` each.

    The pages of a memory-mapped file are given back after each, so that a pass over it leaves nothing behind.
    How far the pass is over a large array is told with what goes on meanwhile.
    """
    row_bytes = max(1, array[:1].nbytes)
    step = max(1, block_bytes // row_bytes)
    mapped, large = file_map(array), array.nbytes >= SMALL
    try:
        for start in range(0, len(array), step):
            if large:
                looked(start, len(array))
            yield array[start : start + step]
            release(mapped)
    finally:
        if large:
            looked(len(array), len(array))


def file_map(array: Any) -> mmap.mmap | None:
    """The map under a view of a memory-mapped file, if its pages can be read from the file again.

    Those of a private, writable map (mode "c") cannot: they hold what was written to them.
    """
    while array is not None:
        found = getattr(array, "_mmap", None) if isinstance(array, np.memmap) else None
        if isinstance(found, mmap.mmap):
            return found if array.mode != "c" else None
        array = getattr(array, "base", None)
    return None


def release(mapped: mmap.mmap | None) -> None:
    """Give the pages of a memory-mapped file back to the system, which reads them again when needed."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def read_rows(array: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Some rows of an array, copied; of a large one on disk many are asked for before one is waited for."""
    mapped, plain = file_map(array), np.asarray(array)
    found: NDArray[Any]
    with here_and_there(array) as ask:
        if ask is None:
            found = array[rows] if mapped is None else plain[rows]
            release(mapped)
            return found
        found = np.empty((len(rows), *plain.shape[1:]), plain.dtype)
        step = max(1, BLOCK_BYTES // max(AROUND, plain[:1].nbytes))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            ask(some, 1)
            found[first : first + step] = plain[some]
            release(mapped)
    return found


@contextmanager
def here_and_there(array: NDArray[Any]) -> Iterator[Callable[[Ints, int], None] | None]:
    """While scattered rows of an array are looked at: what has the system read some ahead of their use.

    It is given the first rows of some stretches, and how many each of these has. None where that is of no
    use; of a large array on disk the system else reads rows one by one, and around each megabytes of the file
    that nobody asked for.
    """
    mapped, plain = file_map(array), np.asarray(array)
    small = plain.nbytes <= SMALL or not plain.flags.c_contiguous
    if mapped is None or small or not hasattr(mmap, "MADV_RANDOM"):
        yield None
        return
    each, begin = plain[:1].nbytes, _address(plain) - _address(np.frombuffer(mapped, np.uint8))
    last = begin + plain.nbytes

    def ask(rows: Ints, count: int) -> None:
        for row in rows.tolist():
            place = begin + row * each
            page = place - place % mmap.PAGESIZE
            mapped.madvise(mmap.MADV_WILLNEED, page, min(place + count * each, last) - page)

    mapped.madvise(mmap.MADV_RANDOM)
    try:
        yield ask
    finally:
        mapped.madvise(mmap.MADV_NORMAL)


def _address(array: NDArray[Any]) -> int:
    """Where the numbers of an array begin."""
    return int(array.__array_interface__["data"][0])


def read_only(array: Any) -> Any:
    """A contiguous view that cannot be written to: one type whatever the array, so kernels compile once.

    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def is_expression(value: object) -> bool:
    """Whether it is an expression of cvxpy (a variable, say), told without importing cvxpy.

    >>> import cvxpy
    >>> is_expression(cvxpy.Variable(3)), is_expression(np.zeros(3))
    (True, False)
    """
    cvxpy = sys.modules.get("cvxpy")
    return cvxpy is not None and isinstance(value, cvxpy.Expression)
