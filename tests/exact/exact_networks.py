"""Networks for tests: tables of layers, and what they make of an image in fractions, by plain loops."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np

from featgeom.exact.layers import KINDS, WIDTH


class Table:
    """A table of layers that is being written."""

    def __init__(self, pixels):
        self.rows, self.numbers, self.index, self.sizes = [], [], [], [pixels]

    def _numbers(self, values):
        if values is None:
            return -1
        place = len(self.numbers)
        self.numbers += np.asarray(values, dtype=float).ravel().tolist()
        return place

    def _row(self, kind, size, *rest):
        self.rows.append([KINDS.index(kind), *rest])
        self.sizes.append(size)
        return len(self.rows)

    def affine(self, value, weight, bias=None):
        out, n = np.shape(weight)
        one = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]
        return self._row("conv", out, value, -1, self._numbers(weight), self._numbers(bias), out, n, *one)

    def conv(self, value, weight, bias, height, width, stride=1, padding=0, dilation=1, groups=1):
        f, c, kh, kw = weight.shape
        rows, columns = (
            (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n, k in ((height, kh), (width, kw))
        )
        rest = [stride, stride, padding, padding, dilation, dilation, groups]
        places = self._numbers(weight), self._numbers(bias)
        return self._row("conv", f * rows * columns, value, -1, *places, f, c, height, width, kh, kw, *rest)

    def windows(self, kind, value, at):
        place = len(self.index)
        at = np.asarray(at)
        self.index += at.ravel().tolist()
        return self._row(kind, at.shape[1], value, -1, place, *at.shape)

    def scale(self, value, channels, mean=None, divisor=None, weight=None, bias=None):
        places = [self._numbers(v) for v in (mean, divisor, weight, bias)]
        return self._row("scale", self.sizes[value], value, -1, *places, channels)

    def normalise(self, value, channels, mean, variance, epsilon):
        places = [self._numbers(mean), self._numbers(variance), -1, -1]
        return self._row("normalise", self.sizes[value], value, -1, *places, channels, self._numbers(epsilon))

    def kink(self, value, share=0.0):
        return self._row("kink", self.sizes[value], value, -1, self._numbers([share]))

    def sum(self, one, other):
        return self._row("sum", self.sizes[one], one, other)

    @property
    def arrays(self):
        table = np.full((len(self.rows), WIDTH), -1, dtype=np.int64)
        for row, values in zip(table, self.rows, strict=True):
            row[: len(values)] = values
        return table, np.array(self.numbers), np.array(self.index, dtype=np.int64)


def values_of(arrays, image):
    """Every value of an image in fractions, but for `normalise`, of which no root is a fraction."""
    table, numbers, index = arrays
    q = [Fraction(float(v)) for v in numbers]
    found = [[v if isinstance(v, Fraction) else Fraction(float(v)) for v in image]]
    for kind, one, other, *rest in table.tolist():
        x, name = found[one], KINDS[kind]
        if name == "conv":
            found.append(_conv(x, q, *rest))
        elif name in ("gather", "max"):
            place, terms, size = rest[:3]
            at = index[place : place + terms * size].reshape(terms, size).T.tolist()
            join = max if name == "max" else sum
            found.append([join([x[i] for i in window if i >= 0]) for window in at])
        elif name == "scale":
            mean, divisor, weight, bias, channels = rest[:5]
            each = len(x) // channels
            take = lambda place, k, otherwise: q[place + k] if place >= 0 else Fraction(otherwise)  # noqa: E731
            made = []
            for i, v in enumerate(x):
                k = i // each
                made.append(
                    (v - take(mean, k, 0)) * take(weight, k, 1) / take(divisor, k, 1) + take(bias, k, 0)
                )
            found.append(made)
        elif name == "kink":
            found.append([max(v, q[rest[0]] * v) for v in x])
        else:
            found.append([a + b for a, b in zip(x, found[other], strict=True)])
    return found


def _conv(x, q, weight, bias, f, c, height, width, kh, kw, sh, sw, ph, pw, dh, dw, groups):
    rows = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    columns = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    made = []
    for o, i, j in product(range(f), range(rows), range(columns)):
        total = q[bias + o] if bias >= 0 else Fraction(0)
        for k, a, b in product(range(c), range(kh), range(kw)):
            y, z = i * sh - ph + a * dh, j * sw - pw + b * dw
            if 0 <= y < height and 0 <= z < width:
                channel = o // (f // groups) * c + k
                w = q[weight + ((o * c + k) * kh + a) * kw + b]
                total += w * x[(channel * height + y) * width + z]
        made.append(total)
    return made
