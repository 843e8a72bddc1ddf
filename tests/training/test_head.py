"""The theory of the last layer, held against the machines."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.training import descents
from featgeom.training.head import train_head

TOY = (
    np.array([[1.0, 1.0], [2.0, 3.0], [1.5, 4.0], [3.0, 1.2], [4.0, 2.5], [5.0, 1.0]]),
    np.array([0, 0, 0, 1, 1, 1]),
)


def angle_to(head, bias, x, y):
    return fg.compare_head(head, fg.max_margin(x, y, bias=bias), x, y).overall_angle


def test_with_a_trainable_bias_it_meets_the_augmented_machine_and_not_the_standard_one():
    trained = train_head(*TOY, steps=60_000, method="normalised_gd").last
    assert angle_to(trained, "augmented", *TOY) < 0.01
    assert angle_to(trained, "standard", *TOY) > 10
    assert angle_to(trained, "none", *TOY) > 10


def test_without_a_bias_it_meets_the_machine_without_one():
    trained = train_head(*TOY, steps=20_000, method="normalised_gd", bias=False).last
    assert angle_to(trained, "none", *TOY) < 0.01
    assert not trained.bias.any()


def test_three_classes_meet_the_one_machine_of_all():
    x = np.array([[4.0, 0.0], [3.0, 1.0], [-2.0, 3.0], [-1.0, 5.0], [-2.0, -3.0], [0.0, -4.0]])
    y = np.array([0, 0, 1, 1, 2, 2])
    trained = train_head(x, y, steps=30_000, method="normalised_gd").last
    assert angle_to(trained, "augmented", x, y) < 0.01


def test_plain_descent_goes_the_same_way_as_slowly_as_the_theory_says():
    run = train_head(*TOY, steps=30_000, per_decade=1, rate=0.5)
    assert angle_to(run.last, "augmented", *TOY) < angle_to(run.last, "standard", *TOY)
    assert angle_to(run.last, "augmented", *TOY) > 0.1  # after 30,000 steps it is still far from the limit
    late = np.array(run.steps) >= 1000
    products = np.array(run.steps)[late] * run.losses[late]
    assert products.max() / products.min() < 2  # the loss fades like 1/t


@pytest.mark.parametrize(("bias", "kind"), [(True, "augmented"), (False, "none")])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_accelerated_descent_reaches_the_machine_from_any_start_though_the_gap_is_small(bias, kind, classes):
    rng = np.random.default_rng(classes)
    turn = 0.3 + 2 * np.pi * np.arange(classes) / classes
    y = np.repeat(np.arange(classes), 200)
    x = 12 * np.stack([np.cos(turn), np.sin(turn)], axis=1)[y] + rng.uniform(-2, 2, (len(y), 2))
    x *= rng.uniform(0.02, 1, (len(y), 1))
    machine = fg.max_margin(x, y, bias=kind)
    assert machine.margin < 0.02 * np.linalg.norm(x, axis=1).max()
    start = fg.AffineHead(3 * rng.normal(size=(classes, 2)), bias * rng.normal(size=classes))
    trained = train_head(x, y, steps=2_000, method="accelerated_gd", bias=bias, start=start)
    assert fg.compare_head(trained.last, machine, x, y, points=1).overall_angle < 0.5
    assert (trained.last.bias == start.bias).all() or bias
    assert trained.losses[-1] < 1e-30


def test_what_accelerated_descent_misses_of_the_margin_fades_like_one_over_t_squared():
    x, y = TOY
    machine = fg.max_margin(x, y, bias="none")
    run = train_head(x, y, steps=10_000, method="accelerated_gd", bias=False, per_decade=1)
    missing = np.array(
        [1 - fg.compare_head(head, machine, x, y, points=1).overall_margin_ratio for head in run.heads[2:]]
    )
    times = np.array(run.steps[2:], float)
    slope = np.polyfit(np.log(times), np.log(np.maximum(missing, 1e-13)), 1)[0]
    assert slope < -1.5  # t⁻², but for a logarithm
    assert (missing >= -1e-9).all()


def test_accelerated_descent_goes_on_where_no_head_separates():
    x, y = np.array([[0.0], [1.0], [2.0], [1.0]]), np.array([0, 1, 0, 0])
    trained = train_head(x, y, steps=500, method="accelerated_gd")
    assert np.isfinite(trained.losses).all()


@pytest.mark.parametrize(
    ("method", "rounding"), [("gd", 1e-12), ("normalised_gd", 1e-12), ("accelerated_gd", 1e-11)]
)
def test_what_all_classes_share_is_conserved(method, rounding):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    start = fg.AffineHead(rng.normal(size=(3, 4)), rng.normal(size=3))
    trained = train_head(x, y, steps=500, method=method, start=start).last
    assert not np.allclose(trained.weight, start.weight)
    np.testing.assert_allclose(trained.weight.sum(axis=0), start.weight.sum(axis=0), atol=rounding)
    np.testing.assert_allclose(trained.bias.sum(), start.bias.sum(), atol=rounding)


def test_full_batch_training_of_a_whole_network_conserves_it_too(tmp_path):
    run = fg.train("digits", tmp_path, steps=30, optimiser="gd", batch=0, per_decade=1)
    heads = [fg.load_classifier(checkpoint.path).head for checkpoint in run.checkpoints]
    assert np.abs(heads[-1].weight - heads[0].weight).max() > 1e-3
    for head in heads:
        np.testing.assert_allclose(head.weight.sum(axis=0), heads[0].weight.sum(axis=0), atol=2e-6)
        np.testing.assert_allclose(head.bias.sum(), heads[0].bias.sum(), atol=2e-6)


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    start = fg.AffineHead(rng.normal(size=(3, 3)), rng.normal(size=3))
    run = train_head(x, y, steps=1, rate=1e-6, start=start)
    step = (run.last.weight - start.weight) / 1e-6
    logits = x @ start.weight.T + start.bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(step, (np.eye(3)[y] - p).T @ x / 20, atol=1e-9)


def test_the_loss_never_rises_at_the_default_rate():
    rng = np.random.default_rng(2)
    x, y = 30 * rng.normal(size=(40, 5)), rng.integers(0, 4, 40)
    losses = train_head(x, y, steps=300, per_decade=20).losses
    assert (np.diff(losses) <= 0).all()


def test_wrong_arguments_are_named():
    with pytest.raises(BadArgument, match="did you mean 'normalised_gd'"):
        train_head(*TOY, steps=1, method="normalized_gd")
    with pytest.raises(BadArgument, match="rate must be positive"):
        train_head(*TOY, steps=1, rate=-1.0)
    with pytest.raises(BadArgument, match="does not fit"):
        train_head(*TOY, steps=1, start=fg.AffineHead(np.eye(3)))


@pytest.mark.parametrize("method", list(descents.METHODS))
@pytest.mark.parametrize(
    ("largest", "bias", "why"),
    [
        (0.0, False, "nothing can be learned"),
        (1e-170, False, "squared safely"),
        (1e160, True, "squared safely"),
    ],
)
def test_samples_that_teach_nothing_are_refused(method, largest, bias, why):
    with pytest.raises(BadArgument, match=why):
        train_head([[largest], [-largest]], [0, 1], steps=3, method=method, bias=bias)


def test_samples_too_far_behind_to_matter_change_nothing_by_being_left_out(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = 8 * np.eye(3)[y] + rng.normal(size=(600, 3))
    some = train_head(x, y, steps=400, method="accelerated_gd")
    monkeypatch.setattr(descents, "NEGLIGIBLE", np.inf)
    every = train_head(x, y, steps=400, method="accelerated_gd")
    for one, other in zip(some.heads, every.heads, strict=True):
        np.testing.assert_allclose(one.weight, other.weight, rtol=1e-6, atol=1e-9)
    monkeypatch.undo()
    wide, last = np.hstack([x, np.ones((600, 1))]), some.last
    reached = np.hstack([last.weight, last.bias[:, None]])
    assert len(descents.Accelerated(descents.Samples(wide, y, np.ones(4)), reached, None).near) < 300
