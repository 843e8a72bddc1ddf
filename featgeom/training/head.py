"""Gradient descent on the last layer alone: what the theory of the implicit bias is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, as_float64, as_labels
from featgeom.errors import BadArgument, nearest_name
from featgeom.head import AffineHead
from featgeom.margins.comparison import cross_entropy
from featgeom.margins.machine import needs_squares
from featgeom.progress import bar as shown_bar
from featgeom.results import Result
from featgeom.status import Status
from featgeom.training.descents import METHODS, Samples
from featgeom.training.schedule import log_spaced


@dataclass(frozen=True, eq=False, repr=False)
class HeadTraining(Result):
    """Heads after ``steps`` steps, with the mean cross-entropy ``losses`` of each."""

    shows = ("steps", "losses")
    status: ClassVar[Status] = Status.COMPUTED

    steps: tuple[int, ...]
    heads: tuple[AffineHead, ...]
    losses: Float64

    @property
    def last(self) -> AffineHead:
        """The head at the end."""
        return self.heads[-1]


def train_head(
    x: ArrayLike,
    y: ArrayLike,
    steps: int,
    rate: float | None = None,
    method: str = "gd",
    bias: bool = True,
    start: AffineHead | None = None,
    per_decade: int = 4,
    progress: bool = False,
) -> HeadTraining:
    """Full-batch gradient descent over (W, b) on fixed features, in float64.

    x: features (n, d), y: labels (n,) of classes 0 to K − 1. ``method`` "gd" takes steps along the gradient
    of softmax cross-entropy; "normalised_gd" steps of one length along it, which converges faster (Nacson et
    al., arXiv 1803.01905; with constant steps, Ji and Telgarsky, arXiv 1906.04540); "accelerated_gd" is
    descent with the momentum that is dual to Nesterov's (Ji, Srebro and Telgarsky, arXiv 2107.00595), on the
    exponential loss of all rivals, which cross-entropy turns into as it falls: it reaches the limit.
    ``rate`` is by default what keeps plain descent stable, 1/L with L the Lipschitz constant of the gradient;
    for the normalised method one over the largest coordinate; the accelerated one finds its own, for which
    ``rate`` is a first guess. Without ``bias`` it stays at its start. ``start`` is zero by default. The heads
    kept are ``per_decade`` for every factor 10 in steps; ``progress`` shows a bar on standard error.

    On separable data the direction tends to that of the augmented machine, or of the one without bias
    (Soudry et al., arXiv 1710.10345). The share of the margin that is missing fades like 1/log t by plain
    descent, like 1/t by the normalised one, and like 1/t² (up to logarithms) by the accelerated one, and the
    angle to the machine at least as fast as its root.

    Raises BadArgument for shapes that do not fit, unknown methods, and samples from which nothing can be
    learned: all zero, with the bias held, or too large or small to be squared.

    >>> trained = train_head([[-1.0], [3.0]], [0, 1], steps=100)
    >>> trained.last.classify([[-1.0], [3.0]]), bool(trained.losses[-1] < trained.losses[0])
    (array([0, 1]), True)
    """
    samples = as_float64(x, "x")
    labels = as_labels(y, "y", len(samples))
    if method not in METHODS:
        raise BadArgument(f"unknown method '{method}'{nearest_name(method, list(METHODS))}")
    if rate is not None and not (np.isfinite(rate) and rate > 0):
        raise BadArgument(f"rate must be positive, got {rate}")
    wide = np.hstack([samples, np.ones((len(samples), 1))])
    begin = start if start is not None else AffineHead(np.zeros((max(2, labels.max() + 1), samples.shape[1])))
    weights = np.hstack([begin.weight, begin.bias[:, None]])
    if weights.shape[1] != wide.shape[1] or len(weights) <= labels.max():
        raise BadArgument(f"start: a head of shape {begin.weight.shape} does not fit the samples")
    held = np.append(np.ones(samples.shape[1]), float(bias))
    seen = Samples(wide, labels, held)
    if not seen.moving.any():
        raise BadArgument("x: all features are 0, and the bias is held: nothing can be learned")
    needs_squares(seen.moving)
    descent = METHODS[method](seen, weights, rate)
    marks = log_spaced(steps, per_decade)
    heads, losses, done = [], [], 0
    bar = shown_bar(total=steps, desc=f"last layer, {method}", delay=2, disable=not progress, leave=False)
    for mark in marks:
        for _ in range(done, mark):
            bar.update()
            descent.step()
        done = mark
        heads.append(AffineHead(descent.weights[:, :-1], descent.weights[:, -1]))
        losses.append(float(cross_entropy(heads[-1], samples, labels).mean()))
    bar.close()
    return HeadTraining(marks, tuple(heads), np.array(losses))
