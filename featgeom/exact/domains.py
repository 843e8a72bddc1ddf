"""Feature domains in exact arithmetic: how high an affine function can be on a box or a hull."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats
from featgeom.exact.heads import row_blocks
from featgeom.exact.numbers import fraction, integers, scaled
from featgeom.exact.rounding import TINY, U, gamma, product_error


@dataclass(frozen=True, eq=False)
class ExactDomain:
    """The box lo ≤ z ≤ hi, whose bounds may be infinite, or the hull of ``vertices`` (n, d) if there are
    any."""

    lo: Float64
    hi: Float64
    vertices: Floats

    @property
    def is_hull(self) -> bool:
        """Whether it is a hull."""
        return len(self.vertices) > 0

    @property
    def misfit(self) -> str:
        """Why there is no such box, or nothing."""
        fine = (self.lo <= self.hi).all() and not (self.lo == np.inf).any() and not (self.hi == -np.inf).any()
        return "" if fine else "the box is empty"

    @property
    def name(self) -> str:
        """What to call it in print."""
        if self.is_hull:
            return f"the hull of {len(self.vertices)} points"
        if np.isposinf(self.hi).all() and np.isneginf(self.lo).all():
            return "all of feature space"
        return "the orthant" if np.isposinf(self.hi).all() and not self.lo.any() else "a box"

    @property
    def open_signs(self) -> list[tuple[int, int]]:
        """The coordinates and signs in which a ray may go for ever in the box, in order, + before −."""
        pairs = enumerate(zip(self.lo, self.hi, strict=True))
        return [
            (i, sign) for i, (low, high) in pairs for sign, side in ((1, high), (-1, low)) if np.isinf(side)
        ]

    def open_sides(self, slope: list[Fraction]) -> NDArray[np.int64]:
        """The coordinates in which a function of that slope rises for ever."""
        if self.is_hull:
            return np.zeros(0, dtype=np.int64)
        up, down = np.array([a > 0 for a in slope]), np.array([a < 0 for a in slope])
        return np.flatnonzero((up & np.isposinf(self.hi)) | (down & np.isneginf(self.lo)))

    def highest(self, slope: list[Fraction], offset: Fraction) -> Fraction | None:
        """The exact supremum of ⟨slope, z⟩ + offset over the domain; None where it is infinite."""
        if len(self.open_sides(slope)):
            return None
        if self.is_hull:
            best = None
            unit = Fraction(1, np.lcm.reduce([a.denominator for a in slope], dtype=object))
            along = np.array([int(a / unit) for a in slope], dtype=object)
            for block in row_blocks(len(self.vertices), 64 * len(along)):
                whole, exponent = integers(self.vertices[block])
                value = scaled(max(np.dot(whole, along)), exponent)
                best = value if best is None else max(best, value)
            assert best is not None
            return best * unit + offset
        sides = (h if a > 0 else low for a, low, h in zip(slope, self.lo, self.hi, strict=True))
        return sum((a * fraction(side) for a, side in zip(slope, sides, strict=True) if a), offset)

    def highest_above(self, slope: Float64, doubt: Float64) -> Float64:
        """Upper bounds (m,) on the supremum of ⟨slope_i, z⟩, where slope_i (d,) may be off by doubt_i (d,).

        In a box each coordinate adds the largest product of an end of its slope with a side that is finite;
        with a side that is not, the slope must lead away from it. A sum of d such terms is off by γ_d Σ
        |terms|. In a hull ⟨slope, x⟩ is off by `product_error`, and by Σ doubt |x|. Infinite where float64
        cannot tell: a NaN fails every comparison that allows a bound.
        """
        d = slope.shape[1]
        allowed: NDArray[np.bool_]
        with np.errstate(over="ignore", invalid="ignore"):
            if self.is_hull:
                best = np.full(len(slope), -np.inf)
                for block in row_blocks(len(self.vertices), max(slope.shape)):
                    x = self.vertices[block].astype(np.float64)
                    values = x @ slope.T + product_error(x, slope, np.float64)
                    values += 1.001 * (np.abs(x) @ doubt.T) + d * TINY
                    best = np.maximum(best, values.max(axis=0))
                allowed, rounding = np.ones(len(slope), dtype=bool), 4 * U * np.abs(best)
            else:
                up, down = np.nextafter(slope + doubt, np.inf), np.nextafter(slope - doubt, -np.inf)
                terms = np.full(slope.shape, -np.inf)
                for side in (self.lo, self.hi):
                    finite = np.where(np.isfinite(side), side, 0.0)
                    here = np.maximum(up * finite, down * finite)
                    terms = np.where(np.isfinite(side), np.maximum(terms, here), terms)
                terms[:, np.isinf(self.lo) & np.isinf(self.hi)] = 0.0
                closed = (np.isfinite(self.hi) | (up <= 0)) & (np.isfinite(self.lo) | (down >= 0))
                best, allowed = terms.sum(axis=1), np.asarray(closed.all(axis=1))
                rounding = gamma(d + 4, np.float64) * np.abs(terms).sum(axis=1) + 2 * d * TINY
            result = best + rounding
        return np.where(allowed & ~np.isnan(result), result, np.inf)
