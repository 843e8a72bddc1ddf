"""Neural collapse: how near features and head are to the simplex that training drives them towards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist

from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points, blocks
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.results import Result
from featgeom.status import Stats, Status

ENTRIES = 1 << 18  # of features or logits looked at in one step: they stay in the cache of a core


@dataclass(frozen=True)
class SimplexDeviation:
    """How far C vectors are from a simplex of equal lengths and equal angles (both 0 at the simplex).

    ``norms`` is std/mean of the lengths, ``angles`` the mean of |cos + 1/(C−1)| over pairs; inf where a
    vector of length zero, or fewer than two vectors, leave it undefined.
    """

    norms: float
    angles: float


@dataclass(frozen=True, eq=False, repr=False)
class NeuralCollapse(Result):
    """NC1 to NC4 in feature space; each tends to 0 as training collapses. ``inf`` means undefined.

    ``nc2`` is of the centred class means, ``nc2_head`` of the head's rows. ``classes`` lists the classes
    that have samples: NC1 to NC3 are about these alone. ``counts`` are their samples: where every count is
    1, NC1 is 0 for want of evidence. ``means`` (classes, d) are the class means.
    """

    shows = ("nc1", "nc3", "nc4")
    status: ClassVar[Status] = Status.COMPUTED

    nc1: float
    nc2: SimplexDeviation
    nc2_head: SimplexDeviation
    nc3: float
    nc4: float
    classes: Ints
    counts: Ints
    means: Float64
    stats: Stats


def neural_collapse(
    x: ArrayLike,
    y: ArrayLike,
    head: AffineHead,
    predicted: ArrayLike | None = None,
    means: Float64 | None = None,
) -> NeuralCollapse:
    """Measures NC1 to NC4 of Papyan, Han and Donoho (2020, arXiv 2008.08186, section 2).

    x: features (n, d), float32 or float64, memory maps included (read twice, in blocks). y: labels (n,).
    predicted: the class that the head gives each sample (n,), where that is known already; means: the means
    of the head's classes (C, d) as `class_means` gives them, which spares a reading.

    NC1 is tr(Σ_W Σ_B⁺)/C with Σ_W the mean of the classes' covariances and Σ_B the covariance of the class
    means, every class of equal weight; NC2 the deviation from equal norms and equal angles; NC3
    ‖W/‖W‖_F − M/‖M‖_F‖_F² with M the centred class means; NC4 the share of samples where the head and the
    nearest class mean disagree.

    Raises BadArgument for shapes that do not fit or labels the head has no class for.

    >>> x = np.array([[3.0, 0.0], [3.0, 0.0], [-3.0, 0.0], [-3.0, 0.0]])
    >>> result = neural_collapse(x, [0, 0, 1, 1], AffineHead([[1.0, 0.0], [-1.0, 0.0]]))
    >>> result.nc1, result.nc2, result.nc4
    (0.0, SimplexDeviation(norms=0.0, angles=0.0), 0.0)
    """
    started = time.perf_counter()
    labels = as_labels(y, "y", None, head.classes)
    classes, slot, counts = np.unique(labels, return_inverse=True, return_counts=True)
    given = None if means is None else means[classes]
    finite = given is not None and bool(np.isfinite(given).all())  # which they are of finite points alone
    points = as_points(x, "x", head.dimension, checked=finite)
    as_labels(labels, "y", len(points))
    means = class_means(points, slot, len(classes)) if given is None or not finite else given
    centre = means.mean(axis=0)
    centred = means - centre
    noise = _rounding_noise(means)
    centred[np.linalg.norm(centred, axis=1) <= noise] = 0
    basis, spread = _span(centred, noise)
    decided = None if predicted is None else as_labels(predicted, "predicted", len(points), head.classes)
    nc1, nc4 = _within(points, slot, counts, centre, centred, basis, spread, head, classes, decided)
    return NeuralCollapse(
        nc1=nc1,
        nc2=simplex_deviation(centred),
        nc2_head=simplex_deviation(head.weight[classes]),
        nc3=_duality_gap(head.weight[classes], centred) if len(spread) else np.inf,
        nc4=nc4,
        classes=classes,
        counts=counts,
        means=means,
        stats=Stats(passes=2, seconds=time.perf_counter() - started),
    )


@dataclass(frozen=True)
class GeneralisedCollapse:
    """NC2 and NC3 without lengths, for any number of classes. ``inf`` means undefined (``nan``: one-vs-rest).

    ``uniformity`` (GNC2) and ``duality`` (GNC3) tend to 0 as training collapses, ``one_vs_rest`` to 1 where
    there are no more than d + 1 classes.
    """

    uniformity: float
    one_vs_rest: float
    duality: float


def generalised_collapse(means: ArrayLike, weight: ArrayLike) -> GeneralisedCollapse:
    """How evenly class means (C, d) point apart, and rows of the head (C, d) along them: directions alone.

    The means are centred by their own mean and scaled to unit length; every class counts the same, however
    many samples it has. With more classes than d + 1, which no simplex fits, these still tell how good an
    arrangement is, where NC2 cannot vanish.

    * uniformity: the mean of log(1/‖u_i − u_j‖) over pairs, less what it is at the simplex, the least that
      any C directions have (GNC2; Liu, Yu, Weller, Schölkopf, Generalizing and decoupling neural collapse via
      hyperspherical uniformity gap, 2023, arXiv 2303.06484, logarithmic kernel).
    * one_vs_rest: the least distance of a u_k from the convex hull of the others, by C/(C − 1), what it is
      at the simplex, the most that any C directions have (GNC2 of Jiang et al., Generalized neural collapse
      for a large number of classes, 2024, arXiv 2310.05351).
    * duality: the mean of ‖w_k/‖w_k‖ − u_k‖ (GNC3 of both).

    >>> simplex = np.eye(3) - 1 / 3
    >>> round(generalised_collapse(5 + 2 * simplex, simplex).one_vs_rest, 6)
    1.0
    >>> square = [[1, 0], [0, 1], [-1, 0], [0, -1]]  # four in a plane: 1 of 4/3
    >>> round(generalised_collapse(square, square).one_vs_rest, 6)
    0.75
    """
    centred, rows = np.asarray(means, np.float64), np.asarray(weight, np.float64)
    noise = _rounding_noise(centred)
    centred = centred - centred.mean(axis=0)
    lengths, heights = np.linalg.norm(centred, axis=1), np.linalg.norm(rows, axis=1)
    count = len(centred)
    if count < 2 or not (lengths > noise).all():
        return GeneralisedCollapse(np.inf, np.nan, np.inf)
    unit = centred / lengths[:, None]
    apart = pdist(unit)
    farthest = np.sqrt(2 * count / (count - 1))
    alone = ConvexHull(unit).extreme_points(rtol=1e-9).distance.min()
    away = np.linalg.norm(rows / heights[:, None] - unit, axis=1).mean() if heights.all() else np.inf
    return GeneralisedCollapse(
        uniformity=float(np.log(farthest / apart).mean()) if apart.all() else np.inf,
        one_vs_rest=float(alone * (count - 1) / count),
        duality=float(away),
    )


def variance_by_distance(x: ArrayLike, y: ArrayLike) -> float:
    """CDNV: the variance within two classes beside the distance of their means, averaged over all pairs.

    x: features (n, d); y: labels (n,). Of classes i ≠ j it is (v_i + v_j) / (2 ‖μ_i − μ_j‖²) with v the mean
    squared distance from the class's mean; 0 where classes have collapsed to points, ``inf`` where two means
    are the same or fewer than two classes are there.

    Source: Galanti, György, Hutter, On the role of neural collapse in transfer learning, 2022, section 3.

    >>> variance_by_distance([[1.0, 0.0], [3.0, 0.0], [-2.0, 1.0], [-2.0, -1.0]], [0, 0, 1, 1])
    0.0625
    """
    points = as_points(x, "x")
    classes, slot, counts = np.unique(as_labels(y, "y", len(points)), return_inverse=True, return_counts=True)
    means = class_means(points, slot, len(classes))
    within, start = np.zeros(len(classes)), 0
    for block in blocks(points):
        rows = slot[start : start + len(block)]
        start += len(block)
        away = block.astype(np.float64, copy=False) - means[rows]
        within += np.bincount(rows, np.einsum("ij,ij->i", away, away), len(classes))
    within /= counts
    i, j = np.triu_indices(len(classes), 1)
    apart = ((means[i] - means[j]) ** 2).sum(axis=1)
    if len(apart) == 0 or not apart.all():
        return np.inf
    return float(((within[i] + within[j]) / (2 * apart)).mean())


def foreign_alignment(x: ArrayLike, y: ArrayLike, foreign: ArrayLike) -> float:
    """NC5: the mean over classes of |cos| between the class's mean and the mean of foreign features.

    x: features (n, d); y: labels (n,); foreign: features of images that are of none of the classes (m, d). 0
    where the means are orthogonal to it; ``inf`` where one of them is the zero vector.

    Source: Ben Ammar et al., NECO: neural collapse based out-of-distribution detection, 2024, section 4.

    >>> foreign_alignment([[1.0, 0.0], [0.0, 2.0]], [0, 1], [[3.0, 0.0], [1.0, 0.0]])
    0.5
    """
    points = as_points(x, "x")
    classes, slot = np.unique(as_labels(y, "y", len(points)), return_inverse=True)
    means = class_means(points, slot, len(classes))
    away = as_points(foreign, "foreign", points.shape[1]).mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(means, axis=1) * np.linalg.norm(away)
    return float((np.abs(means @ away) / lengths).mean()) if lengths.all() else np.inf


def class_means(points: Floats, labels: Ints, classes: int) -> Float64:
    """The mean of each class, (C, d) in float64; NaN for a class without points. A label of −1 is in none.

    >>> class_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]), 2)
    array([[2.],
           [5.]])
    """
    found = ClassSums(labels, classes, points.shape[1])
    for block in blocks(points):
        found.add(block)
    return found.means()


class ClassSums:
    """The sums of the points of each class, of ``labels`` (n,), as blocks of the points come one by one."""

    def __init__(self, labels: Ints, classes: int, dimension: int) -> None:
        self._labels, self._start = labels, 0
        self._sums, self._counts = np.zeros((classes, dimension)), np.zeros(classes, dtype=np.int64)

    def add(self, block: Floats) -> None:
        """The next points (m, d)."""
        mine, classes = self._labels[self._start : self._start + len(block)], len(self._counts)
        self._start += len(block)
        rows = np.flatnonzero(mine >= 0)
        here, slot = np.unique(mine[rows], return_inverse=True)
        member = csr_array((np.ones(len(rows)), (slot, rows)), (len(here), len(block)))
        self._sums[here] += np.asarray(member @ block.astype(np.float64, copy=False))
        self._counts += np.bincount(mine[rows], minlength=classes)

    def means(self) -> Float64:
        """As `class_means` gives them."""
        some = self._counts[:, None]
        return np.where(some > 0, self._sums / np.maximum(some, 1), np.nan)


def simplex_deviation(vectors: ArrayLike) -> SimplexDeviation:
    """How far the rows of ``vectors`` (C, d) are from equal norms and equal angles (NC2).

    >>> simplex_deviation([[1.0, 0.0], [-1.0, 0.0]])
    SimplexDeviation(norms=0.0, angles=0.0)
    """
    rows = np.asarray(vectors, np.float64)
    rows = rows / max(float(np.abs(rows).max(initial=0.0)), np.finfo(float).tiny)
    norms = np.linalg.norm(rows, axis=1)
    count = len(rows)
    if count < 2:
        return SimplexDeviation(np.inf, np.inf)
    spread = float(norms.std() / norms.mean()) if norms.any() else np.inf
    if not norms.all():
        return SimplexDeviation(spread, np.inf)
    unit = rows / norms[:, None]
    cosines = (unit @ unit.T)[np.triu_indices(count, 1)]
    return SimplexDeviation(spread, float(np.abs(cosines + 1 / (count - 1)).mean()))


def _rounding_noise(means: Float64) -> float:
    """The length below which a difference of class means may be nothing but rounding."""
    return float(max(means.shape) * np.finfo(np.float64).eps * np.linalg.norm(means))


def _span(centred: Float64, noise: float) -> tuple[Float64, Float64]:
    """An orthonormal basis (d, r) of the span of the centred means, and their singular values (r,).

    Directions in which the means differ by no more than ``noise`` are left out.
    """
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    keep = (values > noise) & (np.arange(len(values)) < len(centred) - 1)
    return rows[keep].T, values[keep]


def _within(
    points: Floats,
    slot: Ints,
    counts: Ints,
    centre: Float64,
    centred: Float64,
    basis: Float64,
    spread: Float64,
    head: AffineHead,
    classes: Ints,
    predicted: Ints | None,
) -> tuple[float, float]:
    """NC1 and NC4 in one pass.

    Both need the features only within the span of the centred means: Σ_B⁺ lives there, and so does the
    difference between the distances to two class means.
    """
    anchors = centred @ basis
    half = np.einsum("ij,ij->i", anchors, anchors) / 2
    total, disagree, start = 0.0, 0, 0
    row_bytes = max(1, points[:1].nbytes)
    for block in blocks(points, row_bytes * max(1, ENTRIES // max(head.weight.shape))):
        here = slice(start, start + len(block))
        rows, start = slot[here], here.stop
        wide = block.astype(np.float64, copy=False)
        shadow = (wide - centre) @ basis
        nearest = classes[(shadow @ anchors.T - half).argmax(axis=1)]
        decided = head.logits(wide).argmax(axis=1) if predicted is None else predicted[here]
        disagree += int((nearest != decided).sum())
        deviation = (shadow - anchors[rows]) / spread
        total += float((np.einsum("ij,ij->i", deviation, deviation) / counts[rows]).sum())
    # Σ_W = mean over C classes, Σ_B⁺ = C U S⁻² Uᵀ, and the definition divides by C once more.
    nc1 = total / len(classes) if len(spread) else np.inf
    return nc1, disagree / len(points)


def _duality_gap(weight: Float64, centred: Float64) -> float:
    """NC3: squared Frobenius distance of the normalised head and the normalised class means."""
    norms = np.linalg.norm(weight), np.linalg.norm(centred)
    if not all(norms):
        return np.inf
    return float(np.linalg.norm(weight / norms[0] - centred / norms[1]) ** 2)
