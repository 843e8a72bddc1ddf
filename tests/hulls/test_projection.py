"""Laws of the projection on a hull, on every kind of point set that has ever broken a solver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featgeom as fg
from featgeom.hulls import projection
from featgeom.status import Status

LAWS = settings(derandomize=True, deadline=None, max_examples=25)

SHAPES = {
    "flat": lambda r: np.hstack([r.normal(size=(12, 2)), np.full((12, 3), 1.5)]),
    "duplicates": lambda r: np.repeat(r.normal(size=(4, 3)), 5, axis=0),
    "single": lambda r: r.normal(size=(1, 4)),
    "two": lambda r: r.normal(size=(2, 3)),
    "wide": lambda r: r.normal(size=(5, 30)),
    "many": lambda r: r.normal(size=(600, 3)),
    "collinear": lambda r: r.normal(size=(9, 1)) * r.normal(size=(1, 4)),
    "sphere": lambda r: (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))(r.normal(size=(80, 4))),
    "grid": lambda r: np.array(np.meshgrid(*[range(4)] * 3)).reshape(3, -1).T.astype(float),
    "line": lambda r: r.normal(size=(30, 1)),
    "constant": lambda r: np.ones((7, 2)),
    "far": lambda r: r.normal(size=(40, 3)) + 1e6,
}


def cloud(shape, seed):
    rng = np.random.default_rng(seed)
    return SHAPES[shape](rng), rng


def queries_for(points, rng):
    """Inside, on the boundary, at vertices, near and far outside."""
    n, d = points.shape
    inside = rng.dirichlet(np.ones(n), 3) @ points
    edges = (points[rng.integers(n, size=3)] + points[rng.integers(n, size=3)]) / 2
    spread = np.ptp(points) + 1
    around = points[rng.integers(n, size=3)] + spread * rng.normal(size=(3, d))
    return np.vstack([inside, edges, points[:3], around, points.mean(axis=0) + 1e3 * rng.normal(size=(1, d))])


def scale_of(points, queries):
    return np.ptp(np.vstack([points, queries]), axis=0).max() + 1e-300


def oracle_distance(points, query):
    """The distance by the formulation in cvxpy, in centred and scaled coordinates."""
    centre = points.mean(axis=0)
    scale = scale_of(points, query[None])
    x, q = (points - centre) / scale, (query - centre) / scale
    return scale * fg.formulations.projection(x, q).solve(solver="CLARABEL")


@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_are_consistent_and_proved(shape):
    points, rng = cloud(shape, 0)
    queries = queries_for(points, rng)
    result = fg.ConvexHull(points).project(queries, rtol=1e-9)
    scale = scale_of(points, queries)
    assert (result.status == Status.SOLVED).all()
    assert (result.lower_bound <= result.distance).all()
    assert (result.distance - result.lower_bound <= 1e-9 * result.distance + 1e-12 * scale).all()
    weights = result.weights.toarray()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-14)
    np.testing.assert_allclose(weights @ points, result.nearest, atol=1e-12 * scale + 1e-9 * (shape == "far"))
    assert result.certificate.check().tally == {"PROVED": len(queries)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_inner_products_kept_between_rounds_give_the_same(shape, seed, monkeypatch):
    points, rng = cloud(shape, seed)
    queries = queries_for(points, rng)
    hull = fg.ConvexHull(points)
    plain, member = hull.project(queries, rtol=1e-9), hull.contains(queries)
    monkeypatch.setattr(projection, "WIDE", 1)
    kept = hull.project(queries, rtol=1e-9)
    scale = scale_of(points, queries)
    assert (kept.status == Status.SOLVED).all()
    assert (kept.distance - kept.lower_bound <= 1e-9 * kept.distance + 1e-12 * scale).all()
    np.testing.assert_allclose(kept.distance, plain.distance, rtol=1e-9, atol=1e-12 * scale)
    assert kept.certificate.check().tally == {"PROVED": len(queries)}
    assert (hull.contains(queries).status == member.status).all()


@pytest.mark.parametrize("n", [3, 40, 9000])
def test_many_dimensions(n):
    rng = np.random.default_rng(n)
    d = 300
    points = np.maximum(rng.normal(size=(n, 40)) @ rng.normal(size=(40, d)), 0).astype(np.float32)
    queries = np.vstack(
        [
            np.maximum(rng.normal(size=(6, 40)) @ rng.normal(size=(40, d)), 0),
            rng.dirichlet(np.ones(3), 3) @ points[:3],
            points[:2],
            points.mean(axis=0) + 0.1 * rng.normal(size=(2, d)),
        ]
    )
    result = fg.ConvexHull(points).project(queries, rtol=1e-9)
    assert (result.status == Status.SOLVED).all()
    scale = scale_of(points, queries)
    assert (result.distance - result.lower_bound <= 1e-9 * result.distance + 1e-11 * scale).all()
    assert (result.distance[6:11] <= 1e-11 * scale).all()
    assert result.certificate.check().tally == {"PROVED": len(queries)}


@pytest.mark.parametrize("seed", range(17))
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_cvxpy(shape, seed):
    points, rng = cloud(shape, seed)
    queries = queries_for(points, rng)
    query = queries[seed % len(queries)]
    found = fg.ConvexHull(points).project(query[None]).distance[0]
    assert found == pytest.approx(oracle_distance(points, query), abs=2e-6 * scale_of(points, query[None]))


@LAWS
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(sorted(SHAPES)))
def test_idempotence(seed, shape):
    points, rng = cloud(shape, seed)
    hull = fg.ConvexHull(points)
    queries = queries_for(points, rng)
    nearest = hull.project(queries, rtol=1e-9).nearest
    again = hull.project(nearest)
    assert (again.distance <= 1e-9 * scale_of(points, queries)).all()


@LAWS
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(sorted(SHAPES)))
def test_translation_and_rotation_move_results_along(seed, shape):
    points, rng = cloud(shape, seed)
    queries = queries_for(points, rng)
    turn = np.linalg.qr(rng.normal(size=(points.shape[1],) * 2))[0]
    shift = rng.normal(size=points.shape[1])
    one = fg.ConvexHull(points).project(queries, rtol=1e-9)
    two = fg.ConvexHull(points @ turn + shift).project(queries @ turn + shift, rtol=1e-9)
    scale = scale_of(points, queries) + 1e3 * (np.abs(points).max() > 1e5)
    np.testing.assert_allclose(one.distance, two.distance, atol=1e-8 * scale)
    np.testing.assert_allclose(one.nearest @ turn + shift, two.nearest, atol=1e-5 * scale)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("power", [-40, -20, -1, 20, 40])
def test_scaling_by_a_power_of_two_is_exact(shape, power):
    points, rng = cloud(shape, 3)
    queries = queries_for(points, rng)
    one = fg.ConvexHull(points).project(queries)
    two = fg.ConvexHull(points * 2.0**power).project(queries * 2.0**power)
    np.testing.assert_allclose(one.distance * 2.0**power, two.distance, rtol=1e-13)
    assert (one.weights != two.weights).nnz == 0


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale(scale, dtype):
    rng = np.random.default_rng(5)
    points, queries = rng.normal(size=(500, 8)), rng.normal(size=(10, 8)) * 2
    one = fg.ConvexHull(points).project(queries)
    two = fg.ConvexHull((scale * points).astype(dtype)).project((scale * queries).astype(dtype))
    assert (two.status == Status.SOLVED).all()
    np.testing.assert_allclose(scale * one.distance, two.distance, rtol=1e-5)


@LAWS
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(sorted(SHAPES)))
def test_more_points_never_increase_a_distance(seed, shape):
    points, rng = cloud(shape, seed)
    queries = queries_for(points, rng)
    extra = points[rng.integers(len(points), size=4)] + rng.normal(size=(4, points.shape[1]))
    few = fg.ConvexHull(points).project(queries)
    more = fg.ConvexHull(np.vstack([points, extra])).project(queries)
    assert (more.lower_bound <= few.distance).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_distance_is_zero_if_and_only_if_not_outside(shape):
    points, rng = cloud(shape, 7)
    queries = queries_for(points, rng)
    hull = fg.ConvexHull(points)
    distance, status = hull.project(queries, rtol=1e-9).distance, hull.contains(queries).status
    far = distance > 1e-11 * scale_of(points, queries)
    assert (status[far] == Status.OUTSIDE).all()
    assert (distance[status == Status.OUTSIDE] > 0).all()


def test_published_oracle():
    rng = np.random.RandomState(1)
    points = rng.randn(50000, 64)
    query = rng.randn(64) + 1
    result = fg.ConvexHull(points).project(query[None])
    assert result.distance[0] == pytest.approx(8.26828238, abs=5e-9)
    assert result.weights.nnz == 22
    assert result.status[0] is Status.SOLVED
    assert np.linalg.norm(points - query, axis=1).min() == pytest.approx(10.4043, abs=1e-4)


def test_thinned_start_changes_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    points, queries = rng.normal(size=(3000, 12)), 2 * rng.normal(size=(30, 12))
    direct = fg.ConvexHull(points).project(queries)
    monkeypatch.setattr(projection, "COARSE", 10)
    thinned = fg.ConvexHull(points).project(queries)
    np.testing.assert_allclose(direct.distance, thinned.distance, rtol=1e-6)
    own_direct = fg.ConvexHull(points).extreme_points()
    monkeypatch.setattr(projection, "COARSE", 10**9)
    own_thinned = fg.ConvexHull(points).extreme_points()
    assert (own_direct.mask == own_thinned.mask).all()


@pytest.mark.parametrize("passes", [1, 2])
def test_an_iteration_limit_is_said_and_its_bounds_hold(passes):
    rng = np.random.default_rng(9)
    points, queries = rng.normal(size=(600, 20)), 0.8 * rng.normal(size=(20, 20))
    hull = fg.ConvexHull(points)
    exact = hull.project(queries, rtol=1e-10)
    short = hull.project(queries, rtol=1e-10, max_passes=passes)
    assert (short.status == Status.ITERATION_LIMIT).any()
    assert (short.lower_bound <= exact.distance).all()
    assert (short.distance >= exact.lower_bound).all()
    assert short.certificate.check().tally == {"PROVED": 20}


def test_precision_limit_is_said():
    points = np.random.default_rng(0).normal(size=(50, 3))
    result = fg.ConvexHull(points).project(2 + points[:5], rtol=0, atol=0)
    assert set(result.status) <= {Status.PRECISION_LIMIT, Status.SOLVED}
    assert Status.PRECISION_LIMIT in result.status
    assert (result.distance - result.lower_bound <= 1e-12).all()
    assert result.certificate.check().tally == {"PROVED": 5}


def test_batches_and_memory_setting_change_nothing():
    rng = np.random.default_rng(4)
    points, queries = rng.normal(size=(20000, 20)).astype(np.float32), 2 * rng.normal(size=(300, 20))
    roomy = fg.ConvexHull(points).project(queries)
    tight = fg.ConvexHull(points, memory=1 << 20).project(queries)
    np.testing.assert_allclose(roomy.distance, tight.distance, rtol=1e-6)
    assert (tight.distance - tight.lower_bound <= 1e-6 * tight.distance).all()


@pytest.mark.parametrize("n", [900, 9_000])
def test_working_sets_that_outgrow_their_room_lose_nothing(n, monkeypatch):
    """Of queries that are done nothing is kept, but between the thinned hull and the whole one."""
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(n, 300)) + np.linspace(0, 3, n)[:, None] % 0.7).astype(np.float32)
    queries = np.vstack([rng.normal(size=(30, 300)), 3 * rng.normal(size=(3, 300)), points[:3] + 0.1])
    monkeypatch.setattr(projection, "ADD", 4)
    monkeypatch.setattr(projection, "SPARE", 8)
    plenty = fg.ConvexHull(points).project(queries, rtol=1e-9)
    monkeypatch.setattr(projection, "ROOM", 1)
    grown = []
    reserve = projection._Working.reserve

    def told(work, todo):
        before = work.packed
        reserve(work, todo)
        if work.packed is not before:
            grown.append((work.aiming, len(work.packed)))

    monkeypatch.setattr(projection._Working, "reserve", told)
    found = fg.ConvexHull(points).project(queries, rtol=1e-9)
    assert len(grown) > 1
    assert all(rows == len(queries) for aiming, rows in grown if aiming)
    np.testing.assert_allclose(found.distance, plenty.distance, rtol=1e-8)
    assert found.stats.passes <= plenty.stats.passes + 1  # nothing is looked for anew
    assert found.certificate.check().tally == {"PROVED": len(queries)}
