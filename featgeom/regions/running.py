"""The head in exact arithmetic beside the network as it ran: where float32 may give another class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.arrays import Float64, Floats, Ints, as_labels, as_points
from featgeom.certificates.classes import ClassMargin
from featgeom.head import AffineHead
from featgeom.regions.survey import Survey, survey
from featgeom.results import Result


@dataclass(frozen=True, eq=False, repr=False)
class AsRun(Result):
    """How the classes of n features, decided exactly, stand to those that a running network gave.

    ``classes`` (n,): decided exactly. ``differ`` (k,): the samples to which the network gave another.
    ``radius`` (n,), in logits: float32, in any order of summation, moves the lead of the class over any other
    by at most this. ``safe`` (n,): every lead is larger than that, so every evaluation in float32 gives the
    class. ``certificate`` claims the classes, and for which of them float32 is safe.
    """

    shows = ("differ",)

    classes: Ints
    differ: Ints
    radius: Float64
    safe: NDArray[np.bool_]
    certificate: ClassMargin


def as_run(head: AffineHead, z: ArrayLike, predictions: ArrayLike) -> AsRun:
    """Set the classes of features (n, d) beside the ``predictions`` (n,) of the network that ran.

    A feature is stored as the network computed it, and its logits are W·z + b: exactly for us, in float32 and
    in some order of summation for the network. A lead of no more than ``radius`` logits may change sign.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> found = as_run(head, [[3.0, 1.0], [1.0 + 2**-30, 1.0]], [0, 1])
    >>> found.classes, found.differ, found.safe, bool(found.radius.max() < 1e-5)
    (array([0, 0]), array([1]), array([ True, False]), True)
    """
    points = as_points(z, "features", head.dimension, allow_empty=True)
    said = as_labels(predictions, "predictions", len(points), head.classes)
    return surveyed_run(head, points, said, survey(head, points))


def surveyed_run(head: AffineHead, points: Floats, said: Ints, found: Survey) -> AsRun:
    """`as_run`, of what a survey found."""
    zero = np.zeros(len(points))
    claim = ClassMargin(points, head.weight, head.bias, found.classes, zero, found.safe)
    return AsRun(found.classes, np.flatnonzero(found.classes != said), found.moved, found.safe, claim)
