"""What a guard says of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.certificates.hulls import HullDistance
from featgeom.results import Result
from featgeom.status import Status, StatusArray


@dataclass(frozen=True, eq=False, repr=False)
class GuardScores(Result):
    """Bounds on the angular hull distance of n features, each to the hull of its predicted class.

    ``classes`` (n,): the predicted class. The true distance lies in [``lower``, ``upper``] (n,); both are
    inf where no training feature has that class. ``rows`` and ``certificates``: for each class the features
    it was predicted for, and the claim that proves the bounds between features scaled to unit length and
    rounded; ``lower`` and ``upper`` are wider than these by what the rounding may have moved
    (`direction_error`).
    """

    bounded = ("distance", "lower", "upper")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    lower: Float64
    upper: Float64
    rows: dict[int, Ints]
    certificates: dict[int, HullDistance]


@dataclass(frozen=True, eq=False, repr=False)
class GuardVerdicts(Result):
    """What the guard says of n features.

    ``classes`` (n,): the head's class. ``score`` (n,): the higher, the more foreign; what it stands for, and
    the bounds that the distance puts on it, are [``lower``, ``score``]. ``p_value`` (n,): the share of
    ordinary features that score as high; ``alarm`` (n,): where it is at most the false alarms allowed.
    ``distance`` (n,): a proved upper bound on the angular hull distance, NaN where the score does without;
    ``radius`` (n,): a proved lower bound on the distance in feature space to the nearest boundary.
    """

    shows = ("score", "p_value", "alarm")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    score: Float64
    lower: Float64
    p_value: Float64
    alarm: NDArray[np.bool_]
    distance: Float64
    radius: Float64


@dataclass(frozen=True, eq=False, repr=False)
class GuardAnswer(GuardVerdicts):
    """Everything that the guard knows of n features: its verdicts, and their place among guaranteed hulls.

    ``inside`` (n,): INSIDE where the feature is proved to lie in the hull of the correctly predicted training
    features of its class, which the head is proved to give that class whole, with ``outside_by`` (n,) an
    upper bound on the distance from that hull.
    """

    shows = ("score", "radius", "alarm")

    inside: StatusArray
    outside_by: Float64
