"""Uniform samples of a bounded domain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featgeom.arrays import Float64, Floats
from featgeom.errors import BadArgument, Unsupported
from featgeom.regions.domains import Box, Domain

MOST_DIMENSIONS = 6  # a hull is cut into simplices, and their number grows like n^(d/2)

Sampler = Callable[[int], Float64]


def uniform_sampler(domain: Domain, rng: np.random.Generator) -> Sampler:
    """A function of m that draws m points (m, d) uniformly from a box, or from a hull of few dimensions.

    Raises BadArgument for a domain without volume or without bounds, Unsupported for a hull of more than
    six dimensions.

    >>> draw = uniform_sampler(Box([0.0, 0.0], [1.0, 2.0]), np.random.default_rng(0))
    >>> draw(3).shape
    (3, 2)
    """
    if not domain.bounded:
        raise BadArgument(f"shares: the domain ({domain.name}) has no volume; use Box.around(features)")
    if isinstance(domain, Box):
        lo, hi = domain.lo, domain.hi
        return lambda m: rng.uniform(lo, hi, (m, len(lo)))
    return _hull_sampler(domain.points, rng)


def _hull_sampler(points: Floats, rng: np.random.Generator) -> Sampler:
    """Choose a simplex of a triangulation by its volume, and in it uniform weights."""
    from scipy.spatial import Delaunay, QhullError

    d = points.shape[1]
    if d > MOST_DIMENSIONS:
        raise Unsupported(
            f"shares: uniform samples of a hull in {d} dimensions are not available (at most "
            f"{MOST_DIMENSIONS}); use Box.around(points)"
        )
    if d == 1:
        line = np.array([points.min(), points.max()], np.float64)
        simplices = line[None, :, None]
    else:
        try:
            simplices = points.astype(np.float64)[Delaunay(points.astype(np.float64)).simplices]
        except (QhullError, ValueError):
            simplices = np.zeros((1, d + 1, d))
    volumes = np.abs(np.linalg.det(simplices[:, 1:] - simplices[:, :1]))
    if not volumes.sum() > 0:
        raise BadArgument("shares: the hull is flat, so it has no volume")

    def draw(m: int) -> Float64:
        chosen = simplices[rng.choice(len(simplices), m, p=volumes / volumes.sum())]
        weights = rng.dirichlet(np.ones(d + 1), m)
        return np.einsum("mk,mkd->md", weights, chosen)

    return draw
