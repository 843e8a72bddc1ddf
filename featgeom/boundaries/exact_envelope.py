"""The cells of a slice in rational arithmetic, for heads whose cells rounding would confuse."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.planes import Plane, Window
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import fraction, integers, scaled
from featgeom.head import AffineHead

Point = tuple[Fraction, Fraction]
Line = tuple[Fraction, Fraction, Fraction]  # a logit on the plane: a u + b v + c
Ring = list[Point]


def exact_cells(head: AffineHead, plane: Plane, window: Window) -> tuple[list[Float64], list[Ints], Ints]:
    """The same as `envelope`, by the same method in fractions: rounded corners, neighbours and classes.

    Corners, in the coordinates of the plane, are rounded once each, so that cells which share one still do. A
    cell whose corners round to fewer than three is left out.

    >>> square = Plane(np.zeros(2), np.eye(2))
    >>> head = AffineHead([[1.0, 0.0], [-1.0, 0.0]])
    >>> rings, across, classes = exact_cells(head, square, (-1.0, -1.0, 1.0, 1.0))
    >>> classes.tolist(), rings[0].tolist()
    ([0, 1], [[0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 1.0]])
    """
    lines = _lines(head, plane)
    u0, v0, u1, v1 = (fraction(x) for x in window)
    corners: Ring = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
    queue = list(dict.fromkeys(_winner(lines, p) for p in corners))
    cells: dict[int, Ring] = {}
    for c in queue:  # which grows as cells are met
        ring, met = _cell(lines, c, corners)
        if _area(ring) > 0:
            cells[c] = ring
        queue += [k for k in met if k not in queue]
    every = {p for ring in cells.values() for p in ring}
    rings = {
        c: _rounded([q for p, r in _edges(ring) for q in _on_edge(p, r, every)]) for c, ring in cells.items()
    }
    rings = {c: rings[c] for c in sorted(rings) if len(rings[c]) >= 3}
    owner: dict[tuple[Point, Point], int] = {}
    for c, ring in rings.items():
        owner |= dict.fromkeys(_edges(ring), c)
    across = [
        np.array([owner.get((q, p), _side(p, q, window)) for p, q in _edges(ring)]) for ring in rings.values()
    ]
    return (
        [np.array(ring, dtype=float) for ring in rings.values()],
        across,
        np.array(list(rings), dtype=np.int64),
    )


def _lines(head: AffineHead, plane: Plane) -> list[Line]:
    exact = ExactHead(head.weight, head.bias)
    axes, power = integers(plane.basis)
    slopes = np.dot(exact.weight, axes.T)
    (values,), exponent = exact.logits(plane.origin[None])
    unit = exact.exponent + power
    return [
        (scaled(a, unit), scaled(b, unit), scaled(c, exponent))
        for (a, b), c in zip(slopes, values, strict=True)
    ]


def _at(line: Line, p: Point) -> Fraction:
    return line[0] * p[0] + line[1] * p[1] + line[2]


def _winner(lines: list[Line], p: Point) -> int:
    """The class of largest logit at a point, the lowest index where several tie."""
    values = [_at(line, p) for line in lines]
    return values.index(max(values))


def _cell(lines: list[Line], c: int, corners: Ring) -> tuple[Ring, list[int]]:
    """The window cut down to where class c wins, and the classes that cut it."""
    ring, met, proved = corners, [], set[Point]()
    while _area(ring) > 0:
        open_ = next((p for p in ring if p not in proved), None)
        if open_ is None:
            break
        k = _winner(lines, open_)
        if _at(lines[k], open_) == _at(lines[c], open_):
            proved.add(open_)
            continue
        met.append(k)
        heights = [_at(lines[c], p) - _at(lines[k], p) for p in ring]
        cut: Ring = []
        for i, (p, q) in enumerate(_edges(ring)):
            here, there = heights[i], heights[(i + 1) % len(ring)]
            if here >= 0:
                cut.append(p)
            if here * there < 0:
                t = here / (here - there)
                cut.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        ring = cut
    return ring, met


def _edges(ring: Ring) -> list[tuple[Point, Point]]:
    return list(zip(ring, [*ring[1:], *ring[:1]], strict=True))


def _area(ring: Ring) -> Fraction:
    """Twice the signed area."""
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in _edges(ring)), Fraction(0))


def _on_edge(p: Point, q: Point, every: set[Point]) -> Ring:
    """The start of an edge and all corners inside it, in order."""
    along = (q[0] - p[0], q[1] - p[1])
    found: dict[Fraction, Point] = {}
    for r in every:
        apart = (r[0] - p[0], r[1] - p[1])
        place = apart[0] * along[0] + apart[1] * along[1]
        if along[0] * apart[1] == along[1] * apart[0] and 0 <= place < along[0] ** 2 + along[1] ** 2:
            found[place] = r
    return [found[place] for place in sorted(found)]


def _rounded(ring: Ring) -> Ring:
    """The ring in float64, without corners that have become one."""
    places = [(Fraction(float(u)), Fraction(float(v))) for u, v in ring]
    return [p for p, q in _edges(places) if p != q]


def _side(p: Point, q: Point, window: Window) -> int:
    """−1 to −4 for the lower, right, upper and left side of the window."""
    sides = ((1, window[1]), (0, window[2]), (1, window[3]), (0, window[0]))
    return next((-1 - i for i, (axis, at) in enumerate(sides) if p[axis] == q[axis] == at), -5)
