"""The least of linear functions near an image: no image is below it, and where it is known it is reached."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array

from featgeom.exact.images import PRICES, Ball, down, row_sums, up

NEARLY = 1 - 1e-12  # what is moved by so much less stays in a ball


def lowest(ball, c):
    """An image (m,) where c · x is about as small as anywhere, by bisection on the price of a movement."""
    least, most = ball.low - ball.centre, ball.high - ball.centre
    if ball.norm == np.inf:
        return ball.centre + np.clip(np.where(c > 0, -ball.radius, ball.radius) * (c != 0), least, most)
    cheap, dear = 0.0, 1e9
    for _ in range(200):
        price = (cheap + dear) / 2
        move = np.clip(-c / (2 * price + 1e-300), least, most)
        cheap, dear = (price, dear) if np.linalg.norm(move) > ball.radius else (cheap, price)
    return ball.centre + np.clip(-c / (2 * dear), least, most) * NEARLY


@pytest.mark.parametrize("norm", [2, np.inf])
@pytest.mark.parametrize("radius", [0.01, 0.3, 1.0, 30.0])
def test_no_image_is_below_the_least(radius, norm):
    rng = np.random.default_rng(1)
    for case in range(12):
        m = int(rng.integers(1, 12))
        centre = np.round(rng.random(m), 3)
        centre[rng.random(m) < 0.3] = case % 2  # at a bound
        ball = Ball(centre, radius, 0.0, 1.0, norm)
        c = rng.normal(size=(6, m)) * (rng.random((6, m)) < 0.7)
        c[0] = np.abs(c[0])
        c[1] = -np.abs(c[1])
        bound, size = ball.least(csr_array(c))
        for row, low, room in zip(c, bound.tolist(), size.tolist(), strict=True):
            here = lowest(ball, row)
            move = sum(Fraction(a) * (Fraction(x) - Fraction(y)) for a, x, y in zip(row, here, centre))
            assert low <= move + Fraction(1e-11) * Fraction(room)
            assert room * (1 + 1e-12) >= np.abs(row * (here - centre)).sum()
            assert low >= -radius * (np.linalg.norm(row) if norm == 2 else np.abs(row).sum()) * (1 + 1e-9)


def test_the_least_is_reached_where_neither_bound_is_met():
    c = np.array([[3.0, -4.0, 0.0]])
    for norm, least in ((2, -0.5), (np.inf, -0.7)):
        bound, _ = Ball(np.full(3, 0.5), 0.1, 0.0, 1.0, norm).least(csr_array(c))
        assert abs(bound[0] - least) < 1e-12
    everywhere, _ = Ball(np.full(3, 0.5), 9.0, 0.0, 1.0, 2).least(csr_array(c))
    assert abs(everywhere[0] + 3.5) < 1e-12
    for low, high, least in ((0.5, 1.0, -0.4), (0.0, 0.5, -0.3), (0.5, 0.5, 0.0)):
        bound, _ = Ball(np.full(3, 0.5), 0.1, low, high, 2).least(csr_array(c))
        assert abs(bound[0] - least) < 1e-12


def test_a_price_between_ball_and_box_is_better_than_both():
    """One value meets its bound soon, many others do not."""
    rng = np.random.default_rng(2)
    for price in PRICES:
        c = np.concatenate([[40.0], rng.random(200)])[None]
        ball = Ball(np.full(201, 0.5), 0.6 + price / 9, 0.0, 1.0, 2)
        bound, _ = ball.least(csr_array(c))
        corner, length = -0.5 * np.abs(c).sum(), -np.linalg.norm(c) * ball.radius
        assert 0.95 * max(corner, length) < bound[0] <= (c[0] @ (lowest(ball, c[0]) - 0.5)) + 1e-9


@pytest.mark.parametrize("centre", [0.0, 1 / 3, 1.0, 0.1 + 0.2])
@pytest.mark.parametrize("radius", [0.0, 1e-30, 0.1, 1 / 3, 5.0])
def test_ends_are_beyond_all_images_and_inside_the_bounds(radius, centre):
    ball = Ball(np.array([centre]), radius, 0.0, 1.0, np.inf)
    low, high = (Fraction(float(end[0])) for end in ball.ends)
    exact, far = Fraction(centre), Fraction(radius)
    assert 0 <= low <= max(exact - far, Fraction(0)) <= min(exact + far, Fraction(1)) <= high <= 1
    least, most = (Fraction(float(end[0])) for end in ball.room)
    assert -far <= least <= max(-far, -exact)
    assert min(far, 1 - exact) <= most <= far
    assert high - low <= 2 * far + Fraction(1, 2**50)


def test_rounding_down_and_up_is_by_one():
    values = np.array([1.0, -1.0, 0.0])
    assert (down(values) < values).all()
    assert (up(values) > values).all()
    assert np.nextafter(down(values), np.inf).tolist() == values.tolist()
    assert np.nextafter(up(values), -np.inf).tolist() == values.tolist()


def test_sums_of_rows_are_those_of_what_is_given():
    like = csr_array(np.array([[1.0, 0, 2], [0, 0, 0], [0, 3, 0]]))
    assert row_sums(np.array([5.0, 7.0, 11.0]), like).tolist() == [12.0, 0.0, 11.0]
