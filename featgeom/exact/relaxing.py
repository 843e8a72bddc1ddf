"""Bounds on what a piecewise linear network makes of all images in a ball, with proved rounding.

Each value lies between two ends, entry by entry. A linear function of a value is bounded from below by one
of the image: backward, layer by layer, what bends is replaced by a line with any slope, and what that
leaves out between the entry's ends is counted (Zhang et al., arXiv 1811.00866). All is float64, and every
rounding is paid for: a product of n terms by γ_n times the size of its terms (Higham, section 3.1), a
rounded coefficient by what it was rounded by times the size of what it multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.exact.images import Ball, Ends, down, row_sums, up
from featgeom.exact.layers import Affine, Kink, Largest, Layer, affine_in_the_image
from featgeom.exact.rounding import TINY, U, gamma

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TILTS = 1.0, 3.0  # an open kink whose room above is more than that times the one below counts as linear
ROWS = 256  # linear functions that are taken back at once
DENSE = 0.1  # of all coefficients: from there on a dense product is faster


@dataclass
class _Total:
    """A running sum (rows,), the size of its terms, and what is taken off for rounded coefficients."""

    value: Float64
    size: Float64
    lost: Float64

    def add(self, value: Float64, size: Float64) -> None:
        self.value = self.value + value
        self.size = self.size + size


class Relaxation:
    """A network over a ball: the ends of every value, and lower bounds on linear functions of one.

    ``ends[v]`` are those of value v. What goes into a kink or a window is asked of the layers before it by
    linear functions, where its ends leave the line open. A number that overflows leaves a bound of −inf.
    """

    _left: dict[int, Float64] | None = None

    def __init__(self, layers: Sequence[Layer], ball: Ball) -> None:
        self.layers, self.ball = layers, ball
        self.ends: list[Ends] = [ball.ends]
        self._reach: dict[int, Float64] = {}
        self._affine = affine_in_the_image(layers)
        self._terms = 64 + 8 * len(layers) + max(len(ball.centre), *(layer.size for layer in layers))
        self._go_on()

    def part(self, value: int, entry: int, above: bool) -> Relaxation:
        """The same over the images for which an entry of a value is ≥ 0, or ≤ 0."""
        part = copy(self)
        low, high = (end.copy() for end in self.ends[value])
        if above:
            low[entry] = np.maximum(low[entry], 0.0)
        else:
            high[entry] = np.minimum(high[entry], 0.0)
        part.ends = [*self.ends[:value], (low, high)]
        part._reach = {i: reach for i, reach in self._reach.items() if self.layers[i].source < value}
        part._go_on(narrowed=value)
        return part

    def _go_on(self, narrowed: int = 0) -> None:
        """The ends of the values that have none yet; those of ``narrowed`` have been asked for before."""
        for i in range(len(self.ends) - 1, len(self.layers)):
            layer = self.layers[i]
            if isinstance(layer, Kink | Largest) and layer.source != narrowed:
                self._narrow(layer)
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = self._forward(i, layer)
            self.ends.append((_or(low, -np.inf), _or(high, np.inf)))  # what has overflown says nothing

    def below(self, value: int, c: csr_array) -> Float64:
        """Lower bounds (rows,) on c · value, for rows of c."""
        parts, tilts = [], TILTS[:1] if value in self._affine else TILTS
        for start in range(0, c.shape[0], ROWS):
            with np.errstate(over="ignore", invalid="ignore"):
                tries = [self._below(value, c[start : start + ROWS], tilt) for tilt in tilts]
            parts.append(np.maximum.reduce([_or(found, -np.inf) for found in tries]))
        return np.concatenate(parts) if parts else np.zeros(0)

    def left_out(self, value: int, c: csr_array) -> dict[int, Float64]:
        """How much the lines of kinks leave out of a bound on the one row of c, by what goes in there."""
        left: dict[int, Float64] = {}
        self._left = left
        with np.errstate(over="ignore", invalid="ignore"):
            self._below(value, c, TILTS[0])
        self._left = None
        return left

    def apart(self, value: int, point: Float64) -> float:
        """No less than how far a value is anywhere from a point, by its ends."""
        low, high = self.ends[value]
        with np.errstate(over="ignore"):
            far = up(np.maximum(np.abs(high - point), np.abs(point - low)))
            found = np.sqrt(far @ far + len(far) * TINY) * (1 + 4 * gamma(len(far) + 8, np.float64))
        return float(found)

    def open(self, layer: Kink | Largest) -> Ints:
        """The entries that go into a layer whose line is not settled by their ends."""
        low, high = self.ends[layer.source]
        if isinstance(layer, Kink):
            return np.flatnonzero((low < 0) & (high > 0))
        _, settled = _leading(layer, low, high)
        return np.unique(layer.index[:, ~settled][layer.real[:, ~settled]])

    def _narrow(self, layer: Kink | Largest) -> None:
        """Narrower ends of what goes in: of all where it is affine in the image, else of what is open."""
        from scipy.sparse import csr_array

        low, high = (end.copy() for end in self.ends[layer.source])
        at = np.arange(len(low)) if layer.source in self._affine else self.open(layer)
        one = csr_array((np.ones(len(at)), at, np.arange(len(at) + 1)), shape=(len(at), len(low)))
        low[at] = np.maximum(low[at], self.below(layer.source, one))
        high[at] = np.minimum(high[at], -self.below(layer.source, -one))
        self.ends[layer.source] = low, high

    def _size(self, value: int) -> Float64:
        """No less than any absolute value of the entries."""
        low, high = self.ends[value]
        return np.maximum(np.abs(low), np.abs(high))

    def _forward(self, i: int, layer: Layer) -> Ends:
        low, high = self.ends[layer.source]
        if isinstance(layer, Affine):
            centre = low / 2 + high / 2
            radius = np.maximum(high - centre, centre - low) * (1 + 4 * U)
            size = abs(layer.matrix) @ (np.abs(centre) + np.abs(layer.shift) + radius) + np.abs(layer.bias)
            terms = int(np.diff(layer.matrix.indptr).max()) + 16
            error = 2 * (gamma(terms, np.float64) + layer.wobble) * size + terms * TINY
            middle = layer.matrix @ (centre + layer.shift) + layer.bias
            spread = abs(layer.matrix) @ radius + error
            return down(middle - spread), up(middle + spread)
        if isinstance(layer, Kink):
            below, above = (np.where(end > 0, end, layer.share * end) for end in (low, high))
            if not layer.share:
                return below, above
            return np.where(low > 0, below, down(below)), np.where(
                high > 0, above, np.minimum(up(above), 0.0)
            )
        if isinstance(layer, Largest):
            return _of_windows(layer, low, -np.inf).max(axis=0), _of_windows(layer, high, -np.inf).max(axis=0)
        return down(low + self.ends[layer.other][0]), up(high + self.ends[layer.other][1])

    def _below(self, value: int, c: csr_array, tilt: float) -> Float64:
        total = _Total(*np.zeros((3, c.shape[0])))
        held = {value: c}
        for v in range(value, 0, -1):
            if v not in held:
                continue
            g, layer = held.pop(v), self.layers[v - 1]
            if isinstance(layer, Affine):
                back = self._through(v - 1, layer, g, total)
            elif isinstance(layer, Kink):
                back = self._kinked(layer, g, tilt, total)
            elif isinstance(layer, Largest):
                back = self._largest(layer, g, total)
            else:
                back = g
                self._add(held, layer.other, g, total)
            self._add(held, layer.source, back, total)
            total.lost = total.lost + TINY * self._size(layer.source).sum()  # coefficients that underflow
        if 0 in held:
            total.add(held[0] @ self.ball.centre, abs(held[0]) @ np.abs(self.ball.centre))
            total.add(*self.ball.least(held[0]))
        slack = 2 * gamma(self._terms, np.float64) * total.size + 2 * total.lost + self._terms**2 * TINY
        return down(total.value - slack)

    def _add(self, held: dict[int, csr_array], value: int, g: csr_array, total: _Total) -> None:
        """Adds coefficients of a value."""
        if value in held:
            g = held[value] + g
            total.lost = total.lost + 2 * U * (abs(g) @ self._size(value))
        held[value] = g

    def _through(self, i: int, layer: Affine, g: csr_array, total: _Total) -> csr_array:
        """Coefficients of what goes into an affine layer."""
        total.add(g @ layer.bias, abs(g) @ np.abs(layer.bias))
        if i not in self._reach:
            size = self._size(layer.source) + np.abs(layer.shift)
            terms = int(np.bincount(layer.matrix.indices, minlength=1).max()) + 8
            each = 2 * (gamma(terms, np.float64) + layer.wobble)
            self._reach[i] = each * (abs(layer.matrix) @ size)
        total.lost = total.lost + abs(g) @ self._reach[i]
        back = _product(g, layer.matrix)
        if layer.shift.any():
            total.add(back @ layer.shift, abs(back) @ np.abs(layer.shift))
        return back

    def _kinked(self, layer: Kink, g: csr_array, tilt: float, total: _Total) -> csr_array:
        """Coefficients of what goes into a kink: what any leave out is least at an end or at 0."""
        a, at, share = g.data, g.indices, layer.share
        low, high = (end[at] for end in self.ends[layer.source])
        bent = (low < 0) & (high > 0)
        c = a * np.where(bent, _slopes(a, low, high, share, tilt), np.where(high <= 0, share, 1.0))
        far = np.maximum(np.abs(high), np.abs(low))
        left = np.minimum(np.minimum(a * (share * low) - c * low, a * high - c * high), 0.0)
        left = np.where(bent, left, 0.0)
        if self._left is not None:
            n = len(self.ends[layer.source][0])
            self._left[layer.source] = np.bincount(at, left, n).astype(np.float64)
        total.add(row_sums(left, g), 8 * row_sums(np.where(bent, (np.abs(a) + np.abs(c)) * far, 0.0), g))
        total.lost = total.lost + 2 * U * row_sums(np.where(bent, 0.0, np.abs(c) * far), g)
        return _with_data(g, c)

    def _largest(self, layer: Largest, g: csr_array, total: _Total) -> csr_array:
        """Coefficients of what goes into windows of which the largest entry is taken.

        A coefficient ≥ 0 goes to one entry, which is no more than the largest; one below 0 is shared in any
        way, and what that leaves out is greatest at a corner of the window's box.
        """
        low, high = (_of_windows(layer, end, 0.0) for end in self.ends[layer.source])
        share = _shares(layer, *self.ends[layer.source])
        lead, _ = _leading(layer, *self.ends[layer.source])
        terms, at = len(layer.index), g.indices
        share, low, high = (x[:, at] for x in (share, low, high))
        real = layer.real[:, at]
        alone = np.maximum(-share * low, -share * high)
        first = np.maximum((1 - share) * low, (1 - share) * high)
        worst = np.where(real, first - alone, -np.inf).max(axis=0) + alone.sum(axis=0)
        size = ((np.abs(share) + 1) * np.maximum(np.abs(low), np.abs(high))).sum(axis=0)
        fallen = np.minimum(g.data, 0.0)
        total.add(row_sums(fallen * worst, g), 4 * (terms + 8) * row_sums(np.abs(fallen) * size, g))
        met = int(np.bincount(layer.index[layer.real]).max())
        total.lost = total.lost + 2 * U * (met + terms + 8) * row_sums(np.abs(g.data) * size, g)
        c = np.where(g.data < 0, g.data * share, g.data * (lead[at] == np.arange(terms)[:, None]))
        return _scattered(
            c, real, layer.index[:, at], _row_of(g), (g.shape[0], len(self.ends[layer.source][0]))
        )


def leads(own: int, rivals: Ints, classes: int) -> csr_array:
    """The rows that make of logits how far one class is ahead of others."""
    from scipy.sparse import csr_array

    n = len(rivals)
    column = np.stack([np.full(n, own), rivals], axis=1).ravel()
    return csr_array((np.tile([1.0, -1.0], n), column, 2 * np.arange(n + 1)), shape=(n, classes))


def _of_windows(layer: Largest, values: Float64, otherwise: float) -> Float64:
    """The entries of each window (terms, size)."""
    found: Float64 = np.where(layer.real, values[np.maximum(layer.index, 0)], otherwise)
    return found


def _leading(layer: Largest, low: Float64, high: Float64) -> tuple[Ints, NDArray[np.bool_]]:
    """The place of an entry of each window that leads, and whether none can be larger."""
    low, high = (_of_windows(layer, end, -np.inf) for end in (low, high))
    most = low.argmax(axis=0)
    others = np.where(np.arange(len(high))[:, None] == most, -np.inf, high).max(axis=0)
    settled = low.max(axis=0) >= others
    return np.where(settled, most, (low / 2 + high / 2).argmax(axis=0)), settled


def _slopes(a: Float64, low: Float64, high: Float64, share: float, tilt: float) -> Float64:
    """Slopes of lines for kinks with coefficients a: above those below 0 the chord, below others a side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        chord = (high - share * low) / (high - low)
    return np.where(a < 0, chord, np.where(high > -tilt * low, 1.0, share))


def _shares(layer: Largest, low: Float64, high: Float64) -> Float64:
    """For each window (terms, size) a share of one entry: of that which leads, or can be highest."""
    lead, settled = _leading(layer, low, high)
    low, high = (_of_windows(layer, end, -np.inf) for end in (low, high))
    top, columns = np.where(settled, lead, high.argmax(axis=0)), np.arange(layer.size)
    others = np.where(np.arange(len(high))[:, None] == top, -np.inf, high).max(axis=0)
    a, b = low[top, columns], high[top, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.nan_to_num((np.maximum(b, others) - np.maximum(a, others)) / (b - a))
    share = np.zeros(layer.index.shape)
    share[top, columns] = np.where(settled, 1.0, rise)
    return share


def _or(values: Float64, otherwise: float) -> Float64:
    """Another value in place of those that are not finite."""
    return np.where(np.isfinite(values), values, otherwise)


def _row_of(g: csr_array) -> Ints:
    """The row of each entry."""
    return np.repeat(np.arange(g.shape[0]), np.diff(g.indptr))


def _with_data(g: csr_array, data: Float64) -> csr_array:
    return type(g)((data, g.indices, g.indptr), shape=g.shape)


def _scattered(
    c: Float64, real: NDArray[np.bool_], column: Ints, row: Ints, shape: tuple[int, int]
) -> csr_array:
    from scipy.sparse import coo_array

    kept = real & (c != 0)
    rows = np.broadcast_to(row, c.shape)[kept]
    return coo_array((c[kept], (rows, column[kept])), shape=shape).tocsr()


def _product(g: csr_array, matrix: csr_array) -> csr_array:
    """g @ matrix, by the faster of two ways."""
    from scipy.sparse import csr_array

    if g.nnz < DENSE * g.shape[0] * g.shape[1]:
        return g @ matrix
    return csr_array(g.toarray() @ matrix)
