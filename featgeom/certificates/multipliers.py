"""Multipliers of margins: rows that show that some combination of logits stays low in a whole domain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.claim import Verdicts
from featgeom.exact.fields import is_array_of
from featgeom.exact.ground import Ground
from featgeom.status import Status

Float64 = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Verdict = tuple[Status, str]

ENTRIES_AT_ONCE = 1 << 21


def multipliers_misfit(multipliers: object, solved: object, shape: tuple[int, int]) -> str:
    """Why multipliers are none, or nothing."""
    for matrix in (multipliers, solved):
        if not isinstance(matrix, csr_array) or matrix.shape != shape:
            return "multipliers do not fit the classes"
        if not is_array_of(matrix.data, (None,)):
            return "a multiplier is not finite"
    return ""


def check_multipliers(
    ground: Ground, own: Ints, free: Ints | None, multipliers: csr_array, solved: csr_array
) -> Verdicts:
    """Whether each row, non-negative but at class ``free``, makes Σ multipliers_k (l_own − l_k) low enough.

    Low enough is negative in the whole domain, or nowhere positive if a class other than ``free`` has a
    multiplier (which without ``free`` is not enough).
    """
    verdicts: list[Verdict] = []
    step = max(1, ENTRIES_AT_ONCE // max(ground.weight.shape))
    for start in range(0, len(own), step):
        rows = slice(start, min(len(own), start + step))
        block, marks = multipliers[rows].toarray(), solved[rows].toarray()
        bounds = ground.highest(own[rows], block)
        for i, row, mark, bound in zip(range(rows.start, rows.stop), block, marks, bounds, strict=True):
            spared = None if free is None else int(free[i])
            signed = row if spared is None else np.delete(row, spared)
            if row[own[i]] != 0:
                verdicts.append((Status.UNDECIDED, "a multiplier stands at its own class"))
            elif bound < 0 and not mark.any() and not (signed < 0).any():
                verdicts.append((Status.PROVED, ""))
            else:
                verdicts.append(_check_row_exactly(ground, int(own[i]), spared, row, mark))
    return Verdicts.collect(verdicts)


def _check_row_exactly(ground: Ground, own: int, free: int | None, row: Float64, solved: Float64) -> Verdict:
    found = ground.completed(own, row, solved)
    if found is None or any(value < 0 for k, value in found.items() if k != free):
        return Status.UNDECIDED, "the multipliers are negative, or not determined"
    highest = ground.highest_exactly(own, found)
    weakly = free is not None and any(value > 0 for k, value in found.items() if k != free)
    if highest is not None and (highest < 0 or (weakly and highest == 0)):
        return Status.PROVED, ""
    return Status.UNDECIDED, "the multipliers do not exclude it"
