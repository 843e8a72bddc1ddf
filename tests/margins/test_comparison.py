"""Laws of the comparison of head and machine, and the first paper's own network as it stands."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.margins import comparison
from featgeom.margins.comparison import one_row_a_class


def sample(seed, classes, n=60, d=3):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    return 6 * np.eye(classes, d)[y] + 0.4 * rng.normal(size=(n, d)), y


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("bias", ["standard", "augmented"])
def test_a_head_that_is_the_machine(classes, bias):
    x, y = sample(1, classes)
    svm = fg.max_margin(x, y, bias=bias)
    head = one_row_a_class(svm)
    # Neither a common factor nor a common part of all rows changes what a head decides.
    same = fg.AffineHead(7 * head.weight + 3.0, 7 * head.bias - 2.0)
    result = fg.compare_head(same, svm, x, y)
    np.testing.assert_allclose(result.angle, 0, atol=1e-6)
    np.testing.assert_allclose([result.overall_angle, result.overall_margin_ratio], [0, 1], atol=1e-6)
    np.testing.assert_allclose(result.margin_ratio, 1, rtol=1e-9)
    np.testing.assert_allclose(result.head.position, result.svm.position, rtol=1e-9)
    assert result.sample_agreement == result.domain_agreement == 1
    assert result.domain_interval[0] > 0.999
    assert result.support_overlap == 1


def test_the_machine_of_two_classes_lies_halfway_and_no_head_has_more_margin():
    x, y = sample(2, 2)
    svm = fg.max_margin(x, y)
    rng = np.random.default_rng(0)
    for _ in range(20):
        result = fg.compare_head(fg.AffineHead(rng.normal(size=(2, 3)), rng.normal(size=2)), svm, x, y)
        np.testing.assert_allclose(result.svm.position, 0.5, atol=1e-9)
        assert result.margin_ratio[0] <= 1 + 1e-9


def test_no_head_beats_the_machine_of_many_classes():
    x, y = sample(3, 3)
    svm = fg.max_margin(x, y)
    rng = np.random.default_rng(0)
    base = one_row_a_class(svm)
    for size in (1e-3, 0.1, 1.0):
        noise = size * rng.normal(size=(3, 3)), size * rng.normal(size=3)
        head = fg.AffineHead(base.weight + noise[0], base.bias + noise[1])
        assert fg.compare_head(head, svm, x, y).overall_margin_ratio <= 1 + 1e-9


def test_several_machines_are_compared_on_one_draw_of_points(monkeypatch):
    """Which takes longer than all else, where it is made for each of many machines in many dimensions."""
    asked, rng = [], np.random.default_rng(0)
    head = fg.AffineHead(rng.normal(size=(3, 4)), rng.normal(size=3))
    for seed, classes, bias in ((4, 2, "standard"), (4, 2, "augmented"), (5, 3, "standard")):
        x, y = sample(seed, classes, d=4)
        asked.append((fg.max_margin(x, y, bias=bias), x, y))
    alone = [fg.compare_head(head, svm, x, y, seed=3, points=2000) for svm, x, y in asked]
    for (svm, x, _), found in zip(asked, alone, strict=True):
        drawn = np.random.default_rng(3).uniform(x.min(axis=0), x.max(axis=0), (2000, 4))
        mine = fg.AffineHead(head.weight[svm.classes], head.bias[svm.classes])
        same = mine.classify(drawn) == one_row_a_class(svm).classify(drawn)
        assert found.domain_agreement == same.mean()
    drawn, made = [], np.random.default_rng

    class Counted:
        def __init__(self, seed):
            self.rng = made(seed)

        def random(self, shape):
            drawn.append(shape[0])
            return self.rng.random(shape)

    monkeypatch.setattr(np.random, "default_rng", Counted)
    monkeypatch.setattr(comparison, "ENTRIES", 4 * 700)  # held at a time
    together = comparison.compare_heads(head, asked, seed=3, points=2000)
    assert (sum(drawn), max(drawn) < 700) == (2000, True)
    for found, other in zip(together, alone, strict=True):
        assert found.domain_agreement == other.domain_agreement
        assert found.domain_interval == other.domain_interval
        assert found.overall_angle == other.overall_angle


def test_turned_by_a_known_angle():
    x, y = [[0.0, 0.0], [4.0, 0.0]], [0, 1]
    turn = np.radians(10)
    normal = np.array([np.cos(turn), np.sin(turn)])
    head = fg.AffineHead([-normal, normal], [1.0, -1.0])
    result = fg.compare_head(head, fg.max_margin(x, y), x, y)
    np.testing.assert_allclose(result.angle, 10)
    np.testing.assert_allclose(result.overall_angle, 10)
    np.testing.assert_allclose(result.head.offset, 1)
    np.testing.assert_allclose(result.head.position, 1 / (4 * np.cos(turn)))


def test_classes_without_a_gap_have_no_position():
    x, y = [[0.0, 0.0], [4.0, 0.0], [0.0, 1.0], [4.0, 1.0]], [0, 1, 0, 1]
    along = fg.AffineHead([[0.0, -1.0], [0.0, 1.0]])
    result = fg.compare_head(along, fg.max_margin(x, y), x, y)
    assert result.head.position.tolist() == [np.inf]
    assert result.head.margin[0] < 0
    np.testing.assert_allclose(result.angle, 90)


def test_some_of_a_heads_classes():
    x, y = sample(4, 3)
    head = fg.AffineHead(np.eye(3))
    chosen = y != 1
    result = fg.compare_head(head, fg.max_margin(x[chosen], y[chosen]), x[chosen], y[chosen])
    assert result.pairs.tolist() == [[0, 2]]


def test_the_same_seed_draws_the_same_points():
    x, y = sample(5, 3)
    head, svm = fg.AffineHead(np.eye(3)), fg.max_margin(x, y)
    one, same = (fg.compare_head(head, svm, x, y, seed=3) for _ in range(2))
    assert one.domain_agreement == same.domain_agreement
    assert one.domain_interval[0] <= one.domain_agreement <= one.domain_interval[1]


def test_what_does_not_fit_is_named():
    x, y = sample(6, 3)
    svm, head = fg.max_margin(x, y), fg.AffineHead(np.eye(3))
    with pytest.raises(BadArgument, match="machine's classes"):
        fg.compare_head(head, svm, x[y != 0], y[y != 0])
    with pytest.raises(BadArgument, match="no machine to compare"):
        fg.compare_head(head, fg.max_margin(np.ones((3, 3)), [0, 1, 2]), np.ones((3, 3)), [0, 1, 2])
    with pytest.raises(BadArgument, match="same weights"):
        fg.compare_head(fg.AffineHead(np.ones((3, 3))), svm, x, y)


# Of the paper's network: angle of the head's normal (modulo 180 degrees), its offset, angle of the machine's,
# distance of the hulls. libsvm agrees with the machines to these digits at a tolerance of 1e-9.
PAPER = {
    (0, 1): (20.08, 3.45, 6.344, 3.60),
    (0, 2): (-38.08, 0.009, -20.91, 1.25),
    (1, 2): (-88.24, -3.11, -90.0, 2.84),
}


@pytest.mark.parametrize("pair", PAPER)
def test_the_papers_three_class_network_as_it_stands(pair, real_data):
    data = np.load(real_data / "features" / "paper_mnist3.npz")
    right = data["logits_train"].argmax(1) == data["y_train"]
    chosen = right & np.isin(data["y_train"], pair)
    x, y = data["features_train"][chosen], data["y_train"][chosen]
    head = fg.AffineHead(data["fc_weight"], data["fc_bias"])
    svm = fg.max_margin(x, y)
    result = fg.compare_head(head, svm, x, y)

    def degrees(normal):
        return np.degrees(np.arctan2(normal[1], normal[0]))

    head_angle, offset, svm_angle, distance = PAPER[pair]
    for found, expected in ((result.head.normal[0], head_angle), (result.svm.normal[0], svm_angle)):
        difference = (degrees(found) - expected + 90) % 180 - 90
        assert abs(difference) < 0.006
    np.testing.assert_allclose(abs(result.head.offset[0]), abs(offset), atol=0.006)
    np.testing.assert_allclose(2 * svm.margin, distance, atol=0.006)
