"""Laws of the neural-collapse measures."""

import numpy as np
import pytest
from scipy.optimize import nnls

import featgeom as fg
from featgeom.collapse import class_means, generalised_collapse
from featgeom.errors import BadArgument


def textbook(x, y, weight):
    """NC1 and NC3 written down as in the paper, with d × d matrices."""
    classes = np.unique(y)
    means = np.array([x[y == c].mean(0) for c in classes])
    centred = means - means.mean(0)
    within = sum(np.cov(x[y == c].T, bias=True) for c in classes) / len(classes)
    between = centred.T @ centred / len(classes)
    nc1 = np.trace(within @ np.linalg.pinv(between, rcond=1e-10, hermitian=True)) / len(classes)
    w = weight[classes]
    nc3 = ((w / np.linalg.norm(w) - centred / np.linalg.norm(centred)) ** 2).sum()
    return nc1, nc3


def sample(seed, n=300, d=7, classes=4, unbalanced=False):
    rng = np.random.default_rng(seed)
    share = np.arange(1, classes + 1) if unbalanced else np.ones(classes)
    y = np.concatenate([np.arange(classes), rng.choice(classes, n - classes, p=share / share.sum())])
    x = 2 * rng.normal(size=(classes, d))[y] + rng.normal(size=(n, d))
    return x, y, fg.AffineHead(rng.normal(size=(classes, d)), rng.normal(size=classes))


@pytest.mark.parametrize(("d", "classes"), [(7, 4), (2, 5), (1, 3), (12, 2)])
@pytest.mark.parametrize("unbalanced", [False, True])
def test_agrees_with_the_textbook(d, classes, unbalanced):
    x, y, head = sample(1, d=d, classes=classes, unbalanced=unbalanced)
    if d == 1:  # np.cov squeezes one dimension away
        x = np.hstack([x, np.zeros_like(x)])
        head = fg.AffineHead(np.hstack([head.weight, np.zeros_like(head.weight)]), head.bias)
    result = fg.neural_collapse(x, y, head)
    nc1, nc3 = textbook(x, y, head.weight)
    np.testing.assert_allclose([result.nc1, result.nc3], [nc1, nc3], rtol=1e-9)
    nearest = ((x[:, None] - result.means) ** 2).sum(2).argmin(1)
    assert result.nc4 == np.mean(nearest != head.classify(x))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_all_vanish_at_a_simplex(classes):
    corners = np.eye(classes) - 1 / classes
    y = np.repeat(np.arange(classes), 3)
    result = fg.neural_collapse(5 + 3 * corners[y], y, fg.AffineHead(2 * corners))
    measures = [
        result.nc1,
        result.nc2.norms,
        result.nc2.angles,
        result.nc2_head.norms,
        result.nc2_head.angles,
        result.nc3,
        result.nc4,
    ]
    np.testing.assert_allclose(measures, 0, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_moves_with_rotation_translation_and_scale(scale):
    x, y, head = sample(2)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(7, 7)))[0]
    shift = np.full(7, 0.5)
    moved = scale * (x + shift) @ turn.T
    weight = head.weight @ turn.T / scale
    moved_head = fg.AffineHead(weight, head.bias - head.weight @ shift)
    a, b = fg.neural_collapse(x, y, head), fg.neural_collapse(moved, y, moved_head)
    np.testing.assert_allclose(
        [b.nc1, b.nc2.norms, b.nc2.angles, b.nc3, b.nc4],
        [a.nc1, a.nc2.norms, a.nc2.angles, a.nc3, a.nc4],
        rtol=1e-9,
    )


def test_a_common_offset_does_not_invent_directions():
    x, y, head = sample(4, d=9, classes=3)
    far = fg.neural_collapse(x + 1e6, y, head)
    np.testing.assert_allclose(far.nc1, fg.neural_collapse(x, y, head).nc1, rtol=1e-6)


def test_a_missing_class_is_left_out():
    x, y, head = sample(5)
    present = y != 2
    result = fg.neural_collapse(x[present], y[present], head)
    assert result.classes.tolist() == [0, 1, 3]
    nc1, nc3 = textbook(x[present], y[present], head.weight)
    np.testing.assert_allclose([result.nc1, result.nc3], [nc1, nc3], rtol=1e-9)


def test_one_sample_a_class_has_no_spread_within():
    x, _, head = sample(6, n=4)
    result = fg.neural_collapse(x, np.arange(4), head)
    assert result.nc1 == 0
    assert result.counts.tolist() == [1, 1, 1, 1]


def test_constant_features_leave_everything_but_nc4_undefined():
    _, y, head = sample(7)
    result = fg.neural_collapse(np.full((len(y), 7), 0.3), y, head)
    assert [result.nc1, result.nc2.norms, result.nc2.angles, result.nc3] == [np.inf] * 4
    assert result.nc4 in (0.0, 1.0)


def test_one_class_leaves_all_but_nc4_undefined():
    x, _, head = sample(8)
    result = fg.neural_collapse(x, np.zeros(len(x), int), head)
    assert [result.nc1, result.nc2.norms, result.nc2.angles, result.nc3] == [np.inf] * 4
    assert result.nc4 == np.mean(head.classify(x) != 0)


def test_a_memory_map_in_blocks_gives_the_same(tmp_path, monkeypatch):
    x, y, head = sample(9)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole = fg.neural_collapse(np.asarray(mapped), y, head)
    from featgeom import arrays

    monkeypatch.setattr(arrays.blocks, "__defaults__", (7 * 4 * 11,))
    pieces = fg.neural_collapse(mapped, y, head)
    np.testing.assert_allclose([pieces.nc1, pieces.nc3], [whole.nc1, whole.nc3], rtol=1e-12)
    assert pieces.nc4 == whole.nc4


def test_refuses_what_does_not_fit():
    x, y, head = sample(10)
    with pytest.raises(BadArgument, match="dimension 7"):
        fg.neural_collapse(x[:, :3], y, head)
    with pytest.raises(BadArgument, match="out of range for 4 classes"):
        fg.neural_collapse(x, y + 1, head)


def test_resnet20_features(real_data):
    data = np.load(real_data / "features" / "resnet20.npz")
    x, y, w = data["features_train"], data["y_train"], data["fc_weight"]
    result = fg.neural_collapse(x, y, fg.AffineHead(w, data["fc_bias"]))
    nc1, nc3 = textbook(x.astype(float), y, w.astype(float))
    np.testing.assert_allclose([result.nc1, result.nc3], [nc1, nc3], rtol=1e-8)
    assert 0 < result.nc4 < 0.02


def polygon(classes, d=2):
    """Corners of a regular polygon in the first two of d dimensions."""
    turns = 2 * np.pi * np.arange(classes) / classes
    return np.stack([np.cos(turns), np.sin(turns), *np.zeros((d - 2, classes))], axis=1)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_directions_of_a_simplex_are_the_most_even(classes):
    corners = np.eye(classes) - 1 / classes
    found = generalised_collapse(7 + 3 * corners, 2 * corners)
    np.testing.assert_allclose([found.uniformity, found.one_vs_rest, found.duality], [0, 1, 0], atol=1e-12)
    rng = np.random.default_rng(classes)
    for d in (1, 2, classes + 3):
        other = generalised_collapse(rng.normal(size=(classes, d)), rng.normal(size=(classes, d)))
        assert other.uniformity >= -1e-12
        assert other.one_vs_rest <= 1 + 1e-12


def test_with_more_classes_than_a_simplex_takes_a_polygon_is_known():
    classes = 6
    found = generalised_collapse(4 * polygon(classes) + 1, polygon(classes))
    chords = np.sin(np.pi * np.arange(1, classes) / classes) * 2  # from one corner to the others
    assert found.uniformity == pytest.approx(np.log(np.sqrt(2 * classes / (classes - 1)) / chords).mean())
    alone = 1 - np.cos(2 * np.pi / classes)  # from a corner to the chord of its neighbours
    assert found.one_vs_rest == pytest.approx(alone * (classes - 1) / classes)
    assert found.duality == pytest.approx(0, abs=1e-12)
    assert (
        fg.neural_collapse(polygon(classes), np.arange(classes), fg.AffineHead(polygon(classes))).nc2.angles
        > 0.1
    )  # which no arrangement of six in a plane could make vanish


@pytest.mark.parametrize(("classes", "d"), [(3, 5), (10, 4), (12, 30)])
def test_directions_without_any_symmetry_are_as_defined(classes, d):
    rng = np.random.default_rng(classes)
    means, rows = rng.normal(size=(2, classes, d)) + 3
    unit = [(m - means.mean(axis=0)) / np.linalg.norm(m - means.mean(axis=0)) for m in means]
    apart = [np.linalg.norm(u - v) for i, u in enumerate(unit) for v in unit[:i]]
    least = np.log(np.sqrt((classes - 1) / (2 * classes)))
    heavy = 1e4  # of the row by which weights add up to 1
    alone = []
    for k in range(classes):
        others = np.array([unit[j] for j in range(classes) if j != k])
        wide = np.vstack([others.T, np.full(classes - 1, heavy)])
        weights = nnls(wide, np.append(unit[k], heavy))[0]
        alone.append(np.linalg.norm(weights / weights.sum() @ others - unit[k]))
    away = [np.linalg.norm(w / np.linalg.norm(w) - u) for w, u in zip(rows, unit, strict=True)]
    found = generalised_collapse(means, rows)
    assert found.uniformity == pytest.approx(np.mean(np.log(1 / np.array(apart))) - least)
    assert found.one_vs_rest == pytest.approx(min(alone) * (classes - 1) / classes, rel=1e-6)
    assert found.duality == pytest.approx(sum(away) / classes)
    assert min(alone) < 0.99 * np.mean(alone)
    assert max(away) > 1.01 * np.mean(away)


def test_directions_know_no_lengths_and_no_turns():
    rng = np.random.default_rng(0)
    x, rows = rng.normal(size=(2, 5, 8))
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    known = generalised_collapse(x, rows)
    moved = generalised_collapse(3 * x @ turn + 2, rows * rng.uniform(1, 9, (5, 1)) @ turn)
    np.testing.assert_allclose(list(vars(known).values()), list(vars(moved).values()), rtol=1e-9)
    unit = x - x.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    opposite = generalised_collapse(x, -unit)
    assert opposite.duality == pytest.approx(2)


@pytest.mark.parametrize("means", [np.zeros((3, 2)), [[1.0, 2.0]], np.full((4, 2), 1e8) + 1e-9])
def test_directions_of_means_that_have_none_are_undefined(means):
    found = generalised_collapse(means, np.ones((len(means), 2)))
    assert (found.uniformity, found.duality) == (np.inf, np.inf)
    assert np.isnan(found.one_vs_rest)


def test_two_means_in_one_direction_and_a_row_of_zeros():
    means = [[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0]]
    found = generalised_collapse(means, [[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    assert (found.uniformity, found.one_vs_rest, found.duality) == (np.inf, 0, np.inf)


def test_classes_that_are_known_already_are_not_asked_for_again(rng, monkeypatch):
    x, y = rng.normal(size=(60, 5)), rng.integers(3, size=60)
    head = fg.AffineHead(rng.normal(size=(3, 5)))
    found = fg.neural_collapse(x, y, head)
    known = head.logits(x).argmax(axis=1)
    monkeypatch.setattr(fg.AffineHead, "logits", None)
    assert fg.neural_collapse(x, y, head, known).nc4 == found.nc4 > 0
    assert fg.neural_collapse(x, y, head, y).nc4 != found.nc4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_that_are_known_change_nothing(dtype):
    x, y, head = sample(4)
    x, y = x.astype(dtype), np.where(y == 1, 0, y)  # one class has no sample
    means = class_means(x, y, head.classes)
    plain, found = fg.neural_collapse(x, y, head), fg.neural_collapse(x, y, head, means=means)
    assert [found.nc1, found.nc3, found.nc4] == [plain.nc1, plain.nc3, plain.nc4]
    x[5] = np.nan
    with pytest.raises(BadArgument, match="x: contains NaN"):
        fg.neural_collapse(x, y, head, means=class_means(x, y, head.classes))
