"""The matrix of flip directions: how samples must move to change class, seen as one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr

from featgeom.arrays import Float64, Ints, as_float64, as_labels
from featgeom.errors import BadArgument
from featgeom.results import Result
from featgeom.status import Status


@dataclass(frozen=True, eq=False, repr=False)
class DirectionSpectrum(Result):
    """What the rows flip − sample (n, d) span.

    * ``count``: rows used (those with a flip point at a positive distance);
    * ``singular_values`` (min(n, d),), largest first, in feature-space distance; ``components``, the right
      singular vectors, row by row; ``explained``: share of the sum of squares, cumulated;
    * ``rank``: singular values above the rounding of the largest; ``condition``: largest over smallest of
      those; inf where the matrix has not full column rank;
    * ``pivots``: rows in the order of pivoted QR, each the sample whose direction is farthest from the span
      of those before it; ``pivot_lengths``: how far.

    The PCA is not centred: a direction is a displacement, and no displacement is the origin.
    """

    shows = ("count", "rank", "condition")
    status: ClassVar[Status] = Status.COMPUTED

    count: int
    singular_values: Float64
    components: Float64
    explained: Float64
    rank: int
    condition: float
    pivots: Ints
    pivot_lengths: Float64


def direction_spectrum(
    z: ArrayLike, flips: ArrayLike, labels: ArrayLike | None = None
) -> dict[int | None, DirectionSpectrum]:
    """PCA, rank, condition number and pivoted QR of flip directions, overall and by class.

    Parameters: z (n, d) samples; flips (n, d) their flip points (rows of NaN, where a sample has none, are
    left out); labels (n,), by which the rows are also grouped. The key None holds all rows.

    Source: Yousefzadeh and O'Leary, arXiv 1903.08789, section 5.

    >>> spectra = direction_spectrum(np.zeros((3, 2)), [[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]], [0, 1, 0])
    >>> spectra[None].rank, spectra[None].pivots.tolist()[:1], spectra[0].rank
    (2, [1], 1)
    """
    samples = as_float64(z, "z")
    points = np.asarray(flips, np.float64)
    if points.shape != samples.shape:
        raise BadArgument(f"flips: expected the shape of z, {samples.shape}, got {points.shape}")
    directions = points - samples
    used = np.isfinite(directions).all(axis=1) & (directions != 0).any(axis=1)
    result: dict[int | None, DirectionSpectrum] = {None: _spectrum(directions, np.flatnonzero(used))}
    if labels is not None:
        names = as_labels(labels, "labels", len(samples))
        for k in np.unique(names):
            result[int(k)] = _spectrum(directions, np.flatnonzero(used & (names == k)))
    return result


def _spectrum(directions: Float64, rows: Ints) -> DirectionSpectrum:
    d = directions.shape[1]
    if not len(rows):
        none = np.zeros(0)
        return DirectionSpectrum(0, none, np.zeros((0, d)), none, 0, np.inf, rows, none)
    matrix = directions[rows]
    _, values, components = np.linalg.svd(_triangle(matrix), full_matrices=False)
    rank = int((values > values[0] * max(matrix.shape) * np.finfo(float).eps).sum())
    lengths, order = _pivots(matrix)
    squares = values**2
    return DirectionSpectrum(
        count=len(rows),
        singular_values=values,
        components=components,
        explained=np.cumsum(squares) / squares.sum(),
        rank=rank,
        condition=float(values[0] / values[-1]) if rank == d else np.inf,
        pivots=rows[order],
        pivot_lengths=lengths,
    )


def _triangle(matrix: Float64) -> Float64:
    """A matrix of at most d rows with the same singular values and right vectors."""
    if len(matrix) <= matrix.shape[1]:
        return matrix
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def _pivots(matrix: Float64) -> tuple[Float64, Ints]:
    """The first min(n, d) pivots of QR with column pivoting on the transpose."""
    factor, order = qr(matrix.T, mode="r", pivoting=True, check_finite=False)
    most = min(matrix.shape)
    return np.abs(np.diag(factor))[:most], np.asarray(order[:most], np.int64)
