"""Claims about where a convex hull meets a plane."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from scipy.sparse import csr_array

from featgeom.arrays import Float64, Floats
from featgeom.certificates.claim import PROVED, Claim, Verdict, proved_if, refuted
from featgeom.certificates.extent import all_within
from featgeom.certificates.hulls import row_of
from featgeom.decimals import exactly, no_less
from featgeom.exact.fields import floats, sparse, stored
from featgeom.exact.numbers import at_most, dot, fraction, mean, square
from featgeom.exact.screens import lowest


@dataclass(frozen=True, eq=False)
class _OnAPlane(Claim):
    subjects: ClassVar = {"points": ("points",)}

    points: Floats = stored("n", "d", some=True)
    origin: Float64 = floats("d")
    basis: Float64 = floats(2, "d")

    def _hull(self) -> str:
        return f"the hull of {self.called('points', f'{len(self.points):,} points')}"

    def _heights(self, normals: Float64) -> list[Fraction]:
        """The exact maximum over all points of ⟨normal, point − origin⟩, for each normal."""
        tops = lowest(self.points, -normals)
        return [-top - dot(self.origin, normal) for top, normal in zip(tops, normals, strict=True)]


@dataclass(frozen=True, eq=False)
class HullSection(_OnAPlane):
    """Every point p of the plane that is in the hull has, in coordinates of the plane, ⟨Bν_i, p⟩ ≤
    ``offsets[i]``, where B are the axes and ν_i is ``normals[i]``; and the point ``places[i]`` of the plane
    is within ``errors[i]`` of the hull.

    The first is ⟨ν_i, x − origin⟩ ≤ offset for every x of the hull. The second is shown by the ``weights``
    (m, n), taken relative to their sum.
    """

    counted: ClassVar[str] = "m"

    normals: Float64 = floats("m", "d")
    offsets: Float64 = floats("m")
    places: Float64 = floats("m", 2)
    weights: csr_array = sparse("m", "n", low=0)
    errors: Float64 = floats("m", low=0)

    def statement(self, i: int) -> str:
        """The half-plane and the point, in words."""
        a, b = self.basis @ self.normals[i]
        u, v = self.places[i]
        return (
            f"on the plane {self._hull()} satisfies {a:.6g} u + {b:.6g} v ≤ "
            f"{no_less(self.offsets[i], 9)}, and the point ({exactly(u)}, {exactly(v)}) is within "
            f"{no_less(self.errors[i], 2)} of it"
        )

    @cached_property
    def _highest(self) -> list[Fraction]:
        return self._heights(self.normals)

    def decide(self, i: int) -> Verdict:
        """The height of all points along the normal, and the distance of the weighted point from the
        place."""
        if self._highest[i] > fraction(self.offsets[i]):
            return refuted("a point of the hull lies beyond")
        rows, shares = row_of(self.weights, i)
        if not shares.any():
            return refuted("the weights are all zero")
        u, v = (fraction(x) for x in self.places[i])
        apart = [
            x - fraction(o) - u * fraction(a) - v * fraction(b)
            for x, o, a, b in zip(mean(shares, self.points[rows]), self.origin, *self.basis, strict=True)
        ]
        fine = at_most(square(apart), self.errors[i])
        return proved_if(fine, "the combination is farther from the place than stated")


@dataclass(frozen=True, eq=False)
class EmptySection(_OnAPlane):
    """The hull does not meet the plane.

    All points, and so the hull, are within ``reach`` of the origin; and ⟨normal, x − origin⟩ ≤ offset < 0.
    Let the axes be orthonormal to 1/1000. A point of the plane within reach then has coordinates (u, v) of
    length at most 1.01 reach, so that ⟨normal, x − origin⟩ ≥ −1.01 reach ‖B normal‖ there: the offset is
    below that.
    """

    normal: Float64 = floats("d")
    offset: float = floats()
    reach: float = floats(low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return f"{self._hull()} does not meet the plane"

    def decide(self, i: int) -> Verdict:
        """Reach, height and tilt, exactly."""
        if not all_within(self.points, self.origin, self.reach):
            return refuted("a point is out of reach")
        if self._heights(self.normal[None])[0] > fraction(self.offset):
            return refuted("a point of the hull lies beyond the offset")
        gram = [[dot(a, b) for b in self.basis] for a in self.basis]
        if any(abs(gram[i][j] - (i == j)) > Fraction(1, 1000) for i in (0, 1) for j in (0, 1)):
            return refuted("the axes of the plane are not orthonormal")
        tilt2 = sum((dot(axis, self.normal) ** 2 for axis in self.basis), Fraction(0))
        within = (fraction(self.reach) * Fraction(101, 100)) ** 2 * tilt2
        if self.offset >= 0 or fraction(self.offset) ** 2 <= within:
            return refuted("the plane within reach is not excluded")
        return PROVED
