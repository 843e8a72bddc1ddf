"""A piecewise linear network as numbers: a table of layers, and what each does to entries of earlier ones.

Value 0 is the image, value i + 1 what layer i makes; all are flat vectors. A row of the table (layers, 16) is
its kind, the values it takes, and whole numbers of its own:

    conv       value, -1, weight, bias, filters, channels of a group, height, width, kernel (2), stride (2),
               padding (2), dilation (2), groups   as torch.nn.functional.conv2d; an affine layer is 1 × 1
    gather     value, -1, index, terms, size       entry j: the sum of `terms` entries, or 0 where one is -1
    scale      value, -1, mean, divisor, weight, bias, channels          (x − mean) weight / divisor + bias
    normalise  value, -1, mean, variance, weight, bias, channels, epsilon     divisor √(variance + epsilon)
    kink       value, -1, share                    max(x, share · x)
    max        value, -1, index, terms, size       the largest of `terms` entries; -1 is none
    sum        value, value

What is named weight, bias and so on is a place in one array of numbers, −1 for none; an index one in an
array of whole numbers, term by term. The network is a function of real numbers; nothing here is rounded but
the divisors, of which it is said how far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints
from featgeom.exact.rounding import U

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WIDTH = 18
KINDS = ("conv", "gather", "scale", "normalise", "kink", "max", "sum")
MOST = 1 << 26  # entries of all layers' matrices
ROOT = 1200  # binary digits behind the point of a root


class Misread(Exception):
    """Why a table tells no network."""


@dataclass(frozen=True, eq=False)
class Affine:
    """x ↦ A (x + shift) + bias; each entry of A (size, n) is known to a relative error of ``wobble``.

    Where there is any, rows that share their true entries come ``each`` one after the other, and ``rest``
    makes what is missing of each stored entry, to 2^-100 of it.
    """

    source: int
    matrix: csr_array
    shift: Float64
    bias: Float64
    wobble: float = 0.0
    each: int = 1
    rest: Callable[[], Float64] | None = None

    @property
    def size(self) -> int:
        """The entries that come out."""
        return int(self.matrix.shape[0])


@dataclass(frozen=True, eq=False)
class Kink:
    """x ↦ max(x, share · x), entry by entry, 0 ≤ share ≤ 1."""

    source: int
    share: float
    size: int


@dataclass(frozen=True, eq=False)
class Largest:
    """The largest of the entries ``index`` (terms, size) of each window; −1 is none."""

    source: int
    index: Ints

    @property
    def size(self) -> int:
        """The entries that come out."""
        return self.index.shape[1]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which places of the windows hold an entry."""
        return self.index >= 0


@dataclass(frozen=True, eq=False)
class Sum:
    """The sum of two values."""

    source: int
    other: int
    size: int


Layer = Affine | Kink | Largest | Sum


def taken(layer: Layer) -> tuple[int, ...]:
    """The values that a layer takes."""
    return (layer.source, layer.other) if isinstance(layer, Sum) else (layer.source,)


def affine_in_the_image(layers: Sequence[Layer]) -> set[int]:
    """The values that no kink and no window lies before."""
    found = {0}
    for i, layer in enumerate(layers):
        if isinstance(layer, Affine | Sum) and found.issuperset(taken(layer)):
            found.add(i + 1)
    return found


def read_layers(table: Ints, numbers: Floats, index: Ints, pixels: int, room: int = MOST) -> list[Layer]:
    """The layers of a table, for images of so many pixel values. Raises Misread.

    ``room`` is for the entries of all matrices.

    >>> table = np.full((2, WIDTH), -1)
    >>> table[0] = [0, 0, -1, 0, 6, 2, 3, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]
    >>> table[1, :4] = [4, 1, -1, 8]
    >>> made = read_layers(table, np.array([0, 1, 2, 3, 4, 5, 6, 7, 0.5]), np.arange(0), 3)
    >>> made[0].matrix.toarray(), made[0].bias, made[1].share
    (array([[0., 1., 2.],
           [3., 4., 5.]]), array([6., 7.]), 0.5)
    """
    reader = _Reader(np.asarray(numbers, dtype=np.float64), index, [pixels], room)
    layers: list[Layer] = []
    for i, row in enumerate(table.tolist()):
        try:
            layer = reader.read(*row)
        except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
            raise Misread(f"layer {i} is none: {error}") from None
        layers.append(layer)
        reader.sizes.append(layer.size)
        reader.room -= layer.matrix.nnz if isinstance(layer, Affine) else layer.size
    if not layers:
        raise Misread("there are no layers")
    return layers


def read_network(
    table: Ints, numbers: Floats, index: Ints, pixels: int, weight: Floats, bias: Floats
) -> list[Layer]:
    """The layers of a table, and after them a head (C, d). Raises Misread."""
    from scipy.sparse import csr_array

    layers = read_layers(table, numbers, index, pixels)
    d = weight.shape[1]
    if layers[-1].size != d:
        raise Misread(f"it makes {layers[-1].size} features, and the head takes {d}")
    matrix = csr_array(np.asarray(weight, dtype=np.float64))
    return [*layers, Affine(len(layers), matrix, np.zeros(d), np.asarray(bias, dtype=np.float64))]


@dataclass
class _Reader:
    """Reads row by row; ``sizes`` are those of the values so far."""

    numbers: Float64
    index: Ints
    sizes: list[int]
    room: int

    def read(self, kind: int, source: int, other: int, *rest: int) -> Layer:
        """One layer."""
        if not 0 <= kind < len(KINDS):
            raise Misread(f"kind {kind} is none of {', '.join(KINDS)}")
        self._known(source)
        if self.sizes[source] > self.room:
            raise Misread("there are more entries than can be held")
        if KINDS[kind] == "sum":
            self._known(other)
            if self.sizes[source] != self.sizes[other]:
                raise Misread("a sum of two sizes")
            return Sum(source, other, self.sizes[source])
        make: Callable[..., Layer] = getattr(self, f"_{KINDS[kind]}")
        return make(source, *rest)

    def _known(self, value: int) -> None:
        if not 0 <= value < len(self.sizes):
            raise Misread(f"there is no value {value} yet")

    def _numbers(self, place: int, count: int, otherwise: float) -> Float64:
        if place == -1:
            return np.full(count, otherwise)
        if not (place >= 0 and count > 0 and place + count <= len(self.numbers)):
            raise Misread("its numbers are not all there")
        return self.numbers[place : place + count]

    def _windows(self, place: int, terms: int, size: int, n: int) -> Ints:
        if not (place >= 0 and terms > 0 and size > 0 and place + terms * size <= len(self.index)):
            raise Misread("its indices are not all there")
        found = self.index[place : place + terms * size].reshape(terms, size)
        if (found < -1).any() or (found >= n).any():
            raise Misread("an index is none of an entry")
        return found

    def _conv(self, source: int, weight: int, bias: int, *rest: int) -> Affine:
        filters, channels, height, width, kh, kw, sh, sw, ph, pw, dh, dw, groups = rest
        if min(filters, channels, height, width, kh, kw, sh, sw, dh, dw, groups) < 1 or filters % groups:
            raise Misread("a number that must be positive is not")
        if channels * groups * height * width != self.sizes[source]:
            raise Misread("what it takes is of another size")
        if not (0 <= ph <= dh * (kh - 1) and 0 <= pw <= dw * (kw - 1)):
            raise Misread("its padding is wider than its kernel")
        rows, columns = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in (
                (height, ph, dh, kh, sh),
                (width, pw, dw, kw, sw),
            )
        )
        if rows < 1 or columns < 1 or filters * rows * columns * channels * kh * kw > self.room:
            raise Misread("it makes nothing, or too much")
        w = self._numbers(weight, filters * channels * kh * kw, 0.0).reshape(filters, channels, kh, kw)
        if weight == -1:
            raise Misread("it has no weights")
        f, i, j, c, a, b = np.ogrid[:filters, :rows, :columns, :channels, :kh, :kw]
        y, x = i * sh - ph + a * dh, j * sw - pw + b * dw
        group = f // (filters // groups)
        column = ((group * channels + c) * height + y) * width + x
        shape = (filters, rows, columns, channels, kh, kw)
        inside = np.broadcast_to((y >= 0) & (y < height) & (x >= 0) & (x < width), shape)
        row = np.broadcast_to((f * rows + i) * columns + j, shape)[inside]
        values = np.broadcast_to(w[:, None, None], shape)[inside]
        size = filters * rows * columns
        matrix = _matrix(values, row, np.broadcast_to(column, shape)[inside], (size, self.sizes[source]))
        added = np.repeat(self._numbers(bias, filters, 0.0), rows * columns)
        return Affine(source, matrix, np.zeros(self.sizes[source]), added)

    def _gather(self, source: int, place: int, terms: int, size: int, *_: int) -> Affine:
        n = self.sizes[source]
        index = self._windows(place, terms, size, n)
        real = index >= 0
        row = np.broadcast_to(np.arange(size), index.shape)[real]
        matrix = _matrix(np.ones(len(row)), row, index[real], (size, n))
        return Affine(source, matrix, np.zeros(n), np.zeros(size))

    def _scale(
        self, source: int, mean: int, divisor: int, weight: int, bias: int, channels: int, *_: int
    ) -> Affine:
        each = self._each(source, channels)
        divisors = self._numbers(divisor, channels, 1.0)
        return self._scaled(source, mean, divisors, weight, bias, each, 2 * U, lambda k: exact(divisors[k]))

    def _normalise(
        self,
        source: int,
        mean: int,
        variance: int,
        weight: int,
        bias: int,
        channels: int,
        epsilon: int,
        *_: int,
    ) -> Affine:
        each = self._each(source, channels)
        sums = self._numbers(variance, channels, 1.0) + self._numbers(epsilon, 1, 0.0)
        if not (self._numbers(variance, channels, 1.0) >= 0).all() or not (sums > 0).all():
            raise Misread("it divides by the root of what is not positive")
        variances, added = self._numbers(variance, channels, 1.0), self._numbers(epsilon, 1, 0.0)[0]

        def root(k: int) -> Fraction:
            square = exact(variances[k]) + exact(added)
            n, d = square.numerator, square.denominator
            return Fraction(isqrt(n * d << 2 * ROOT), d << ROOT)

        return self._scaled(source, mean, np.sqrt(sums), weight, bias, each, 6 * U, root)

    def _each(self, source: int, channels: int) -> int:
        if channels < 1 or self.sizes[source] % channels:
            raise Misread("its channels are not of one size")
        return self.sizes[source] // channels

    def _scaled(
        self,
        source: int,
        mean: int,
        divisor: Float64,
        weight: int,
        bias: int,
        each: int,
        wobble: float,
        true: Callable[[int], Fraction],
    ) -> Affine:
        channels, n = len(divisor), self.sizes[source]
        if not (divisor != 0).all():
            raise Misread("it divides by zero")
        factor = self._numbers(weight, channels, 1.0) / divisor
        asked = np.abs(factor[self._numbers(weight, channels, 1.0) != 0])
        if not (np.isfinite(factor).all() and (asked > 1e-200).all()):  # where underflow is no matter of U
            raise Misread("it scales by what float64 does not hold well")
        matrix = _matrix(np.repeat(factor, each), np.arange(n), np.arange(n), (n, n))
        shift, added = (
            np.repeat(v, each)
            for v in (-self._numbers(mean, channels, 0.0), self._numbers(bias, channels, 0.0))
        )
        weights = self._numbers(weight, channels, 1.0)

        def rest() -> Float64:
            left = [float(exact(weights[k]) / true(k) - exact(factor[k])) for k in range(channels)]
            return np.repeat(left, each)

        return Affine(source, matrix, shift, added, wobble, each, rest)

    def _kink(self, source: int, share: int, *_: int) -> Kink:
        value = float(self._numbers(share, 1, 0.0)[0])
        if not 0 <= value <= 1:
            raise Misread(f"it has a share of {value}")
        return Kink(source, value, self.sizes[source])

    def _max(self, source: int, place: int, terms: int, size: int, *_: int) -> Largest:
        index = self._windows(place, terms, size, self.sizes[source])
        if not (index >= 0).any(axis=0).all():
            raise Misread("a window is empty")
        return Largest(source, index)


def exact(value: float) -> Fraction:
    """A float as a fraction."""
    return Fraction(float(value))


def _matrix(
    values: Float64, row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]
) -> csr_array:
    from scipy.sparse import coo_array

    return coo_array((values, (row, column)), shape=shape).tocsr()
