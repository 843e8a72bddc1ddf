"""Ways of descent for the last layer alone, each a step from one pair of weights and biases to the next."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from featgeom.arrays import Float64, Ints

ROOM = 1e-14  # of a logarithm: what its rounding may be
ROOM_TO_MOVE = 0.05  # of the head's length: how far it goes before all samples are looked at again
NEGLIGIBLE = 100.0  # e to minus this, times any number of samples, is below rounding


class Samples:
    """Features with a column of ones (n, d + 1) and their labels, as a head (W | b) of K rows sees them.

    ``held`` (d + 1,) is 0 where a column of the head is not to move.
    """

    def __init__(self, wide: Float64, labels: Ints, held: Float64) -> None:
        self.wide, self.labels, self.held = wide, labels, held
        self.rows = np.arange(len(labels))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Samples:
        """Some of them."""
        return Samples(self.wide[rows], self.labels[rows], self.held)

    @property
    def moving(self) -> Float64:
        """The samples in the coordinates that move."""
        return self.wide * self.held

    def log_rivals(self, weights: Float64) -> Float64:
        """The logarithms of the softmax probabilities of all rivals (n, K), −inf for the own class."""
        logits = self.wide @ weights.T
        top = logits.max(axis=1, keepdims=True)
        log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        log_p[self.rows, self.labels] = -np.inf
        return log_p

    def behind(self, weights: Float64) -> Float64:
        """How far each rival's logit is above the own class's (n, K), −inf for the own class."""
        logits = self.wide @ weights.T
        logits -= logits[self.rows, self.labels][:, None]
        logits[self.rows, self.labels] = -np.inf
        return logits

    def pull(self, share: Float64) -> Float64:
        """Σ share_ik (e_y − e_k) ⊗ x_i: where pairs of a sample and a rival, so weighted, pull the head."""
        share = -share
        share[self.rows, self.labels] = -share.sum(axis=1)
        return np.asarray((share.T @ self.wide) * self.held)


class Descent(Protocol):
    """A descent in progress; ``weights`` (K, d + 1) is the head it has reached."""

    weights: Float64

    def step(self) -> None:
        """One step."""


class Plain:
    """Steps along the gradient of the mean cross-entropy."""

    def __init__(self, samples: Samples, weights: Float64, rate: float | None) -> None:
        self.samples, self.weights = samples, weights
        if rate is None:
            # The softmax's Hessian is at most 1/2; L of the mean loss is therefore ‖X‖²/(2n).
            rate = 2 * len(samples) / float(np.linalg.norm(samples.moving, ord=2)) ** 2
        self.rate = rate

    def step(self) -> None:
        """One step."""
        pull, scale = descent(self.samples, self.weights)
        self.weights = self.weights + self.rate * np.exp(scale) / len(self.samples) * pull


class Normalised:
    """Steps of one length along the gradient."""

    def __init__(self, samples: Samples, weights: Float64, rate: float | None) -> None:
        self.samples, self.weights = samples, weights
        self.rate = 1 / float(np.abs(samples.moving).max()) if rate is None else rate

    def step(self) -> None:
        """One step."""
        pull, _ = descent(self.samples, self.weights)
        if pull.any():
            self.weights = self.weights + self.rate * pull / np.linalg.norm(pull)


class Accelerated:
    """Descent with momentum: along an average of gradients, normalised by the loss, in ever longer steps.

    The loss is log Σ exp(−margin) over all pairs of a sample and a rival class. Its gradient is a point of
    the convex hull of these pairs, whose point of least norm is the machine; ``mean``, the average of all
    gradients weighted by the lengths of the steps, tends to it. These are the steps of Nesterov's method for
    min ½‖Aᵀq‖² over the simplex in the geometry of entropy, with its constant found by trial, seen from the
    weights. That method's gap, ½‖mean‖² less what the weights prove to be the least, fades like 1/t².
    """

    def __init__(self, samples: Samples, weights: Float64, rate: float | None) -> None:
        self.samples, self.weights = samples, weights
        self.lengths = np.linalg.norm(samples.moving, axis=1)
        self._look(weights)
        self.loss, self.pull = self._gradient(weights)
        self.mean, self.moved = self.pull, 0.0
        bound = 2 * float(np.square(samples.moving).sum(axis=1).max())  # with which every step is sound
        self.constant = 1 / rate if rate is not None else bound
        self.most = max(bound, self.constant)

    def _look(self, weights: Float64) -> None:
        """Find the samples that can matter to a gradient until the head has moved by ``room`` from here.

        As W moves by δ, a margin moves by at most √2 δ‖x‖. A sample that is then still so far behind the
        worst one that its share is below rounding is left out.
        """
        worst = self.samples.behind(weights).max(axis=1)
        first = int(worst.argmax())
        self.seen_at, self.room = weights, ROOM_TO_MOVE * float(np.linalg.norm(weights))
        reach = np.sqrt(2) * self.room * (self.lengths + self.lengths[first])
        self.near = self.samples.take(np.flatnonzero(worst + reach >= worst[first] - NEGLIGIBLE))

    def _gradient(self, weights: Float64) -> tuple[float, Float64]:
        """The loss, and minus its gradient."""
        if np.linalg.norm(weights - self.seen_at) > self.room:
            self._look(weights)
        behind = self.near.behind(weights)
        top = float(behind.max())
        share = np.exp(behind - top)
        total = float(share.sum())
        return top + np.log(total), self.near.pull(share / total)

    def step(self) -> None:
        """One step; the constant is doubled until it holds where the step leads, then lowered by a tenth."""
        while True:
            root = np.sqrt(1 + 4 * self.constant * self.moved)
            length = float((1 + root) / (2 * self.constant))
            share = length / (self.moved + length)
            along = share * self.pull + (1 - share) * self.mean
            weights = self.weights + length * along
            loss, pull = self._gradient(weights)
            divergence = self.loss - loss - length * float((along * pull).sum())
            seen = divergence > ROOM * max(1.0, abs(loss), abs(self.loss))  # else it is rounding
            holds = np.square(pull - self.pull).sum() / 2 <= self.constant * divergence
            if holds or not seen or self.constant >= self.most:
                break
            self.constant = min(2 * self.constant, self.most)
        if seen:
            self.constant *= 0.9
        self.mean = share * pull + (1 - share) * self.mean
        self.moved += length
        self.weights, self.loss, self.pull = weights, loss, pull


def descent(samples: Samples, weights: Float64) -> tuple[Float64, float]:
    """Minus the gradient of the summed cross-entropy, a matrix times e^scale, so that nothing underflows."""
    log_p = samples.log_rivals(weights)
    scale = float(log_p.max())
    return samples.pull(np.exp(log_p - scale)), scale


METHODS: dict[str, type[Plain] | type[Normalised] | type[Accelerated]] = {
    "gd": Plain,
    "normalised_gd": Normalised,
    "accelerated_gd": Accelerated,
}
