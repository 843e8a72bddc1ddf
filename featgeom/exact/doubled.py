"""The same with twice the digits of float64: numbers are sums of two, and products are added up exactly.

A matrix and what it is multiplied with are cut into slices of so few digits that a product of two slices
is a sum of whole numbers below 2^53, which float64 adds up without rounding, in any order (Ozaki et al.,
Numer. Algorithms 59, 2012). Of deep networks, through whose layers errors grow by 10^14, this leaves enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.layers import Affine
from featgeom.exact.rounding import TINY
from featgeom.exact.single import Known, Single, multiplied, up

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DIGITS = 53  # of float64
KEPT = 96  # binary digits of a product, below the largest of its row and column, that are kept
LOST = 2.0**-88  # of the terms of a row times these two: more than is not kept, and than adding up rounds
FINE = 2.0**-96  # more than one sum or product of two numbers of twice the digits is rounded by
AHEAD = 2**27 + 1  # splits a number into two of half the digits (Veltkamp)


@dataclass(frozen=True, eq=False)
class Slices:
    """A matrix as whole numbers ``parts[r]`` · 2^(``top`` − ``bits`` (r + 1)), row by row."""

    parts: list[csr_array | None]
    top: Ints
    bits: int
    terms: Ints


class Doubled(Single):
    """Arithmetic of sums of two numbers of float64."""

    def __init__(self) -> None:
        super().__init__()
        self._slices: dict[Affine, Slices] = {}

    def pixels(self, images: Float64, base: Float64, scale: float) -> Known:
        """images[0] + Σ t_i (images[i] − images[0]) (m, 1, 1 + k), in parameters (t − base) / scale."""
        zero = np.zeros_like(images[0])
        here, rest = images[0], zero
        size, steps = np.abs(images[0]), list[tuple[Float64, Float64]]()
        lost = [np.where(multiplied(images, base)[0], TINY, 0.0)]
        for image, t in zip(images[1:], base.tolist(), strict=True):
            step = two_sum(image, -images[0])
            moved = times(*step, np.float64(t))
            here, rest = plus((here, rest), moved)
            size = size + np.abs(moved[0])
            steps.append((step[0] * scale, step[1] * scale))
            same = (steps[-1][0] / scale == step[0]) & (steps[-1][1] / scale == step[1])
            lost.append(np.where(same, 0.0, TINY))  # a power of two changes no digit but where it underflows
        rows = np.stack([here, *(high for high, _ in steps)], axis=1)[:, None]
        low = np.stack([rest, *(low for _, low in steps)], axis=1)[:, None]
        error = np.stack(lost, axis=1)[:, None]
        if base.any():
            error[:, 0, 0] = up(error[:, 0, 0] + 8 * FINE * size)
        return Known(rows, error, low)

    def total(self, one: Known, other: Known) -> Known:
        """The sums."""
        assert one.rest is not None
        assert other.rest is not None
        rows, rest = plus((one.rows, one.rest), (other.rows, other.rest))
        rounded = FINE * (np.abs(one.rows) + np.abs(other.rows))
        return Known(rows, up(one.error + other.error + rounded), rest)

    def affine(self, layer: Affine, x: Known) -> Known:
        """What an affine layer makes."""
        assert x.rest is not None
        rows, rest, error = x.rows, x.rest, x.error
        if layer.shift.any():
            rows, rest, error = rows.copy(), rest.copy(), error.copy()
            shift = np.broadcast_to(layer.shift[:, None], rows.shape[:2])
            size = np.abs(rows[..., 0]) + np.abs(shift)
            rows[..., 0], rest[..., 0] = plus((rows[..., 0], rest[..., 0]), (shift, np.zeros_like(shift)))
            error[..., 0] = up(error[..., 0] + FINE * size)
        shape = layer.size, *rows.shape[1:]
        slices = self._sliced(layer)
        made, low, off = product(slices, rows.reshape(len(rows), -1), rest.reshape(len(rows), -1))
        made, low, off = (part.reshape(shape) for part in (made, low, off))
        size = np.maximum(LOST * np.abs(rows), np.where(rows != 0, TINY, 0.0))
        spread = self.spread(layer, up(error + size))  # not 0 where anything is not
        bias = np.broadcast_to(layer.bias[:, None], shape[:2])
        rounded = FINE * (np.abs(made[..., 0]) + np.abs(bias)) * (spread[..., 0] > 0)
        made[..., 0], low[..., 0] = plus((made[..., 0], low[..., 0]), (bias, np.zeros_like(bias)))
        found = spread + np.where(spread > 0, off, 0.0)
        found[..., 0] += rounded
        return Known(made, up(found), low)

    def sloped(self, x: Known, above: Ints, share: float) -> Known:
        """Entries times 1 where ``above`` (size, pieces) is positive, else times a share from 0 to 1."""
        assert x.rest is not None
        one = (above > 0)[..., None]
        if not share:
            return Known(x.rows * one, x.error * one, x.rest * one)
        rows, rest = times(x.rows, x.rest, np.float64(share))
        error = up(x.error * share + FINE * np.abs(rows) + TINY)
        return Known(np.where(one, x.rows, rows), np.where(one, x.error, error), np.where(one, x.rest, rest))

    def _sliced(self, layer: Affine) -> Slices:
        if layer not in self._slices:
            rest = layer.rest() if layer.rest else np.zeros_like(layer.matrix.data)
            self._slices[layer] = sliced(layer.matrix, rest)
        return self._slices[layer]


def sliced(matrix: csr_array, rest: Float64) -> Slices:
    """A matrix whose entries are those of ``matrix`` + ``rest``, in slices."""
    from scipy.sparse import csr_array

    terms = np.diff(matrix.indptr)
    bits = (DIGITS - int(np.ceil(np.log2(max(2, int(terms.max(initial=0))))))) // 2
    row = np.repeat(np.arange(len(terms)), terms)
    largest = np.zeros(len(terms))
    np.maximum.at(largest, row, np.abs(matrix.data))
    top = np.frexp(largest)[1].astype(np.int64)
    parts: list[csr_array | None] = []
    for whole in _wholes(matrix.data, rest, top[row], bits):
        kept = np.flatnonzero(whole)
        if len(kept) == len(whole):
            parts.append(csr_array((whole, matrix.indices, matrix.indptr), shape=matrix.shape))
        else:
            first = np.searchsorted(kept, matrix.indptr)
            part = csr_array((whole[kept], matrix.indices[kept], first), shape=matrix.shape)
            parts.append(part if len(kept) else None)
    return Slices(parts, top, bits, terms)


def _wholes(high: Float64, low: Float64, top: Ints, bits: int) -> Iterator[Float64]:
    """Slices of numbers below 2^top: whole numbers of so many binary digits."""
    left, taken = np.ldexp(high, -top), 0
    while taken <= KEPT:
        left = np.ldexp(left, bits)
        taken += bits
        if DIGITS < taken <= DIGITS + bits:
            left = left + np.ldexp(low, taken - top)
        whole = np.rint(left)
        left = left - whole
        yield whole


def product(matrix: Slices, high: Float64, low: Float64) -> tuple[Float64, Float64, Float64]:
    """The matrix times columns (n, m) that are sums of two numbers: such sums (size, m), and their errors."""
    largest = np.abs(high).max(axis=0, initial=0.0)
    top = np.frexp(largest)[1].astype(np.int64)
    columns = list(_wholes(high, low, np.broadcast_to(top, high.shape), matrix.bits))
    scale = matrix.top[:, None] + top
    made, rest = np.zeros(scale.shape), np.zeros(scale.shape)
    order = sorted(
        ((r + s, r, s) for r in range(len(matrix.parts)) for s in range(len(columns))), reverse=True
    )
    for depth, r, s in order:
        part = matrix.parts[r]
        if part is not None and depth * matrix.bits <= KEPT:
            term = np.ldexp(part @ columns[s], scale - matrix.bits * (depth + 2))
            made, lost = two_sum(made, term)
            rest = rest + lost
    made, rest = two_sum(made, rest)
    error = np.ldexp(LOST * matrix.terms[:, None], scale) * (largest > 0) + 64 * TINY
    return made, rest, np.where(np.isfinite(largest), error, np.inf)  # else the others are in no slices


def two_sum(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """a + b rounded, and what that left out, exactly (Knuth)."""
    total = a + b
    moved = total - a
    return total, (a - (total - moved)) + (b - moved)


def plus(one: tuple[Float64, Float64], other: tuple[Float64, Float64]) -> tuple[Float64, Float64]:
    """The sum of two sums of two numbers, to 2^-100 of the sizes of both."""
    total, lost = two_sum(one[0], other[0])
    return two_sum(total, lost + (one[1] + other[1]))


def times(high: Float64, low: Float64, factor: np.float64) -> tuple[Float64, Float64]:
    """A number times sums of two, to 2^-100 of the product."""
    made = high * factor
    halves = []
    for value in (high, np.asarray(factor)):
        big = AHEAD * value
        upper = big - (big - value)
        halves.append((upper, value - upper))
    (a, b), (c, d) = halves
    lost = ((a * c - made) + a * d + b * c) + b * d
    return two_sum(made, lost + low * factor)
