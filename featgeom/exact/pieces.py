"""The convex pieces of a segment or a polygon of pixel space on which a piecewise linear network is affine.

On a piece every value of the network is an affine function of the parameters, of which float arithmetic
knows the numbers to an error that is carried along. A unit that bends on the piece cuts it where it is 0:
its sign at each corner must be sure. So must be who is the largest of each window, and in the end which
logit is. What is not sure raises Unclear; what comes out tiles the domain.

Source: Sotoudeh and Thakur, arXiv 1908.06223 (restrictions to segments and planes), in floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.layers import Affine, Kink, Largest, Layer, Sum, affine_in_the_image, taken
from featgeom.exact.polytopes import Entries, Lines, Name, Part, divided, domain, led
from featgeom.exact.rounding import U
from featgeom.exact.sameness import names
from featgeom.exact.single import Known, Single

ROOM = 1 << 20  # numbers of one value of all pieces that are held at a time


@dataclass(frozen=True, eq=False)
class Value:
    """A value on some pieces: ``known`` affine functions (size, pieces, 1 + k).

    ``names`` (size, pieces, or 1 for all) call two entries of a piece alike that are the same there; they are
    those of the value ``origin``, which kinks and windows take over.
    """

    known: Known
    names: Ints
    origin: int

    def on(self, parent: Ints) -> Value:
        """The same on parts of pieces."""
        names = self.names[:, parent] if self.names.shape[1] > 1 else self.names
        return Value(self.known[:, parent], names, self.origin)

    def lines(self, piece: int) -> Lines:
        """The functions on one piece."""
        return Lines(*self.known[:, piece].rounded)

    def called(self, piece: int) -> Ints:
        """The names on one piece."""
        found: Ints = self.names[:, min(piece, self.names.shape[1] - 1)]
        return found


Held = dict[int, Value]  # by number


@dataclass(frozen=True, eq=False)
class Piece:
    """A part, in parameters that ``Walk`` says, on which the network is affine, and the class there.

    ``whole`` counts the pieces on which the network is affine: it is true of one of those that share it.
    """

    part: Part
    own: int
    whole: bool


class Walk:
    """The pieces of a network on the images Σ a[i], weighted: a[0] + Σ t_i (a[i] − a[0]), t in a polytope.

    ``images`` (1 + k, m), k = 1 or 2; ``corners`` (v, k) are the ends of t or a convex ring that turns left.
    Parts are told in (t − ``base``) / ``scale``.
    """

    def __init__(
        self, layers: Sequence[Layer], images: Float64, corners: Float64, arithmetic: Single | None = None
    ) -> None:
        self.layers, self.arithmetic = layers, arithmetic or Single()
        self.base = corners[0]
        self.scale = 2.0 ** int(np.ceil(np.log2(np.abs(corners - corners[0]).max())))
        self._images = images
        self._names: dict[int, list[Ints]] = {}
        self._weights = _weights(self.base, self.scale) if len(images) == 3 else ()
        self.part = domain(corners, self.base, self.scale, _taking_part(corners))
        self._straight = affine_in_the_image(layers)
        self._last = {v: i for i, layer in enumerate(layers) for v in taken(layer)}

    def pieces(self) -> Iterator[Piece]:
        """All of them. Raises Unclear."""
        known = self.arithmetic.pixels(self._images, self.base, self.scale)
        yield from self._on(0, [self.part], {0: self._made(0, known)})

    def _on(self, i: int, parts: list[Part], held: Held) -> Iterator[Piece]:
        """From layer i on: affine layers at once, a layer that bends piece by piece."""
        while i < len(self.layers) and isinstance(self.layers[i], Affine | Sum):
            held = self._kept(held, i, self._affine(i, held))
            i += 1
        if i == len(self.layers):
            for j, part in enumerate(parts):
                whole = True
                for piece, own in led(part, held[i].lines(j), self._entries(held[i], i, j, slice(None))):
                    yield Piece(piece, own, whole)
                    whole = False
            return
        layer = self.layers[i]
        assert isinstance(layer, Kink | Largest)
        cut = self._kinked if isinstance(layer, Kink) else self._windowed
        value = held[layer.source]
        found = ((j, *some) for j, part in enumerate(parts) for some in cut(i, part, value, j))
        room = max(1, ROOM // (max(x.size for x in self.layers) * value.known.rows.shape[2]))
        while batch := list(islice(found, room)):
            parent = np.array([j for j, _, _ in batch])
            bent = self._bent(layer, value.on(parent), [how for _, _, how in batch])
            narrowed = {v: x.on(parent) for v, x in held.items() if self._last[v] > i} | {i + 1: bent}
            yield from self._on(i + 1, [part for _, part, _ in batch], narrowed)

    def _made(self, value: int, known: Known) -> Value:
        """A value that is affine in others."""
        return Value(known, self._called(-1)[value][:, None], value)

    def _kept(self, held: Held, i: int, made: Value) -> Held:
        """What is still asked for behind layer i, and what it makes."""
        return {v: x for v, x in held.items() if self._last[v] > i} | {i + 1: made}

    def _affine(self, i: int, held: Held) -> Value:
        """What an affine layer makes, or a sum."""
        layer, x = self.layers[i], held[self.layers[i].source].known
        if isinstance(layer, Sum):
            return self._made(i + 1, self.arithmetic.total(x, held[layer.other].known))
        assert isinstance(layer, Affine)
        return self._made(i + 1, self.arithmetic.affine(layer, x))

    def _entries(self, value: Value, number: int, piece: int, at: Ints | slice) -> Entries:
        """Some entries of a value on a piece, by name."""
        under = lambda mask: self._called(mask)[number][at]  # noqa: E731
        return Entries(value.origin, value.called(piece)[at], under, alike=self._alike)

    def _alike(self, one: Name, other: Name) -> tuple[int, ...]:
        """The bits of two images without the third of which functions that are 0 on edges are the same.

        Of values that are affine in the image alone: what a piece holds of others says nothing beyond it.
        """
        if len(one) != 3 or len(other) != 3 or one[0] != other[0] or one[0] not in self._straight:
            return ()
        every = self._called(-1)[one[0]]
        pairs = [(p, q) for p, q in zip(one[1:], other[1:], strict=True) if p != q]
        if any(-1 in pair for pair in pairs):
            return ()
        at = [[int(np.flatnonzero(every == name)[0]) for name in pair] for pair in pairs]
        found = []
        for mask in (3, 5, 6):
            called = self._called(mask)[one[0]]
            if all(called[p] == called[q] for p, q in at):
                found.append(mask)
        return tuple(found)

    def _called(self, mask: int) -> list[Ints]:
        """The names of all entries where the images of these bits take part."""
        if mask not in self._names:
            part = [i for i in range(len(self._images)) if mask >> i & 1]
            self._names[mask] = names(self.layers, self._images[part])
        return self._names[mask]

    def _kinked(self, i: int, part: Part, value: Value, piece: int) -> Iterator[tuple[Part, Ints]]:
        """The parts on which each unit stays on one side of its kink, and on which."""
        lines = value.lines(piece)
        values, error = lines.at(part.at, part.off)
        signs = np.zeros(len(values), np.int64)
        signs[(values > error).all(axis=1)] = 1
        signs[(values < -error).all(axis=1) | lines.nought] = -1  # what is nought is 0 on either side
        open_ = np.flatnonzero(signs == 0)
        if not len(open_):
            yield part, signs
            return
        _, one, back = np.unique(value.called(piece)[open_], return_index=True, return_inverse=True)
        at = open_[one]
        entries = self._entries(value, self.layers[i].source, piece, at)
        for half, some in divided(part, lines[at], signs[at], entries):
            chosen = signs.copy()
            chosen[open_] = some[back]
            yield half, chosen

    def _windowed(self, i: int, part: Part, value: Value, piece: int) -> Iterator[tuple[Part, Ints]]:
        """The parts on which each window has one largest entry, and which."""
        layer, lines = self.layers[i], value.lines(piece)
        assert isinstance(layer, Largest)
        values, error = lines.at(part.at, part.off)
        low, high = values - error, values + error
        nought = lines.nought
        low[nought], high[nought] = 0.0, 0.0
        real, index = layer.real[..., None], np.maximum(layer.index, 0)
        low, high = (np.where(real, x[index], -np.inf) for x in (low, high))
        columns, least = np.arange(layer.size), low.min(axis=2)
        most: Ints = least.argmax(axis=0)
        called = value.called(piece)[index]
        same = called == called[most, columns]
        others = np.where(same[..., None], -np.inf, high).max(axis=0)
        open_ = np.flatnonzero(~(low[most, columns] >= others).all(axis=1))
        first: Ints = index[most, columns]
        waiting = [(part, first, 0)]
        while waiting:
            part, leads, done = waiting.pop()
            if done == len(open_):
                yield part, leads
                continue
            window = int(open_[done])
            at = index[layer.real[:, window], window]
            entries = replace(self._entries(value, layer.source, piece, at), weights=self._weights)
            for half, best in led(part, lines[at], entries):
                chosen = leads.copy()
                chosen[window] = at[best]
                waiting.append((half, chosen, done + 1))

    def _bent(self, layer: Kink | Largest, value: Value, how: Sequence[Ints]) -> Value:
        """What a layer makes of a value, as it is known to bend on each piece."""
        each = np.stack(how, axis=1)
        if isinstance(layer, Kink):
            return Value(self.arithmetic.sloped(value.known, each, layer.share), value.names, value.origin)
        pieces = np.arange(len(how))
        names = value.names[each, np.minimum(pieces, value.names.shape[1] - 1)]
        return Value(value.known[each, pieces], names, value.origin)


def _weights(base: Float64, scale: float) -> tuple[tuple[int, Lines], ...]:
    """The weight of each of three images in parameters (t − base) / scale, with the bits of the other two."""
    u, v = base.tolist()
    rows = np.array([[1 - u - v, -scale, -scale], [u, scale, 0.0], [v, 0.0, scale]])
    error = np.zeros_like(rows)
    error[0, 0] = 4 * U * (1 + abs(u) + abs(v))
    return tuple((7 ^ 1 << i, Lines(rows[[i]], error[[i]])) for i in range(3))


def _taking_part(corners: Float64) -> list[Name]:
    """For each edge of a ring, or end, the bits of the images with a weight other than 0, if one has none."""
    used, every = [], (2 << corners.shape[1]) - 1
    for corner in corners.tolist():
        weights = [1 - sum(map(Fraction, corner)), *corner]
        used.append(sum(1 << i for i, weight in enumerate(weights) if weight))
    if corners.shape[1] == 2:
        used = [one | other for one, other in zip(used, used[1:] + used[:1], strict=True)]
    return [() if mask == every else (mask,) for mask in used]
