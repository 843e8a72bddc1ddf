"""What evidence must be before anything is computed with it."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import blocks


def is_array_of(value: object, shape: tuple[int | None, ...]) -> bool:
    """Whether ``value`` is a finite numeric array of that shape (None allows any length)."""
    if not isinstance(value, np.ndarray) or value.ndim != len(shape) or value.dtype.kind not in "fiub":
        return False
    if any(want is not None and have != want for have, want in zip(value.shape, shape, strict=True)):
        return False
    return all(bool(np.isfinite(block).all()) for block in (blocks(value) if value.ndim else [value]))


def is_index_of(value: object, shape: tuple[int | None, ...], stop: int) -> bool:
    """Whether ``value`` is an array of that shape with whole numbers from 0 to ``stop`` − 1."""
    if not isinstance(value, np.ndarray) or not is_array_of(value, shape) or value.dtype.kind not in "iu":
        return False
    return value.size == 0 or bool(value.min() >= 0 and value.max() < stop)
