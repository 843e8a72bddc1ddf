"""The machine on all samples, from interior-point solutions on the few that matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.errors import Unsupported
from featgeom.margins.interior_point import Found, Problem, solve
from featgeom.margins.polish import polish

LARGEST_SYSTEM = 12_000  # unknowns of a Newton system, whose matrix then takes 1.2 GB
ROUNDS = 60
# The first working set: START samples for every unknown (counted as SMALLEST or more), at most LARGEST_START.
SMALLEST, START, LARGEST_START = 100, 3, 1_500
NEAR = 1e-9  # a sample is held to be violated if its margin is below 1 by more than this


@dataclass(frozen=True)
class Frame:
    """Where a machine is computed: (x − centre)/scale, and a last coordinate that carries the bias.

    A free bias ("standard") allows any centre and is not regularised; a bias that is regularised with the
    weights ("augmented") is the weight of a coordinate 1/scale.
    """

    centre: Float64
    scale: float
    bias: str

    @classmethod
    def of(cls, x: Floats, bias: str) -> Frame:
        """A frame in which no sample is longer than about 1."""
        centre = np.zeros(x.shape[1])
        if bias == "standard":
            centre = x.mean(axis=0, dtype=np.float64)
        reach = float(
            np.sqrt(max(((x - centre) ** 2).sum(axis=1).max(), 1.0 if bias == "augmented" else 0.0))
        )
        return cls(centre, reach or 1.0, bias)

    def points(self, x: Floats) -> Float64:
        """Samples in this frame, (n, d) or (n, d + 1)."""
        inner = (x.astype(np.float64) - self.centre) / self.scale
        if self.bias == "none":
            return inner
        last = 1.0 if self.bias == "standard" else 1 / self.scale
        return np.hstack([inner, np.full((len(x), 1), last)])

    def regularisation(self, d: int) -> Float64:
        """What each column of the weights is regularised by."""
        if self.bias == "none":
            return np.ones(d)
        return np.append(np.ones(d), 0.0 if self.bias == "standard" else 1.0)

    def penalty(self, c: float) -> float:
        """C in this frame, where ½‖w‖² is scale² times as large."""
        return c * self.scale**2

    def unframe(self, weight: Float64, d: int) -> tuple[Float64, Float64]:
        """Weight (K, d) and bias (K,) in feature space."""
        w = weight[:, :d] / self.scale
        if self.bias == "none":
            return w, np.zeros(len(w))
        last = weight[:, d] / (self.scale if self.bias == "augmented" else 1.0)
        return w, last - w @ self.centre


@dataclass(frozen=True)
class WorkingSolution:
    """A machine (W, b) for K classes and the multipliers (m, K) of the samples ``rows`` (m,) it came from.

    ``separable`` is False where the multipliers, scaled to sum 1, all but cancel.
    """

    weight: Float64
    bias: Float64
    rows: Ints
    multipliers: Float64
    separable: bool
    iterations: int
    passes: int


def solve_machine(x: Floats, y: Ints, classes: int, c: float, bias: str) -> WorkingSolution:
    """The K-class machine on x (n, d) with labels y in [0, classes), of which each has a sample.

    The working set starts with the samples that a least-squares classifier finds hardest, and takes in those
    that its machine violates until none is left: few rounds, because few samples matter.

    Raises Unsupported where the Newton systems would be too large.
    """
    n, d = x.shape
    frame = Frame.of(x, bias)
    points = frame.points(x)
    unknowns = (classes - 1) * points.shape[1]
    if unknowns > LARGEST_SYSTEM:
        raise Unsupported(
            f"one machine for {classes} classes in {d} dimensions has {unknowns:,} unknowns, the limit is "
            f"{LARGEST_SYSTEM:,}; use the machines of pairs of classes"
        )
    step = min(START * max(SMALLEST, unknowns), LARGEST_START)
    working = np.zeros(n, bool)
    working[_hardest(_least_squares_margins(points, y, classes), step)] = True
    iterations, passes = 0, 2
    for _ in range(ROUNDS):
        rows = np.flatnonzero(working)
        inner, weights_of = _shortened(points[rows], d)
        kept = frame.regularisation(inner.shape[1] - (points.shape[1] - d))
        problem = Problem(inner, y[rows], classes, kept, frame.penalty(c))
        found = _solve_exactly(problem)
        iterations += found.iterations
        if not found.separable:
            break
        weight = weights_of((found.at.u.T @ problem.basis).T)
        margins = _least_margins(points, y, weight)
        passes += 1
        violated = np.where(working, np.inf, margins)
        fresh = _hardest(violated, max(step, len(rows)))
        fresh = fresh[violated[fresh] < 1 - NEAR]
        if not len(fresh):
            break
        working[fresh] = True
    weight = weights_of((found.at.u.T @ problem.basis).T)
    return WorkingSolution(
        *frame.unframe(weight, d), rows, found.at.alpha, found.separable, iterations, passes
    )


def _shortened(points: Float64, d: int) -> tuple[Float64, Callable[[Float64], Float64]]:
    """The points in an orthonormal basis of their own span, where they are fewer than their ``d`` dimensions.

    The weights of the best machine lie in that span. A last coordinate beyond ``d`` carries the bias and is
    left as it is. Also the way back for weights (K, ...).
    """
    if len(points) >= d:
        return points, lambda weight: weight
    basis, triangle = np.linalg.qr(points[:, :d].T)
    m = len(points)

    def weights_of(weight: Float64) -> Float64:
        return np.hstack([weight[:, :m] @ basis.T, weight[:, m:]])

    return np.hstack([triangle.T, points[:, d:]]), weights_of


def _solve_exactly(problem: Problem) -> Found:
    """The interior point, then the active constraints as equations where they can be told."""
    near = solve(problem, enough=1e-8 if np.isinf(problem.c) else 0.0)
    polished = polish(problem, near.at) if near.separable else None
    if polished is not None:
        return Found(polished, near.iterations)
    return solve(problem) if near.separable and np.isinf(problem.c) else near


def _least_margins(points: Float64, y: Ints, weight: Float64) -> Float64:
    """The margin of each sample to its nearest rival, (n,)."""
    logits = points @ weight.T
    rows = np.arange(len(y))
    own = logits[rows, y].copy()
    logits[rows, y] = -np.inf
    return own - logits.max(axis=1)


def _least_squares_margins(points: Float64, y: Ints, classes: int) -> Float64:
    """Margins under the classifier that fits the labels' indicators by least squares."""
    gram = points.T @ points
    gram[np.diag_indices_from(gram)] += 1e-9 * max(float(np.trace(gram)) / len(gram), 1e-300)
    sums = np.eye(classes)[y].T @ points
    return _least_margins(points, y, np.linalg.solve(gram, sums.T).T.astype(np.float64))


def _hardest(margins: Float64, count: int) -> Ints:
    """The rows of the ``count`` least margins."""
    if count >= len(margins):
        return np.arange(len(margins))
    return np.argpartition(margins, count)[:count]
