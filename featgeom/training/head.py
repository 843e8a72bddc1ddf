"""Gradient descent on the last layer alone: what the theory of the implicit bias is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64, as_labels
from featgeom.errors import BadArgument, nearest_name
from featgeom.head import AffineHead
from featgeom.margins.comparison import cross_entropy
from featgeom.progress import bar as shown_bar
from featgeom.results import Result
from featgeom.status import Status
from featgeom.training.schedule import log_spaced

METHODS = ("gd", "normalised_gd")


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
    """Full-batch gradient descent of softmax cross-entropy over (W, b) on fixed features, in float64.

    x: features (n, d), y: labels (n,) of classes 0 to K − 1. ``method`` "gd" takes steps along the gradient;
    "normalised_gd" steps of one length along it, which converges far faster (Nacson et al., arXiv 1803.01905;
    with constant steps, Ji and Telgarsky, arXiv 1906.04540). ``rate`` is by default what keeps plain descent
    stable, 1/L with L the Lipschitz constant of the gradient, and for the normalised method one over the
    largest coordinate. Without ``bias`` it stays at its start. ``start`` is zero by default. The heads kept
    are ``per_decade`` for every factor 10 in steps; ``progress`` shows a bar on standard error.

    On separable data the direction tends to that of the augmented machine, or of the one without bias
    (Soudry et al., arXiv 1710.10345): the error of plain descent fades like 1/log t.

    Raises BadArgument for shapes that do not fit and unknown methods.

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
    moving = wide if bias else samples
    if rate is None:
        length = float(np.linalg.norm(moving, ord=2)) if method == "gd" else float(np.abs(moving).max())
        # The softmax's Hessian is at most 1/2; L of the mean loss is therefore ‖X‖²/(2n).
        rate = 2 * len(wide) / length**2 if method == "gd" else 1 / length
    begin = start if start is not None else AffineHead(np.zeros((max(2, labels.max() + 1), samples.shape[1])))
    weights = np.hstack([begin.weight, begin.bias[:, None]])
    if weights.shape[1] != wide.shape[1] or len(weights) <= labels.max():
        raise BadArgument(f"start: a head of shape {begin.weight.shape} does not fit the samples")
    held = np.append(np.ones(samples.shape[1]), float(bias))
    marks = log_spaced(steps, per_decade)
    heads, losses, done = [], [], 0
    bar = shown_bar(total=steps, desc=f"last layer, {method}", delay=2, disable=not progress, leave=False)
    for mark in marks:
        for _ in range(done, mark):
            bar.update()
            direction, scale = _descent(weights, wide, labels)
            direction *= held
            if method == "gd":
                weights += rate * np.exp(scale) / len(wide) * direction
            elif direction.any():
                weights += rate * direction / np.linalg.norm(direction)
        done = mark
        heads.append(AffineHead(weights[:, :-1], weights[:, -1]))
        losses.append(float(cross_entropy(heads[-1], samples, labels).mean()))
    bar.close()
    return HeadTraining(marks, tuple(heads), np.array(losses))


def _log_rivals(weights: Float64, wide: Float64, labels: Ints) -> Float64:
    """The logarithms of the softmax probabilities of all rivals, −inf for the own class."""
    logits = wide @ weights.T
    rows = np.arange(len(labels))
    top = logits.max(axis=1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    log_p[rows, labels] = -np.inf
    return log_p


def _descent(weights: Float64, wide: Float64, labels: Ints) -> tuple[Float64, float]:
    """Minus the gradient of the summed loss, as a matrix times e^scale, so that nothing ever underflows."""
    log_p = _log_rivals(weights, wide, labels)
    scale = float(log_p.max())
    pull = -np.exp(log_p - scale)
    pull[np.arange(len(labels)), labels] = -pull.sum(axis=1)
    return pull.T @ wide, scale
