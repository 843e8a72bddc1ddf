"""The exact distance, in floats, of a perceptron's class to the nearest other: mixed-integer programming.

Variables are the radius, the pixels, and for each ReLU that the ball can bend its value and whether it is
on, between ends that our own bounds give (Tjeng et al., arXiv 1711.07356). HiGHS computes in floats with
tolerances: it proves nothing, and is what proved radii are measured by.
"""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from torch import nn

import featgeom as fg
from featgeom.arrays import Float64
from featgeom.pixels.balls import Balls

LIMIT = 60.0  # seconds on the wall for one rival


def exact_distance(classifier: fg.Classifier, image: Float64, own: int, top: float) -> float:
    """The least largest change of a pixel that changes the class, below ``top``; NaN where time was up.

    ``top`` is a change at which one does.
    """
    network = classifier.to(dtype=torch.float64).network
    x = torch.from_numpy(image)[None]
    ball = Balls(x, torch.tensor([top], dtype=torch.float64), (0.0, 1.0), np.inf)
    narrow = partial(ball.narrowed, copy.deepcopy(network), 1 << 10, np.inf)
    (lower, upper), bent = ball.intervals(network, narrow)
    ends = [(here.lower[0].numpy(), here.upper[0].numpy()) for here in bent]
    layers = [part for part in network.modules() if isinstance(part, nn.Linear)]
    best = top
    for rival in range(classifier.head.classes):
        if rival != own and not float(lower[0, own]) > float(upper[0, rival]):
            best = np.minimum(best, _least(layers, ends, image.ravel(), (own, rival), best))
    return float(best)


def _least(
    layers: list[nn.Linear],
    ends: list[tuple[Float64, Float64]],
    x: Float64,
    pair: tuple[int, int],
    top: float,
) -> float:
    count = 1 + len(x) + 2 * sum(len(low) for low, _ in ends)
    low, high, whole = np.zeros(count), np.ones(count), np.zeros(count)
    high[0] = top
    low[1 : 1 + len(x)], high[1 : 1 + len(x)] = np.clip(x - top, 0, 1), np.clip(x + top, 0, 1)
    rows: list[Float64] = []
    least: list[float] = []

    def at_least(row: Float64, value: float) -> None:
        rows.append(row)
        least.append(value)

    eye = np.eye(count)
    for i, pixel in enumerate(x, 1):
        at_least(eye[0] - eye[i], -pixel)
        at_least(eye[0] + eye[i], pixel)
    at = 1 + len(x)
    matrix, constant = eye[1:at], np.zeros(len(x))
    for layer, (under, over) in zip(layers[:-1], ends, strict=True):
        w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        matrix, constant = w @ matrix, w @ constant + b
        n = len(w)
        for i in range(n):
            y, on = eye[at + i], eye[at + n + i]
            high[at + i], whole[at + n + i] = max(0.0, over[i]), 1
            at_least(y - matrix[i], constant[i])
            at_least(matrix[i] - y + min(0.0, under[i]) * on, min(0.0, under[i]) - constant[i])
            at_least(max(0.0, over[i]) * on - y, 0.0)
        matrix, constant, at = eye[at : at + n], np.zeros(n), at + 2 * n
    w, b = layers[-1].weight.detach().numpy(), layers[-1].bias.detach().numpy()
    own, rival = pair
    at_least((w[rival] - w[own]) @ matrix, b[own] - b[rival])
    found = milp(
        eye[0],
        integrality=whole,
        bounds=Bounds(low, high),
        constraints=LinearConstraint(csr_array(np.array(rows)), least),
        options={"time_limit": LIMIT},
    )
    if found.status == 1:  # out of time
        return np.nan
    return float(found.fun) if found.status == 0 else top
