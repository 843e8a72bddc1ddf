"""The set in which features lie, as bounds on each coordinate."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.arrays import Float64, as_numpy
from featgeom.errors import BadArgument, nearest_name

Domain = Any  # "space", "orthant", or an object with arrays `lo` and `hi` such as featgeom.Box


def domain_bounds(domain: Domain, dimension: int) -> tuple[Float64, Float64]:
    """The lower and upper bounds (d,) of a domain; ±inf where a coordinate has none.

    ``domain`` is "space" (all of R^d), "orthant" (z ≥ 0) or an object with ``lo`` and ``hi``.

    >>> domain_bounds("orthant", 2)
    (array([0., 0.]), array([inf, inf]))
    """
    if isinstance(domain, str):
        if domain not in ("space", "orthant"):
            raise BadArgument(f"domain: unknown name {domain!r}{nearest_name(domain, ['space', 'orthant'])}")
        lower = 0.0 if domain == "orthant" else -np.inf
        return np.full(dimension, lower), np.full(dimension, np.inf)
    if not (hasattr(domain, "lo") and hasattr(domain, "hi")):
        raise BadArgument('domain: expected "space", "orthant" or a box with bounds lo and hi')
    lo, hi = (as_numpy(getattr(domain, name), f"domain {name}").astype(np.float64) for name in ("lo", "hi"))
    if lo.shape != (dimension,) or hi.shape != (dimension,):
        raise BadArgument(f"domain: expected bounds of shape ({dimension},), got {lo.shape} and {hi.shape}")
    if not (lo <= hi).all() or np.isposinf(lo).any() or np.isneginf(hi).any():
        raise BadArgument("domain: a lower bound exceeds its upper bound, or is NaN")
    return lo, hi
