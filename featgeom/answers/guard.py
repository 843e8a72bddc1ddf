"""A guard for a deployed classifier: does a new feature lie where training features of its class do?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin

from featgeom.answers.conformal import p_values, threshold
from featgeom.answers.directions import direction_error, unit_length
from featgeom.answers.guard_file import GuardFile
from featgeom.answers.score_names import PLAIN, SCORES
from featgeom.answers.scores import Views, energy, wanted_aside
from featgeom.answers.verdicts import GuardAnswer, GuardScores, GuardVerdicts
from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points
from featgeom.certificates.hulls import HullDistance
from featgeom.decimals import no_less
from featgeom.errors import BadArgument, BadData
from featgeom.files import write_whole
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.domains import Box
from featgeom.regions.margins import margins_of_block, point_blocks
from featgeom.regions.radius import radius
from featgeom.remarks import caution
from featgeom.status import Status, status_array

RTOL = 1e-3  # of the hull distances
COARSE = (0.5, RTOL, 1e-9)  # how closely distances are bounded until each is on one side of a threshold


class Guard(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells features of images unlike the training images, by their angular hull distance or their logits.

    Features are scaled to unit length; the ``score`` "hull" of a new one is its distance from the convex hull
    of the training features of its predicted class (those predicted so and, if labels are given, rightly so).
    What lies far out extrapolates: the classifier has seen nothing of that class in that direction. The
    distance is proved, between two bounds; that it tells foreign images from others is an observation (see
    benchmarks/bench_guard.py), not a theorem. The score "margin" is minus the proved distance to the nearest
    boundary, "energy" is −log Σ exp(logits) (Liu et al. 2020). Two scores put several views together, each
    measured by how rare it is among half of the features kept aside (`surprise`): "combined" is the larger of
    hull distance and energy, "joint" the sum of hull distance, energy, the Mahalanobis distance from the
    nearest class mean (Lee et al. 2018) and how short the feature is, as Fisher's method adds logarithms of
    p-values.

    ``false_alarm``: how probably an ordinary feature may be called foreign. `fit` sets the threshold by
    features that the training did not see (conformal prediction: for ordinary features drawn like those, the
    probability of an alarm is at most ``false_alarm``, on average over draws of the features kept aside).

    >>> rng = np.random.default_rng(0)
    >>> head = AffineHead(np.eye(3))
    >>> z = np.abs(rng.standard_normal((600, 3))) + 4 * np.eye(3)[rng.integers(3, size=600)]
    >>> guard = Guard(head, false_alarm=0.1).fit(z[:300], calibration=z[300:])
    >>> guard.predict([[5.0, 0.5, 0.5], [1.0, 1.0, 1.01]])
    array([ 1, -1])
    """

    def __init__(
        self, head: AffineHead, false_alarm: float = 0.05, device: str = "cpu", score: str = "hull"
    ) -> None:
        self.head = head
        self.false_alarm = false_alarm
        self.device = device
        self.score = score

    def fit(
        self, features: ArrayLike, labels: ArrayLike | None = None, calibration: ArrayLike | None = None
    ) -> Guard:
        """Take training features (n, d), their labels (n,) if known, and features kept aside (m, d).

        Without ``calibration``, one in ten training features (every tenth, of all that count) is kept aside;
        as the network was trained on those, expect more false alarms than asked for on new images. The scores
        "combined" and "joint" take every other one of the features kept aside to compare their views, and
        calibrate with the rest.

        Raises BadArgument where ``false_alarm`` needs more features kept aside than there are.
        """
        self._check_parameters()
        points = as_points(features, "features", self.head.dimension)
        predicted = self.classify(points)
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
            kept_aside = as_points(calibration, "calibration", self.head.dimension, True)
        if len(rows) == 0:
            raise BadArgument("features: none is left to make hulls of")
        self._set(points[rows], predicted[rows])
        self._calibrate(kept_aside)
        self.said_: dict[str, Any] = {}
        return self

    def _check_parameters(self) -> None:
        if not isinstance(self.head, AffineHead):
            raise BadArgument(f"guard: expected an AffineHead, got {type(self.head).__name__}")
        if not 0 < self.false_alarm < 1:
            raise BadArgument(f"false_alarm: expected a number between 0 and 1, got {self.false_alarm!r}")
        if self.score not in SCORES:
            raise BadArgument(f"score: one of {', '.join(SCORES)}, got {self.score!r}")

    def _set(self, points: Floats, classes: Ints) -> None:
        self.points_, self.point_classes_ = points, classes
        self.n_features_in_ = points.shape[1]
        self.hulls_ = {
            int(c): ConvexHull(unit_length(points[classes == c]), device=self.device)
            for c in np.unique(classes)
        }
        plain = self.score in PLAIN
        self._views = None if plain else Views.of(self.score, self.head, points, classes)

    def _calibrate(self, kept_aside: Floats) -> None:
        self.known_: Float64 = np.zeros((0, 0))
        wanted = wanted_aside(self.score, self.false_alarm)
        if len(kept_aside) < wanted:
            raise BadArgument(
                f"calibration: the score '{self.score}' takes {wanted:,} features kept aside or more at "
                f"false_alarm {self.false_alarm}, got {len(kept_aside):,}: keep more aside, or allow more"
            )
        if self._views is not None and self._views.beside:
            compared, kept_aside = kept_aside[::2], kept_aside[1::2]
            views = [self.distances(compared).upper, *self._views.seen(compared)]
            self.known_ = np.sort(np.stack(views), axis=1)
        self.calibration_ = np.sort(self._scored(kept_aside)[1])
        self.threshold_ = threshold(self.calibration_, self.false_alarm)
        if self.silent:
            caution(f"calibration: {self.why_silent()}")

    @property
    def silent(self) -> bool:
        """Whether no feature at all can raise an alarm, as too many that calibrate are infinitely far out."""
        return bool(np.isposinf(self.threshold_))

    def why_silent(self) -> str:
        """In words, why no feature can raise an alarm, and what would change that."""
        out, known = int(np.isposinf(self.calibration_).sum()), len(self.calibration_)
        more = f"allow {no_less((out + 1) / (known + 1), 3)}, " if out < known else ""
        return (
            f"no feature can raise an alarm at false_alarm {self.false_alarm:.3g}: {out:,} of the {known:,} "
            "features that set the threshold are given classes of which no training feature makes a hull, so "
            f"nothing lies farther out than they do; fit features of all classes, {more}or take a score "
            f"without hulls ({', '.join(PLAIN)})"
        )

    @property
    def offset_(self) -> float:
        """Minus the threshold: `predict` says −1 where `score_samples` is below."""
        return -self.threshold_

    def classify(self, points: Floats) -> Ints:
        """The class whose hull features (n, d) are measured from, (n,)."""
        parts = [margins_of_block(self.head, points[b]).classes for b in point_blocks(self.head, len(points))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _radius(self, points: Floats) -> Float64:
        return radius(self.head, points, Box.space(self.head.dimension)).radius

    def distances(self, features: ArrayLike, rtol: float = RTOL) -> GuardScores:
        """Proved bounds on the angular hull distance of features (n, d), within ``rtol`` of each other."""
        z = self._asked(features)
        classes = self.classify(z)
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
            moved = direction_error(z.dtype, z.shape[1]) + direction_error(self.points_.dtype, z.shape[1])
            lower[mine] = np.maximum(np.nextafter(found.lower_bound - moved, -np.inf), 0.0)
            upper[mine] = np.nextafter(found.distance + moved, np.inf)
            rows[c], claims[c] = mine, found.certificate
        return GuardScores(classes, lower, upper, rows, claims)

    def _scored(self, z: Floats) -> tuple[Float64, Float64, Float64, Float64]:
        """Lower and upper end of the score of features, their hull distance and their radius."""
        reach = self._radius(z)
        if self._views is None:
            plain = self._plain(z, reach)
            return plain, plain, np.full(len(z), np.nan), reach
        found, seen = self.distances(z), self._views.seen(z)
        lower, upper = (self._views.together(end, seen, self.known_) for end in (found.lower, found.upper))
        return np.minimum(lower, upper), upper, found.upper, reach

    def _plain(self, z: Floats, reach: Float64) -> Float64:
        """The scores that take no hull."""
        return -reach if self.score == "margin" else energy(self.head, z)

    def score_samples(self, features: ArrayLike) -> Float64:
        """Minus the score of features (n, d): the lower, the more foreign."""
        return -self._scored(self._asked(features))[1]

    def decision_function(self, features: ArrayLike) -> Float64:
        """`score_samples` less the threshold's: negative where the guard raises an alarm."""
        return self.score_samples(features) - self.offset_

    def predict(self, features: ArrayLike) -> Ints:
        """1 for features within the threshold, −1 for those beyond.

        Each is decided as soon as a proved bound is on one side of the threshold (early exit); the rare one
        that rounding leaves on it counts as beyond.
        """
        z = self._asked(features)
        if self._views is None:
            return np.where(self._plain(z, self._radius(z)) <= self.threshold_, 1, -1)
        classes, unit, seen = self.classify(z), unit_length(z), self._views.seen(z)
        answer = np.full(len(z), -1, dtype=np.int64)
        open_rows = np.arange(len(z))
        for rtol in COARSE:
            found = self._bounded(unit, classes, open_rows, rtol)
            lower, upper = (
                self._views.together(end[open_rows], seen[:, open_rows], self.known_)
                for end in (found.lower, found.upper)
            )
            answer[open_rows[upper <= self.threshold_]] = 1
            open_rows = open_rows[(upper > self.threshold_) & (lower <= self.threshold_)]
            if len(open_rows) == 0:
                break
        return answer

    def judge(self, features: ArrayLike, own: ArrayLike = False) -> GuardVerdicts:
        """Class, score, p-value, alarm and radius of features (n, d).

        Those that are ``own`` (n,) were kept aside to calibrate: each is left out of its own p-value.

        >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
        >>> z = np.array([[2.0, 0.0], [2.0, 1.0], [3.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
        >>> aside = [[2.5, 0.5], [2.0, 1.2], [1.0, 1.5]]
        >>> found = Guard(head, 0.25).fit(z, calibration=aside).judge([[2.2, 0.6], [2.0, 1.9]])
        >>> found.p_value, found.alarm
        (array([1.  , 0.25]), array([False,  True]))
        """
        z = self._asked(features)
        lower, upper, distance, reach = self._scored(z)
        rare = p_values(upper, self.calibration_, own)
        return GuardVerdicts(self.classify(z), upper, lower, rare, rare <= self.false_alarm, distance, reach)

    def inspect(self, features: ArrayLike) -> GuardAnswer:
        """What `judge` says of features (n, d), and whether each lies in a guaranteed hull.

        >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
        >>> z = np.array([[2.0, 0.0], [2.0, 1.0], [3.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
        >>> answer = Guard(head, 0.5).fit(z, calibration=z).inspect([[2.2, 0.6], [9.0, 0.0]])
        >>> answer.inside, answer.outside_by.round(1)
        (array([INSIDE, OUTSIDE], dtype=object), array([0. , 6.1]))
        """
        z = self._asked(features)
        verdicts = self.judge(z)
        inside = status_array(len(z), Status.OUTSIDE)
        outside_by = np.full(len(z), np.inf)
        for c in self.hulls_:
            mine = np.flatnonzero(verdicts.classes == c)
            if len(mine):
                found = ConvexHull(self.points_[self.point_classes_ == c], device=self.device).contains(
                    z[mine]
                )
                inside[mine] = found.status
                outside_by[mine] = np.where(found.status == Status.INSIDE, 0.0, found.distance)
        return GuardAnswer(**vars(verdicts), inside=inside, outside_by=outside_by)

    def _asked(self, features: ArrayLike) -> Floats:
        if not hasattr(self, "hulls_"):
            raise BadArgument("guard: fit it first, or load one")
        return as_points(features, "features", self.head.dimension, allow_empty=True)

    def to_bytes(self) -> bytes:
        """Everything as the bytes of an .npz file of plain arrays, with what is ``said_`` of it as JSON."""
        self._asked(np.zeros((0, self.head.dimension)))
        return GuardFile(
            self.head, self.points_, self.point_classes_, self.calibration_, self.known_, self.score,
            self.false_alarm, self.said_,
        ).to_bytes()  # fmt: skip

    def save(self, path: Path | str) -> None:
        """Write everything to one file (.npz), whole or not at all."""
        write_whole(Path(path).expanduser(), self.to_bytes())

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu") -> Guard:
        """Read a guard that `save` wrote. Raises BadData for a file that is none, or damaged.

        What was said of it is ``said_``.

        >>> import tempfile
        >>> z = np.array([[2.0, 0.0], [2.0, 1.0], [0.0, 2.0], [1.0, 2.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     guard = Guard(AffineHead(np.eye(2)), 0.25).fit(z, calibration=[[2, 0.4], [0.5, 2], [2, 0.5]])
        ...     guard.save(f"{folder}/guard.npz")
        ...     Guard.load(f"{folder}/guard.npz").predict([[2.0, 0.3], [2.0, 1.9]])
        array([ 1, -1])
        """
        kept = GuardFile.read(Path(path).expanduser())
        try:
            guard = cls(kept.head, kept.false_alarm, device, kept.score)
            guard._check_parameters()
            guard._set(kept.points, kept.point_classes)
            guard.known_, guard.calibration_, guard.said_ = kept.known, kept.calibration, kept.said
            guard.threshold_ = threshold(guard.calibration_, guard.false_alarm)
        except ValueError as error:
            raise BadData(f"{path}: not a guard, or damaged ({error})") from None
        return guard
