"""Margins of the head, each with a bound on what rounding may have done to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Float64, Floats, Ints, as_points
from featgeom.certificates.classes import ClassMargin
from featgeom.exact.float32 import float32_needs
from featgeom.exact.numbers import dots
from featgeom.exact.rounding import UNIT, product_error
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Status

LARGEST = float(np.finfo(np.float64).max)
BLOCK_ENTRIES = 1 << 21  # of the features or logits that are in memory at once, per array


@dataclass(frozen=True, eq=False, repr=False)
class Margins(Result):
    """Which cell each feature lies in, and how far its logit stands above the others.

    ``classes`` (n,): the class of largest logit, decided exactly; the lowest index where several tie.
    ``margins`` (n, C): l_c − l_k in logits, for the own class c; zero at c itself. ``error`` (n, C): how far
    rounding may have moved each. ``smallest`` (n,): a proved lower bound on the least margin over all rivals
    (zero for a tie), ``rival`` (n,): who has it. ``float32_safe`` (n,): proved that every evaluation of the
    head in float32, in any order of summation, gives the same class. ``certificate`` claims classes, least
    margins (a little less of them) and safety in float32.
    """

    shows = ("smallest", "float32_safe")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    margins: Float64
    error: Float64
    rival: Ints
    smallest: Float64
    float32_safe: NDArray[np.bool_]
    certificate: ClassMargin


def margins(head: AffineHead, z: ArrayLike) -> Margins:
    """The margins of features (n, d) to all classes; memory is that of the result, (n, C).

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> found = margins(head, [[3.0, 1.0], [2.0, 2.0]])
    >>> found.classes, found.margins[:, 1], found.float32_safe
    (array([0, 0]), array([2., 0.]), array([ True, False]))
    """
    points = as_points(z, "features", head.dimension, allow_empty=True)
    parts = [margins_of_block(head, points[block]) for block in point_blocks(head, len(points))]
    columns = ("classes", "margins", "error", "rival", "smallest", "float32_safe")
    whole = {name: np.concatenate([getattr(p, name) for p in parts]) for name in columns}
    claimed = np.concatenate([p.certificate.margin for p in parts])
    claim = ClassMargin(points, head.weight, head.bias, whole["classes"], claimed, whole["float32_safe"])
    return Margins(**whole, certificate=claim)


def point_blocks(head: AffineHead, n: int) -> list[slice]:
    """Slices of range(n) so short that features and logits of each fit well into memory."""
    step = max(1, BLOCK_ENTRIES // max(head.dimension, head.classes))
    return [slice(start, min(n, start + step)) for start in range(0, max(n, 1), step)]


def margins_of_block(head: AffineHead, points: Floats) -> Margins:
    """The margins of a block of features that fits into memory."""
    z = points.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        logits = z @ head.weight.T + head.bias
        error = 1.001 * (product_error(z, head.weight, np.float64) + UNIT * np.abs(logits))
    error = np.where(np.isfinite(logits) & np.isfinite(error), error, np.inf)
    logits = np.nan_to_num(logits, nan=0.0)
    rows = np.arange(len(z))
    classes = logits.argmax(axis=1)
    open_rows = _not_settled(logits, error, classes)
    exact = {int(i): _settle(head, points[i], logits[i], error[i]) for i in open_rows}
    for i, values in exact.items():
        classes[i] = _argmax(values)
    with np.errstate(over="ignore", invalid="ignore"):
        result = logits[rows, classes][:, None] - logits
        error = error[rows, classes][:, None] + error + UNIT * np.abs(result)
        beyond = np.flatnonzero(~(np.isfinite(result) & np.isfinite(error)).all(axis=1))
    for i in beyond.tolist():  # what float64 cannot add up, it may still hold
        exact[i] = _settle(head, points[i], logits[i], np.full(head.classes, np.inf))
        classes[i] = _argmax(exact[i])
    for i, values in exact.items():
        for k, value in values.items():
            result[i, k] = float_below(values[int(classes[i])] - value)
            error[i, k] = 2 * UNIT * abs(result[i, k]) + 5e-324 if result[i, k] else 0.0
            if result[i, k] == LARGEST:
                error[i, k] = np.inf
    result[rows, classes] = 0.0
    error[rows, classes] = 0.0
    lower, claimed = (proved_margins(result, times * error, classes) for times in (1, 3))
    for i, values in exact.items():  # these are below the exact values as they stand
        for bound in (lower, claimed):
            bound[i, list(values)] = result[i, list(values)]
            bound[i, classes[i]] = np.inf
    rival = lower.argmin(axis=1)
    safe = np.all(claimed > float32_needs(z, head.weight, head.bias, classes), axis=1)
    claim = ClassMargin(points, head.weight, head.bias, classes, np.maximum(claimed.min(axis=1), 0.0), safe)
    return Margins(classes, result, error, rival, lower[rows, rival], safe, claim)


def proved_margins(margins: Float64, error: Float64, classes: Ints) -> Float64:
    """Lower bounds on the true margins (n, C); infinite at the own class."""
    with np.errstate(invalid="ignore"):
        lower = margins - error
    lower = np.where(np.isnan(lower), -np.inf, lower)
    lower -= UNIT * np.abs(np.where(np.isfinite(lower), lower, 0.0))
    lower[np.arange(len(classes)), classes] = np.inf
    return lower


def float_below(value: Fraction) -> float:
    """The largest float that is not above ``value``.

    >>> float_below(Fraction(1, 3)) <= Fraction(1, 3) < math.nextafter(float_below(Fraction(1, 3)), 1)
    True
    """
    try:
        nearest = float(value)
    except OverflowError:
        return LARGEST if value > 0 else -math.inf
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def _not_settled(logits: Float64, error: Float64, classes: Ints) -> NDArray[np.int64]:
    rows = np.arange(len(classes))
    with np.errstate(invalid="ignore"):
        floor = (logits - error)[rows, classes]
        above = logits + error
    above[rows, classes] = -np.inf
    return np.flatnonzero(~(floor > above.max(axis=1)))


def _settle(head: AffineHead, z: NDArray[Any], logits: Float64, error: Float64) -> dict[int, Fraction]:
    """The exact logits of those classes that rounding cannot keep apart from the best."""
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(~(logits + error < (logits - error).max()))
    ones = np.ones((len(near), 1))
    left = np.hstack([np.broadcast_to(z.astype(np.float64), (len(near), len(z))), ones])
    values = dots(left, np.hstack([head.weight[near], head.bias[near, None]]))
    return {int(k): value for k, value in zip(near, values, strict=True)}


def _argmax(values: dict[int, Fraction]) -> int:
    best = max(values.values())
    return min(k for k, value in values.items() if value == best)
