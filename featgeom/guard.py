"""A guard for a deployed classifier: does a new feature lie where training features of its class do?"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin

from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points
from featgeom.certificates.hulls import HullDistance
from featgeom.errors import BadArgument, BadData
from featgeom.files import write_whole
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.domains import Box
from featgeom.regions.margins import margins_of_block, point_blocks
from featgeom.regions.radius import radius
from featgeom.results import Result
from featgeom.status import Status, StatusArray, status_array

RTOL = 1e-3  # of the scores
COARSE = (0.5, RTOL, 1e-9)  # how closely distances are bounded until each is on one side of a threshold
FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class GuardScores(Result):
    """Bounds on the angular hull distance of n features, each to the hull of its predicted class.

    ``classes`` (n,): the predicted class. The true distance lies in [``lower``, ``upper``] (n,); both are
    inf where no training feature has that class. ``rows`` and ``certificates``: for each class the features
    it was predicted for, and the claim that proves their bounds.
    """

    bounded = ("distance", "lower", "upper")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    lower: Float64
    upper: Float64
    rows: dict[int, Ints]
    certificates: dict[int, HullDistance]


@dataclass(frozen=True, eq=False, repr=False)
class GuardAnswer(Result):
    """Everything that the guard knows of n features.

    ``classes`` (n,); ``radius`` (n,): a proved lower bound on the distance in feature space within which the
    head's class cannot change; ``inside`` (n,): INSIDE where the feature is proved to lie in the hull of the
    correctly predicted training features of its class, which the head is proved to give that class whole,
    with ``outside_by`` (n,) an upper bound on the distance from that hull; ``score`` (n,): the angular hull
    distance, and ``beyond`` (n,) whether it exceeds the threshold.
    """

    shows = ("score", "radius", "beyond")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    radius: Float64
    inside: StatusArray
    outside_by: Float64
    score: Float64
    beyond: NDArray[np.bool_]


class Guard(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells features of images unlike the training images, by their angular hull distance.

    Features are scaled to unit length; the score of a new one is its distance from the convex hull of the
    training features of its predicted class (those predicted so and, if labels are given, rightly so). What
    lies far out extrapolates: the classifier has seen nothing of that class in that direction. The distance
    is proved, between two bounds; that it tells foreign images from others is an observation (see
    benchmarks/bench_guard.py), not a theorem.

    ``false_alarm``: the share of ordinary features that may be called foreign. `fit` sets the threshold by
    features that the training did not see (conformal prediction: for ordinary features drawn like those, the
    probability of an alarm is at most ``false_alarm``).

    >>> rng = np.random.default_rng(0)
    >>> head = AffineHead(np.eye(3))
    >>> z = np.abs(rng.standard_normal((600, 3))) + 4 * np.eye(3)[rng.integers(3, size=600)]
    >>> guard = Guard(head, false_alarm=0.1).fit(z[:300], calibration=z[300:])
    >>> guard.predict([[5.0, 0.5, 0.5], [1.0, 1.0, 1.01]])
    array([ 1, -1])
    """

    def __init__(self, head: AffineHead, false_alarm: float = 0.05, device: str = "cpu") -> None:
        self.head = head
        self.false_alarm = false_alarm
        self.device = device

    def fit(
        self, features: ArrayLike, labels: ArrayLike | None = None, calibration: ArrayLike | None = None
    ) -> Guard:
        """Take training features (n, d), their labels (n,) if known, and features kept aside (m, d).

        Without ``calibration``, one in ten training features (every tenth, of all that count) is kept aside;
        as the network was trained on those, expect more false alarms than asked for on new images.

        Raises BadArgument where ``false_alarm`` needs more features kept aside than there are.
        """
        if not isinstance(self.head, AffineHead):
            raise BadArgument(f"guard: expected an AffineHead, got {type(self.head).__name__}")
        if not 0 < self.false_alarm < 1:
            raise BadArgument(f"false_alarm: expected a number between 0 and 1, got {self.false_alarm!r}")
        points = as_points(features, "features", self.head.dimension)
        predicted = self._classify(points)
        keep = np.ones(len(points), dtype=bool)
        if labels is not None:
            keep = predicted == as_labels(labels, "labels", len(points), self.head.classes)
        rows = np.flatnonzero(keep)
        if calibration is None:
            aside = np.zeros(len(rows), dtype=bool)
            aside[::10] = True
            kept_aside: Floats = points[rows[aside]]
            rows = rows[~aside]
        else:
            kept_aside = as_points(calibration, "calibration", self.head.dimension)
        if len(rows) == 0:
            raise BadArgument("features: none is left to make hulls of")
        self._set(points[rows], predicted[rows])
        self.threshold_ = self._conformal(self.distances(kept_aside).upper)
        return self

    def _set(self, points: Floats, classes: Ints) -> None:
        self.points_, self.point_classes_ = points, classes
        self.n_features_in_ = points.shape[1]
        self.hulls_ = {
            int(c): ConvexHull(unit_length(points[classes == c]), device=self.device)
            for c in np.unique(classes)
        }

    @property
    def offset_(self) -> float:
        """Minus the threshold: `predict` says −1 where `score_samples` is below."""
        return -self.threshold_

    def _conformal(self, distances: Float64) -> float:
        rank = math.ceil((len(distances) + 1) * (1 - self.false_alarm))
        if rank > len(distances):
            raise BadArgument(
                f"false_alarm: {self.false_alarm} takes {math.ceil(1 / self.false_alarm) - 1} features kept "
                f"aside or more, got {len(distances)}"
            )
        return float(np.sort(distances)[rank - 1])

    def _classify(self, points: Floats) -> Ints:
        parts = [margins_of_block(self.head, points[b]).classes for b in point_blocks(self.head, len(points))]
        return np.concatenate(parts)

    def distances(self, features: ArrayLike, rtol: float = RTOL) -> GuardScores:
        """Proved bounds on the angular hull distance of features (n, d), within ``rtol`` of each other."""
        z = self._asked(features)
        classes = self._classify(z)
        everyone = np.arange(len(z))
        return self._bounded(unit_length(z), classes, everyone, rtol)

    def _bounded(self, z: Floats, classes: Ints, chosen: Ints, rtol: float) -> GuardScores:
        lower, upper = np.full(len(z), np.inf), np.full(len(z), np.inf)
        rows: dict[int, Ints] = {}
        claims: dict[int, HullDistance] = {}
        for c, hull in self.hulls_.items():
            mine = chosen[classes[chosen] == c]
            if len(mine) == 0:
                continue
            found = hull.project(z[mine], rtol=rtol)
            lower[mine], upper[mine] = found.lower_bound, found.distance
            rows[c], claims[c] = mine, found.certificate
        return GuardScores(classes, lower, upper, rows, claims)

    def score_samples(self, features: ArrayLike) -> Float64:
        """Minus the angular hull distance of features (n, d): the lower, the more foreign."""
        return -self.distances(features).upper

    def decision_function(self, features: ArrayLike) -> Float64:
        """`score_samples` less the threshold's: negative where the guard raises an alarm."""
        return self.score_samples(features) - self.offset_

    def predict(self, features: ArrayLike) -> Ints:
        """1 for features within the threshold, −1 for those beyond.

        Each is decided as soon as a proved bound is on one side of the threshold (early exit); the rare one
        that rounding leaves on it counts as beyond.
        """
        z = self._asked(features)
        classes = self._classify(z)
        unit = unit_length(z)
        answer = np.full(len(z), -1, dtype=np.int64)
        open_rows = np.arange(len(z))
        for rtol in COARSE:
            found = self._bounded(unit, classes, open_rows, rtol)
            answer[open_rows[found.upper[open_rows] <= self.threshold_]] = 1
            undecided = (found.upper > self.threshold_) & (found.lower <= self.threshold_)
            open_rows = open_rows[undecided[open_rows]]
            if len(open_rows) == 0:
                break
        return answer

    def inspect(self, features: ArrayLike) -> GuardAnswer:
        """Class, margin radius, guaranteed hull and score of features (n, d).

        >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
        >>> z = np.array([[2.0, 0.0], [2.0, 1.0], [3.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
        >>> answer = Guard(head, 0.5).fit(z, calibration=z).inspect([[2.2, 0.6], [9.0, 0.0]])
        >>> answer.inside, answer.outside_by.round(1)
        (array([INSIDE, OUTSIDE], dtype=object), array([0. , 6.1]))
        """
        z = self._asked(features)
        scores = self.distances(z)
        inside = status_array(len(z), Status.OUTSIDE)
        outside_by = np.full(len(z), np.inf)
        for c in self.hulls_:
            mine = np.flatnonzero(scores.classes == c)
            if len(mine):
                found = ConvexHull(self.points_[self.point_classes_ == c], device=self.device).contains(
                    z[mine]
                )
                inside[mine] = found.status
                outside_by[mine] = np.where(found.status == Status.INSIDE, 0.0, found.distance)
        reach = radius(self.head, z, Box.space(self.head.dimension)).radius
        beyond = scores.upper > self.threshold_
        return GuardAnswer(scores.classes, reach, inside, outside_by, scores.upper, beyond)

    def _asked(self, features: ArrayLike) -> Floats:
        if not hasattr(self, "hulls_"):
            raise BadArgument("guard: fit it first, or load one")
        return as_points(features, "features", self.head.dimension, allow_empty=True)

    def save(self, path: Path | str) -> None:
        """Write everything to one file (.npz), whole or not at all."""
        self._asked(np.zeros((0, self.head.dimension)))
        packed = io.BytesIO()
        np.savez(
            packed,
            format=np.array(FORMAT),
            weight=self.head.weight,
            bias=self.head.bias,
            points=self.points_,
            point_classes=self.point_classes_,
            threshold=np.array(self.threshold_),
            false_alarm=np.array(self.false_alarm),
        )
        write_whole(Path(path), packed.getbuffer())

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu") -> Guard:
        """Read a guard that `save` wrote. Raises BadData for a file that is none, or damaged.

        >>> import tempfile
        >>> z = np.array([[2.0, 0.0], [2.0, 1.0], [0.0, 2.0], [1.0, 2.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     guard = Guard(AffineHead(np.eye(2)), 0.25).fit(z, calibration=[[2, 0.4], [0.5, 2], [2, 0.5]])
        ...     guard.save(f"{folder}/guard.npz")
        ...     Guard.load(f"{folder}/guard.npz").predict([[2.0, 0.3], [2.0, 1.9]])
        array([ 1, -1])
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                found: dict[str, Any] = {name: stored[name] for name in stored.files}
            if int(found["format"]) != FORMAT:
                raise BadData(f"{path}: format {found['format']}, this version reads {FORMAT}")
            guard = cls(AffineHead(found["weight"], found["bias"]), float(found["false_alarm"]), device)
            points = as_points(found["points"], "points", guard.head.dimension)
            guard._set(points, as_labels(found["point_classes"], n=len(points), classes=guard.head.classes))
            guard.threshold_ = float(found["threshold"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadData(f"{path}: not a guard, or damaged ({error})") from None
        return guard


def unit_length(z: Floats) -> Floats:
    """Rows (n, d) scaled to length 1, in their own type; a row of zeros stays what it is.

    >>> unit_length(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    large = np.abs(z).max(axis=1, initial=0.0)
    scaled = z / np.where(large > 0, large, 1.0)[:, None]
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64))
    unit: Floats = (scaled / np.where(length > 0, length, 1.0)[:, None]).astype(z.dtype)
    return unit
