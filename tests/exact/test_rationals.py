"""Exact arithmetic agrees with plain fractions, whatever the magnitudes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featgeom.exact import products, rationals

ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False, width=64)
TAME = st.floats(-4, 4, width=32)
GRID = st.integers(-3, 3).map(float)
FEW = st.integers(1, 6)


def plain_dot(left, right):
    return sum(
        (Fraction(float(a)) * Fraction(float(b)) for a, b in zip(left, right, strict=True)), Fraction(0)
    )


def matrices(elements, rows=FEW, columns=3):
    return rows.flatmap(lambda n: hnp.arrays(np.float64, (n, columns), elements=elements))


@pytest.mark.parametrize("elements", [ANY_FLOAT, TAME, GRID], ids=["any", "tame", "grid"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_lowest_is_the_least_of_the_plain_products(elements, data):
    points, directions = data.draw(matrices(elements)), data.draw(matrices(elements))
    expected = [min(plain_dot(p, q) for p in points) for q in directions]
    assert rationals.lowest(points, directions) == expected


@pytest.mark.parametrize("elements", [ANY_FLOAT, TAME, GRID], ids=["any", "tame", "grid"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_dots_are_the_plain_products(elements, data):
    left = data.draw(matrices(elements))
    right = data.draw(matrices(elements, rows=st.just(len(left))))
    values, exponents = products.dots(left, right)
    found = [rationals.scaled(int(v), int(e)) for v, e in zip(values, exponents, strict=True)]
    assert found == [plain_dot(a, b) for a, b in zip(left, right, strict=True)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_lowest_over_many_points(dtype, scale, offset):
    rng = np.random.default_rng(3)
    points = ((rng.standard_normal((150, 20)) + offset) * (1.0 if dtype == np.float32 else scale)).astype(
        dtype
    )
    directions = rng.standard_normal((9, 20))
    expected = [min(plain_dot(p, q) for p in points) for q in directions]
    assert rationals.lowest(points, directions) == expected


def test_lowest_decides_ties_below_the_resolution_of_float64():
    point = np.array([1.0, 1e-30, 0.0])
    points = np.array([point, point, point])
    points[1:, 2] = 1e-60, -1e-60
    direction = np.array([[1e3, 1.0, 1.0]])
    assert rationals.lowest(points, direction) == [plain_dot(points[2], direction[0])]


def test_lowest_is_right_where_squares_underflow():
    points = np.ones((3000, 2))
    points[:2] = [[1e-170, 1e-187], [1e-170, -1e-187]]
    direction = np.array([[1.0, 1.0]])
    assert rationals.lowest(points, direction) == [plain_dot(points[1], direction[0])]


def test_lowest_over_massive_ties():
    grid = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), axis=-1).reshape(-1, 3)
    assert rationals.lowest(grid, np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 0]])) == [0, -6, 0]


def test_lowest_without_the_row_left_out():
    rng = np.random.default_rng(8)
    points = rng.integers(-3, 4, size=(50, 3)).astype(np.float32)
    directions = rng.normal(size=(60, 3))
    left_out = rng.integers(-1, 50, size=60)
    found = rationals.lowest(points, directions, left_out)
    for value, direction, out in zip(found, directions, left_out):
        others = points if out < 0 else np.delete(points, out, axis=0)
        assert value == min(rationals.dot(point.astype(np.float64), direction) for point in others)
    with pytest.raises(ValueError, match="no points"):
        rationals.lowest(points[:1], directions[:1], np.array([0]))


def test_slices_hold_the_rows_and_their_products_do_not_round():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 2048)) * 10.0 ** rng.integers(-8, 8, (5, 2048))
    cut = products.cut(rows)
    assert cut is not None
    back = sum(
        np.ldexp(part, (cut.top - cut.width * (k + 1))[:, None].astype(np.int32))
        for k, part in reversed(list(enumerate(cut.parts)))
    )
    np.testing.assert_array_equal(back, rows)
    assert all(2048 * np.abs(p).max() ** 2 <= 2**53 for p in cut.parts)


def test_rows_of_too_wide_a_range_are_not_sliced():
    assert products.cut(np.array([[1e300, 1e-300]])) is None
    assert rationals.dot(np.array([1e300, 5e-324]), np.array([1e-300, 1e300])) == plain_dot(
        [1e300, 5e-324], [1e-300, 1e300]
    )


@given(array=hnp.arrays(np.float64, (4,), elements=ANY_FLOAT))
def test_integers_are_exact(array):
    values, exponent = products.integers(array)
    assert [rationals.scaled(int(v), exponent) for v in values] == [Fraction(float(x)) for x in array]


@given(points=matrices(TAME), query=hnp.arrays(np.float64, 3, elements=TAME), data=st.data())
@settings(max_examples=60, deadline=None)
def test_combination_and_distance(points, query, data):
    weights = np.array([data.draw(st.floats(0.125, 1, width=32)) for _ in points])
    total = sum(Fraction(float(w)) for w in weights)
    shares = [Fraction(float(w)) / total for w in weights]
    mixed = [sum(s * Fraction(float(x)) for s, x in zip(shares, column)) for column in points.T]
    assert rationals.combination(shares, points) == mixed
    expected = sum((m - Fraction(float(q))) ** 2 for m, q in zip(mixed, query, strict=True))
    assert rationals.distance2(weights, points, query) == expected


@given(
    points=matrices(GRID, rows=st.integers(1, 5)),
    weights=st.lists(st.integers(-3, 4), min_size=5, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_barycentric_weights_give_the_query_back(points, weights):
    shares = weights[: len(points)]
    if sum(shares) not in (1, 2, 4):  # so that the query is a float exactly
        shares = [1] + [0] * (len(points) - 1)
    query = np.array([float(v) for v in np.array(shares) @ points]) / sum(shares)
    found = rationals.barycentric(points, query)
    if found is None:
        lifted = np.hstack([points, np.ones((len(points), 1))])
        assert np.linalg.matrix_rank(lifted) < len(points)
    else:
        assert found == [Fraction(s, sum(shares)) for s in shares]


def test_a_query_outside_the_affine_hull_has_no_weights():
    assert rationals.barycentric(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.5, 1e-300])) is None


def test_roots_are_compared_exactly():
    assert rationals.at_most_root(Fraction(-1), Fraction(0))
    assert not rationals.at_most_root(Fraction(1, 10**40), Fraction(0))
    assert rationals.root_at_most(Fraction(2), Fraction(3, 2))
    assert not rationals.root_at_most(Fraction(0), Fraction(-1))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dimension"):
        rationals.lowest(np.ones((2, 3)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="no points"):
        rationals.lowest(np.ones((0, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="weights"):
        rationals.combination([Fraction(1)], np.ones((2, 2)))
    with pytest.raises(ValueError, match="zero"):
        rationals.distance2(np.zeros(2), np.ones((2, 2)), np.ones(2))
