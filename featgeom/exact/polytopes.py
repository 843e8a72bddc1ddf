"""Convex polytopes of a line or a plane whose corners are known to a stated error, cut by affine functions.

An affine function of the parameters t (k,), k = 1 or 2, is a row (1 + k,): its value at 0, and its slopes.
All that is said about functions and corners holds for the true ones: those that differ from what is
written by no more than the error beside it, entry by entry. What the errors leave open is not guessed:
it raises Unclear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.exact.rounding import TINY, U, gamma

Name = tuple[int, ...]
WIDER = 1 + 2.0**-40  # makes up for what adding up errors rounds


class Unclear(Exception):
    """What float arithmetic leaves open."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Affine functions ``rows`` (n, 1 + k), each entry known to ± ``error`` (n, 1 + k)."""

    rows: Float64
    error: Float64

    def __getitem__(self, at: Any) -> Lines:
        return Lines(self.rows[at], self.error[at])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nought(self) -> NDArray[np.bool_]:
        """Which (n,) are 0 everywhere."""
        return ~((self.rows != 0) | (self.error != 0)).any(axis=1)

    def minus(self, other: Lines) -> Lines:
        """The differences, row by row."""
        rows = self.rows - other.rows
        error = (self.error + other.error + U * np.abs(rows)) * WIDER
        return Lines(rows, error)

    def at(self, t: Float64, off: Float64) -> tuple[Float64, Float64]:
        """The values (n, m) at points t (m, k), themselves known to ± ``off``, and their errors."""
        values = self.rows[:, :1] + self.rows[:, 1:] @ t.T
        size, slopes = np.abs(t).T, np.abs(self.rows[:, 1:])
        error = self.error[:, :1] + self.error[:, 1:] @ (size + off.T) + slopes @ off.T
        rounded = 2 * gamma(2 + t.shape[1], np.float64) * (np.abs(self.rows[:, :1]) + slopes @ size)
        return values, (error + rounded) * WIDER + 8 * TINY


@dataclass(frozen=True, eq=False)
class Entries:
    """Entries of a ``value`` of the network, by name (n,): where two have one name they are the same.

    ``under`` gives their names where only the images of some bits take part; ``weights`` are those of single
    images, each with the bits of all others. ``alike`` gives the bits of images without the others of which
    two functions, told by the names of edges where they are 0, are the same; both are affine on all images.
    """

    value: int
    names: Ints
    under: Callable[[int], Ints]
    weights: tuple[tuple[int, Lines], ...] = ()
    alike: Callable[[Name, Name], tuple[int, ...]] = lambda one, other: ()

    def line(self, p: int, q: int, part: Part) -> Name:
        """What the line is called on which two entries are equal, which runs through a part.

        Where an image has no weight, on a line through the part, and they are equal without it, it is this.
        """
        for mask, weight in self.weights:
            names = self.under(mask)
            if names[p] == names[q]:
                values, error = weight.at(part.at, part.off)
                if (values > error).any() and (values < -error).any():
                    return (mask,)
        return self.value, int(self.names[p]), int(self.names[q])

    def equal(self, p: int, q: int | None, told: Sequence[Name]) -> bool:
        """Whether entries p and q are the same where all holds that is told of edges; without q, p is 0."""
        same = [set(name[1:]) for name in told if len(name) == 3 and name[0] == self.value]
        if masks := [name[0] for name in told if len(name) == 1]:
            called = self.under(reduce(and_, masks))
            same += [set(self.names[called == name].tolist()) for name in np.unique(called)]
        found, asked = {int(self.names[p])}, -1 if q is None else int(self.names[q])
        while grown := [group for group in same if group & found and not group <= found]:
            found = found.union(*grown)
        return asked in found


@dataclass(frozen=True, eq=False)
class Part:
    """A convex part with corners ``at`` (m, k), known to ± ``off``: two ends, or a ring turning left.

    Of a ring, the edge behind corner i is where row i of ``edges`` is 0. ``names`` (m,) tell of each edge,
    or end, what it is: (value, p, q) that there entries called p and q of a value of the network are equal,
    q = −1 that p is 0; (mask,) that only the images of these bits take part; () nothing of the kind.
    """

    at: Float64
    off: Float64
    edges: Lines
    names: tuple[Name, ...]

    def signs(self, lines: Lines, entries: Entries, pairs: Sequence[tuple[int, int | None]]) -> Ints:
        """The sign of each function (n,), an entry less another or alone, at each corner (m,).

        It is 0 where they are told to be equal. Raises Unclear where one is not sure.
        """
        values, error = lines.at(self.at, self.off)
        signs = np.sign(values).astype(np.int64)
        for row, corner in np.argwhere(~(np.abs(values) > error)).tolist():
            told = self.names[corner : corner + 1]
            if self.at.shape[1] == 2:
                told = (self.names[corner - 1], *told)
            if not entries.equal(*pairs[row], told) and not (
                len(told) == 2 and entries.equal(*pairs[row], (*told, *self._without(corner, entries)))
            ):
                raise Unclear("a corner lies on a line, as far as can be told")
            signs[row, corner] = 0
        return signs

    def _without(self, corner: int, entries: Entries) -> Iterator[Name]:
        """The names of lines without some image that a corner lies on since both of its edges are 0 there.

        Where these are the same without it, they differ by a multiple of its weight, which then is 0, too.
        """
        if masks := entries.alike(self.names[corner - 1], self.names[corner]):
            _meeting(self.edges[[corner - 1]], self.edges[[corner]])  # they do differ, or it is not clear
            yield from ((mask,) for mask in masks)

    def cut(self, line: Lines, signs: Ints, name: Name) -> tuple[Part, Part]:
        """The parts where one function (1, 1 + k) is above and below 0, of its signs (m,) at the corners."""
        if self.at.shape[1] == 1:
            return self._end(_root(line), signs > 0, name), self._end(_root(line), signs < 0, name)
        crossed = np.flatnonzero(signs * np.roll(signs, -1) < 0)
        if len(crossed) + (signs == 0).sum() != 2:
            raise Unclear("a line leaves a part where it does not enter")
        meets = {int(i): _meeting(self.edges[[i]], line) for i in crossed}
        return self._side(line, signs, meets, name), self._side(line, -signs, meets, name)

    def _end(self, new: tuple[Float64, Float64], kept: NDArray[np.bool_], name: Name) -> Part:
        """Two ends of which the one that is not kept is new."""
        at, off = (
            np.where(kept[:, None], ends, end) for ends, end in zip((self.at, self.off), new, strict=True)
        )
        names = tuple(old if keep else name for old, keep in zip(self.names, kept, strict=True))
        return Part(at, off, self.edges, names)

    def _side(self, line: Lines, signs: Ints, meets: dict[int, tuple[Float64, Float64]], name: Name) -> Part:
        """The part of a ring where signs are not below 0."""
        ring: list[tuple[Float64, Float64, Lines, Name]] = []
        for i, sign in enumerate(signs.tolist()):
            old, new = (self.edges[[i]], self.names[i]), (line, name)
            following = signs[(i + 1) % len(signs)]
            if sign >= 0:
                ring.append((self.at[i], self.off[i], *(new if sign == 0 and following < 0 else old)))
            if i in meets:
                ring.append((*meets[i], *(new if sign > 0 else old)))
        at, off, edges, names = zip(*ring, strict=True)
        lines = Lines(np.concatenate([e.rows for e in edges]), np.concatenate([e.error for e in edges]))
        return Part(np.array(at), np.array(off), lines, names)

    def area(self) -> tuple[float, float]:
        """Length or area, and by how much that may be off."""
        if self.at.shape[1] == 1:
            found = float(abs(self.at[1, 0] - self.at[0, 0]))
            rounded = 2 * gamma(2, np.float64) * float(np.abs(self.at).sum())
            return found, (float(self.off.sum()) + rounded) * WIDER + TINY
        x, y = (self.at - self.at[0]).T
        dx, dy = (self.off + self.off[0]).T * WIDER
        following = np.roll(np.arange(len(x)), -1)
        found = float((x * y[following] - y * x[following]).sum() / 2)
        size = np.abs(x) + dx, np.abs(y) + dy
        each = size[0] * dy[following] + size[1] * dx[following] + dx * size[1][following]
        each = each + dy * size[0][following]
        rounded = (
            4 * gamma(len(x) + 8, np.float64) * (size[0] * size[1][following] + size[1] * size[0][following])
        )
        return found, float((each + rounded).sum()) * WIDER + TINY


def divided(part: Part, lines: Lines, signs: Ints, entries: Entries) -> Iterator[tuple[Part, Ints]]:
    """The parts into which functions (n, 1 + k) cut a part, and the sign (n,) of each there.

    ``signs`` (n,) are those that are known to hold in all of it, 0 for others. Each function is 0 where its
    entry is. Raises Unclear.
    """
    waiting = [(part, signs)]
    while waiting:
        part, known = waiting.pop()
        open_ = np.flatnonzero(known == 0)
        if len(open_):
            here = part.signs(lines[open_], entries, [(int(i), None) for i in open_])
            least, most = here.min(axis=1), here.max(axis=1)
            if ((least == 0) & (most == 0)).any():
                raise Unclear("an entry is 0 on a whole part, as far as can be told")
            known = known.copy()
            known[open_] = np.where(least >= 0, 1, np.where(most <= 0, -1, 0))
            crossing = np.flatnonzero(known[open_] == 0)
            if len(crossing):
                i = int(crossing[len(crossing) // 2])
                place = int(open_[i])
                halves = part.cut(lines[[place]], here[i], (entries.value, int(entries.names[place]), -1))
                for side, half in zip((1, -1), halves, strict=True):
                    chosen = known.copy()
                    chosen[place] = side
                    waiting.append((half, chosen))
                continue
        yield part, known


def led(part: Part, lines: Lines, entries: Entries) -> Iterator[tuple[Part, int]]:
    """The parts on each of which one of some entries, as functions (n, 1 + k), is the largest, and which.

    Of those of one name, or that are nought, the first stands for all. Raises Unclear.
    """
    values, error = lines.at(part.at, part.off)
    nought = lines.nought
    low, high = values - error, values + error
    if not (np.isfinite(low) & np.isfinite(high)).all():
        raise Unclear("an entry is beyond what float64 holds")
    low[nought], high[nought] = 0.0, 0.0
    best = int(low.min(axis=1).argmax())
    asked = (high >= low[best]).any(axis=1)
    called = replace(entries, names=np.where(nought, -1, entries.names))
    rivals = np.flatnonzero(asked)
    rivals = rivals[np.sort(np.unique(called.names[rivals], return_index=True)[1])].tolist()
    for own in rivals:
        kept: Part | None = part
        for rival in rivals:
            if kept is not None and rival != own:
                kept = _ahead(kept, lines[[own]].minus(lines[[rival]]), called, own, rival)
        if kept is not None:
            yield kept, own


def _ahead(part: Part, lead: Lines, entries: Entries, own: int, rival: int) -> Part | None:
    """Where one entry is above another, or nothing."""
    (signs,) = part.signs(lead, entries, [(own, rival)])
    if not signs.any():
        raise Unclear("two entries are equal on a whole part, as far as can be told")
    if (signs >= 0).all():
        return part
    return part.cut(lead, signs, entries.line(own, rival, part))[0] if (signs > 0).any() else None


def domain(corners: Float64, base: Float64, scale: float, names: Sequence[Name]) -> Part:
    """The part with these corners (m, k), in parameters (t − base) / scale; scale is a power of two.

    ``names`` (m,) are those of its edges, or ends. Raises Unclear where a ring is not convex, or does not
    turn left.
    """
    at = (corners - base) / scale
    off = 2 * U * np.abs(at) + TINY * (corners != base)  # which may underflow to 0
    n, k = at.shape
    if k == 1:
        return Part(at, off, Lines(np.zeros((0, 2)), np.zeros((0, 2))), tuple(names))
    step = np.roll(at, -1, axis=0) - at
    doubt = (off + np.roll(off, -1, axis=0)) * WIDER + U * np.abs(step)
    slopes = np.stack([-step[:, 1], step[:, 0]], axis=1)  # positive to the left of an edge
    unsure = np.stack([doubt[:, 1], doubt[:, 0]], axis=1)
    height = -(slopes * at).sum(axis=1)
    error = (np.abs(slopes) * off + unsure * (np.abs(at) + off)).sum(axis=1)
    error = (error + 4 * gamma(4, np.float64) * (np.abs(slopes) * np.abs(at)).sum(axis=1)) * WIDER + 8 * TINY
    edges = Lines(np.c_[height, slopes], np.c_[error, unsure])
    value, error = edges.at(at, off)
    others = np.ones((n, n), dtype=bool)
    others[np.arange(n), np.arange(n)] = others[np.arange(n), (np.arange(n) + 1) % n] = False
    if n < 3 or not (value > error)[others].all():
        raise Unclear("the corners do not turn left around a convex part")
    return Part(at, off, edges, tuple(names))


def _root(line: Lines) -> tuple[Float64, Float64]:
    """Where a function of one parameter is 0 (1,), and how far from it that may be."""
    slope, unsure = line.rows[0, 1], line.error[0, 1]
    steep = np.abs(slope) - unsure * WIDER
    if not steep > 0:
        raise Unclear("a line is level, as far as can be told")
    t = np.array([-line.rows[0, 0] / slope])
    _, least = line.at(t[None], np.zeros((1, 1)))
    value = np.abs(line.rows[0, 0] + slope * t[0])
    return t, np.array([(value + least[0, 0]) / steep * WIDER + TINY])


def _meeting(one: Lines, other: Lines) -> tuple[Float64, Float64]:
    """Where two functions of two parameters are 0 (2,), and how far from it that may be, entry by entry.

    By Cramer's rule for what is left at the place that is found: the true functions' slopes times the way
    to the true place are minus their true values here.
    """
    (c1, a1, b1), (c2, a2, b2) = one.rows[0], other.rows[0]
    det = a1 * b2 - a2 * b1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = np.array([(b1 * c2 - b2 * c1) / det, (a2 * c1 - a1 * c2) / det])
    still = np.zeros((1, 2))
    left = []
    for line in (one, other):
        value, error = line.at(t[None], still)
        left.append(np.abs(value[0, 0]) + error[0, 0])
    (_, da1, db1), (_, da2, db2) = one.error[0], other.error[0]
    a, b = (np.abs(a1) + da1, np.abs(a2) + da2), (np.abs(b1) + db1, np.abs(b2) + db2)
    doubt = a[0] * db2 + da1 * b[1] + a[1] * db1 + da2 * b[0]
    doubt = (doubt + 8 * gamma(2, np.float64) * (a[0] * b[1] + a[1] * b[0])) * WIDER + TINY
    steep = np.abs(det) - doubt
    if not steep > 0:
        raise Unclear("two lines are parallel, as far as can be told")
    off = np.array([b[1] * left[0] + b[0] * left[1], a[1] * left[0] + a[0] * left[1]])
    return t, off / steep * WIDER + TINY
