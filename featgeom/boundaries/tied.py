"""The classes of a tie, as callers name them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Ints, as_numpy
from featgeom.errors import BadArgument


def as_tied(classes: ArrayLike, n: int, known: int) -> Ints:
    """The classes to tie, checked, one row (k,) a sample."""
    array = as_numpy(classes, "classes")
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or array.shape[-1] < 2:
        raise BadArgument(f"classes: expected two or more class indices, (k,) or (n, k), got {array.shape}")
    if array.ndim == 2 and len(array) != n:
        raise BadArgument(f"classes: expected {n} rows, one a sample, got {len(array)}")
    if array.size and (array.min() < 0 or array.max() >= known):
        raise BadArgument(f"classes: out of range for {known} classes (0 to {known - 1})")
    ordered = np.sort(array, axis=-1)
    if (ordered[..., 1:] == ordered[..., :-1]).any():
        raise BadArgument("classes: a class is named twice in one tie")
    return np.broadcast_to(array.astype(np.int64), (n, array.shape[-1]))
