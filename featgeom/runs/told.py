"""Claims without what memory should not hold: what they are about, and what only proves them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.arrays import file_map, release
from featgeom.certificates.claim import Claim
from featgeom.shelf import Shelf


def told(claim: Claim) -> Claim:
    """What a claim says, of the same shapes, without what it is about and what only proves it.

    So are held claims that were checked: where a proof tells of them, it needs no more. It proves nothing.
    """
    gone = [*(name for names in claim.subjects.values() for name in names), *claim.unsaid]
    return replace(claim, **{name: _blank(getattr(claim, name)) for name in gone})


def is_told(claim: Claim) -> bool:
    """Whether a claim is only `told`."""
    return any(is_blank(getattr(claim, name)) for names in claim.subjects.values() for name in names)


def blank(shape: tuple[int, ...]) -> NDArray[Any]:
    """An array that takes no room, of what no claim may hold.

    >>> blank((2, 1))
    array([[nan],
           [nan]])
    """
    return np.broadcast_to(np.float64(np.nan), shape)


def is_blank(value: object) -> bool:
    """Whether an array is `blank`."""
    if not isinstance(value, np.ndarray) or value.size < 2 or any(value.strides):
        return False
    return value.dtype == np.float64 and bool(np.isnan(value.flat[0]))


def _blank(value: Any) -> Any:
    """The same without its content."""
    return csr_array(value.shape) if isinstance(value, csr_array) else blank(np.shape(value))


def give_back(claim: Claim) -> None:
    """Give the pages of a claim's arrays on disk back to the system, which reads them again when needed."""
    for field in fields(claim):
        value = getattr(claim, field.name)
        for array in (value.data, value.indices) if isinstance(value, csr_array) else (value,):
            release(file_map(array))


def set_aside(claim: Claim, shelf: Shelf) -> Claim:
    """The same claim with what only proves it on a shelf."""
    on_disk: dict[str, Any] = {
        name: shelf.put(value) for name in claim.unsaid if _is_array(value := getattr(claim, name))
    }
    return replace(claim, **on_disk) if on_disk else claim


def _is_array(value: object) -> TypeGuard[NDArray[Any]]:
    return isinstance(value, np.ndarray)
