"""What the pieces of a whole segment or polygon tell: the classes along it, and their areas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.doubled import Doubled
from featgeom.exact.pieces import Piece
from featgeom.exact.polytopes import Unclear
from featgeom.exact.rounding import TINY
from featgeom.exact.single import Single

Answer = TypeVar("Answer")
ENDS = np.array([[0.0], [1.0]])  # of a segment from one image to another


def told(ask: Callable[[Single], Answer]) -> Answer:
    """What a walk tells in float64, or, where that is unclear, with twice its digits. Raises Unclear."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what overflows is unclear
        try:
            return ask(Single())
        except Unclear:
            return ask(Doubled())


def classes_along(pieces: Sequence[Piece]) -> tuple[Ints, Float64, Float64]:
    """The classes along a segment, the parameters at which each begins, and how far these may be off.

    Raises Unclear where the pieces do not follow each other from 0 to 1.
    """
    pieces = sorted(pieces, key=lambda piece: float(piece.part.at.min()))
    begin = [int(piece.part.at[:, 0].argmin()) for piece in pieces]
    at = [(piece.part.at[i, 0], piece.part.at[1 - i, 0]) for piece, i in zip(pieces, begin, strict=True)]
    whole_ = bool(at) and at[0][0] == 0 and at[-1][1] == 1
    if not (whole_ and all(a < b for a, b in at) and all(b == c for (_, b), (c, _) in pairwise(at))):
        raise Unclear("the order of the pieces is not sure")
    own = np.array([piece.own for piece in pieces], np.int64)
    fresh = np.concatenate([[True], own[1:] != own[:-1]])
    enter = np.array([a for a, _ in at])
    off = np.array([piece.part.off[i, 0] for piece, i in zip(pieces, begin, strict=True)])
    return own[fresh], enter[fresh], off[fresh]


def areas_of(pieces: Iterable[Piece], classes: int) -> tuple[int, Float64, Float64]:
    """How many regions there are, and the area of each class (C,) with how far it may be off.

    What is 0 is of no piece.
    """
    regions, count, area, error = 0, 0, np.zeros(classes), np.zeros(classes)
    for piece in pieces:
        regions, count = regions + piece.whole, count + 1
        found, doubt = piece.part.area()
        area[piece.own] += max(found, TINY)
        error[piece.own] += doubt
    return regions, area, error + count * 2.0**-51 * area


def shares(area: Float64, error: Float64, whole_: float, doubt: float) -> tuple[Float64, Float64]:
    """The share of each class in an area that all make up, and how far it may be off.

    Raises Unclear where they do not make it up.
    """
    least = whole_ - doubt
    if not (least > 0 and abs(area.sum() - whole_) <= error.sum() + doubt):
        raise Unclear("the pieces do not make up the polygon, as far as can be told")
    share = np.minimum(area / whole_, 1.0)
    return share, (error + (share + 2.0**-50) * doubt) / least * (1 + 2.0**-40) + 2.0**-50
