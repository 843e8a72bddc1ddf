"""Bases: points of a domain that evidence is built from, as they are or as weights over its vertices."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.exact import rationals
from featgeom.exact.affine import exact_logits
from featgeom.exact.fields import is_array_of
from featgeom.exact.ground import Ground
from featgeom.exact.rounding import gamma, product_error, unit_roundoff

Float64 = NDArray[np.float64]
U = unit_roundoff(np.float64)


def bases_misfit(ground: Ground, bases: object) -> str:
    """Why bases are not points of the domain, or nothing."""
    if ground.is_hull:
        if not isinstance(bases, csr_array) or bases.shape[1] != len(ground.vertices):
            return "bases are not weights over the hull's points"
        if not is_array_of(bases.data, (None,)) or (bases.data < 0).any():
            return "a weight is negative"
        if bases.shape[0] and (bases.sum(axis=1) <= 0).any():
            return "the weights of a base are all zero"
        return ""
    if not isinstance(bases, np.ndarray) or not is_array_of(bases, (None, ground.weight.shape[1])):
        return "bases are not points of feature space"
    if not ((bases >= ground.lo) & (bases <= ground.hi)).all():
        return "a base is outside the domain"
    return ""


def base_logits(ground: Ground, bases: Any) -> tuple[Float64, Float64]:
    """Logits of the bases (m, C), and bounds on their rounding errors."""
    points = ground.vertices if ground.is_hull else bases
    used = np.unique(bases.indices) if ground.is_hull else np.arange(len(points))
    z = points[used].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        logits = z @ ground.weight.T + ground.bias
        error = 1.001 * (product_error(z, ground.weight, np.float64) + U * np.abs(logits))
        if ground.is_hull:
            mix = bases[:, used].multiply(1 / bases.sum(axis=1)[:, None]).tocsr()
            longest = int(np.diff(mix.indptr).max(initial=0))
            rounding = gamma(2 * longest + 8, np.float64) * (mix @ np.abs(logits))
            logits, error = mix @ logits, 1.001 * (mix @ error + rounding)
    good = np.isfinite(logits) & np.isfinite(error)
    return np.where(good, logits, 0.0), np.where(good, error, np.inf)


def exact_base_logits(ground: Ground, bases: Any, base: int) -> list[Fraction]:
    """The exact logits (C,) of one base."""
    classes = np.arange(len(ground.weight))
    if not ground.is_hull:
        rows = np.broadcast_to(bases[base], (len(classes), bases.shape[1]))
        return exact_logits(rows, ground.weight, ground.bias, classes)
    row = bases[[base]].tocoo()
    weights = [rationals.fraction(w) for w in row.data]
    total = sum(weights, Fraction(0))
    result = [Fraction(0)] * len(classes)
    for w, vertex in zip(weights, row.coords[1], strict=True):
        point = np.broadcast_to(ground.vertices[vertex], (len(classes), ground.vertices.shape[1]))
        for k, value in enumerate(exact_logits(point, ground.weight, ground.bias, classes)):
            result[k] += w / total * value
    return result
