"""Claims about slices: polygons that tile a window of a plane, each inside one cell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.certificates.claim import PROVED, Claim, Verdict, refuted
from featgeom.decimals import no_less
from featgeom.exact.fields import floats, whole
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import Integers, fraction, integers, scaled

Corner = tuple[int, int]


@dataclass(frozen=True, eq=False)
class SliceCells(Claim):
    """The polygons tile the window of the plane, with neither gap nor overlap, and on polygon i, with the
    corners ``points[first[i]:first[i + 1]]`` in the plane's coordinates, no logit exceeds that of class
    ``classes[i]`` by more than ``error``.

    The second is checked at the corners, since the excess is a convex function. The tiling follows when every
    polygon is simple and counter-clockwise, every edge is run through once in each direction, those on the
    lines of the window's sides in one only, and the areas add up to the window's: that none of these is there
    twice follows. Then the boundaries of all polygons cancel but for parts of these four lines. So how many
    polygons a point is in is the same throughout each of the nine parts into which they divide the plane:
    none in the eight that have no end, and one in the window, by the areas.
    """

    subjects: ClassVar = {"head": ("weight", "bias")}

    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    origin: Float64 = floats("d")
    basis: Float64 = floats(2, "d")
    window: Float64 = floats(4)
    classes: Ints = whole("p", below="c")
    first: Ints = whole("f", rising=True)
    points: Float64 = floats("v", 2)
    error: float = floats(low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return (
            f"{len(self.classes)} polygons tile the window of the slice, and on each no logit exceeds that "
            f"of its class by more than {no_less(self.error, 2)}"
        )

    def misfit(self) -> str:
        """Every corner belongs to a polygon, and every polygon has three."""
        fits = len(self.first) == len(self.classes) + 1 and len(self.classes) > 0
        if (
            not fits
            or self.first[0] != 0
            or self.first[-1] != len(self.points)
            or np.diff(self.first).min() < 3
        ):
            return "the corners do not belong to the polygons"
        return "" if len(set(self.classes.tolist())) == len(self.classes) else "a class has two polygons"

    def decide(self, i: int) -> Verdict:
        """The excess of other logits at every corner, then the tiling."""
        owner = np.repeat(self.classes, np.diff(self.first))
        excess, exponent = self._excess(owner)
        for value, own in zip(excess, owner, strict=True):
            if scaled(value, exponent) > fraction(self.error):
                return refuted(f"another class beats class {own} at a corner")
        return self._tiles()

    def _excess(self, owner: Ints) -> tuple[Integers, int]:
        """By how much the largest logit exceeds the polygon's own at every corner, in integers."""
        head = ExactHead(self.weight, self.bias)
        (corners, fine), (axes, scale) = integers(self.points), integers(self.basis)
        (begin,), at = head.logits(self.origin[None])
        along = np.dot(corners, np.dot(head.weight, axes.T).T)
        low = min(at, head.exponent + scale + fine)
        logits = (along << (head.exponent + scale + fine - low)) + (begin << (at - low))
        return logits.max(axis=1) - logits[np.arange(len(owner)), owner], low

    def _tiles(self) -> Verdict:
        places, _ = integers(np.concatenate([self.points, self.window.reshape(2, 2)]))
        corners = [(int(x), int(y)) for x, y in places]
        low, high = corners[-2:]
        rings = [corners[start:stop] for start, stop in pairwise(self.first.tolist())]
        if not (low[0] < high[0] and low[1] < high[1]):
            return refuted("the window is empty")
        edges: Counter[tuple[Corner, Corner]] = Counter()
        area = 0
        for ring in rings:
            if not (_is_convex(ring) or _is_simple(ring)) or _area(ring) <= 0:
                return refuted("a polygon is not simple and counter-clockwise")
            area += _area(ring)
            edges.update(pairwise([*ring, ring[0]]))
        for p, q in edges:
            on_side = any(p[axis] == q[axis] == side[axis] for axis in (0, 1) for side in (low, high))
            if edges.get((q, p), 0) != (0 if on_side else 1):
                return refuted("an edge has no partner")
        if area != 2 * (high[0] - low[0]) * (high[1] - low[1]):
            return refuted("the areas do not add up to the window's")
        return PROVED


def _turn(p: Corner, q: Corner, r: Corner) -> int:
    return (q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0])


def _area(ring: list[Corner]) -> int:
    """Twice the signed area."""
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in pairwise([*ring, ring[0]]))


def _is_convex(ring: list[Corner]) -> bool:
    """Whether the ring turns left at every corner and once around in all."""
    following = [*ring[1:], *ring[:2]]
    if any(_turn(ring[i], following[i], following[i + 1]) <= 0 for i in range(len(ring))):
        return False
    upward = [q > p for p, q in zip(ring, following, strict=False)]
    return sum(a != b for a, b in pairwise([*upward, upward[0]])) == 2


def _is_simple(ring: list[Corner]) -> bool:
    """Whether no two edges meet but in the corner they share."""
    n = len(ring)
    edges = list(pairwise([*ring, ring[0]]))
    for i, (p, q) in enumerate(edges):
        if p == q:
            return False
        for j in range(i + 1, n):
            r, s = edges[j]
            if j == i + 1 or (i == 0 and j == n - 1):  # they share a corner, and may share nothing else
                other = s if j == i + 1 else r
                mine = p if j == i + 1 else q
                if _on_edge(other, p, q) or _on_edge(mine, r, s):
                    return False
            elif _cross(p, q, r, s) or any(
                (_on_edge(r, p, q), _on_edge(s, p, q), _on_edge(p, r, s), _on_edge(q, r, s))
            ):
                return False
    return True


def _cross(p: Corner, q: Corner, r: Corner, s: Corner) -> bool:
    """Whether each of two edges has its ends strictly on both sides of the other."""
    a, b, c, d = (_turn(p, q, r), _turn(p, q, s), _turn(r, s, p), _turn(r, s, q))
    return a * b < 0 and c * d < 0


def _on_edge(r: Corner, p: Corner, q: Corner) -> bool:
    within = all(min(p[axis], q[axis]) <= r[axis] <= max(p[axis], q[axis]) for axis in (0, 1))
    return within and _turn(p, q, r) == 0
