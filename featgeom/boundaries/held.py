"""What is left of the claims about ties where float64 nears its limits: what their own check proves."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, is_ordinary
from featgeom.certificates.norms import TieInNorm
from featgeom.certificates.ties import NearestTie, Tie
from featgeom.status import Status, StatusArray

RTOL = 1e-9  # relative width of the interval of a distance that counts as solved
AnyTie = TypeVar("AnyTie", Tie, NearestTie, TieInNorm)


def held(claim: AnyTie, status: StatusArray) -> tuple[AnyTie, StatusArray]:
    """The claim with the bounds that its check proves, and the statuses (m,) that go with them.

    Bounds leave room for every rounding of ordinary numbers, so that their check need not be run here. With
    others it is: a lower bound that it does not prove becomes 0, then an upper one infinite. And no wide
    interval counts as solved there, whatever float64 can resolve.
    """
    finite = [side[np.isfinite(side)] for side in (claim.lo, claim.hi)]
    if is_ordinary(claim.weight, claim.bias, claim.features, *finite):
        return claim, status
    status = status.copy()
    fails = _fails(claim)
    lower = np.where(fails, 0.0, claim.lower)
    wide = claim.upper > (1 + RTOL) * lower
    status[wide & (status == Status.SOLVED)] = Status.PRECISION_LIMIT
    claim = replace(claim, lower=lower)
    fails = _fails(claim)
    upper: Float64 = np.where(fails, np.inf, claim.upper)
    status[fails] = Status.UNDECIDED
    return replace(claim, upper=upper), status


def _fails(claim: AnyTie) -> NDArray[np.bool_]:
    return np.asarray(claim.check().status[: len(claim)] != Status.PROVED, dtype=bool)
