"""Which entries of a network are one and the same function of some images, by its weights alone.

Where a picture has the same pixels twice, as in its background, so has every layer the same entries twice,
and two of them tie on all of a segment. Arithmetic that rounds cannot tell a tie; names can.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.layers import Affine, Kink, Largest, Layer


def names(layers: Sequence[Layer], images: Float64) -> list[Ints]:
    """A name for each entry of each value: of one value, two of one name are the same in every mixture.

    A mixture is a sum of ``images`` (n, m) with weights of sum 1. What is called 0 is 0 in each.
    """
    zero = bytes(images[:, 0].size * 8)
    found = [_named((column.tobytes() for column in images.T + 0.0), zero)]
    for layer in layers:
        own = found[layer.source]
        if isinstance(layer, Affine):
            found.append(_named(_rows(layer, own), (b"", b"", 0.0, -1)))
        elif isinstance(layer, Kink):
            found.append(own)
        elif isinstance(layer, Largest):
            window = np.sort(np.where(layer.real, own[np.maximum(layer.index, 0)], -1), axis=0)
            zeros = {tuple([-1] * i + [0] * (len(window) - i)) for i in range(len(window))}
            keys = [tuple(column) for column in window.T.tolist()]
            found.append(_named((() if key in zeros else key for key in keys), ()))
        else:
            pairs = zip(own.tolist(), found[layer.other].tolist(), strict=True)
            found.append(_named(pairs, (0, 0)))
    return found


def _named(keys: Iterable[Hashable], zero: Hashable) -> Ints:
    """A number for each key, 0 for that of zero."""
    known: dict[Hashable, int] = {zero: 0}
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)


def _rows(layer: Affine, own: Ints) -> Iterable[Hashable]:
    """What tells the rows of an affine layer apart: what they add up, in its order."""
    moved = (
        own
        if not layer.shift.any()
        else _named(zip(own.tolist(), layer.shift.tolist(), strict=True), (0, 0.0))
    )
    matrix = layer.matrix
    called = moved[matrix.indices]
    used = (called != 0) & (matrix.data != 0)
    ends = np.concatenate([[0], np.cumsum(used)])[matrix.indptr].tolist()
    called, data = called[used], matrix.data[used]
    for row, (bias, start, end) in enumerate(zip(layer.bias.tolist(), ends[:-1], ends[1:], strict=True)):
        part = slice(start, end)
        true = row // layer.each if layer.wobble and start < end else -1
        yield called[part].tobytes(), data[part].tobytes(), bias, true
