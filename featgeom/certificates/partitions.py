"""Claims about slices: polygons that tile a window of a plane, each inside one cell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of
from featgeom.exact.heads import ExactHead
from featgeom.exact.products import integers
from featgeom.exact.rationals import fraction
from featgeom.status import Status

Array = NDArray[Any]
Row = tuple[Status, str]
Corner = tuple[int, int]


@dataclass(frozen=True, eq=False)
class SliceClaim(Claim):
    """Statement i: on polygon i, the corners ``points[first[i]:first[i + 1]]`` of the plane's coordinates, no
    logit exceeds that of class ``classes[i]`` by more than ``error``. The last statement: the polygons tile
    the window, with neither gap nor overlap.

    The first is checked at the corners, since the excess is a convex function. The tiling follows when every
    polygon is simple and counter-clockwise, every edge inside the window is run through once in each
    direction, and the areas add up to the window's: then every point is wound around exactly once.
    """

    weight: Array
    bias: Array
    origin: Array
    basis: Array
    window: Array
    classes: Array
    first: Array
    points: Array
    error: float

    kind: ClassVar[str] = "slice"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __len__(self) -> int:
        return len(self.classes) + 1

    def statement(self, i: int) -> str:
        """The statement in words."""
        if i == len(self.classes):
            return f"the {i} polygons of the slice tile its window"
        return f"class {int(self.classes[i])} wins on its polygon of the slice, to {self.error:.2g} logits"

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        reason = self._misfit()
        if reason:
            return refuted(len(self), reason)
        rows = self._excess()
        limit = fraction(self.error)
        found: list[Row] = [
            (Status.PROVED, "")
            if max(rows[int(a) : int(b)]) <= limit
            else (Status.REFUTED, f"another class beats class {int(c)} at a corner")
            for a, b, c in zip(self.first, self.first[1:], self.classes, strict=False)
        ]
        return Verdicts.collect([*found, self._check_tiling()])

    def _excess(self) -> list[Fraction]:
        """By how much the largest logit exceeds the polygon's own, exactly, at every corner."""
        head = ExactHead(self.weight, self.bias)
        corners, fine = integers(self.points)
        axes, scale = integers(self.basis)
        slopes = head.weight @ axes.T  # of every class, in units of 2^(exponent + scale)
        unit = Fraction(2) ** (head.exponent + scale + fine)
        at_origin = [value / unit for value in head.logits(self.origin)]
        share = max(value.denominator for value in at_origin)  # a power of two
        offsets = np.array([int(value * share) for value in at_origin], object)
        owner = np.repeat(self.classes, self.first[1:] - self.first[:-1])
        excess = []
        for corner, own in zip(corners, owner, strict=True):
            logits = slopes @ corner * share + offsets
            excess.append((logits.max() - logits[own]) * unit / share)
        return excess

    def _misfit(self) -> str:
        if not isinstance(self.weight, np.ndarray) or self.weight.ndim != 2:
            return "the head is not a matrix"
        classes, d = self.weight.shape
        if not (is_array_of(self.weight, (classes, d)) and is_array_of(self.bias, (classes,))):
            return "weight and bias of the head do not fit together"
        if not (is_array_of(self.origin, (d,)) and is_array_of(self.basis, (2, d))):
            return "the plane has the wrong shape"
        if not (is_array_of(self.window, (4,)) and is_array_of(self.points, (None, 2))):
            return "window or corners have the wrong shape"
        polygons = len(self.classes)
        if not (is_array_of(self.classes, (polygons,)) and is_array_of(self.first, (polygons + 1,))):
            return "the polygons have the wrong length"
        if self.classes.dtype.kind not in "iu" or self.first.dtype.kind not in "iu":
            return "the polygons are not indices"
        steps = np.diff(self.first.astype(np.int64))
        if self.first[0] != 0 or self.first[-1] != len(self.points) or (steps < 3).any():
            return "the corners do not belong to the polygons"
        if polygons and not (self.classes.min() >= 0 and self.classes.max() < classes):
            return "a class does not exist"
        return "" if np.isfinite(self.error) else "the error is not a number"

    def _check_tiling(self) -> Row:
        places, _ = integers(np.concatenate([self.points, self.window.reshape(2, 2)]))
        corners = [(int(x), int(y)) for x, y in places]
        low, high = corners[-2:]
        rings = [corners[int(a) : int(b)] for a, b in zip(self.first, self.first[1:], strict=False)]
        edges: Counter[tuple[Corner, Corner]] = Counter()
        area = 0
        for ring in rings:
            if not (_is_convex(ring) or _is_simple(ring)) or _area(ring) <= 0:
                return Status.REFUTED, "a polygon is not simple and counter-clockwise"
            area += _area(ring)
            edges.update(zip(ring, [*ring[1:], ring[0]], strict=True))
        for (p, q), count in edges.items():
            on_side = any(p[axis] == q[axis] == side[axis] for axis in (0, 1) for side in (low, high))
            if count != 1 or (edges[q, p] != 1 if not on_side else (q, p) in edges):
                return Status.REFUTED, "an edge has no partner"
        if area != 2 * (high[0] - low[0]) * (high[1] - low[1]):
            return Status.REFUTED, "the areas do not add up to the window's"
        if any(not low[axis] <= p[axis] <= high[axis] for ring in rings for p in ring for axis in (0, 1)):
            return Status.REFUTED, "a polygon leaves the window"
        return Status.PROVED, ""


def _turn(p: Corner, q: Corner, r: Corner) -> int:
    return (q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0])


def _area(ring: list[Corner]) -> int:
    """Twice the signed area."""
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(ring, [*ring[1:], ring[0]], strict=True))


def _is_convex(ring: list[Corner]) -> bool:
    """Whether the ring turns left at every corner and once around in all."""
    following = [*ring[1:], *ring[:2]]
    if any(_turn(ring[i], following[i], following[i + 1]) <= 0 for i in range(len(ring))):
        return False
    upward = [q > p for p, q in zip(ring, following, strict=False)]
    return sum(a != b for a, b in zip(upward, [*upward[1:], upward[0]], strict=True)) == 2


def _is_simple(ring: list[Corner]) -> bool:
    """Whether no two edges meet but in the corner they share."""
    n = len(ring)
    if len(set(ring)) < n:
        return False
    edges = [(ring[i], ring[(i + 1) % n]) for i in range(n)]
    for i in range(n):
        p, q = edges[i]
        if _on_edge(edges[(i + 1) % n][1], p, q) or _on_edge(p, *edges[(i + 1) % n]):
            return False
        for j in range(i + 2, n if i else n - 1):
            r, s = edges[j]
            sides = (
                _sign(_turn(p, q, r)),
                _sign(_turn(p, q, s)),
                _sign(_turn(r, s, p)),
                _sign(_turn(r, s, q)),
            )
            if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
                return False
            if _on_edge(r, p, q) or _on_edge(s, p, q) or _on_edge(p, r, s) or _on_edge(q, r, s):
                return False
    return True


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _on_edge(r: Corner, p: Corner, q: Corner) -> bool:
    within = all(min(p[axis], q[axis]) <= r[axis] <= max(p[axis], q[axis]) for axis in (0, 1))
    return within and _turn(p, q, r) == 0
