"""Views of feature space in which a few classes are told apart exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.tied import as_tied
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.results import Result
from featgeom.status import Status

DEPENDENT = 1e-12  # singular values below this part of the largest belong to rounding


@dataclass(frozen=True, eq=False, repr=False)
class DecisionView(Result):
    """The subspace spanned by the differences of the rows of a few classes.

    * ``classes`` (k,), two to four; ``basis`` (r, d), orthonormal, r ≤ k − 1 (less where rows are equal or
      depend on each other);
    * ``head``: the logits of these classes on the view, each less their common mean, so that
      ``head.logits(view.project(z))`` has the same differences as the logits of z;
    * ``error``: by how much the difference of two logits on the view can depart from the true one, for each
      unit of ‖z‖ (rounding of the basis).

    Exact in this view: which of *these* classes has the larger logit, their cells and boundaries among
    themselves, and on which side a projected sample lies. Not shown: whether a class outside the view beats
    them all. The projection of a hull is its shadow, and the shadow meets a boundary of these classes if and
    only if the hull does.
    """

    shows = ("classes", "error")
    status: ClassVar[Status] = Status.SOLVED

    classes: Ints
    basis: Float64
    head: AffineHead
    error: float

    def project(self, z: ArrayLike) -> Float64:
        """Coordinates (n, r) of features (n, d) in the view, in feature-space distance."""
        return as_float64(z, "z", self.basis.shape[1], True) @ self.basis.T


def decision_view(head: AffineHead, classes: Sequence[int]) -> DecisionView:
    """The view in which two, three or four classes are told apart exactly: a line, a plane or a 3-D space.

    Which of the classes has the largest logit depends on w_i − w_j alone, so it survives the projection onto
    the span of these differences. The axes are those of its singular value decomposition, the one that
    separates the rows most first.

    Raises BadArgument for fewer than two or more than four classes, or where all their rows are equal.

    >>> head = AffineHead([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    >>> view = decision_view(head, [0, 1, 2])
    >>> view.basis.shape, view.head.classify(view.project([[0.0, 3.0, 1.0, 9.0]]))
    ((2, 4), array([1]))
    """
    chosen = as_tied(list(classes), 1, head.classes)[0]
    if len(chosen) > 4:
        raise BadArgument(f"classes: a view has at most four, got {len(chosen)}")
    centred = head.weight[chosen] - head.weight[chosen].mean(axis=0)
    _, values, basis = np.linalg.svd(centred, full_matrices=False)
    if values[0] == 0 or values[0] <= DEPENDENT * np.linalg.norm(head.weight[chosen]):
        raise BadArgument("classes: their rows are equal, so no view tells them apart")
    rank = int((values > DEPENDENT * values[0]).sum())
    axes = basis[:rank]
    signs = np.sign(axes[np.arange(rank), np.abs(axes).argmax(axis=1)])
    axes = axes * signs[:, None]
    bias = head.bias[chosen]
    reduced = AffineHead(centred @ axes.T, bias - bias.mean())
    missed = 2 * float(np.linalg.norm(centred - reduced.weight @ axes, axis=1).max())
    return DecisionView(np.array(chosen), axes, reduced, missed + 8 * 2.0**-53 * float(values[0]))
