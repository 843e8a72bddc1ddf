"""Maximum-margin machines as convex programs."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64, as_labels
from featgeom.errors import BadArgument, nearest_name

BIASES = ("standard", "augmented", "none")


def machine(x: ArrayLike, y: ArrayLike, C: float = np.inf, bias: str = "standard") -> cp.Problem:
    """The machine of largest margin: min ½‖w‖² + C Σ ξ_i with margins of at least 1 − ξ_i.

    Features x (n, d), labels y (n,). Two classes: y_i (w·x_i + b) ≥ 1 − ξ_i, positive for the second; more:
    one machine with (w_y − w_k)·x_i + b_y − b_k ≥ 1 − ξ_i for all rivals k. C = inf is the hard margin,
    without ξ: infeasible if there is none. ``bias``: "standard" is free, "augmented" adds ½‖b‖², "none": 0.
    Variables "w" (d,) or (K, d), "b" () or (K,), "slack" (n,); parameter "C".

    >>> problem = machine([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0]], [0, 0, 1])
    >>> round(float(problem.solve()), 6), problem.var_dict["w"].value.round(6) + 0.0
    (0.125, array([0.5, 0. ]))
    """
    if bias not in BIASES:
        raise BadArgument(f"unknown bias '{bias}'{nearest_name(bias, list(BIASES))}")
    features = as_float64(x, "x")
    labels = np.unique(as_labels(y, "y", len(features)), return_inverse=True)[1]
    w, b, margins = (_two_classes if labels.max() == 1 else _many_classes)(features, labels)
    size = cp.sum_squares(w) + (cp.sum_squares(b) if bias == "augmented" else 0)
    rules = [b == 0] if bias == "none" else []
    if np.isinf(C):
        return cp.Problem(cp.Minimize(size / 2), [*rules, *(margin >= 1 for margin, _ in margins)])
    price, slack = (
        cp.Parameter(name="C", nonneg=True, value=C),
        cp.Variable(len(labels), nonneg=True, name="slack"),
    )
    rules += [margin >= 1 - slack[rows] for margin, rows in margins]
    return cp.Problem(cp.Minimize(size / 2 + price * cp.sum(slack)), rules)


Margins = tuple[cp.Variable, cp.Variable, list[tuple[cp.Expression, Ints]]]


def _two_classes(x: Float64, y: Ints) -> Margins:
    """w, b, and y_i (w·x_i + b) of all samples."""
    w, b = cp.Variable(x.shape[1], name="w"), cp.Variable(name="b")
    return w, b, [(cp.multiply(2 * y - 1, x @ w + b), np.arange(len(y)))]


def _many_classes(x: Float64, y: Ints) -> Margins:
    """W, b, and for every class c and rival k the leads (w_c − w_k)·x + b_c − b_k of the samples of c."""
    classes = y.max() + 1
    w, b = cp.Variable((classes, x.shape[1]), name="w"), cp.Variable(classes, name="b")
    pairs = [(c, k) for c in range(classes) for k in range(classes) if c != k]
    return w, b, [(x[y == c] @ (w[c] - w[k]) + b[c] - b[k], np.flatnonzero(y == c)) for c, k in pairs]
