"""Tensors as a file holds them: described at once, checked, and read only when they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint
from featgeom.reading.limits import DIMENSIONS, check_spread

Shape = tuple[int, ...]


@dataclass(eq=False)
class Storage:
    """A run of bytes in a file; ``swapped`` where they are in the other byte order."""

    nbytes: int
    read: Callable[[], bytearray]
    swapped: bool = False
    start: int = 0

    @cached_property
    def bytes(self) -> Tensor:
        """The bytes, read once."""
        content = self.read()[self.start : self.start + self.nbytes]
        if len(content) != self.nbytes:
            raise BadCheckpoint(
                f"damaged or truncated (a tensor of {self.nbytes:,} bytes has {len(content):,})"
            )
        return torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)

    def part(self, start: int, nbytes: int) -> Storage:
        """The bytes from ``start`` on."""
        if start < 0 or nbytes < 0 or start + nbytes > self.nbytes:
            raise BadCheckpoint("damaged (a part of a tensor lies outside of it)")
        return Storage(nbytes, lambda: bytearray(self.bytes.numpy()), self.swapped, start)

    def of_type(self, dtype: torch.dtype) -> Tensor:
        """All of it as numbers of one type."""
        size = dtype.itemsize
        whole = self.bytes[: self.nbytes // size * size]
        if self.swapped and size > 1:
            unit = size // 2 if dtype.is_complex else size
            whole = whole.view(-1, unit).flip(1).reshape(-1)
        return whole.ne(0) if dtype == torch.bool else whole.view(dtype)


@dataclass(frozen=True)
class Typed:
    """A storage and the type of its numbers; the type is None where the file leaves it to each tensor."""

    storage: Storage
    dtype: torch.dtype | None


@dataclass(eq=False)
class Stored:
    """A tensor that can be read. ``problem`` says why its numbers are not to be used as they are."""

    dtype: torch.dtype
    shape: Shape
    load: Callable[[], Tensor]
    problem: str | None = None

    def tensor(self) -> Tensor:
        """Its numbers. Raises BadCheckpoint where they cannot be used."""
        if self.problem is not None:
            raise BadCheckpoint(self.problem)
        return self.load()


def strided(storage: Storage, dtype: torch.dtype, offset: Any, shape: Any, stride: Any) -> Stored:
    """A view of a storage. Raises BadCheckpoint for one that reaches outside, or that promises far more."""
    shape, stride = whole_numbers(shape), whole_numbers(stride)
    (offset,) = whole_numbers((offset,))
    if len(shape) != len(stride) or len(shape) > DIMENSIONS:
        raise BadCheckpoint("damaged (a tensor whose shape and strides do not go together)")
    count, size = math.prod(shape), dtype.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride)) if count else 0
    if (last + bool(count)) * size > storage.nbytes:
        raise BadCheckpoint(
            f"damaged or truncated (a tensor of shape {shape} reaches byte {(last + 1) * size:,} of "
            f"{storage.nbytes:,})"
        )
    check_spread(f"a tensor of shape {shape}", count * size, storage.nbytes)

    def load() -> Tensor:
        if not count:
            return torch.empty(shape, dtype=dtype)
        return storage.of_type(dtype).as_strided(shape, stride, offset)

    return Stored(dtype, shape, load)


def steps_between(shape: Shape, columns_first: bool = False) -> Shape:
    """The strides of an array without gaps, in numbers.

    >>> steps_between((2, 3, 4)), steps_between((2, 3, 4), columns_first=True)
    ((12, 4, 1), (1, 2, 6))
    """
    lengths = shape if columns_first else shape[::-1]
    steps = [1]
    for length in lengths[:-1]:
        steps.append(steps[-1] * length)
    made = tuple(steps[: len(shape)])
    return made if columns_first else made[::-1]


def unusable(problem: str, dtype: torch.dtype = torch.float32, shape: Any = ()) -> Stored:
    """A tensor that is there and is not to be used, with the reason."""
    return Stored(dtype, whole_numbers(shape), torch.Tensor, problem)


def whole_numbers(values: Any) -> Shape:
    """A tuple of whole numbers from 0 to 2⁶³ − 1, or BadCheckpoint."""
    if not isinstance(values, tuple | list) or not all(
        isinstance(value, int) and 0 <= value < 1 << 63 for value in values
    ):
        raise BadCheckpoint(f"damaged (a shape, stride or offset that is none: {str(values)[:60]})")
    return tuple(int(value) for value in values)
