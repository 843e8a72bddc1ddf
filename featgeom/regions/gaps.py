"""How far the rows of a head lie from each other: what turns a margin in logits into a distance."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from featgeom.arrays import Float64, Ints, read_only
from featgeom.exact.rounding import UNIT, lengths_above
from featgeom.head import AffineHead
from featgeom.kernels import kernel

SAFE = 1e250  # sums of squares between 1 / SAFE and SAFE have lost nothing to overflow or underflow

_known: WeakKeyDictionary[AffineHead, Float64] = WeakKeyDictionary()
_lengths: WeakKeyDictionary[AffineHead, Float64] = WeakKeyDictionary()


def row_lengths(head: AffineHead) -> Float64:
    """Upper bounds on ‖w_c‖, (C,), tight to rounding."""
    if head not in _lengths:
        _lengths[head] = read_only(lengths_above(head.weight))
    return _lengths[head]


def pair_norms(head: AffineHead) -> Float64:
    """Upper bounds on ‖w_c − w_k‖, (C, C), tight to rounding; exactly zero where the rows are equal."""
    if head not in _known:
        _known[head] = read_only(_norms(head, np.arange(head.classes)))
    return _known[head]


def norms_from(head: AffineHead, own: int) -> Float64:
    """Upper bounds on ‖w_own − w_k‖ for every class k, (C,), tight to rounding; zero where rows are equal."""
    if head in _known:
        return _known[head][own]
    return _norms(head, np.array([own]))[0]


def _norms(head: AffineHead, own: Ints) -> Float64:
    squares = _squares(head.weight, np.asarray(own, np.int64))
    lengths = np.sqrt(squares)
    for row, column in zip(*np.nonzero(~((squares < SAFE) & (squares > 1 / SAFE))), strict=True):
        lengths[row, column] = _scaled_length(head.weight[own[row]], head.weight[column])
    lengths *= 1 + (head.dimension + 8) * UNIT
    return np.where(lengths > 0, np.nextafter(lengths, np.inf), 0.0)  # denormals may have been rounded


def _scaled_length(a: Float64, b: Float64) -> float:
    """‖a − b‖ where its square is out of range; inf where it is itself beyond float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference = a - b
        scale = np.abs(difference).max()
        length = scale * np.linalg.norm(difference / scale) if scale > 0 else 0.0
    return float("inf") if np.isnan(length) else float(length)


@kernel(fastmath={"reassoc", "contract"})
def _squares(weight: Any, own: Any) -> Any:
    """‖w_own − w_k‖², (m, C)."""
    found = np.zeros((len(own), len(weight)))
    for i in range(len(own)):
        for k in range(len(weight)):
            total = 0.0
            for j in range(weight.shape[1]):
                value = weight[own[i], j] - weight[k, j]
                total += value * value
            found[i, k] = total
    return found
