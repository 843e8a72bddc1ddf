"""Three axes of feature space to look along, and what each choice keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64
from featgeom.boundaries.views import decision_view
from featgeom.errors import BadArgument
from featgeom.head import AffineHead

DEPENDENT = 1e-9


@dataclass(frozen=True, eq=False)
class Frame:
    """An origin (d,) and three orthonormal directions (3, d); zero rows where feature space has fewer.

    ``exact`` counts the leading axes that a view is exact in (decision axes, axes of a slice); the rest are
    principal axes of what is left, added so that there are three.
    """

    origin: Float64
    basis: Float64
    axes: tuple[str, str, str]
    exact: int

    def drop(self, z: ArrayLike) -> Float64:
        """Coordinates (n, 3) of features (n, d): their shadow."""
        return (as_float64(z, "features", len(self.origin), True) - self.origin) @ self.basis.T

    def share(self, z: Float64) -> float:
        """The share of the variance of features (n, d) that the three axes keep.

        >>> frame = completed(np.zeros(2), np.eye(2)[:1], ["x"], np.eye(2))
        >>> frame.share(np.array([[0.0, 1.0], [1.0, 0.0]])), frame.axes
        (1.0, ('x', 'principal axis', 'none'))
        """
        centred = z - z.mean(axis=0)
        total = float(np.einsum("ij,ij->", centred, centred))
        kept = centred @ self.basis.T
        return float(np.einsum("ij,ij->", kept, kept)) / total if total > 0 else 1.0


def completed(origin: Float64, rows: Float64, names: Sequence[str], z: Float64, exact: int = 0) -> Frame:
    """A frame of up to three independent rows and, where they are fewer, principal axes of the rest of z."""
    basis = np.zeros((3, len(origin)))
    axes: list[str] = []
    for row, name in zip(rows, names):
        rest = row - (basis @ row) @ basis
        rest -= (basis @ rest) @ basis
        length = np.linalg.norm(rest)
        if len(axes) < 3 and length > DEPENDENT * np.linalg.norm(row) and length > 0:
            basis[len(axes)] = rest / length
            axes.append(name)
    given = len(axes)
    if given < 3 and given < len(origin):
        left = z - z.mean(axis=0)
        left = left - (left @ basis.T) @ basis
        for direction in principal_directions(left)[: 3 - given]:
            basis[len(axes)] = direction
            axes.append("principal axis" if given else f"principal axis {len(axes) + 1}")
    axes += ["none"] * (3 - len(axes))
    return Frame(origin, basis, (axes[0], axes[1], axes[2]), min(exact, given))


def principal_directions(centred: Float64) -> Float64:
    """Directions of most variance (k, d), k ≤ 3; only those along which there is any.

    >>> principal_directions(np.array([[2.0, 0.0], [-2.0, 0.0]])).round(9) + 0.0
    array([[1., 0.]])
    """
    values, vectors = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(-values)[:3]
    rows = vectors[:, [i for i in order if values[i] > 1e-14 * max(values[order[0]], 1e-300)]].T
    if not len(rows):
        return rows
    return rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]


def decision_frame(head: AffineHead, classes: Sequence[int], z: Float64) -> Frame:
    """The span of w_i − w_j of two to four classes: which of them wins at a point survives the projection."""
    basis = decision_view(head, classes).basis
    names = [f"decision axis {i + 1}" for i in range(len(basis))]
    return completed(np.zeros(head.dimension), basis, names, z, len(basis))


def principal_frame(z: Float64) -> Frame:
    """The three directions of most variance."""
    return completed(z.mean(axis=0), np.zeros((0, z.shape[1])), [], z)


def discriminant_frame(z: Float64, labels: Ints) -> Frame:
    """The span of the directions that part class means most, relative to the spread within classes (LDA)."""
    means, within = [], z.copy()
    for c in np.unique(labels):
        mine = labels == c
        means.append(z[mine].mean(axis=0))
        within[mine] -= means[-1]
    values, vectors = np.linalg.eigh(within.T @ within / len(z))
    kept = values > DEPENDENT * values[-1]
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    centred = np.array(means) - np.mean(means, axis=0)
    _, strengths, directions = np.linalg.svd(centred @ whiten, full_matrices=False)
    found = directions[strengths > DEPENDENT * max(strengths.max(initial=0.0), 1e-300)][:3] @ whiten.T
    names = [f"discriminant axis {i + 1}" for i in range(len(found))]
    return completed(z.mean(axis=0), found, names, z)


def slice_frame(points: Float64, z: Float64) -> Frame:
    """The flat through up to four points, the first of which is its origin."""
    names = [f"slice axis {i + 1}" for i in range(len(points) - 1)]
    return completed(points[0], points[1:] - points[0], names, z, 3)


def directions_frame(directions: ArrayLike, z: Float64) -> Frame:
    """The span of up to three directions (k, d) of one's own."""
    rows = as_float64(directions, "directions", z.shape[1])
    if len(rows) > 3 or np.linalg.matrix_rank(rows) < len(rows):
        raise BadArgument("directions: expected one to three directions that do not depend on each other")
    names = [f"direction {i + 1}" for i in range(len(rows))]
    return completed(z.mean(axis=0), rows, names, z)
