"""Certified bounds on the objective of the maximum-margin machine, with rounding accounted for.

Throughout, a machine has one row a class (binary ones as −w/2, +w/2), its objective is
½‖W‖² (+ ½‖b‖² where the bias is regularised) + C Σ_i max_k (1 − margin_ik)₊, and the margin of a sample to a
rival k is (w_y − w_k)·x + b_y − b_k.
"""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Float64, Floats, Ints, blocks
from featgeom.exact.rounding import gamma

WHOLE = float(1 << 40)  # what the largest multiplier becomes as a whole number
Wide = np.longdouble  # more digits where the machine has them; its own unit roundoff enters the bounds


def primal_bound(
    x: Floats, y: Ints, weight: Float64, bias: Float64, c: float, regularised: bool
) -> tuple[float, float]:
    """An upper bound on the objective at (W, b), and a lower bound on the least margin over all samples.

    For C = ∞ the objective is that of (W, b)/margin, where all constraints hold; inf if the margin is not
    positive. The bound on the margin leaves room for the rounding of such a division.
    """
    norms = np.linalg.norm(weight, axis=1)
    unit = gamma(x.shape[1] + 8, np.float64)
    least, penalty, start = np.inf, 0.0, 0
    for block in blocks(x):
        wide = block.astype(np.float64, copy=False)
        labels = y[start : start + len(block)]
        start += len(block)
        rows = np.arange(len(block))
        logits = wide @ weight.T + bias
        own = logits[rows, labels].copy()
        logits[rows, labels] = -np.inf
        lengths = np.linalg.norm(wide, axis=1)
        error = unit * (lengths * (norms[labels] + norms.max()) + np.abs(bias)[labels] + np.abs(bias).max())
        margins = own - logits.max(axis=1) - error
        least = min(least, float(margins.min()))
        penalty += float(np.maximum(1 - margins, 0).sum())
    size = float((weight**2).sum() + (bias**2).sum() * regularised) * (1 + gamma(weight.size + 8, np.float64))
    if np.isfinite(c):
        return size / 2 + c * penalty * (1 + gamma(len(x) + 8, np.float64)), least
    return (size / 2 / least**2 * (1 + 1e-15) if least > 0 else np.inf), least


def whole_multipliers(multipliers: Float64, labels: Ints, balanced: bool) -> Ints:
    """Multipliers (m, K) as non-negative whole numbers, rounded after scaling the largest to 2^40.

    A free bias demands that they balance, exactly: what samples of class c hold against others equals what
    others hold against c. Rounding upsets that by a few units, which are routed back along pairs of classes
    that hold something against each other.

    >>> whole_multipliers(np.array([[0.0, 1.0], [0.25, 0.0], [0.7500001, 0.0]]), np.array([0, 1, 1]), True)
    array([[            0, 1099511627776],
           [ 274877906944,             0],
           [ 824633720832,             0]])
    """
    whole = np.rint(multipliers * (WHOLE / multipliers.max())).astype(np.int64)
    whole[np.arange(len(labels)), labels] = 0
    if balanced:
        _balance(whole, labels)
    return whole


def _balance(whole: Ints, labels: Ints) -> None:
    """Make Σ over samples of class c equal Σ over rivals c, by changing one entry a pair of classes."""
    from scipy.sparse.csgraph import breadth_first_order

    classes = whole.shape[1]
    flow = np.zeros((classes, classes), np.int64)
    np.add.at(flow, labels, whole)
    linked = (flow + flow.T) > 0
    excess = flow.sum(axis=1) - flow.sum(axis=0)
    done = np.zeros(classes, bool)
    for root in range(classes):
        if done[root]:
            continue
        order, before = breadth_first_order(linked, root, directed=False)
        done[order] = True
        for child in order[:0:-1]:
            _route(whole, labels, int(child), int(before[child]), int(excess[child]))
            excess[before[child]] += excess[child]
            excess[child] = 0


def _route(whole: Ints, labels: Ints, child: int, parent: int, amount: int) -> None:
    """Take ``amount`` off the excess of ``child`` over ``parent``: off its entries, or onto the parent's."""
    if amount == 0:
        return
    for source, rival, change in ((child, parent, -amount), (parent, child, amount)):
        rows = np.flatnonzero(labels == source)
        if len(rows):
            row = rows[whole[rows, rival].argmax()]
            if whole[row, rival] > 0 and whole[row, rival] + change >= 0:
                whole[row, rival] += change
                return


def dual_bound(x: Floats, y: Ints, whole: Ints, c: float, regularised: bool) -> tuple[float, float]:
    """A lower bound on the least objective from whole multipliers (m, K) of the samples x (m, d).

    Also the factor by which they are best multiplied. The multipliers must balance where the bias is free.
    """
    classes = whole.shape[1]
    signed = -whole.astype(Wide)
    signed[np.arange(len(y)), y] += whole.sum(axis=1)
    length = gamma(len(y) + classes + 8, np.float64)
    if np.finfo(Wide).eps < np.finfo(np.float64).eps:
        length = (len(y) + classes + 8) * float(np.finfo(Wide).eps)
    wide = x.astype(Wide)
    combined = signed.T @ wide
    error = length * float(np.linalg.norm(np.abs(signed).T @ np.abs(wide)))
    square = float((combined**2).sum())
    if regularised:
        square += float((signed.sum(axis=0) ** 2).sum())
    square = (np.sqrt(square) * (1 + 1e-14) + error) ** 2 * (1 + 1e-14)
    total = float(whole.sum())
    factor = total / square if square > 0 else np.inf
    if np.isfinite(c):
        factor = min(factor, c / float(whole.sum(axis=1).max()))
    if not np.isfinite(factor):
        return np.inf, np.inf
    return max(factor * total - factor**2 * square / 2, 0.0) * (1 - 1e-14), factor
