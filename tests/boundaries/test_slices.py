"""Laws of slices: polygons that tile the window and agree with exact arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from featgeom import AffineHead, Plane, Status, slice_cells
from featgeom.errors import BadArgument

FLAT = Plane(np.zeros(2), np.eye(2))


def sites(points):
    """A head whose cells are the Voronoi cells of points in the plane."""
    points = np.asarray(points, float)
    return AffineHead(points, -0.5 * (points**2).sum(axis=1))


def random_case(classes, dimension, seed):
    rng = np.random.default_rng(seed)
    head = AffineHead(rng.normal(size=(classes, dimension)), rng.normal(size=classes))
    return head, Plane.through(*rng.normal(size=(3, dimension))), (-9.0, -7.0, 8.0, 10.0)


grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
CASES = {
    "two classes": random_case(2, 2, 0),
    "three classes in 2-D": random_case(3, 2, 1),
    "ten classes": random_case(10, 64, 2),
    "200 classes": random_case(200, 5, 3),
    "many visible": (sites(np.random.default_rng(4).uniform(-3, 3, (300, 2))), FLAT, (-3, -3, 3, 3)),
    "square lattice": (sites(grid), FLAT, (-1, -1, 5, 5)),
    "square lattice cut through its corners": (sites(grid), FLAT, (0.5, 0.5, 3.5, 3.5)),
    "cocircular": (sites(np.stack([np.cos(turn), np.sin(turn)], 1)), FLAT, (-2, -2, 2, 2)),
    "parallel": (
        AffineHead([[k, 0.0] for k in range(6)], [-k * k / 2 for k in range(6)]),
        FLAT,
        (-1, 0, 6, 1),
    ),
    "collinear sites": (sites([[k, k / 3] for k in range(7)]), FLAT, (-1, -1, 6, 3)),
    "tiny window": (sites(grid), FLAT, (0.5 - 1e-9, 0.5 - 1e-9, 0.5 + 2e-9, 0.5 + 1e-9)),
    "large numbers": (sites(1e6 * grid), FLAT, (-1e6, -1e6, 5e6, 5e6)),
    "small numbers": (sites(1e-6 * grid), FLAT, (-1e-6, -1e-6, 5e-6, 5e-6)),
    "boundary along the side": (AffineHead([[1.0, 0], [-1, 0]]), FLAT, (0, -1, 1, 1)),
    "thin window": (sites(grid), FLAT, (-1, 1, 5, 1.001)),
}


@pytest.mark.parametrize("name", CASES)
def test_tiles_convex_and_agrees_with_argmax(name):
    head, plane, window = CASES[name]
    part = slice_cells(head, plane, window)
    shapes = list(part.polygons.values())
    box = shapely.box(*window)
    assert sum(p.area for p in shapes) == pytest.approx(box.area, rel=1e-12)
    assert shapely.coverage_is_valid(shapes)
    for p in shapes:
        assert p.is_valid
        assert p.exterior.is_ccw
        assert p.convex_hull.area - p.area <= 1e-12 * box.area
    assert part.certificate.check().tally == {"PROVED": 1}

    rng = np.random.default_rng(0)
    low, high = np.array(window[:2]), np.array(window[2:])
    uv = rng.uniform(low, high, (100_000, 2))
    logits = head.logits(plane.lift(uv))
    top = np.sort(logits, axis=1)[:, -2:]
    clear = top[:, 1] - top[:, 0] > 4 * part.error
    assert clear.mean() > 0.9 or name == "tiny window"
    tree = shapely.STRtree(shapes)
    at, which = tree.query(shapely.points(uv[clear]), predicate="intersects")
    names = np.array(list(part.polygons))
    assert len(set(at)) == clear.sum()
    assert (names[which] == logits[clear].argmax(axis=1)[at]).all()


@pytest.mark.parametrize("name", CASES)
def test_graph_is_the_contact_of_polygons(name):
    head, plane, window = CASES[name]
    part = slice_cells(head, plane, window)
    assert set(part.graph) == set(part.polygons)
    for a, b, edge in part.graph.edges(data=True):
        shared = part.polygons[a].intersection(part.polygons[b])
        assert shared.length == pytest.approx(edge["length"], rel=1e-6, abs=1e-9 * max(window))
        assert shared.area == 0
        ends = head.logits(plane.lift(edge["ends"]))
        assert np.abs(ends[:, a] - ends[:, b]).max() <= 4 * part.error
    if len(part.polygons) < 40:
        for a in part.graph:
            for b in part.graph:
                if a < b and not part.graph.has_edge(a, b):
                    assert part.polygons[a].intersection(part.polygons[b]).length == 0


def test_equal_rows_and_a_plane_inside_a_boundary():
    head = AffineHead([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 7]])
    part = slice_cells(head, FLAT_IN_3D, (-1, -1, 1, 1))
    assert sorted(part.polygons) == [0, 1]
    assert part.tied == {0: (2, 3)}  # 2 has the row of 0; 3 ties with both everywhere on this plane


FLAT_IN_3D = Plane(np.zeros(3), np.eye(3)[:2])


def test_a_plane_inside_every_boundary_has_one_cell():
    head = AffineHead([[0.0, 0, 1], [0, 0, -1], [0, 0, 5]])
    part = slice_cells(head, FLAT_IN_3D, (-1, -1, 1, 1))
    assert part.polygons[0].equals(shapely.box(-1, -1, 1, 1))
    assert part.tied == {0: (1, 2)}


def test_a_class_that_only_touches_has_no_polygon():
    head = AffineHead([[-1.0, 0], [0, 0], [1, 0]])
    assert sorted(slice_cells(head, FLAT, (-1, -1, 1, 1)).polygons) == [0, 2]


def test_planes():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 7))
    plane = Plane.through(a, b, c)
    np.testing.assert_allclose(plane.basis @ plane.basis.T, np.eye(2), atol=1e-15)
    at = plane.drop([a, b, c])
    np.testing.assert_allclose(plane.lift(at), [a, b, c], atol=1e-13)
    np.testing.assert_allclose(plane.distance([a, b, c]), 0, atol=1e-13)
    assert np.linalg.norm(at[1] - at[2]) == pytest.approx(np.linalg.norm(b - c))
    assert at[1, 1] == pytest.approx(0, abs=1e-14)
    assert at[2, 1] > 0
    solid = Plane.through(a, b, c, rng.normal(size=7))
    assert solid.dimension == 3
    np.testing.assert_allclose(solid.basis[:2], plane.basis)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Plane.through([0, 0], [1, 1], [2, 2]), "lie on a line"),
        (lambda: Plane.through([0, 0], [0, 0], [2, 2]), "lie on a line"),
        (lambda: Plane.through([0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]), "lie on a plane"),
        (lambda: Plane.through([0, 0], [1, 1]), "three points"),
        (lambda: Plane.from_directions([0, 0], [0, 0], [1, 0]), "zero or depend"),
        (lambda: slice_cells(AffineHead(np.eye(2)), FLAT, (0, 0, 0, 1)), "lower corner"),
        (lambda: slice_cells(AffineHead(np.eye(3)), Plane(np.zeros(3), np.eye(3)), (0, 0, 1, 1)), "3d"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(BadArgument, match=message):
        call()


def test_tampering_is_refuted():
    head, plane, window = CASES["ten classes"]
    claim = slice_cells(head, plane, window).certificate
    last = len(claim) - 1
    moved = claim.points.copy()
    inner = ((moved > [-9, -7]) & (moved < [8, 10])).all(axis=1)
    moved[np.flatnonzero(inner)[0]] += 1e-7
    for change, refuted in (
        ({"points": moved}, last),
        ({"points": np.concatenate([claim.points[:-1], claim.points[:1]])}, last),
        ({"window": claim.window * 2}, last),
        ({"error": claim.error * 1e-6 - 1e-9}, 0),
        ({"classes": (claim.classes + 1) % 10}, 0),
        ({"classes": claim.classes + 10}, 0),
        ({"first": claim.first[:-1]}, 0),
        ({"basis": claim.basis[::-1]}, 0),
        ({"bias": claim.bias + np.arange(10.0)}, 0),
    ):
        assert replace(claim, **change).check().status[refuted] is Status.REFUTED
    # leaving out a polygon leaves a gap; naming one twice overlaps
    keep = claim.first[:-1]
    missing = replace(
        claim, classes=claim.classes[:-1], first=claim.first[:-1], points=claim.points[: claim.first[-2]]
    )
    assert missing.check().status[-1] is Status.REFUTED
    twice = replace(
        claim,
        classes=np.append(claim.classes, claim.classes[0]),
        first=np.append(claim.first, claim.first[-1] + claim.first[1]),
        points=np.concatenate([claim.points, claim.points[: claim.first[1]]]),
    )
    assert len(keep) == len(claim.classes)
    assert twice.check().status[-1] is Status.REFUTED


def test_real_features(resnet20, resnet20_head):
    z, y = resnet20["features_test"].astype(float), resnet20["y_test"]
    plane = Plane.through(*(z[y == k][0] for k in (3, 5, 8)))
    corners = z[[np.flatnonzero(y == k)[0] for k in (3, 5, 8)]]
    part = slice_cells(resnet20_head, plane, plane.window(corners))
    assert {3, 5, 8} <= set(part.polygons)
    assert part.certificate.check().tally == {"PROVED": len(part.certificate)}
    for k, uv in zip(resnet20_head.classify(corners), plane.drop(corners)):
        assert part.polygons[int(k)].covers(shapely.Point(uv))


def test_polygons_of_rows_that_agree_to_rounding_do_not_overlap():
    head = AffineHead(
        [
            [2.00000000000004, -0.9999999999999721],
            [3.0000000000001155, -3.0000000000001843],
            [1.9999999999998006, -0.9999999999999853],
        ],
        [-1.0087593328411e-13, -0.9999999999998623, 3.7892104567675096e-14],
    )
    part = slice_cells(head, Plane(np.array([-1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]])), (-3, -1, 2, 2))
    assert sum(p.area for p in part.polygons.values()) == pytest.approx(15, rel=1e-12)
    assert part.certificate.check().tally == {"PROVED": 1}
    assert part.status is Status.SOLVED


def test_nearly_equal_rows_tile_the_window_or_say_that_they_do_not():
    """Rows that agree to 1e-13: what is SOLVED tiles the window, by the exact check."""
    rng = np.random.default_rng(0)
    solved = 0
    for _ in range(150):
        classes = int(rng.integers(2, 6))
        rows = rng.integers(-3, 4, (2, 2))[rng.integers(0, 2, classes)]
        noise = 1e-13 * rng.normal(size=(classes, 3))
        head = AffineHead(rows + noise[:, :2], rng.integers(-1, 2, classes) + noise[:, 2])
        part = slice_cells(head, FLAT, (-3, -1, 2, 2))
        if part.status is Status.SOLVED:
            solved += 1
            assert part.certificate.check().tally == {"PROVED": 1}
            assert sum(p.area for p in part.polygons.values()) == pytest.approx(15, rel=1e-12)
    assert solved > 140
