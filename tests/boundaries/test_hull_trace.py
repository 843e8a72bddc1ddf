"""Laws of the trace of a hull on a plane: inner ⊂ trace ⊂ outer, against the hull engine."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from featgeom import ConvexHull, Plane, Status, slice_hull
from featgeom.boundaries.section import Section
from featgeom.errors import BadArgument


def cloud(n, d, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, d))
    return points, Plane.from_directions(points.mean(axis=0), *rng.normal(size=(2, d)))


@pytest.mark.parametrize(("n", "d"), [(4, 3), (40, 2), (60, 3), (80, 5), (60, 8)])
def test_points_near_the_rim(n, d):
    points, plane = cloud(n, d)
    trace = slice_hull(points, plane, rtol=1e-3)
    assert trace.status is Status.SOLVED
    assert trace.certificate.check().tally == {"PROVED": len(trace.certificate)}
    assert trace.outer.buffer(1e-9).covers(trace.inner)
    assert shapely.hausdorff_distance(trace.inner, trace.outer) <= trace.gap * (1 + 1e-9)
    rng = np.random.default_rng(1)
    rim = shapely.get_coordinates(trace.inner)[:-1]
    middle = rim.mean(axis=0)
    t = rng.uniform(size=(20, 1))
    at = rng.integers(len(rim), size=20)
    edge = t * rim[at] + (1 - t) * rim[(at + 1) % len(rim)]
    hull = ConvexHull(points)
    inside = hull.contains(plane.lift(middle + (1 - 1e-6) * (edge - middle)))
    assert (inside.status == Status.INSIDE).all()
    outer = shapely.get_coordinates(trace.outer)[:-1]
    outside = hull.contains(plane.lift(middle + (1 + 1e-6) * (outer - middle)))
    assert (outside.status == Status.OUTSIDE).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_plane_through_three_points_holds_their_triangle(dtype):
    points = cloud(300, 30)[0].astype(dtype)
    plane = Plane.through(*points[:3].astype(float))
    trace = slice_hull(points, plane)
    triangle = shapely.Polygon(plane.drop(points[:3]))
    assert trace.outer.buffer(1e-9).covers(triangle)
    assert trace.inner.buffer(trace.gap + 1e-9).covers(triangle)


def test_adding_points_never_shrinks_the_trace():
    points, plane = cloud(100, 4)
    small, large = slice_hull(points[:60], plane), slice_hull(points, plane)
    assert large.outer.buffer(1e-9).covers(small.inner)


def test_scale_and_translation():
    points, plane = cloud(50, 4)
    for scale in (1e-6, 1e6):
        moved = Plane(scale * (plane.origin + 3), plane.basis)
        trace = slice_hull(scale * (points + 3), moved)
        assert trace.status is Status.SOLVED
        assert trace.inner.area / scale**2 == pytest.approx(slice_hull(points, plane).inner.area, rel=1e-2)


def test_a_hull_that_misses_the_plane():
    points, plane = cloud(50, 6)
    away = Plane(plane.origin + 100, plane.basis)
    trace = slice_hull(points, away)
    assert trace.status is Status.INFEASIBLE
    assert trace.inner.is_empty
    assert trace.outer.is_empty
    assert trace.certificate.check().tally == {"PROVED": 1}
    for change in (
        {"origin": plane.origin},
        {"reach": 1.0},
        {"offset": trace.certificate.offset * 1.01},
        {"normal": -trace.certificate.normal},
        {"basis": trace.certificate.basis * 2},
        {"points": trace.certificate.points + 100},
    ):
        assert replace(trace.certificate, **change).check().tally == {"REFUTED": 1}


@pytest.mark.parametrize(
    ("points", "kind"),
    [
        ([[0.0, 0, 1], [0, 0, -1], [0, 0, 3]], "Point"),
        ([[0.0, 0, 0]], "Point"),
        ([[0.0, 0, 1], [1, 0, -1], [0, 0, -1]], "LineString"),
        ([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]], "Polygon"),
    ],
)
def test_flat_traces(points, kind):
    trace = slice_hull(points, Plane(np.zeros(3), np.eye(3)[:2]))
    assert trace.status is Status.SOLVED
    assert trace.inner.simplify(1e-9).geom_type == kind
    assert trace.certificate.check().tally == {"PROVED": len(trace.certificate)}


def test_the_limit_is_told():
    points, plane = cloud(500, 3)
    trace = slice_hull(points, plane, rtol=1e-9, max_directions=6)
    assert trace.status is Status.ITERATION_LIMIT
    assert trace.gap > 1e-3


def test_tampering_is_refuted():
    points, plane = cloud(40, 3)
    claim = slice_hull(points, plane).certificate
    for change in (
        {"offsets": claim.offsets - 1e-6},
        {"places": claim.places * 1.001},
        {"errors": claim.errors * 0 - 1},
        {"weights": -1 * claim.weights},
        {"weights": claim.weights[:, :10]},
        {"normals": claim.normals * np.nan},
        {"points": claim.points + 5},
        {"origin": claim.origin - 1},
    ):
        assert (replace(claim, **change).check().status == Status.REFUTED).all()


def test_refusals():
    with pytest.raises(BadArgument, match="two dimensions"):
        slice_hull(np.eye(3), Plane(np.zeros(3), np.eye(3)))
    with pytest.raises(BadArgument, match="dimension 3"):
        slice_hull(np.eye(2), Plane(np.zeros(3), np.eye(3)[:2]))


def test_real_features(resnet20):
    cats = resnet20["features_train"][resnet20["y_train"] == 3]
    plane = Plane.through(*cats[:3].astype(float))
    trace = slice_hull(cats, plane)
    assert trace.status is Status.SOLVED
    assert trace.outer.buffer(1e-9).covers(shapely.Polygon(plane.drop(cats[:3])))
    middle = cats.astype(float).mean(axis=0)
    wide = slice_hull(cats, Plane.from_directions(middle, *(cats[:2].astype(float) - middle)), rtol=0.02)
    rim = shapely.get_coordinates(wide.inner)[:-1]
    edge = (rim + np.roll(rim, -1, axis=0)) / 2
    beyond = 1.0001 * shapely.get_coordinates(wide.outer)[:-1]  # the mean is the plane's origin
    hull, plane = ConvexHull(cats), wide.certificate
    lift = Plane(plane.origin, plane.basis).lift
    assert (hull.contains(lift(0.9999 * edge)).status == Status.INSIDE).all()
    assert (hull.contains(lift(beyond)).status == Status.OUTSIDE).all()


@pytest.mark.parametrize("pivots", [1, 3, 10, 30, 100, 300])
def test_whatever_the_work_allowed_the_trace_lies_between(pivots):
    points, plane = cloud(200, 8)
    whole, some = slice_hull(points, plane), slice_hull(points, plane, pivots=pivots)
    assert some.outer.buffer(1e-9).covers(whole.inner)
    assert some.inner.is_empty or whole.outer.buffer(1e-9).covers(some.inner)
    assert set(some.certificate.check().tally) <= {"PROVED"}
    if some.inner.is_empty:
        assert (some.status, some.gap) == (Status.ITERATION_LIMIT, np.inf)
    elif some.status is Status.ITERATION_LIMIT:
        assert some.gap >= whole.gap
        corners = shapely.points(shapely.get_coordinates(some.outer))
        assert shapely.distance(corners, some.inner).max() <= some.gap


def test_little_work_ends_early_and_much_work_ends_the_same():
    points, plane = cloud(200, 8)
    statuses = [slice_hull(points, plane, pivots=n).status for n in (1, 10**6)]
    assert statuses == [Status.ITERATION_LIMIT, Status.SOLVED]


def test_another_user_of_highs_in_the_process_does_no_harm():
    """A program with whole numbers makes HiGHS start its threads, of which it has one set for all."""
    import cvxpy as cp

    chosen = cp.Variable(3, boolean=True)
    cp.Problem(cp.Minimize(cp.sum(chosen)), [chosen @ [1, 2, 3] >= 4]).solve("HIGHS")
    z = np.random.default_rng(0).normal(size=(80, 3))
    trace = slice_hull(z, Plane.through(*z[:3]))
    assert set(trace.certificate.check().tally) == {"PROVED"}


def test_the_way_back_to_a_direction_is_short(rng):
    """From the basis of the nearest solved direction, the same direction again takes no pivot."""
    points = rng.normal(size=(800, 20))
    section = Section(points, Plane.through(*rng.normal(size=(3, 20)) * 0.1), 100_000)
    assert section.exclude() is None
    there, back = np.array([1.0, 0.0]), np.array([-1.0, 0.0])
    first = section.farthest(there)
    left = section.left
    section.farthest(back)
    assert left - section.left > 10
    left = section.left
    again = section.farthest(there)
    assert left - section.left == 1  # a look that finds nothing to do counts as one
    np.testing.assert_allclose(again.place, first.place)
