"""Exact arithmetic on floating-point arrays: every float32 and float64 is an integer times a power of two."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[np.floating[Any]]


def fraction(value: float) -> Fraction:
    """The exact value of one float."""
    return Fraction(float(value))


def dot(left: Floating, right: Floating) -> Fraction:
    """The exact inner product of two vectors.

    >>> dot(np.array([0.1, 0.2]), np.array([1.0, 1.0])) == Fraction(0.1) + Fraction(0.2)
    True
    """
    return sum((fraction(a) * fraction(b) for a, b in zip(left, right, strict=True)), Fraction(0))


def norm2(vector: Floating) -> Fraction:
    """The exact squared length of a vector."""
    return dot(vector, vector)


def lowest(points: Floating, directions: Floating) -> list[Fraction]:
    """The exact minimum over points (n, d) of ⟨point, direction⟩, for each direction (q, d)."""
    return [min(dot(point, direction) for point in points) for direction in directions]


def combination(weights: list[Fraction], points: Floating) -> list[Fraction]:
    """The exact point Σ weights_i points_i."""
    return [
        sum((w * fraction(x) for w, x in zip(weights, column, strict=True)), Fraction(0))
        for column in points.T
    ]


def at_most_root(value: Fraction, square: Fraction) -> bool:
    """Whether value ≤ √square, exactly."""
    return value <= 0 or value * value <= square


def integers(array: Floating) -> tuple[NDArray[np.object_], int]:
    """Python integers and one exponent e with array = integers · 2^e exactly, for fast exact products.

    >>> integers(np.array([0.5, 3.0]))
    (array([1, 6], dtype=object), -1)
    """
    mantissa, exponent = np.frexp(np.asarray(array, np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
    exponent = exponent.astype(np.int64) - 53
    used = exponent[mantissa != 0]
    if not used.size:
        return whole, 0
    common = int(used.min())
    shifts = np.where(mantissa != 0, exponent - common, 0).astype(object)
    whole = whole << shifts
    spare = min((int(v) & -int(v)).bit_length() - 1 for v in whole.ravel() if v)
    return whole >> spare, common + spare


class ExactHead:
    """The exact logits of a head and the exact normals of its boundaries, in integers.

    >>> ExactHead(np.array([[0.5, 1.0], [2.0, 0.0]]), np.array([0.0, 1.0])).logits(np.array([3.0, 0.25]))
    [Fraction(7, 4), Fraction(7, 1)]
    """

    def __init__(self, weight: Floating, bias: Floating) -> None:
        self.weight, self.exponent = integers(weight)
        self.bias = [fraction(value) for value in bias]
        self._gaps: dict[tuple[int, int], Fraction] = {}

    def logits(self, point: Floating) -> list[Fraction]:
        """Wz + b."""
        values, exponent = integers(point)
        scale = Fraction(2) ** (self.exponent + exponent)
        return [int(v) * scale + b for v, b in zip(self.weight @ values, self.bias, strict=True)]

    def gap2(self, a: int, b: int) -> Fraction:
        """‖w_a − w_b‖²."""
        if (a, b) not in self._gaps:
            row = self.weight[a] - self.weight[b]
            self._gaps[a, b] = int((row * row).sum()) * Fraction(4) ** self.exponent
        return self._gaps[a, b]

    def normal(self, ref: int, classes: Floating, multipliers: Floating) -> tuple[list[Fraction], Fraction]:
        """Σ λ_k (w_ref − w_k) and Σ λ_k (b_ref − b_k)."""
        values, exponent = integers(multipliers)
        scale = Fraction(2) ** (self.exponent + exponent)
        normal = [int(v) * scale for v in values @ (self.weight[ref] - self.weight[classes])]
        offset = sum(
            (
                fraction(m) * (self.bias[ref] - self.bias[k])
                for m, k in zip(multipliers, classes, strict=True)
            ),
            Fraction(0),
        )
        return normal, offset
