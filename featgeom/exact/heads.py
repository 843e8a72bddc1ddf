"""A head in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.exact.products import integers
from featgeom.exact.rationals import fraction, scaled

Floating = NDArray[np.floating[Any]]


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
        scale = scaled(1, self.exponent + exponent)
        return [int(v) * scale + b for v, b in zip(self.weight @ values, self.bias, strict=True)]

    def gap2(self, a: int, b: int) -> Fraction:
        """‖w_a − w_b‖²."""
        if (a, b) not in self._gaps:
            row = self.weight[a] - self.weight[b]
            self._gaps[a, b] = scaled(int((row * row).sum()), 2 * self.exponent)
        return self._gaps[a, b]

    def normal(self, ref: int, classes: Floating, multipliers: Floating) -> tuple[list[Fraction], Fraction]:
        """Σ λ_k (w_ref − w_k) and Σ λ_k (b_ref − b_k)."""
        values, exponent = integers(multipliers)
        scale = scaled(1, self.exponent + exponent)
        normal = [int(v) * scale for v in values @ (self.weight[ref] - self.weight[classes])]
        offset = sum(
            (
                fraction(m) * (self.bias[ref] - self.bias[k])
                for m, k in zip(multipliers, classes, strict=True)
            ),
            Fraction(0),
        )
        return normal, offset
