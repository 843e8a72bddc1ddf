"""Vertices that are decided and not measured are those that are measured, and each is proved."""

import numpy as np
import pytest

from featgeom import ConvexHull, Status
from featgeom.hulls.oracle import Oracle
from featgeom.hulls.outlying import outlying


def clouds(rng):
    """Points of which all, some or few are vertices: flat, repeated, far from zero, of tiny and huge size."""
    round_one = rng.normal(size=(600, 8))
    inner = np.concatenate([round_one, 0.1 * rng.normal(size=(200, 8))])
    flat = np.hstack([rng.normal(size=(400, 5)), np.zeros((400, 2))])
    grid = rng.integers(-2, 3, (300, 3)).astype(float)
    return {
        "round": round_one,
        "inner": inner,
        "float32": inner.astype(np.float32),
        "flat": flat,
        "twice": np.concatenate([inner, inner[:50]]),
        "grid": grid,
        "far": inner + 1e6,
        "tiny": inner * 1e-120,
        "huge": inner * 1e120,
        "one place": np.ones((100, 3)),
        "few": rng.normal(size=(5, 8)),
    }


@pytest.mark.parametrize("name", clouds(np.random.default_rng(0)))
def test_decided_and_measured_vertices_are_the_same(rng, name):
    points = clouds(rng)[name]
    hull = ConvexHull(points)
    measured, decided = hull.extreme_points(), hull.extreme_points(measured=False)
    np.testing.assert_array_equal(decided.status, measured.status)
    np.testing.assert_array_equal(decided.mask, measured.mask)
    assert (decided.certificate.check().status == Status.PROVED).all()
    assert (decided.lower_bound <= measured.distance).all()
    assert (decided.distance >= measured.lower_bound).all()


@pytest.mark.parametrize("name", clouds(np.random.default_rng(0)))
def test_what_one_look_proves_is_a_lower_bound_along_its_normal(rng, name):
    points = clouds(rng)[name]
    own = np.arange(len(points))
    seen = outlying(Oracle(points), own)
    for i in np.flatnonzero(seen.lower > 0):
        others = np.delete(points, i, axis=0).astype(np.float64)
        beyond = (others - points[i].astype(np.float64)) @ seen.normal[i]
        assert beyond.min() >= seen.lower[i] * (1 - 1e-9)


def test_one_look_tells_most_of_a_round_cloud(rng):
    points = rng.normal(size=(2000, 32))
    assert (outlying(Oracle(points), np.arange(2000)).lower > 0).mean() > 0.9


def test_memory_bounds_the_look_and_changes_nothing(rng):
    points = rng.normal(size=(9000, 64)).astype(np.float32)
    own = np.arange(0, 9000, 3)
    large, small = (outlying(Oracle(points, memory=m), own) for m in (1 << 30, 1 << 20))
    np.testing.assert_allclose(large.lower, small.lower, rtol=1e-9)


def test_some_points_alone_may_be_asked(rng):
    points = rng.normal(size=(400, 6))
    hull, rows = ConvexHull(points), rng.permutation(400)[:100]
    found = hull.extreme_points(only=rows, measured=False)
    np.testing.assert_array_equal(found.mask, hull.extreme_points().mask[rows])
    assert len(hull.extreme_points(only=rows[:0], measured=False).mask) == 0
