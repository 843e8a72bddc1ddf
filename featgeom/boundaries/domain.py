"""The domains on which boundaries are asked for: those with bounds on each coordinate."""

from __future__ import annotations

from featgeom.arrays import Float64
from featgeom.errors import Unsupported
from featgeom.regions.domains import Box, as_domain


def domain_bounds(domain: object, dimension: int) -> tuple[Float64, Float64]:
    """The lower and upper bounds (d,) of a domain; ±inf where a coordinate has none.

    ``domain`` is "space" (all of R^d), "orthant" (z ≥ 0) or a `Box`. Raises BadArgument for what is no
    domain, Unsupported for a hull.

    >>> domain_bounds("orthant", 2)
    (array([0., 0.]), array([inf, inf]))
    """
    found = as_domain(domain, dimension)
    if not isinstance(found, Box):
        raise Unsupported("boundaries within a hull are not offered: take 'space', 'orthant' or a Box")
    return found.lo, found.hi
