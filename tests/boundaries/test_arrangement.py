"""Laws of arrangements, 3-D slices and decision-exact views."""

import numpy as np
import pytest
import shapely

from featgeom import AffineHead, Plane, arrangement, decision_view, slice_cells, slice_cells_3d
from featgeom.errors import BadArgument, Unsupported

FLAT = Plane(np.zeros(2), np.eye(2))
WINDOW = (-3.0, -2.0, 2.5, 3.0)
rng = np.random.default_rng(0)
HEADS = {
    "two": AffineHead(rng.normal(size=(2, 2))),
    "five": AffineHead(rng.normal(size=(5, 2)), rng.normal(size=5)),
    "nine": AffineHead(rng.normal(size=(9, 2)), rng.normal(size=9)),
    "concurrent": AffineHead(rng.normal(size=(6, 2))),  # every line passes through the origin
    "parallel": AffineHead([[k, 0.0] for k in range(4)], [-0.3 * k * k for k in range(4)]),
    "equal rows": AffineHead([[1.0, 0], [0, 1], [1, 0], [1, 0]], [0.0, 0, 0, 0.5]),
}


@pytest.mark.parametrize("name", HEADS)
def test_faces_tile_and_order(name):
    head = HEADS[name]
    cut = arrangement(head, FLAT, WINDOW)
    assert sum(f.area for f in cut.faces) == pytest.approx(shapely.box(*WINDOW).area)
    assert shapely.coverage_is_valid(cut.faces)
    assert len({tuple(o) for o in cut.orderings.tolist()}) == len(cut.faces)
    points = rng.uniform(WINDOW[:2], WINDOW[2:], (5000, 2))
    at, face = shapely.STRtree(cut.faces).query(shapely.points(points), predicate="intersects")
    assert set(at) == set(range(5000))
    ranked = np.take_along_axis(head.logits(points[at]), cut.orderings[face], 1)
    assert (np.diff(ranked, axis=1) <= cut.error).all()


@pytest.mark.parametrize("name", HEADS)
def test_neighbours_differ_by_what_their_line_says(name):
    head = HEADS[name]
    cut = arrangement(head, FLAT, WINDOW)
    for a, b, edge in cut.graph.edges(data=True):
        shared = cut.faces[a].intersection(cut.faces[b])
        assert shared.length > 0
        middle = shapely.get_coordinates(shared).mean(axis=0)
        logits = head.logits(middle[None])[0]
        assert edge["swaps"]
        assert all(abs(logits[i] - logits[j]) < 1e-9 for i, j in edge["swaps"])
    for a in cut.graph:
        for b in cut.graph:
            if a < b and not cut.graph.has_edge(a, b):
                assert cut.faces[a].intersection(cut.faces[b]).length == 0


def test_count_of_faces_in_general_position():
    """Lines and the crossings in the window fix the number of faces (Euler)."""
    head = HEADS["nine"]
    cut = arrangement(head, FLAT, WINDOW)
    lines = list(cut.lines.values())
    crossings = set()
    for i, p in enumerate(lines):
        for q in lines[:i]:
            if p.crosses(q):
                crossings.add(tuple(np.round(shapely.get_coordinates(p.intersection(q))[0], 8)))
    through = sum(sum(p.distance(shapely.Point(c)) < 1e-7 for p in lines) - 1 for c in crossings)
    assert len(cut.faces) == 1 + len(lines) + through


def test_the_first_class_of_a_face_is_its_cell():
    head = HEADS["nine"]
    cut, cells = arrangement(head, FLAT, WINDOW), slice_cells(head, FLAT, WINDOW)
    for k, polygon in cells.polygons.items():
        own = shapely.union_all([f for f, o in zip(cut.faces, cut.orderings) if o[0] == k])
        assert own.symmetric_difference(polygon).area < 1e-9


def test_arrangement_refuses_many_classes():
    with pytest.raises(Unsupported, match="24 at most"):
        arrangement(AffineHead(np.eye(30)), Plane(np.zeros(30), np.eye(30)[:2]), WINDOW)


grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), -1).reshape(-1, 3)
SOLIDS = {
    "random": AffineHead(rng.normal(size=(12, 3)), rng.normal(size=12)),
    "lattice": AffineHead(grid, -0.5 * (grid**2).sum(axis=1)),
    "prisms": AffineHead(np.c_[rng.normal(size=(5, 2)), np.zeros(5)], rng.normal(size=5)),
    "equal rows": AffineHead([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]]),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_tile_and_agree_with_argmax(name):
    head = SOLIDS[name]
    box = (-0.9, -1.1, -0.8, 2.8, 2.9, 3.1)
    part = slice_cells_3d(head, Plane(np.zeros(3), np.eye(3)), box)
    size = np.prod(np.array(box[3:]) - np.array(box[:3]))
    assert sum(s.volume for s in part.solids.values()) == pytest.approx(size, rel=1e-9)
    points = rng.uniform(box[:3], box[3:], (3000, 3))
    logits = head.logits(points)
    top = np.sort(logits, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-6
    winner = logits.argmax(axis=1)
    for c, solid in part.solids.items():
        used = np.unique(np.concatenate(solid.faces))
        assert len(used) == len(solid.vertices)
        edges = sum(len(f) for f in solid.faces) / 2
        assert len(used) - edges + len(solid.faces) == 2  # Euler
        corner = head.logits(solid.vertices)
        assert (corner.max(axis=1) - corner[:, c]).max() <= part.error
        inside = np.ones(len(points), bool)
        for ring in solid.faces:
            p = solid.vertices[ring]
            outward = np.cross(p[1] - p[0], p[2] - p[0])
            inside &= (points - p[0]) @ outward <= 0
        assert (inside == (winner == c))[clear].all()
    for a, b, edge in part.graph.edges(data=True):
        assert edge["area"] > 0
        assert b in part.solids[a].across
        assert a in part.solids[b].across


def test_a_solid_slice_contains_the_plane_slice():
    head = AffineHead(rng.normal(size=(8, 6)), rng.normal(size=8))
    four = rng.normal(size=(4, 6))
    solid = slice_cells_3d(head, Plane.through(*four), (-4, -4, -1, 4, 4, 1))
    flat = slice_cells(head, Plane.through(*four[:3]), (-4, -4, 4, 4))
    assert set(flat.polygons) <= set(solid.solids)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_view_decides_exactly_among_its_classes(k):
    head = AffineHead(rng.normal(size=(10, 30)), rng.normal(size=10))
    classes = rng.permutation(10)[:k]
    view = decision_view(head, classes)
    assert view.basis.shape == (k - 1, 30)
    z = 10 * rng.normal(size=(500, 30))
    full = head.logits(z)[:, classes]
    seen = view.head.logits(view.project(z))
    wanted = full - full.mean(axis=1, keepdims=True)
    assert (np.abs(seen - wanted) <= view.error * np.linalg.norm(z, axis=1)[:, None] + 1e-12).all()
    # what lies across the view changes nothing
    moved = z + rng.normal(size=z.shape) @ (np.eye(30) - view.basis.T @ view.basis)
    np.testing.assert_allclose(view.head.logits(view.project(moved)), seen, atol=1e-10)


def test_views_of_dependent_classes():
    head = AffineHead([[1.0, 0, 0], [2, 0, 0], [3, 0, 0], [3, 0, 0]])
    assert decision_view(head, [0, 1, 2]).basis.shape == (1, 3)
    with pytest.raises(BadArgument, match="rows are equal"):
        decision_view(head, [2, 3])
    with pytest.raises(BadArgument, match="at most four"):
        decision_view(AffineHead(np.eye(5)), [0, 1, 2, 3, 4])
