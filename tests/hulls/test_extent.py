"""Lengths of a hull: each certified, and equal to what a plain calculation on all points gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featgeom as fg
from featgeom.hulls import extent
from featgeom.status import Status

LAWS = settings(derandomize=True, deadline=None, max_examples=40)
CLOUDS = st.builds(
    lambda seed, n, d, grid: (
        (lambda r: r.integers(-3, 4, (n, d)).astype(float) if grid else r.normal(size=(n, d)))(
            np.random.default_rng(seed)
        )
    ),
    st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 6), st.booleans(),
)  # fmt: skip


@LAWS
@given(points=CLOUDS, seed=st.integers(0, 99))
def test_support_and_width(points, seed):
    directions = np.random.default_rng(seed).normal(size=(7, points.shape[1])) * 10.0 ** (seed % 7 - 3)
    hull = fg.ConvexHull(points)
    result = hull.support(directions)
    plain = points @ directions.T
    np.testing.assert_allclose(result.value, plain.max(axis=0), rtol=1e-12, atol=1e-12)
    assert (result.lower_bound <= result.upper_bound).all()
    assert result.certificate.check().tally == {"PROVED": 7}
    lengths = np.linalg.norm(directions, axis=1)
    np.testing.assert_allclose(hull.width(directions), np.ptp(plain, axis=0) / lengths, atol=1e-11)


@LAWS
@given(points=CLOUDS)
def test_diameter(points):
    result = fg.ConvexHull(points).diameter()
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert result.value == pytest.approx(apart.max(), rel=1e-12, abs=1e-300)
    assert apart[tuple(result.rows)] == pytest.approx(apart.max(), rel=1e-12)
    assert result.status is Status.SOLVED
    assert result.certificate.check().tally == {"PROVED": 1}


def test_a_diameter_of_too_many_pairs_is_an_interval(monkeypatch):
    monkeypatch.setattr(extent, "MOST_PAIRS", 10)
    points = np.random.default_rng(0).normal(size=(50, 4))
    result = fg.ConvexHull(points).diameter()
    assert result.status is Status.ITERATION_LIMIT
    true = max(np.linalg.norm(a - b) for a in points for b in points)
    assert result.lower_bound <= true <= result.value
    assert result.certificate.check().tally == {"PROVED": 1}


@LAWS
@given(points=CLOUDS)
def test_enclosing_ball(points):
    hull = fg.ConvexHull(points)
    ball = hull.enclosing_ball()
    assert ball.status is Status.SOLVED
    assert np.linalg.norm(points - ball.centre, axis=1).max() <= ball.radius * (1 + 1e-12)
    assert ball.radius - ball.lower_bound <= 1e-9 * ball.radius + 1e-12
    assert ball.certificate.check().tally == {"PROVED": 1}
    width, d = hull.diameter().value, points.shape[1]
    assert width / 2 - 1e-9 <= ball.radius <= width * np.sqrt(d / (2 * d + 2)) + 1e-9  # Jung's theorem


@pytest.mark.parametrize("d", [1, 2, 10, 40])
def test_ball_of_a_sphere_is_the_sphere(d):
    points = np.random.default_rng(d).normal(size=(2000, d))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    ball = fg.ConvexHull(np.vstack([points, -points]) * 3 + 5).enclosing_ball()
    assert ball.radius == pytest.approx(3, rel=1e-9)
    np.testing.assert_allclose(ball.centre, 5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_scale(scale):
    points = np.random.default_rng(0).normal(size=(70, 5))
    one, other = fg.ConvexHull(points), fg.ConvexHull(scale * points)
    assert other.diameter().value == pytest.approx(scale * one.diameter().value)
    assert other.enclosing_ball().radius == pytest.approx(scale * one.enclosing_ball().radius)


def test_a_ball_stopped_early_says_so():
    points = np.random.default_rng(1).normal(size=(3000, 30))
    ball = fg.ConvexHull(points).enclosing_ball(max_passes=2)
    assert ball.status is Status.ITERATION_LIMIT
    assert ball.certificate.check().tally == {"PROVED": 1}


def test_a_direction_of_length_zero_is_refused():
    with pytest.raises(fg.FeatgeomError, match="length"):
        fg.ConvexHull([[0.0, 1.0]]).support([[0.0, 0.0]])


def test_balls_of_mixed_scale():
    """Coordinates of which some are 1e60 times as large as others: a ball, with no step that has no size."""
    rng = np.random.default_rng(0)
    for _ in range(600):
        n, d = int(rng.integers(2, 13)), int(rng.integers(2, 5))
        points = rng.integers(-3, 4, (n, d)) * 10.0 ** rng.integers(-30, 30, d)
        ball = fg.ConvexHull(points).enclosing_ball()
        assert ball.status in (Status.SOLVED, Status.PRECISION_LIMIT)
        assert ball.lower_bound <= ball.radius
        assert ball.certificate.check().tally == {"PROVED": 1}
