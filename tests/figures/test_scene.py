"""Laws of scenes: what is called exact is exact."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument, BadData
from featgeom.figures.frames import completed
from featgeom.figures.meshes import hull_mesh
from featgeom.figures.scene_of import VIEWS, most_confused, scene_of_run
from featgeom.figures.style import class_colours


def lifted(points, rank, d=3):
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    return np.pad(points[:, :rank], ((0, 0), (0, d - rank))) @ basis + 5.0


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_a_hull_mesh_is_the_hull_whatever_its_dimension(rank):
    points = lifted(np.random.default_rng(0).normal(size=(60, 3)), rank)
    vertices, triangles, edges = hull_mesh(points)
    assert {tuple(v) for v in vertices} <= {tuple(p) for p in points.astype(np.float32)}
    directions = np.random.default_rng(2).normal(size=(50, 3))
    reach = (points @ directions.T).max(axis=0)
    np.testing.assert_allclose((vertices @ directions.T).max(axis=0), reach, atol=1e-5)
    assert (len(triangles) > 0) == (rank >= 2)
    if rank == 3:
        assert len(vertices) - len(edges) + len(triangles) == 2
        a, b, c = vertices[triangles].astype(float).transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        outside = np.einsum("fi,nfi->nf", normals, points[:, None] - a)
        assert outside.max() < 1e-5


def test_in_the_decision_view_the_cell_of_a_shadow_is_the_winner_among_the_four(make_run):
    run = make_run(classes=7)
    scene = scene_of_run(run, "decision", [0, 2, 3, 6])
    part = run.features("test")
    inside = {}
    for surface in scene.surfaces:
        if surface.kind == "cell":
            a, b, c = surface.vertices[surface.triangles].astype(float).transpose(1, 0, 2)
            normals = np.cross(b - a, c - a)
            heights = np.einsum("fi,nfi->nf", normals, scene.samples.positions[:, None] - a)
            inside[surface.classes[0]] = heights.max(axis=1) <= 0
    logits = part.head.logits(part.features[scene.samples.rows])[:, [0, 2, 3, 6]]
    best = np.sort(logits, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-3
    assert clear.sum() > 50
    winner = np.array([0, 2, 3, 6])[logits.argmax(axis=1)]
    for c, found in inside.items():
        np.testing.assert_array_equal(found[clear], (winner == c)[clear])


def test_hulls_of_correct_features_lie_in_their_cells_in_the_decision_view(make_run):
    scene = scene_of_run(make_run(), "decision", [0, 1, 2, 3])
    cells = {s.classes[0]: s for s in scene.surfaces if s.kind == "cell"}
    hulls = [s for s in scene.surfaces if s.kind == "hull"]
    assert len(hulls) == 4
    for hull in hulls:
        cell = cells[hull.classes[0]]
        a, b, c = cell.vertices[cell.triangles].astype(float).transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        assert np.einsum("fi,nfi->nf", normals, hull.vertices[:, None] - a).max() < 1e-4


def test_every_point_of_a_slice_has_the_class_of_its_cell(make_run):
    run = make_run(classes=6)
    scene = scene_of_run(run, "slice")
    head = run.features("train").head
    z, labels = np.asarray(run.features("train").features, float), run.features("train").labels
    right = head.classify(z) == labels
    chosen = list(most_confused(run.features("test").labels, run.features("test").predictions, 6))
    means = np.array([z[right & (labels == c)].mean(axis=0) for c in chosen])
    sides, _ = np.linalg.qr((means[1:] - means[0]).T)
    signs = np.sign(np.einsum("ij,ji->i", means[1:] - means[0], sides))
    basis = (sides * signs).T
    cells = [s for s in scene.surfaces if s.kind == "cell"]
    assert len(cells) >= 4
    for cell in cells:
        inner = 0.9 * cell.vertices + 0.1 * cell.vertices.mean(axis=0)
        assert set(head.classify(means[0] + inner @ basis)) == {cell.classes[0]}


def test_flip_points_are_those_of_the_solver(make_run):
    run = make_run()
    samples = scene_of_run(run, "decision", [0, 1, 2, 3]).samples
    part = run.features("test")
    z = np.asarray(part.features[samples.rows], float)
    found = fg.flip_points(part.head, z)
    np.testing.assert_allclose(samples.distance, found.distance, rtol=1e-6)
    from featgeom.boundaries.views import decision_view

    shadow = decision_view(part.head, [0, 1, 2, 3]).project(found.point)
    np.testing.assert_allclose(samples.flips, shadow, atol=1e-4)


def test_a_frame_keeps_all_variance_of_three_dimensions_and_says_less_of_more(make_run):
    z = np.random.default_rng(0).normal(size=(100, 3))
    assert completed(z.mean(axis=0), np.zeros((0, 3)), [], z).share(z) == pytest.approx(1)
    frame = completed(np.zeros(5), np.ones((1, 5)), ["mine"], np.random.default_rng(1).normal(size=(50, 5)))
    np.testing.assert_allclose(frame.basis @ frame.basis.T, np.eye(3), atol=1e-12)
    scene = scene_of_run(make_run(), "pca")
    assert any("% of the variance" in note for note in scene.notes)


def test_colours_are_those_of_every_other_picture(make_run):
    scene = scene_of_run(make_run(classes=12), "decision")
    assert list(scene.colours) == class_colours(12)
    for surface in scene.surfaces:
        if surface.kind != "boundary":
            assert surface.colour == scene.colours[surface.classes[0]]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("classes", "d"), [(2, 2), (2, 1), (3, 2), (2, 8), (3, 8), (4, 3), (1000, 16)])
def test_every_view_of_every_shape_of_run(make_run, view, classes, d):
    scene = scene_of_run(make_run(classes=classes, d=d, n=40 if classes < 1000 else 3000), view)
    assert len(scene.chosen) >= 2
    assert len(scene.samples)
    assert all(np.isfinite(s.vertices).all() for s in scene.surfaces)
    assert (scene.window[0] < scene.window[1]).all()
    assert ("none" in scene.axes) == (d < 3)
    if view in ("decision", "slice"):
        assert any(s.kind == "cell" for s in scene.surfaces)


def test_classes_are_chosen_by_name_or_number(make_run):
    run = make_run(classes=3)
    assert scene_of_run(run, "decision", ["0", 2]).chosen == (0, 2)


@pytest.mark.parametrize(
    ("view", "classes", "message"),
    [
        ("sideways", None, "view 'sideways'"),
        ("decision", ["nobody", "0"], "class 'nobody'"),
        ("decision", [0], "takes 2 to 4"),
        ("decision", [0, 1, 2, 3, 4], "takes 2 to 4"),
        (np.ones((4, 8)), None, "directions"),
        (np.ones((2, 8)), None, "directions"),
        (np.ones((1, 3)), None, "dimension 8"),
    ],
)
def test_a_wrong_wish_is_one_clear_line(make_run, view, classes, message):
    with pytest.raises(BadArgument, match=message):
        scene_of_run(make_run(), view, classes)


def test_directions_of_ones_own(make_run):
    scene = scene_of_run(make_run(), np.eye(8)[:2])
    assert scene.axes == ("direction 1", "direction 2", "principal axis")


def test_classes_without_samples_are_said_to_be_so(make_run):
    run = make_run(classes=5, labels_train=np.zeros(200, int))
    with pytest.raises(BadData, match="no train sample of 1, 2"):
        scene_of_run(run, "decision", [1, 2])


def test_a_run_without_one_right_answer_still_shows_its_samples(make_run):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4))
    weight = rng.normal(size=(3, 4))
    labels = ((z @ weight.T).argmax(1) + 1) % 3
    arrays = {f"{k}_{s}": v for s in ("train", "test") for k, v in (("features", z), ("labels", labels))}
    run = make_run(d=4, weight=weight, bias=np.zeros(3), **arrays)
    scene = scene_of_run(run, "decision")
    assert not [s for s in scene.surfaces if s.kind == "hull"]
    assert scene.samples.wrong.all()
    with pytest.raises(BadData, match="correctly predicted"):
        scene_of_run(run, "slice")
