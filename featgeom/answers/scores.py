"""What the guard's scores are made of: several views of a feature, each measured by how rare it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from featgeom.answers.conformal import least_calibrators, surprise
from featgeom.answers.score_names import BESIDE
from featgeom.arrays import BLOCK_BYTES, Float64, Floats, Ints, blocks
from featgeom.collapse import class_means
from featgeom.head import AffineHead
from featgeom.regions.margins import point_blocks

ROUNDED = float(np.finfo(np.float16).eps)  # twice what half precision moves of a feature, by its length


def wanted_aside(score: str, false_alarm: float) -> int:
    """How many features kept aside a guard takes at the least: twice as many where half compare the views.

    >>> wanted_aside("hull", 0.01), wanted_aside("joint", 0.01)
    (99, 198)
    """
    return least_calibrators(false_alarm) * (2 if BESIDE.get(score) else 1)


def energy(head: AffineHead, z: Floats) -> Float64:
    """−log Σ exp(logits) of features (n, d), (n,)."""
    parts = [
        -logsumexp(head.logits(z[rows].astype(np.float64)), axis=1) for rows in point_blocks(head, len(z))
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Gaussians:
    """Means of classes (C, d), and what makes their common covariance the identity (d, r)."""

    means: Float64
    whitening: Float64

    @classmethod
    def of(cls, points: Floats, classes: Ints) -> Gaussians:
        """Of training features (n, d) with their classes (n,).

        Directions are left out whose standard deviation is below 2⁻¹⁰ of the longest feature: a linear
        constraint (layer normalisation, a softmax) leaves them nothing but rounding, which differs from
        machine to machine. So a feature that moves by a share δ of that length moves its distance by no
        more than 1024 δ: by a half at most where it was rounded to half precision or TF32 (δ ≤ 2⁻¹¹).
        """
        known, slot = np.unique(classes, return_inverse=True)
        means = class_means(points, slot, len(known))
        scatter, longest, start = np.zeros((points.shape[1],) * 2), 0.0, 0
        for block in blocks(points):
            z = block.astype(np.float64)
            longest = max(longest, float(np.linalg.norm(z, axis=1).max()))
            z -= means[slot[start : start + len(z)]]
            scatter += z.T @ z
            start += len(z)
        variance, axes = np.linalg.eigh(scatter / len(points))
        keep = variance > (ROUNDED * longest) ** 2
        return cls(means, axes[:, keep] / np.sqrt(variance[keep]))

    def distance(self, z: Floats) -> Float64:
        """The Mahalanobis distance of features (n, d) from the nearest mean, (n,).

        >>> known = Gaussians.of(np.array([[0.0, 1.0], [0.0, -1.0], [4.0, 0.0]]), np.array([0, 0, 1]))
        >>> known.distance(np.array([[0.0, 3.0], [4.0, 2.0]])).round(3)
        array([3.674, 2.449])
        """
        centre = self.means.mean(axis=0)
        anchors = (self.means - centre) @ self.whitening
        half = np.einsum("cr,cr->c", anchors, anchors) / 2
        entries = z.shape[1] + 2 * anchors.shape[1] + len(anchors)
        found = np.zeros(len(z))
        step = max(1, BLOCK_BYTES // (8 * entries))
        for start in range(0, len(z), step):
            rows = slice(start, start + step)
            white = (z[rows] - centre) @ self.whitening
            nearest = (white @ anchors.T - half).argmax(axis=1)
            found[rows] = np.linalg.norm(white - anchors[nearest], axis=1)  # not by squares that cancel
        return found


@dataclass(frozen=True)
class Views:
    """What one score asks of features beside their hull distance, and how all of it becomes one number."""

    score: str
    beside: tuple[Callable[[Floats], Float64], ...]

    @classmethod
    def of(cls, score: str, head: AffineHead, points: Floats, classes: Ints) -> Views:
        """Those of a score, of a head and training features (n, d) with their classes (n,)."""
        names = BESIDE[score]
        gaussians: Any = Gaussians.of(points, classes) if "mahalanobis" in names else None
        ways: dict[str, Callable[[Floats], Float64]] = {
            "energy": lambda z: energy(head, z),
            "mahalanobis": lambda z: gaussians.distance(z),
            "length": lambda z: -np.linalg.norm(z.astype(np.float64), axis=1),
        }
        return cls(score, tuple(ways[name] for name in names))

    def seen(self, z: Floats) -> Float64:
        """All views of features (n, d) beside the hull distance, (views, n)."""
        return np.stack([way(z) for way in self.beside]) if self.beside else np.zeros((0, len(z)))

    def together(self, distance: Float64, seen: Float64, known: Float64) -> Float64:
        """The scores of features at these hull distances (n,) with these other views: no less for more.

        ``known`` (views, m): each view of the features that compare them, the hull distance first.
        """
        if self.score == "hull":
            return distance
        rare = np.stack([surprise(*pair) for pair in zip([distance, *seen], known, strict=True)])
        return rare.max(axis=0) if self.score == "combined" else rare.sum(axis=0)
