"""The maximum-margin machine: hard or soft, for two classes or many, with a certified gap."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points, blocks
from featgeom.certificates.claim import Claim
from featgeom.certificates.machines import Inseparable, Machine
from featgeom.errors import BadArgument, nearest_name
from featgeom.margins.bounds import dual_bound, primal_bound, whole_multipliers
from featgeom.margins.inseparable import contradiction
from featgeom.margins.working_set import Frame, WorkingSolution, solve_machine
from featgeom.results import Result
from featgeom.status import Stats, Status

WIDE = 256  # dimensions from which hard machines of two classes come from hulls
ONE_THREAD = 2_000  # below so many unknowns a second thread costs more than it brings
BIASES = ("standard", "augmented", "none")
SMALLEST = 1e-100  # samples all nearer to zero than this, or beyond its inverse, are refused
ROOMS = (0.0, 1e-13, 1e-11, 1e-9)  # by which bounds may have to be widened for their own check
NEGLIGIBLE = 1e-7  # of the largest multiplier: a sample that holds less is not a support vector


@dataclass(frozen=True, eq=False, repr=False)
class LinearSVM(Result):
    """A linear support vector machine over ``classes``, the labels that have samples.

    ``weight`` is (1, d) and ``bias`` (1,) for two classes (positive: the second), (K, d) and (K,) for more.
    ``margin`` is 1/‖weight‖, in units of feature space: for two classes and a hard margin the distance of the
    boundary from the nearest sample, half that of the hulls where the bias is standard. ``objective``
    is the value at this machine, and the least possible one lies between ``lower_bound`` and it; ``gap`` is
    their relative difference. ``support`` (m,) are the samples that hold it up, ``multipliers`` (m, 1) or
    (m, K) how much, by rival. Where ``status`` is NOT_SEPARABLE or UNDECIDED the weights are NaN.
    """

    bounded = ("objective", "lower_bound", "objective")
    shows = ("margin",)

    status: Status
    weight: Float64
    bias: Float64
    classes: Ints
    margin: float
    objective: float
    lower_bound: float
    gap: float
    support: Ints
    multipliers: Float64
    certificate: Claim
    stats: Stats

    def decision(self, x: ArrayLike) -> Float64:
        """Values (n,) for two classes, (n, K) for more; the sign, or the largest, tells the class.

        >>> max_margin([[0.0], [2.0]], [0, 1]).decision([[1.0], [3.0]]).round(6) + 0.0
        array([0., 2.])
        """
        values = as_points(x, "x", self.weight.shape[1], allow_empty=True) @ self.weight.T + self.bias
        return values[:, 0] if len(self.classes) == 2 else values

    def classify(self, x: ArrayLike) -> Ints:
        """The class of each sample, (n,)."""
        values = self.decision(x)
        return self.classes[(values > 0).astype(int) if values.ndim == 1 else values.argmax(axis=1)]


def max_margin(
    x: ArrayLike, y: ArrayLike, C: float = np.inf, bias: str = "standard", rtol: float = 1e-6
) -> LinearSVM:
    """Find the machine min ½‖w‖² + C Σ ξ_i with y·(w·x + b) ≥ 1 − ξ, and certify how good it is.

    x: features (n, d), float32 or float64. y: labels (n,); classes without samples are left out. For more
    than two classes it is one machine, min ½‖W‖² + C Σ ξ_i with (w_y − w_k)·x + b_y − b_k ≥ 1 − ξ_i for all
    rivals k (Crammer and Singer 2001). C = inf is the hard margin, which answers NOT_SEPARABLE, with
    proof, where there is none. ``bias``: "standard" is free, "augmented" is regularised with the weights
    (½b² is added; gradient descent with a trainable bias converges to this one), "none" is zero.

    The status is SOLVED if the certified relative gap of the objective is at most ``rtol``. Raises
    BadArgument for shapes that do not fit, fewer than two classes or C ≤ 0, Unsupported where
    (K − 1)(d + 1) exceeds 12,000.

    >>> svm = max_margin([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0]], [0, 0, 1])
    >>> svm.status, round(svm.margin, 9), (svm.weight.round(9) + 0.0).tolist(), svm.bias.round(9).tolist()
    (SOLVED, 2.0, [[0.5, 0.0]], [-1.0])
    >>> max_margin([[0.0], [1.0], [2.0]], [0, 1, 0]).status
    NOT_SEPARABLE
    """
    started = time.perf_counter()
    points = as_points(x, "x")
    classes, slots = np.unique(as_labels(y, "y", len(points)), return_inverse=True)
    if len(classes) < 2:
        raise BadArgument(f"y: a machine needs samples of two classes, got those of {len(classes)}")
    if not C > 0:
        raise BadArgument(f"C must be positive, got {C}")
    if bias not in BIASES:
        raise BadArgument(f"unknown bias '{bias}'{nearest_name(bias, list(BIASES))}")
    binary = len(classes) == 2
    # As one row a class, a binary machine w is (−w/2, w/2): half its objective, at half of C.
    inner_c = C / 2 if binary else C
    needs_squares(points)
    if binary and np.isinf(C) and points.shape[1] >= WIDE:
        from featgeom.margins.by_hulls import machine_by_hulls  # hulls load torch

        near = machine_by_hulls(points, slots, bias)
        if near is not None:
            svm = _judge(points, slots, classes, C, bias, rtol, near, started)
            if svm.status is Status.SOLVED:
                return svm
    unknowns = (len(classes) - 1) * (points.shape[1] + 1)
    with threadpool_limits(1 if unknowns < ONE_THREAD else None, "blas"):
        found = solve_machine(points, slots, len(classes), inner_c, bias)
        if found.separable:
            svm = _judge(points, slots, classes, C, bias, rtol, found, started)
            if np.isfinite(svm.objective):
                return svm
        return _inseparable(points, slots, classes, bias, found, started)


def needs_squares(x: Floats) -> None:
    """Refuse samples (n, d), not all zero, whose squares may leave float64: BadArgument."""
    largest = max(float(np.abs(part).max()) for part in blocks(x))
    if largest > 0 and not SMALLEST < largest < 1 / SMALLEST:
        raise BadArgument(f"x: its largest entry, {largest:.0e}, cannot be squared safely; rescale it")


def _judge(
    x: Floats,
    y: Ints,
    classes: Ints,
    c: float,
    bias: str,
    rtol: float,
    found: WorkingSolution,
    started: float,
) -> LinearSVM:
    """The solution with its bounds over all samples, scaled so that a hard margin's constraints hold."""
    hard, regularised = np.isinf(c), bias == "augmented"
    weight, offset = found.weight, found.bias
    if len(classes) == 2:  # w and the row 0 say the same, and their objective is the one of w
        weight, offset = weight - weight[:1], offset - offset[:1]
    upper, least = primal_bound(x, y, weight, offset, np.inf, regularised)
    scaled = hard
    if not hard:
        # Where C is large, the rounding of tiny slacks weighs more than having none.
        soft, _ = primal_bound(x, y, weight, offset, c, regularised)
        upper, scaled = min(upper, soft), upper < soft
        # Where no weights at all are best, those found come only as near as the root of their gap.
        none, _ = primal_bound(x, y, 0 * weight, 0 * offset, c, regularised)
        if none <= upper:
            weight, offset, upper, scaled = 0 * weight, 0 * offset, none, False
    if scaled and least > 0:
        weight, offset = weight / least, offset / least
    whole = whole_multipliers(found.multipliers, y[found.rows], balanced=bias == "standard")
    held = whole.sum(axis=1)
    used = np.flatnonzero(held > 0)
    used = used[np.argsort(found.rows[used])]
    rows, whole, held = found.rows[used], whole[used], held[used]
    if len(classes) == 2:
        lower, factor = (2 * value for value in dual_bound(x[rows], y[rows], whole, c / 2, regularised))
        weight, offset, whole = weight[1:], offset[1:], held[:, None]
    else:
        lower, factor = dual_bound(x[rows], y[rows], whole, c, regularised)
    claim, proved = _proved(Machine(x, y, weight, offset, rows, whole, float(c), bias, lower, upper))
    lower, upper = claim.lower, claim.upper
    holding = held > NEGLIGIBLE * held.max()
    gap = (upper - lower) / upper if np.isfinite(upper) and upper > 0 else float(upper > lower)
    size = float(np.linalg.norm(weight))
    return LinearSVM(
        status=Status.SOLVED if gap <= rtol and proved else Status.PRECISION_LIMIT,
        weight=weight,
        bias=offset,
        classes=classes,
        margin=1 / size if size > 0 else np.inf,
        objective=upper,
        lower_bound=lower,
        gap=gap,
        support=rows[holding],
        multipliers=whole[holding] * factor,
        certificate=claim,
        stats=Stats(found.iterations, found.passes + 1, time.perf_counter() - started),
    )


def _proved(claim: Machine) -> tuple[Machine, bool]:
    """The claim with bounds that its own check proves, as little wider as will do; and whether it does."""
    for room in ROOMS:
        wider = replace(claim, lower=claim.lower * (1 - room), upper=claim.upper * (1 + room))
        if wider.check().status[0] is Status.PROVED:
            return wider, True
    return replace(claim, lower=0.0), False


def _inseparable(
    x: Floats, y: Ints, classes: Ints, bias: str, found: WorkingSolution, started: float
) -> LinearSVM:
    """NOT_SEPARABLE if constraints that contradict each other are found and pass the exact check."""
    frame = Frame.of(x, bias)
    pair = contradiction(x[found.rows], y[found.rows], found.multipliers, frame)
    empty = np.empty(0, np.int64)
    sample, rival = (found.rows[pair[0]], pair[1]) if pair else (empty, empty)
    claim = Inseparable(x, y, sample, rival, len(classes), bias)
    proved = claim.check().status[0] == Status.PROVED
    if not proved:
        sample, claim = empty, Inseparable(x, y, empty, empty, len(classes), bias)
    rows = 1 if len(classes) == 2 else len(classes)
    return LinearSVM(
        status=Status.NOT_SEPARABLE if proved else Status.UNDECIDED,
        weight=np.full((rows, x.shape[1]), np.nan),
        bias=np.full(rows, np.nan),
        classes=classes,
        margin=0.0,
        objective=np.inf,
        lower_bound=np.inf if proved else 0.0,
        gap=np.inf,
        support=np.unique(sample),
        multipliers=np.empty((0, rows)),
        certificate=claim,
        stats=Stats(found.iterations, found.passes, time.perf_counter() - started),
    )
