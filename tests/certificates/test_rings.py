"""Which rings of corners are simple, and which convex: beside shapely, on all kinds of small ones."""

from itertools import pairwise

import numpy as np
import pytest
import shapely

from featgeom.certificates.slices import _area, _is_convex, _is_simple

BOWTIE = [(0, 0), (2, 2), (2, 0), (0, 2)]


def rings(seed, corners):
    """Corners on a small grid, so that they touch, coincide, lie in line and cross."""
    rng = np.random.default_rng([seed, corners])
    return [[(int(x), int(y)) for x, y in ring] for ring in rng.integers(0, 4, (250, corners, 2))]


@pytest.mark.parametrize("corners", [3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(2))
def test_simple_rings(seed, corners):
    seen = set()
    for ring in rings(seed, corners):
        apart = all(p != q for p, q in pairwise([*ring, ring[0]]))
        simple = apart and len(set(ring)) == len(ring) and bool(shapely.is_simple(shapely.LinearRing(ring)))
        assert _is_simple(ring) == simple, ring
        seen.add(simple)
    assert seen == {True, False}


@pytest.mark.parametrize("corners", [3, 4])
@pytest.mark.parametrize("seed", range(2))
def test_convex_rings(seed, corners):
    """A ring that turns left at every corner, once around, is the boundary of its own hull."""
    seen = set()
    for ring in rings(seed, corners):
        hull = shapely.MultiPoint(ring).convex_hull
        convex = (
            _is_simple(ring)
            and _area(ring) > 0
            and hull.geom_type == "Polygon"
            and len(shapely.get_coordinates(hull)) == corners + 1
        )
        assert _is_convex(ring) == convex, ring
        seen.add(convex)
    assert seen == {True, False}


def test_a_pentagon_is_convex():
    pentagon = [(0, 0), (2, -1), (4, 0), (3, 2), (1, 2)]
    assert _is_convex(pentagon)
    assert _is_simple(pentagon)
    assert not _is_convex(pentagon[::-1])


def test_a_bow_tie_is_neither():
    assert not _is_simple(BOWTIE)
    assert not _is_convex(BOWTIE)
    assert not _is_convex([(0, 0), (1, 0), (1, 1), (0, 1)] * 2)  # twice around
