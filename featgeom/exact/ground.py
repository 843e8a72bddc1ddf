"""A head on a domain, with exact bounds of its logits over the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.exact import rationals
from featgeom.exact.affine import exact_logits, row_blocks
from featgeom.exact.fields import is_array_of
from featgeom.exact.products import integers
from featgeom.exact.rounding import gamma, product_error

Float64 = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]

TINY = float(np.finfo(np.float64).tiny)
Multipliers = dict[int, Fraction]  # by class


@dataclass(frozen=True, eq=False)
class Ground:
    """A head on a domain: the box [lo, hi], or the hull of ``vertices`` if there are any."""

    weight: Float64
    bias: Float64
    lo: Float64
    hi: Float64
    vertices: Floating

    @property
    def misfit(self) -> str:
        """Why the arrays do not fit together, or nothing."""
        if not is_array_of(self.weight, (None, None)):
            return "the weight is not a matrix"
        classes, d = self.weight.shape
        if not is_array_of(self.bias, (classes,)) or not is_array_of(self.vertices, (None, d)):
            return "weight, bias and vertices do not fit together"
        for side in (self.lo, self.hi):
            if not isinstance(side, np.ndarray) or side.shape != (d,) or side.dtype.kind != "f":
                return "the box does not fit the weight"
        if not (self.lo <= self.hi).all() or (self.lo == np.inf).any() or (self.hi == -np.inf).any():
            return "the box is empty"
        return ""

    @property
    def is_hull(self) -> bool:
        """Whether the domain is a hull."""
        return len(self.vertices) > 0

    @property
    def name(self) -> str:
        """What to call the domain in print."""
        if self.is_hull:
            return f"the hull of {len(self.vertices)} points"
        if np.isposinf(self.hi).all() and np.isneginf(self.lo).all():
            return "all of feature space"
        return "the orthant" if np.isposinf(self.hi).all() and not self.lo.any() else "a box"

    def highest(self, own: NDArray[Any], multipliers: Float64) -> Float64:
        """Upper bounds on the supremum over the domain of Σ_k multipliers_k (l_own − l_k), row by row (m,).

        Tight but for rounding; infinite where a coordinate without bound cannot be shown to matter not.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            total = multipliers.sum(axis=1)[:, None]
            sizes = np.abs(multipliers)
            slope = total * self.weight[own] - multipliers @ self.weight
            height = total[:, 0] * self.bias[own] - multipliers @ self.bias
            factor = 1.001 * gamma(2 * len(self.weight) + 4, np.float64)
            all_sizes = sizes.sum(axis=1)[:, None]
            slope_error = (
                factor * (all_sizes * np.abs(self.weight[own]) + sizes @ np.abs(self.weight))
                + (2 * len(self.weight)) * TINY
            )
            height_error = (
                factor * (all_sizes[:, 0] * np.abs(self.bias[own]) + sizes @ np.abs(self.bias)) + TINY
            )
            if self.is_hull:
                reach = self._highest_vertex(slope, slope_error)
            else:
                reach = self._highest_corner(slope, slope_error)
            result = height + height_error + reach
            result += 4 * float(np.finfo(np.float64).eps) * (np.abs(height) + np.abs(reach)) + TINY
        return np.where(np.isnan(result), np.inf, result)

    def _highest_corner(self, slope: Float64, error: Float64) -> Float64:
        up, down = slope + error, slope - error
        best = np.full(slope.shape, -np.inf)
        for side in (self.lo, self.hi):
            finite = np.where(np.isfinite(side), side, 0.0)
            here = np.maximum(up * finite, down * finite)
            best = np.maximum(best, np.where(np.isfinite(side), here, -np.inf))
        best = np.where(np.isneginf(best), 0.0, best)  # coordinates without any bound
        unbounded = (np.isposinf(self.hi) & (up > 0)) | (np.isneginf(self.lo) & (down < 0))
        d = slope.shape[1]
        rounding = gamma(d + 4, np.float64) * np.abs(best).sum(axis=1) + d * TINY
        return np.where(unbounded.any(axis=1), np.inf, best.sum(axis=1) + rounding)

    def _highest_vertex(self, slope: Float64, error: Float64) -> Float64:
        best = np.full(len(slope), -np.inf)
        for block in row_blocks(len(self.vertices), max(len(slope), slope.shape[1])):
            x = self.vertices[block].astype(np.float64)
            values = x @ slope.T + product_error(x, slope, np.float64) + 1.0001 * (np.abs(x) @ error.T)
            best = np.maximum(best, values.max(axis=0))
        return best

    def highest_exactly(self, own: int, multipliers: Multipliers) -> Fraction | None:
        """The exact supremum of Σ_k multipliers_k (l_own − l_k) over the domain; None if it is infinite."""
        if self.is_hull:
            sums = [Fraction(0)] * len(self.vertices)
            total = sum(multipliers.values(), Fraction(0))
            rows = np.arange(len(self.vertices))
            for k, factor in [*((k, -f) for k, f in multipliers.items()), (own, total)]:
                logits = exact_logits(self.vertices, self.weight, self.bias, np.full(len(rows), k))
                sums = [s + factor * value for s, value in zip(sums, logits, strict=True)]
            return max(sums)
        slope, height = self._exact_sum(own, multipliers)
        for a, low, high in zip(slope, self.lo, self.hi, strict=True):
            side = high if a > 0 else low
            if a == 0:
                continue
            if not np.isfinite(side):
                return None
            height += a * rationals.fraction(side)
        return height

    def _exact_sum(self, own: int, multipliers: Multipliers) -> tuple[list[Fraction], Fraction]:
        classes = [own, *multipliers]
        factors = [sum(multipliers.values(), Fraction(0)), *(-f for f in multipliers.values())]
        slope = rationals.combination(factors, self.weight[classes])
        height = rationals.combination(factors, self.bias[classes][:, None])[0]
        return slope, height

    @property
    def free(self) -> NDArray[np.int64]:
        """The coordinates without any bound."""
        if self.is_hull:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.isneginf(self.lo) & np.isposinf(self.hi))

    def completed(self, own: int, row: Float64, solved: Any) -> Multipliers | None:
        """The exact multipliers meant by a row of floats: those ``solved`` (C,) cancel all free coordinates.

        The others stand as they are. None if there is no such solution, or more than one.
        """
        solve = [int(k) for k in np.flatnonzero(solved)]
        fixed = {int(k): rationals.fraction(row[k]) for k in np.flatnonzero(row) if k not in set(solve)}
        if not solve:
            return fixed
        if not len(self.free) or own in solve:
            return None
        whole, exponent = integers(self.weight[[own, *solve]][:, self.free])
        columns = (whole[0] - whole[1:]).T
        rest = rationals.combination(
            [sum(fixed.values(), Fraction(0)), *(-f for f in fixed.values())],
            self.weight[[own, *fixed]][:, self.free],
        )
        unit = rationals.scaled(1, exponent)
        common = lcm(*((value / unit).denominator for value in rest))
        solution = rationals.solve(columns.tolist(), [int(-value / unit * common) for value in rest])
        if solution is None:
            return None
        return {**fixed, **{k: value / common for k, value in zip(solve, solution, strict=True)}}
