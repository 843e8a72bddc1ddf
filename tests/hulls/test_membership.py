"""INSIDE and OUTSIDE are never wrong, and hardly ever withheld: against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featgeom as fg
from featgeom.status import Status

LAWS = settings(derandomize=True, deadline=None, max_examples=60)


def exactly_inside(points, query):
    """Whether the query is in the hull, by phase one of the simplex method in fractions (Bland's rule)."""
    n, d = points.shape
    columns = [[Fraction(float(x)) for x in row] + [Fraction(1)] for row in points]
    right = [Fraction(float(x)) for x in query] + [Fraction(1)]
    sign = [-1 if b < 0 else 1 for b in right]
    table = [
        [sign[i] * columns[j][i] for j in range(n)]
        + [Fraction(int(i == k)) for k in range(d + 1)]
        + [sign[i] * right[i]]
        for i in range(d + 1)
    ]
    basis = list(range(n, n + d + 1))
    cost = [
        -sum(row[j] for row in table) if j < n or j == n + d + 1 else Fraction(0) for j in range(n + d + 2)
    ]
    while True:
        enter = next((j for j in range(n) if cost[j] < 0), None)
        if enter is None:
            return cost[-1] == 0
        ratios = [(table[i][-1] / table[i][enter], basis[i], i) for i in range(d + 1) if table[i][enter] > 0]
        leave = min(ratios)[2]
        pivot = table[leave][enter]
        table[leave] = [x / pivot for x in table[leave]]
        for i in range(d + 1):
            if i != leave and table[i][enter] != 0:
                factor = table[i][enter]
                table[i] = [x - factor * y for x, y in zip(table[i], table[leave])]
        factor = cost[enter]
        cost = [x - factor * y for x, y in zip(cost, table[leave])]
        basis[leave] = enter


def check(points, queries):
    """No decided answer is wrong; the share that is decided."""
    result = fg.ConvexHull(points).contains(queries)
    for query, status in zip(queries, result.status):
        if status is not Status.UNDECIDED:
            assert (status is Status.INSIDE) == exactly_inside(points, query)
    verdicts = result.certificate.check().status
    assert (verdicts[result.status != Status.UNDECIDED] == Status.PROVED).all()
    return float(np.mean(result.status != Status.UNDECIDED))


def test_the_exact_judge_itself():
    square = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    assert exactly_inside(square, [2, 1])
    assert exactly_inside(square, [0, 0])
    assert not exactly_inside(square, [2 + 2**-50, 1])


@LAWS
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4), n=st.integers(1, 25), size=st.sampled_from([1, 2, 5]))
def test_integer_grids(seed, d, n, size):
    rng = np.random.default_rng(seed)
    points = rng.integers(-size, size + 1, (n, d)).astype(float)
    assert check(points, rng.integers(-size - 1, size + 2, (8, d)).astype(float)) == 1


@LAWS
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4), bits=st.integers(1, 45))
def test_near_the_boundary(seed, d, bits):
    """Points of a facet's plane, moved off it by a last bit or not at all."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-50, 51, (3 * d + 3, d)).astype(float)
    corners = points[rng.choice(len(points), d, replace=False)]
    weights = rng.multinomial(8, np.ones(d) / d, 6) / 8
    queries = weights @ corners
    check(points, queries)
    check(points, queries + 2.0**-bits * rng.integers(-1, 2, queries.shape))


@LAWS
@given(seed=st.integers(0, 10**6), d=st.integers(2, 4))
def test_almost_flat_hulls(seed, d):
    rng = np.random.default_rng(seed)
    points = rng.integers(-9, 10, (12, d)).astype(float)
    points[:, -1] = points[:, 0] + 2.0**-40 * rng.integers(0, 2, 12)
    queries = (points[rng.integers(12, size=6)] + points[rng.integers(12, size=6)]) / 2
    check(points, queries)
    queries[:, -1] += 2.0**-41 * rng.integers(-1, 2, 6)
    check(points, queries)


@LAWS
@given(seed=st.integers(0, 10**6), d=st.integers(2, 5))
def test_large_coordinates_with_small_differences(seed, d):
    rng = np.random.default_rng(seed)
    points = 2.0**26 + rng.integers(-2, 3, (15, d)).astype(float)
    check(points, 2.0**26 + rng.integers(-2, 3, (6, d)) / 2.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 5, 20, 64])
def test_inside_points_are_proved_inside(d, dtype):
    rng = np.random.default_rng(d)
    points = rng.normal(size=(8 * d + 3, d)).astype(dtype)
    result = fg.ConvexHull(points).contains(rng.dirichlet(np.ones(len(points)) / 3, 10) @ points)
    assert (result.status == Status.INSIDE).all()
    assert (result.lower_bound == 0).all()
    assert result.certificate.check().tally == {"PROVED": 10}


def test_vertices_are_inside_by_a_single_weight():
    points = np.random.default_rng(0).normal(size=(2000, 30))
    result = fg.ConvexHull(points).contains(points[:50])
    assert (result.status == Status.INSIDE).all()
    assert result.support.nnz == 50


def test_last_bits_decide():
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    below, above = np.nextafter(0.5, 0), np.nextafter(0.5, 1)
    status = fg.ConvexHull(triangle).contains([[0.5, 0.5], [below, 0.5], [above, 0.5]]).status
    assert status[0] is Status.INSIDE
    assert status[1] is not Status.OUTSIDE
    assert status[2] is not Status.INSIDE


def test_extreme_points_agree_with_exact_arithmetic():
    rng = np.random.default_rng(3)
    for d in (1, 2, 3):
        points = rng.integers(-3, 4, (20, d)).astype(float)
        result = fg.ConvexHull(points).extreme_points()
        for i in range(20):
            assert result.mask[i] == (not exactly_inside(np.delete(points, i, axis=0), points[i]))
        assert Status.UNDECIDED not in result.status
        assert result.certificate.check().tally == {"PROVED": 20}


def test_some_points_may_be_asked_about_alone():
    points = np.random.default_rng(3).integers(0, 4, size=(40, 3)).astype(float)
    hull = fg.ConvexHull(points)
    everyone, rows = hull.extreme_points(), [7, 0, 31]
    some = hull.extreme_points(only=rows)
    assert (some.status == everyone.status[rows]).all()
    np.testing.assert_allclose(some.distance, everyone.distance[rows], atol=1e-12)
    assert some.certificate.check().tally == {"PROVED": 3}
    assert len(hull.extreme_points(only=[]).mask) == 0
    for wrong in ([40], [-1], [0.5], [[1]]):
        with pytest.raises(fg.FeatgeomError, match="only"):
            hull.extreme_points(only=wrong)


def test_distances_of_extreme_points_are_leave_one_out_projections():
    points = np.random.default_rng(1).normal(size=(40, 3))
    result = fg.ConvexHull(points).extreme_points()
    for i in range(40):
        alone = fg.ConvexHull(np.delete(points, i, axis=0)).project(points[i : i + 1])
        assert result.distance[i] == pytest.approx(alone.distance[0], rel=2e-6, abs=1e-12)
    assert (result.weights.diagonal() == 0).all()


def test_copies_and_single_points():
    twice = fg.ConvexHull(np.repeat(np.eye(3), 2, axis=0)).extreme_points()
    assert not twice.mask.any()
    assert (twice.distance == 0).all()
    alone = fg.ConvexHull([[1.0, 2.0]]).extreme_points()
    assert alone.mask.all()
    assert np.isinf(alone.distance).all()
    assert alone.certificate.check().tally == {"PROVED": 1}
