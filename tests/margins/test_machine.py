"""Laws of the maximum-margin machine, for two classes and more, hard and soft, with every kind of bias."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

import featgeom as fg
from featgeom import Status
from featgeom.errors import BadArgument, Unsupported
from featgeom.margins import machine, working_set
from featgeom.margins.interior_point import Problem
from featgeom.margins.machine import BIASES

KINDS = list(itertools.product([2, 3, 5], BIASES, [np.inf, 1.0, 0.01]))


def sample(seed, classes=2, n=40, d=4, gap=4.0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    centres = np.linalg.qr(rng.normal(size=(max(d, classes), max(d, classes))))[0][:classes, :d]
    return gap * centres[y] + 0.5 * rng.normal(size=(n, d)), y


@pytest.mark.parametrize(("classes", "bias", "c"), KINDS)
def test_agrees_with_cvxpy(classes, bias, c):
    x, y = sample(classes, classes, gap=6.0)
    svm = fg.max_margin(x, y, C=c, bias=bias)
    problem = fg.formulations.machine(x, y, c, bias)
    value = problem.solve(solver="CLARABEL")
    weight = problem.var_dict["w"].value
    assert svm.status == Status.SOLVED
    assert svm.gap < 1e-9
    assert svm.lower_bound <= value * (1 + 1e-6)
    np.testing.assert_allclose(svm.objective, value, rtol=1e-6)
    expected = weight[None] if classes == 2 else weight - weight.mean(0)
    np.testing.assert_allclose(svm.weight, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("classes", "bias", "c"), KINDS)
def test_its_certificate_passes_the_exact_check(classes, bias, c):
    x, y = sample(10 + classes, classes, gap=6.0)
    svm = fg.max_margin(x, y, C=c, bias=bias)
    verdicts = svm.certificate.check()
    assert verdicts.status.tolist() == [Status.PROVED], verdicts.reasons


@pytest.mark.parametrize(("classes", "bias"), list(itertools.product([2, 4], BIASES)))
def test_a_hard_margin_satisfies_the_conditions_of_optimality(classes, bias):
    x, y = sample(20, classes, gap=6.0)
    svm = fg.max_margin(x, y, bias=bias)
    values = svm.decision(x)
    if classes == 2:
        values = np.stack([-values / 2, values / 2], axis=1)
    margins = values[np.arange(len(y)), y][:, None] - values
    margins[np.arange(len(y)), y] = np.inf
    assert margins.min() >= 1 - 1e-12
    np.testing.assert_allclose(margins[svm.support].min(axis=1), 1, atol=1e-9)
    held, labels = svm.multipliers, y[svm.support]
    signed = -held if classes > 2 else np.where(labels == 1, 1, -1)[:, None] * held
    if classes > 2:
        signed[np.arange(len(labels)), labels] = held.sum(axis=1)
    np.testing.assert_allclose(signed.T @ x[svm.support], svm.weight, atol=1e-9)
    if bias == "standard":
        np.testing.assert_allclose(signed.sum(axis=0), 0, atol=1e-9)
    if bias == "augmented":
        np.testing.assert_allclose(signed.sum(axis=0), svm.bias, atol=1e-9)
    assert set(svm.classify(x) == y) == {True}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_standard_machine_moves_with_scale_translation_and_rotation(classes, scale):
    x, y = sample(30, classes)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    moved = scale * (x @ turn.T + 3.0)
    a, b = fg.max_margin(x, y), fg.max_margin(moved, y)
    assert b.status == Status.SOLVED
    np.testing.assert_allclose(b.margin, scale * a.margin, rtol=1e-9)
    np.testing.assert_allclose(b.weight * scale, a.weight @ turn.T, atol=1e-8 * np.abs(a.weight).max())
    assert set(a.support) == set(b.support)


def test_twice_the_margin_of_two_classes_is_the_distance_of_their_hulls():
    x, y = sample(31)
    value = fg.formulations.separation(x[y == 0], x[y == 1]).solve(solver="CLARABEL")
    np.testing.assert_allclose(2 * fg.max_margin(x, y).margin, value, rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_soft_margin_of_large_c_is_the_hard_one(classes):
    x, y = sample(32, classes)
    hard, soft = fg.max_margin(x, y), fg.max_margin(x, y, C=1e6)
    np.testing.assert_allclose(soft.weight, hard.weight, atol=1e-5)
    assert soft.gap < 1e-6
    assert soft.lower_bound <= hard.objective


@pytest.mark.parametrize("classes", [2, 3])
def test_samples_beyond_the_working_set_change_nothing(classes, monkeypatch):
    x, y = sample(33, classes, n=3000, gap=2.0)
    whole = fg.max_margin(x, y, C=1.0)
    monkeypatch.setattr(working_set, "SMALLEST", 1)
    small = fg.max_margin(x, y, C=1.0)
    assert small.stats.passes > whole.stats.passes
    np.testing.assert_allclose(small.weight, whole.weight, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("classes", "bias"), list(itertools.product([2, 3], BIASES)))
def test_more_dimensions_than_samples(classes, bias):
    x, y = sample(41, classes)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(300, 300)))[0][:4]
    low, high = fg.max_margin(x, y, bias=bias), fg.max_margin(x @ turn, y, bias=bias)
    assert high.status == Status.SOLVED
    np.testing.assert_allclose(high.weight, low.weight @ turn, atol=1e-9)
    np.testing.assert_allclose(high.bias, low.bias, atol=1e-9)
    wide = np.random.default_rng(2).normal(size=(30, 200))
    labels = np.arange(30) % classes
    assert fg.max_margin(wide, labels, bias=bias).gap < 1e-9


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wide_machines_of_two_classes_come_from_hulls(bias, dtype, monkeypatch):
    """An interior point factors matrices as large as there are dimensions, some dozens of them."""
    rng = np.random.default_rng(5)
    y = rng.permutation(np.arange(180) % 2)
    x = (np.maximum(rng.normal(size=(180, 300)) + 0.2 * y[:, None], 0)).astype(dtype)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "WIDE", 301)
        known = fg.max_margin(x, y, bias=bias)
    monkeypatch.setattr(machine, "solve_machine", None)
    svm = fg.max_margin(x, y, bias=bias)
    assert (svm.status, svm.gap < 1e-8) == (Status.SOLVED, True)
    assert svm.certificate.check().status.tolist() == [Status.PROVED]
    np.testing.assert_allclose(svm.weight, known.weight, atol=1e-7 * np.abs(known.weight).max())
    np.testing.assert_allclose(svm.bias, known.bias, atol=1e-6)
    assert svm.objective == pytest.approx(known.objective, rel=1e-8)
    assert set(svm.support) == set(known.support)
    signed = np.where(y[svm.support] == 1, 1, -1) * svm.multipliers[:, 0]
    np.testing.assert_allclose(signed @ x[svm.support], svm.weight[0], atol=1e-8)


def test_narrow_machines_do_not_load_torch():
    words = "import sys; import featgeom as fg; fg.max_margin([[0.0], [2.0]], [0, 1]); "
    subprocess.run([sys.executable, "-c", words + "assert 'torch' not in sys.modules"], check=True)


@pytest.mark.parametrize("bias", BIASES)
def test_what_hulls_do_not_tell_apart_is_left_to_the_interior_point(bias):
    x, y = sample(35, 2, n=200, gap=0.3)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(300, 300)))[0][:4]
    svm = fg.max_margin((x @ turn), y, bias=bias)
    assert svm.status in (Status.NOT_SEPARABLE, Status.UNDECIDED)


@pytest.mark.parametrize("c", [np.inf, 1.0])
def test_a_class_that_is_far_from_all_others(c, monkeypatch):
    monkeypatch.setattr(working_set, "SMALLEST", 1)
    x, y = sample(42, 2, n=2000, d=2, gap=5.0)
    far = np.vstack([x, [[1e3, 1e3], [1.1e3, 1e3]]]), np.append(y, [2, 2])
    svm = fg.max_margin(*far, C=c)
    assert svm.status == Status.SOLVED
    assert svm.certificate.check().status.tolist() == [Status.PROVED]
    assert (svm.classify(far[0])[-2:] == 2).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_newton_matrices_are_those_of_the_definition(classes):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, classes, 20)
    problem = Problem(x, y, classes, np.array([1.0, 1.0, 0.0]), 1.0)
    density = rng.random((20, classes)) * problem.rivals
    for slack in (None, rng.random(20) + density.sum(axis=1)):
        expected = np.kron(np.eye(classes - 1), np.diag(problem.regularisation))
        for i in range(20):
            sides = [problem.basis[:, y[i]] - problem.basis[:, k] for k in range(classes)]
            rows = np.array([np.kron(side, x[i]) for side in sides])
            inner = np.diag(density[i])
            if slack is not None:
                inner = inner - np.outer(density[i], density[i]) / slack[i]
            expected += rows.T @ inner @ rows
        np.testing.assert_allclose(problem.normal_matrix(density, slack), expected, atol=1e-12)


def test_float32_torch_and_lists_are_the_same_to_it():
    x, y = sample(34)
    x = x.astype(np.float32)
    wide = fg.max_margin(x.astype(np.float64), y)
    for given in (x, torch.from_numpy(x), x.tolist()):
        np.testing.assert_array_equal(fg.max_margin(given, y).weight, wide.weight)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("classes", [2, 4])
def test_overlapping_classes_are_proved_not_separable(classes, bias):
    x, y = sample(35, classes, n=200, gap=0.3)
    svm = fg.max_margin(x, y, bias=bias)
    assert svm.status == Status.NOT_SEPARABLE
    assert svm.certificate.check().status.tolist() == [Status.PROVED]
    assert np.isnan(svm.weight).all()
    assert svm.gap == np.inf


@pytest.mark.parametrize("bias", BIASES)
def test_one_point_with_two_labels_is_not_separable(bias):
    x, y = sample(36, 3)
    svm = fg.max_margin(np.vstack([x, x[:1]]), np.append(y, (y[0] + 1) % 3), bias=bias)
    assert svm.status == Status.NOT_SEPARABLE
    assert svm.certificate.check().status.tolist() == [Status.PROVED]


def test_separable_only_with_a_bias():
    x, y = [[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1]
    assert fg.max_margin(x, y, bias="none").status == Status.NOT_SEPARABLE
    assert fg.max_margin(x, y, bias="standard").status == Status.SOLVED
    assert fg.max_margin(x, y, bias="augmented").status == Status.SOLVED


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("c", [np.inf, 1.0])
def test_one_sample_a_class(bias, c):
    svm = fg.max_margin(np.eye(3) * 4, [0, 1, 2], C=c, bias=bias)
    assert svm.status == Status.SOLVED
    assert svm.classify(np.eye(3)).tolist() == [0, 1, 2]


def test_two_samples_are_split_halfway():
    svm = fg.max_margin([[0.0, 0.0], [0.0, 3.0]], [0, 1])
    np.testing.assert_allclose([svm.margin, *svm.weight[0], *svm.bias], [1.5, 0, 2 / 3, -1], atol=1e-12)


@pytest.mark.parametrize("bias", BIASES)
def test_duplicates_and_unbalanced_classes(bias):
    x, y = sample(37, 2, n=60)
    keep = (y == 0) | (np.cumsum(y == 1) <= 1)
    once = fg.max_margin(x[keep], y[keep], bias=bias)
    thrice = fg.max_margin(np.repeat(x[keep], 3, axis=0), np.repeat(y[keep], 3), bias=bias)
    np.testing.assert_allclose(thrice.weight, once.weight, rtol=1e-8, atol=1e-10)
    assert thrice.certificate.check().status.tolist() == [Status.PROVED]


@pytest.mark.parametrize("bias", ["standard", "augmented"])
def test_constant_features(bias):
    x, y = sample(38, 3)
    padded = np.hstack([x, np.full((len(x), 1), 0.0)])
    plain, svm = fg.max_margin(x, y, bias=bias), fg.max_margin(padded, y, bias=bias)
    np.testing.assert_allclose(svm.weight[:, :-1], plain.weight, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(svm.weight[:, -1], 0, atol=1e-12)
    constant = fg.max_margin(np.full((4, 2), 0.1), [0, 1, 0, 1], bias=bias)
    assert constant.status == Status.NOT_SEPARABLE


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_where_no_weights_are_best_the_objective_is_that_of_none(classes, bias):
    """Every point once in each class: by symmetry nothing is better than w = 0, with C Σ ξ = C n."""
    x = np.repeat(np.random.default_rng(classes).normal(size=(6, 3)), classes, axis=0)
    svm = fg.max_margin(x, np.tile(np.arange(classes), 6), C=0.1, bias=bias)
    assert svm.status is Status.SOLVED
    assert svm.objective == pytest.approx(0.1 * len(x), rel=1e-6)


def test_a_class_without_samples_is_left_out():
    x, y = sample(39, 3)
    present = y != 1
    svm = fg.max_margin(x[present], y[present])
    assert svm.classes.tolist() == [0, 2]
    assert svm.weight.shape == (1, 4)
    np.testing.assert_array_equal(svm.classify(x[present]), y[present])


def test_wrong_arguments_are_named():
    x, y = sample(40)
    with pytest.raises(BadArgument, match="two classes"):
        fg.max_margin(x, np.zeros(len(x), int))
    with pytest.raises(BadArgument, match="C must be positive"):
        fg.max_margin(x, y, C=0)
    with pytest.raises(BadArgument, match="did you mean 'augmented'"):
        fg.max_margin(x, y, bias="augment")
    with pytest.raises(BadArgument, match="NaN"):
        fg.max_margin(x * np.nan, y)
    with pytest.raises(Unsupported, match="pairs of classes"):
        fg.max_margin(np.ones((300, 64)), np.arange(300))


@pytest.fixture
def resnet20(real_data):
    data = np.load(real_data / "features" / "resnet20.npz")
    right = data["logits_train"].argmax(1) == data["y_train"]
    return data["features_train"], data["y_train"].astype(int), right


def test_cat_and_dog(resnet20):
    x, y, right = resnet20
    pair = (y == 3) | (y == 5)
    svm = fg.max_margin(x[right & pair], y[right & pair])
    assert svm.gap < 1e-9
    assert abs(2 * svm.margin - 0.2395196) < 1e-7
    assert len(svm.support) == 45
    assert svm.certificate.check().status.tolist() == [Status.PROVED]
    assert fg.max_margin(x[pair], y[pair]).status == Status.NOT_SEPARABLE


def test_all_ten_classes_at_once(resnet20):
    x, y, right = resnet20
    svm = fg.max_margin(x[right], y[right])
    assert svm.status == Status.SOLVED
    assert svm.gap < 1e-9
    assert svm.certificate.check().status.tolist() == [Status.PROVED]


@pytest.mark.parametrize("c", [0.1, 1.0, 50.0])
def test_the_claim_is_about_the_objective_that_is_printed(c):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    y = (x[:, 0] > 0).astype(int)
    x[:3] *= -1
    svm = fg.max_margin(x, y, C=c)
    assert svm.certificate.c == c
    assert (svm.certificate.lower, svm.certificate.upper) == (svm.lower_bound, svm.objective)
    slack = np.maximum(0, 1 - (2 * y - 1) * (x @ svm.weight[0] + svm.bias[0])).sum()
    np.testing.assert_allclose(svm.objective, svm.weight[0] @ svm.weight[0] / 2 + c * slack, rtol=1e-9)
