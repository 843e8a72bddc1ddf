"""Images near one image, inside the bounds of pixel space, and the least of a linear function there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from featgeom.arrays import Float64
from featgeom.exact.rounding import TINY

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PRICES = (1.0, 0.7, 0.4)  # of a squared movement, beside what the ball alone asks for
Ends = tuple[Float64, Float64]


def down(values: Float64) -> Float64:
    """The next smaller numbers: what one rounding can have raised is below them."""
    found: Float64 = np.nextafter(values, -np.inf)
    return found


def up(values: Float64) -> Float64:
    """The next greater numbers."""
    found: Float64 = np.nextafter(values, np.inf)
    return found


@dataclass(frozen=True, eq=False)
class Ball:
    """The images x (m,) with low ≤ x ≤ high, apart from ``centre`` by at most ``radius``; ``centre`` is one.

    ``norm`` is 2 for Euclidean distances, inf for the largest change of a pixel value.
    """

    centre: Float64
    radius: float
    low: float
    high: float
    norm: float

    @cached_property
    def room(self) -> Ends:
        """The least and the greatest movement of each pixel value, or beyond."""
        return (
            np.maximum(down(self.low - self.centre), -self.radius),
            np.minimum(up(self.high - self.centre), self.radius),
        )

    @cached_property
    def ends(self) -> Ends:
        """The least and the greatest pixel values, or beyond."""
        least, most = self.room
        return np.maximum(down(self.centre + least), self.low), np.minimum(up(self.centre + most), self.high)

    def least(self, c: csr_array) -> tuple[Float64, Float64]:
        """A lower bound on c · (x − centre) for each row of c (rows, m), and a size of terms: both (rows,).

        The bound is computed in float64, and rounded by less than γ_(m + 64) times the size. In a Euclidean
        ball a pixel value at its bound moves one way alone, and every price λ ≥ 0 gives a bound: c · δ ≥
        min (c · δ + λ ‖δ‖²) − λ radius², the least over the box.

        >>> from scipy.sparse import csr_array
        >>> ball = Ball(np.array([0.5, 0.0]), 0.1, 0.0, 1.0, 2)
        >>> bound, size = ball.least(csr_array([[3.0, -4.0], [3.0, 4.0]]))
        >>> np.round(bound, 9)
        array([-0.5, -0.3])
        """
        least, most = (end[c.indices] for end in self.room)
        low, high = c.data * least, c.data * most
        corner = row_sums(np.minimum(low, high), c)
        size = row_sums(np.maximum(np.abs(low), np.abs(high)), c)
        if self.norm == np.inf:
            return corner, size
        at = self.centre[c.indices]
        moves = ((at > self.low) | (c.data < 0)) & ((at < self.high) | (c.data > 0))
        length = np.sqrt(row_sums(np.where(moves, c.data * c.data, 0.0), c) + c.shape[1] * TINY) * self.radius
        best, size = np.maximum(corner, -length), np.maximum(size, length)
        reach = float(np.nextafter(self.radius * self.radius, np.inf))
        guess = length / (2 * reach)
        for price in PRICES:
            weight = np.maximum(guess * price, TINY)
            each = np.repeat(weight, np.diff(c.indptr))
            move = np.clip(-c.data / (2 * each), least, most)
            linear, square = row_sums(c.data * move, c), row_sums(each * move * move, c)
            spent = weight * reach
            best = np.maximum(best, linear + square - spent)
            size = np.maximum(size, row_sums(np.abs(c.data * move), c) + square + spent)
        return best, 16 * size


def row_sums(values: Float64, like: csr_array) -> Float64:
    """The sums (rows,) of values that stand where the entries of a sparse matrix do."""
    from scipy.sparse import csr_array

    matrix = csr_array((values, like.indices, like.indptr), shape=like.shape)
    return np.asarray(matrix @ np.ones(like.shape[1]))
