"""Collapse of imbalanced classes: how near means and head are to what training then drives them towards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints
from featgeom.errors import BadArgument


@dataclass(frozen=True)
class ImbalancedCollapse:
    """Measures of collapse that hold whatever the counts of the classes. ``nan`` means undefined.

    ``ratio`` is the largest count by the least. ``head``, ``means`` and ``logits`` tend to 0 as training
    collapses, and are 2 at most. ``minority`` is 1 where the minority classes have one direction in the head,
    and −1/(C−1) at the simplex; ``orthogonality`` tends to 0 for networks whose features are not negative.
    """

    ratio: float
    head: float
    means: float
    logits: float
    minority: float
    orthogonality: float


@dataclass(frozen=True)
class SELI:
    """The simplex-encoded-labels interpolation of some counts: Gram matrices of head and of means (C, C).

    ``logits`` (C, C) are those of the means: rows of the head by columns of means.
    """

    head: Float64
    means: Float64
    logits: Float64

    @classmethod
    def of(cls, counts: Ints) -> SELI:
        """Those of classes with so many samples each, (C,).

        With Ẑ = V Λ Uᵀ the C × n matrix whose column of a sample is its label's unit vector less 1/C, they
        are V Λ Vᵀ, the same of U at one sample a class, and Ẑ at these. Columns of a class are equal, so the
        decomposition is of C columns with the root of their count.

        >>> SELI.of(np.array([1, 1])).head * 2
        array([[ 1., -1.],
               [-1.,  1.]])
        """
        root, count = np.sqrt(counts.astype(np.float64)), len(counts)
        simplex = np.eye(count) - 1 / count
        left, values, right = np.linalg.svd(simplex * root)
        own = right.T / root[:, None]
        return cls((left * values) @ left.T, (own * values) @ own.T, simplex)


def imbalanced_collapse(means: ArrayLike, weight: ArrayLike, counts: ArrayLike) -> ImbalancedCollapse:
    """How near class means (C, d) and rows of the head (C, d) are to what imbalanced training leads to.

    ``counts`` (C,) are the samples of each class in training, one or more. Both are centred by the mean of
    the classes, which no decision depends on.

    * head, means, logits: the Frobenius distance of the Gram matrices of both, and of their products, from
      those of the simplex-encoded-labels interpolation (SELI), each of length 1. Cross-entropy with vanishing
      regularisation has its optimum there whatever the counts, and at the simplex where all are equal
      (Thrampoulidis, Kini, Vakilian, Behnia, Imbalance trouble: revisiting neural-collapse geometry, 2022,
      arXiv 2208.05512, definition 2).
    * minority: the mean cosine between rows of the head of classes with fewer samples than the mean count;
      minority collapse merges them (Fang, He, Long, Su, Exploring deep neural networks via layer-peeled
      model, 2021, arXiv 2101.12699). ``nan`` where there are not two of them.
    * orthogonality: the mean |cos| between two class means, not centred: with features that are not negative
      the means of imbalanced classes tend to be orthogonal, of lengths that depend on their counts (Dang,
      Tran, Nguyen, Ho, Neural collapse for cross-entropy class-imbalanced learning, 2024, arXiv 2401.02058).

    Raises BadArgument for shapes that do not fit, or a count below one.

    >>> counts = np.array([40, 40, 4, 4])
    >>> ideal = SELI.of(counts)
    >>> left, values, _ = np.linalg.svd(ideal.head)
    >>> weight = left * np.sqrt(values)
    >>> means = np.linalg.lstsq(weight, ideal.logits, rcond=None)[0].T
    >>> found = imbalanced_collapse(means, weight, counts)
    >>> found.ratio, bool(max(found.head, found.means, found.logits) < 1e-7)
    (10.0, True)
    >>> balanced = imbalanced_collapse(means, weight, [1, 1, 1, 1])  # by the simplex it is not collapsed
    >>> bool(balanced.head > 0.3)
    True
    """
    m, w, n = np.asarray(means, np.float64), np.asarray(weight, np.float64), np.asarray(counts)
    if m.ndim != 2 or m.shape != w.shape or n.shape != m.shape[:1] or not len(n):
        raise BadArgument(
            f"means, weight, counts: expected (C, d), (C, d), (C,), got {m.shape}, {w.shape}, {n.shape}"
        )
    if not (n >= 1).all():
        raise BadArgument(f"counts: every class has one sample or more, got {n.min()}")
    ideal = SELI.of(n)
    centred, rows = m - m.mean(axis=0), w - w.mean(axis=0)
    few = n < n.mean()
    return ImbalancedCollapse(
        ratio=float(n.max() / n.min()),
        head=_apart(rows @ rows.T, ideal.head),
        means=_apart(centred @ centred.T, ideal.means),
        logits=_apart(rows @ centred.T, ideal.logits),
        minority=_mean_cosine(rows[few]),
        orthogonality=_mean_cosine(m, absolute=True),
    )


def _apart(found: Float64, ideal: Float64) -> float:
    """The distance of two matrices of length 1 each; NaN where one is zero."""
    lengths = np.linalg.norm(found), np.linalg.norm(ideal)
    return float(np.linalg.norm(found / lengths[0] - ideal / lengths[1])) if all(lengths) else float("nan")


def _mean_cosine(vectors: Float64, absolute: bool = False) -> float:
    """The mean cosine (or its absolute value) of two of some vectors (k, d); NaN for fewer, or of zero."""
    lengths = np.linalg.norm(vectors, axis=1)
    if len(vectors) < 2 or not lengths.all():
        return float("nan")
    unit = vectors / lengths[:, None]
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    return float(np.abs(cosines).mean() if absolute else cosines.mean())
