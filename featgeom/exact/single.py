"""Affine functions in float64, each number known to an error: what the layers of a network make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.exact.layers import Affine
from featgeom.exact.polytopes import WIDER
from featgeom.exact.rounding import TINY, U, gamma

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers ``rows`` + ``rest`` (size, pieces, 1 + k), or ``rows`` alone, each known to ± ``error``."""

    rows: Float64
    error: Float64
    rest: Float64 | None = None

    def __getitem__(self, at: Any) -> Known:
        return Known(self.rows[at], self.error[at], None if self.rest is None else self.rest[at])

    @property
    def rounded(self) -> tuple[Float64, Float64]:
        """In float64 alone, and the error of that."""
        if self.rest is None:
            return self.rows, self.error
        return self.rows, up(self.error + np.abs(self.rest))


class Single:
    """Arithmetic of float64, rounded to nearest."""

    def __init__(self) -> None:
        self._known: dict[Affine, tuple[csr_array, int, float]] = {}

    def pixels(self, images: Float64, base: Float64, scale: float) -> Known:
        """images[0] + Σ t_i (images[i] − images[0]) (m, 1, 1 + k), in parameters (t − base) / scale."""
        step = images[1:] - images[0]
        moved = base[:, None] * step
        size = np.abs(images[0]) + np.abs(moved).sum(axis=0)
        rows = np.concatenate([(images[0] + moved.sum(axis=0))[None], step * scale])
        error = np.concatenate([(8 * U * size)[None], 2 * U * np.abs(rows[1:])])
        error = up(error + TINY * multiplied(images, base))
        return Known(rows.T[:, None].copy(), error.T[:, None].copy())

    def total(self, one: Known, other: Known) -> Known:
        """The sums."""
        rows = one.rows + other.rows
        return Known(rows, up(one.error + other.error + U * np.abs(rows)))

    def affine(self, layer: Affine, x: Known) -> Known:
        """What an affine layer makes."""
        rows, shape = x.rows, (layer.size, *x.rows.shape[1:])
        if layer.shift.any():
            rows = rows.copy()
            rows[..., 0] += layer.shift[:, None]
        _, terms, _ = self.sizes(layer)
        each = 2 * (gamma(terms, np.float64) + layer.wobble)
        size = np.abs(rows)
        size[..., 0] += np.abs(layer.shift)[:, None]
        made = (layer.matrix @ rows.reshape(len(rows), -1)).reshape(shape)
        made[..., 0] += layer.bias[:, None]
        off = self.spread(layer, up(x.error + np.maximum(each * size, np.where(size > 0, TINY, 0.0))))
        off[..., 0] += up(each * np.abs(layer.bias))[:, None]
        return Known(made, off)

    def spread(self, layer: Affine, error: Float64) -> Float64:
        """How far what a layer makes may be off, for errors of what it takes; 0 where those are all 0."""
        matrix, terms, smallest = self.sizes(layer)
        off = (matrix @ error.reshape(len(error), -1)).reshape(layer.size, *error.shape[1:])
        off = off * (1 + 4 * gamma(terms, np.float64))
        least = smallest * np.min(error, initial=1.0, where=error > 0)
        lost = terms * TINY
        found: Float64 = off + (lost * (off > 0) if least > 1e-290 else lost)  # else a product may vanish
        return found

    def sizes(self, layer: Affine) -> tuple[csr_array, int, float]:
        """A matrix without its signs, more than the terms of its rows, and the smallest that is not 0."""
        if layer not in self._known:
            matrix = abs(layer.matrix)
            smallest = float(np.min(matrix.data, initial=1.0, where=matrix.data > 0))
            self._known[layer] = matrix, int(np.diff(matrix.indptr).max(initial=0)) + 16, smallest
        return self._known[layer]

    def sloped(self, x: Known, above: Ints, share: float) -> Known:
        """Entries times 1 where ``above`` (size, pieces) is positive, else times a share from 0 to 1."""
        slope = np.where(above > 0, 1.0, share)[..., None]
        rows = x.rows * slope
        if not share:
            return Known(rows, x.error * slope)
        return Known(rows, np.where(slope == 1, x.error, up(x.error * slope + 2 * U * np.abs(rows) + TINY)))


def multiplied(images: Float64, base: Float64) -> NDArray[np.bool_]:
    """Whether each number (1 + k, m) that `pixels` makes has a product that may underflow."""
    step = images[1:] != images[0]
    return np.concatenate([(step & (base != 0)[:, None]).any(axis=0)[None], step])


def up(error: Float64) -> Float64:
    """No less than sums of errors are before they are rounded."""
    found: Float64 = np.asarray(error, np.float64) * WIDER
    return found
