"""Exact arithmetic agrees with plain fractions, whatever the magnitudes."""

import operator
from contextlib import contextmanager
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featgeom.errors import BadArgument
from featgeom.exact import heads, numbers, screens
from featgeom.exact.float32 import float32_needs
from featgeom.exact.heads import (
    ExactHead,
    exact_classes,
    gaps_above,
    least_margin_bounds,
    least_margins,
    screened_margins,
)
from featgeom.exact.rounding import TINY, gamma, lengths_above, over, product_error, rounded_up, under
from featgeom.exact.screens import heights_above, lowest, lowest_above, lowest_under

ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False, width=64)
TAME = st.floats(-4, 4, width=32)
GRID = st.integers(-3, 3).map(float)
FEW = st.integers(1, 6)
KINDS = pytest.mark.parametrize("elements", [ANY_FLOAT, TAME, GRID], ids=["any", "tame", "grid"])
LAWS = settings(max_examples=60, deadline=None, derandomize=True)


def exactly(array):
    return [Fraction(float(x)) for x in array]


def plain_dot(left, right):
    return sum((a * b for a, b in zip(exactly(left), exactly(right), strict=True)), Fraction(0))


def matrices(elements, rows=FEW, columns=3):
    return rows.flatmap(lambda n: hnp.arrays(np.float64, (n, columns), elements=elements))


@KINDS
@given(data=st.data())
@LAWS
def test_lowest_is_the_least_of_the_plain_products(elements, data):
    points, directions = data.draw(matrices(elements)), data.draw(matrices(elements))
    expected = [min(plain_dot(p, q) for p in points) for q in directions]
    assert lowest(points, directions) == expected


@KINDS
@given(data=st.data())
@LAWS
def test_dots_are_the_plain_products(elements, data):
    left = data.draw(matrices(elements))
    right = data.draw(matrices(elements, rows=st.just(len(left))))
    assert numbers.dots(left, right) == [plain_dot(a, b) for a, b in zip(left, right, strict=True)]
    assert numbers.dot(left[0], right[0]) == plain_dot(left[0], right[0])
    assert numbers.norm2(left[0]) == plain_dot(left[0], left[0])
    apart = [a - b for a, b in zip(exactly(left[0]), exactly(right[0]), strict=True)]
    assert numbers.apart2(left[0], right[0]) == numbers.square(apart) == sum(x * x for x in apart)


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
    assert lowest(points, directions) == expected


def test_lowest_decides_ties_below_the_resolution_of_float64():
    point = np.array([1.0, 1e-30, 0.0])
    points = np.array([point, point, point])
    points[1:, 2] = 1e-60, -1e-60
    direction = np.array([[1e3, 1.0, 1.0]])
    assert lowest(points, direction) == [plain_dot(points[2], direction[0])]


def test_lowest_is_right_where_squares_underflow():
    points = np.ones((3000, 2))
    points[:2] = [[1e-170, 1e-187], [1e-170, -1e-187]]
    assert lowest(points, np.array([[1.0, 1.0]])) == [plain_dot(points[1], [1.0, 1.0])]


def test_lowest_over_massive_ties():
    grid = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), axis=-1).reshape(-1, 3)
    assert lowest(grid, np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 0]])) == [0, -6, 0]


def test_lowest_without_the_row_left_out_and_under_a_ceiling():
    rng = np.random.default_rng(8)
    points = rng.integers(-3, 4, size=(50, 3)).astype(np.float32)
    directions = rng.normal(size=(60, 3))
    left_out = rng.integers(-1, 50, size=60)
    ceiling = rng.normal(size=60) - 6
    found = lowest_under(points, directions, ceiling, left_out)
    assert {value is None for value in found} == {True, False}
    for value, direction, out, top in zip(found, directions, left_out, ceiling):
        others = points if out < 0 else np.delete(points, out, axis=0)
        least = min(plain_dot(point, direction) for point in others)
        assert value == (least if least <= Fraction(float(top)) else None)
    assert lowest_under(points[:1], directions[:1], np.array([np.inf]), np.array([0])) == [None]
    with pytest.raises(ValueError, match="no points"):
        lowest(points[:0], directions[:1])


@given(array=hnp.arrays(np.float64, (4,), elements=ANY_FLOAT))
@LAWS
def test_integers_are_exact(array):
    values, exponent = numbers.integers(array)
    assert [numbers.scaled(v, exponent) for v in values] == exactly(array)
    assert all(isinstance(v, int) for v in values)


def test_integers_do_not_grow_without_need():
    values, exponent = numbers.integers(np.array([0.5, -3.0, 0.0, 2.0**60]))
    assert (values.tolist(), exponent) == ([1, -6, 0, 2**61], -1)
    assert numbers.integers(np.zeros((2, 0)))[0].shape == (2, 0)


@given(points=matrices(TAME), data=st.data())
@LAWS
def test_means_are_exact(points, data):
    weights = np.array([data.draw(st.floats(0.125, 1, width=32)) for _ in points])
    total = sum(exactly(weights))
    mixed = [sum(w * x for w, x in zip(exactly(weights), exactly(column))) / total for column in points.T]
    assert numbers.mean(weights, points) == mixed
    with pytest.raises(ZeroDivisionError):
        numbers.mean(0 * weights, points)


@KINDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
@LAWS
def test_sums_of_columns_are_exact(elements, dtype, data):
    points = np.clip(data.draw(matrices(elements)), *np.finfo(dtype).max * np.array([-1, 1])).astype(dtype)
    assert numbers.column_sums(points) == [sum(exactly(column), Fraction(0)) for column in points.T]


def test_sums_of_columns_that_reach_the_last_of_64_bits():
    most = np.float32(2 - 2.0**-23)
    for power in range(-40, 1):
        points = np.full((1500, 2), most)
        points[0] = 2.0**power
        points[1500 // 2 :, 1] *= -1
        assert numbers.column_sums(points) == [sum(exactly(column), Fraction(0)) for column in points.T]


def test_sums_of_narrow_columns_make_no_whole_numbers_of_python():
    """Which would take ten times as long, for the means of all classes of a million samples."""
    points = np.maximum(np.random.default_rng(0).normal(size=(500, 8)), 0).astype(np.float32)
    wanted = numbers.column_sums(points)
    with mock.patch.object(numbers, "integers", None):
        assert numbers.column_sums(points) == wanted
        with mock.patch.object(numbers, "ENTRIES_AT_ONCE", 24):
            assert numbers.column_sums(points) == wanted


@given(
    points=matrices(GRID, rows=st.integers(1, 5)),
    weights=st.lists(st.integers(-3, 4), min_size=5, max_size=5),
)
@LAWS
def test_shares_give_the_query_back(points, weights):
    shares = weights[: len(points)]
    if sum(shares) not in (1, 2, 4):  # so that the query is a float exactly
        shares = [1] + [0] * (len(points) - 1)
    query = np.array([float(v) for v in np.array(shares) @ points]) / sum(shares)
    found = numbers.shares_of_zero(points, np.repeat(query[None], len(points), axis=0))
    if found is None:
        lifted = np.hstack([points, np.ones((len(points), 1))])
        assert np.linalg.matrix_rank(lifted) < len(points)
    else:
        assert found == [Fraction(s, sum(shares)) for s in shares]


def test_a_query_outside_the_affine_hull_has_no_shares():
    left, right = np.array([[0.0, 0.0], [1.0, 0.0]]), np.full((2, 2), [0.5, 1e-300])
    assert numbers.shares_of_zero(left, right) is None


@given(rows=matrices(GRID), x=st.lists(st.integers(-5, 5), min_size=3, max_size=3), off=st.integers(0, 1))
@LAWS
def test_solutions_solve(rows, x, off):
    whole = rows.astype(int).tolist()
    right = [sum(a * b for a, b in zip(row, x)) for row in whole]
    right[0] += off
    for found in (numbers.solve(whole, right), numbers.any_solution(whole, right)):
        if found is not None:
            assert [sum(a * b for a, b in zip(row, found)) for row in whole] == right
    if off == 0:
        assert numbers.any_solution(whole, right) is not None
        assert (numbers.solve(whole, right) == x) == (np.linalg.matrix_rank(rows) == 3)


def test_roots_are_compared_exactly():
    third, tiny = Fraction(1, 3), Fraction(1, 10**40)
    assert numbers.at_most(Fraction(9), 3.0)
    assert not numbers.at_most(9 + tiny, 3.0)
    assert not numbers.at_most(Fraction(0), -1.0)
    assert numbers.at_most(Fraction(10) ** 900, np.inf)
    assert numbers.at_least(Fraction(3), 1.0, Fraction(9))
    assert not numbers.at_least(3 - tiny, 1.0, Fraction(9))
    assert not numbers.at_least(Fraction(-3), 1.0, Fraction(9))
    assert numbers.at_least(Fraction(-3), -1.0, Fraction(9))
    assert numbers.at_least(Fraction(3), -1.0, Fraction(1))
    assert not numbers.at_least(-3 - tiny, -1.0, Fraction(9))
    assert numbers.at_least(Fraction(0), -1.0, Fraction(0))
    assert 0 <= third - numbers.root_below(third**2) < Fraction(1, 10**38)


@given(
    weight=matrices(ANY_FLOAT, rows=st.just(3)),
    bias=hnp.arrays(np.float64, 3, elements=ANY_FLOAT),
    data=st.data(),
)
@LAWS
def test_a_head_is_exact(weight, bias, data):
    points = data.draw(matrices(ANY_FLOAT))
    logits = [[plain_dot(w, p) + Fraction(float(b)) for w, b in zip(weight, bias)] for p in points]
    head = ExactHead(weight, bias)
    values, exponent = head.logits(points)
    assert [[numbers.scaled(v, exponent) for v in row] for row in values] == logits
    assert head.leads(points[0], 1) == [logits[0][1] - value for value in logits[0]]
    assert head.lead(points[0], 0, 2) == logits[0][0] - logits[0][2]
    apart = [x - y for x, y in zip(exactly(weight[0]), exactly(weight[1]))]
    assert head.gap2(0, 1) == sum(x * x for x in apart)
    slope, offset = head.combination(0, {1: Fraction(1, 3), 2: Fraction(-2)})
    for p, row in zip(points, logits):
        value = sum(a * x for a, x in zip(slope, exactly(p))) + offset
        assert value == (row[0] - row[1]) / 3 - 2 * (row[0] - row[2])
    least = least_margins(points, weight, bias, 2)
    assert least == [min(row[2] - row[k] for row in logits) for k in range(3)]


@pytest.mark.parametrize("scale", [1.0, 0.1, 1e17])
def test_classes_are_those_of_plain_fractions(scale):
    rng = np.random.default_rng(7)
    for _ in range(40):
        points, weight = rng.integers(-2, 3, (6, 3)) * scale, rng.integers(-2, 3, (4, 3)) / 3
        weight[1], bias = weight[0], rng.integers(-1, 2, 4) / 3
        head = list(zip(weight.tolist(), bias.tolist()))
        logits = [
            [sum(map(operator.mul, map(Fraction, w), map(Fraction, z)), Fraction(b)) for w, b in head]
            for z in points
        ]
        assert exact_classes(points, weight, bias).tolist() == [row.index(max(row)) for row in logits]


def test_what_float32_needs_near_its_limits():
    tiny, most = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)

    def needs(z, w, b):
        weight, bias, own = np.array([[0.0] * 3, [w] * 3]), np.array([0, b]), np.array([0])
        return float32_needs(np.full((1, 3), z), weight, bias, own)[0, 1]

    assert needs(0, 0, 0) == 2 * tiny * (2 * 3 + 2)
    assert needs(most / 2, 0, 0) == needs(0, most / 2, 0) == needs(0, 0, most / 2) == np.inf
    assert needs(1, 0, 1) < np.inf
    assert needs(0, 3, 0) == tiny * (2 * (2 * 3 + 2) + 9)
    large, weight, own = np.array([[most / 2, 0.0]]), np.zeros((2, 2)), np.array([0])
    assert float32_needs(large, weight, np.zeros(2), own)[0, 1] == np.inf
    assert float32_needs(0 * large, np.vstack([weight[:1], large]), np.zeros(2), own)[0, 1] == np.inf


def test_roundings_are_bounded_from_above():
    u, one, zero = 2.0**-53, np.ones((1, 1)), np.zeros((1, 1))
    assert 1 + 2 * u < over(1.0) < 1 + 16 * u
    assert 1 - 16 * u < under(1.0) < 1 - 2 * u
    assert lengths_above(one)[0] > 1 + 2 * u
    assert product_error(one, one, "float64")[0, 0] >= 2 * u
    assert product_error(zero, zero, "float64")[0, 0] >= TINY
    assert heights_above(one, one)[0] >= 1 + 4 * u
    assert heights_above(zero, zero)[0] >= TINY
    _margins, error = screened_margins(one, np.zeros((2, 1)), np.array([3.0, 1.0]), np.array([0]))
    assert error[0, 1] >= 6 * u
    assert gaps_above(np.array([[1.0], [-1.0]]), 0)[1] >= 2
    for n in (1, 1000, 1 << 22):
        assert gamma(n, "float32") > n * 2.0**-24
        assert rounded_up(np.array([1.0]), n)[0] > 1 + 3 * n * 2.0**-53
    with pytest.raises(BadArgument):
        gamma(1 << 23, "float32")


@contextmanager
def in_small_steps():
    """Screens look at one point at a time."""
    kept = heads.BLOCK_ENTRIES, screens.TILE_ENTRIES, screens.DIRECTIONS
    heads.BLOCK_ENTRIES = screens.TILE_ENTRIES = 1
    screens.DIRECTIONS = 2, 2
    try:
        yield
    finally:
        heads.BLOCK_ENTRIES, screens.TILE_ENTRIES, screens.DIRECTIONS = kept


def test_screens_that_look_at_points_in_steps():
    rng = np.random.default_rng(4)
    points, directions = rng.integers(-3, 4, (12, 3)).astype(float), rng.integers(-3, 4, (9, 3)).astype(float)
    left_out, ceiling = np.arange(9), np.full(9, np.inf)
    expected = [min(plain_dot(p, q) for p in points) for q in directions]
    others = [min(plain_dot(p, q) for k, p in enumerate(points) if k != i) for i, q in enumerate(directions)]
    weight, bias = rng.standard_normal((3, 3)), rng.standard_normal(3)
    margins = [
        [plain_dot(weight[2], p) - plain_dot(w, p) + Fraction(bias[2]) - Fraction(b)
         for w, b in zip(weight, bias)] for p in points
    ]  # fmt: skip
    with in_small_steps():
        assert lowest(points, directions) == expected
        assert lowest_under(points, directions, ceiling, left_out) == others
        large = np.array([[1e-300], [-1e300], [1.0]])
        assert lowest(large, np.array([[1.0]])) == [Fraction(-1e300)]
        least = least_margins(points, weight, bias, 2)
        assert least == [min(row[k] for row in margins) for k in range(3)]
        low, high = least_margin_bounds(points, weight, bias, 2)
        assert all(Fraction(a) <= b <= Fraction(c) for a, b, c in zip(low, least, high))
        assert (high - low < 1e-12).all()
    low, high = least_margin_bounds(points, weight, bias, 2)
    assert all(Fraction(a) <= b <= Fraction(c) for a, b, c in zip(low, least, high))
    assert (high - low < 1e-12).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_lowest_of_points_that_rounding_does_not_tell_apart(seed):
    """Of which float64 finds another one lowest."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=6) * (1 + rng.integers(-2, 3, (300, 6)) * 2.0**-52)
    directions = rng.normal(size=(8, 6))
    directions -= np.outer(directions @ points[0], points[0]) / (points[0] @ points[0])  # all cancel
    found = lowest(points, directions)
    assert found == [min(plain_dot(p, q) for p in points) for q in directions]
    rounded = points @ directions.T
    assert any(plain_dot(points[rounded[:, k].argmin()], q) > found[k] for k, q in enumerate(directions))


def test_lowest_of_products_that_overflow_and_at_the_ceiling():
    points, most = np.full((1, 3), 0.9), np.full((1, 3), 1.7e308)
    assert lowest(points, most) == [plain_dot(points[0], most[0])]
    assert lowest_under(np.ones((1, 1)), np.ones((1, 1)), np.ones(1)) == [Fraction(1)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_the_lowest_product_about_a_centre_is_bounded_from_below_and_tightly(seed, scale):
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(5, 3)) * scale + 1e3).astype([np.float32, np.float64][seed % 2])
    direction, centre = rng.normal(size=3), points.mean(axis=0, dtype=np.float64)
    v, c = ([Fraction(x) for x in one] for one in (direction, centre))
    exact = min(sum((Fraction(float(x)) - m) * a for x, m, a in zip(row, c, v)) for row in points)
    bound = lowest_above(points, direction, centre)
    assert bound <= exact
    assert float(exact - Fraction(bound)) < 1e-14 * (1e3 + scale)


def test_a_lowest_product_that_overflows_bounds_nothing():
    huge = np.array([[1e300, 1e300]])
    assert lowest_above(huge, np.array([1e300, -1e300]), np.zeros(2)) == -np.inf
