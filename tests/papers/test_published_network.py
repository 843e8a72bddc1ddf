"""What the first paper's claims come to, in figures that a solver's certificate holds up."""

import numpy as np
import pytest

import featgeom as fg
from featgeom import Status


def test_cat_and_dog_to_nine_digits(real_data):
    data = np.load(real_data / "features" / "resnet20.npz")
    kept = (data["logits_train"].argmax(1) == data["y_train"]) & np.isin(data["y_train"], (3, 5))
    svm = fg.max_margin(data["features_train"][kept], data["y_train"][kept].astype(int))
    assert abs(2 * svm.margin - 0.239519604995) < 1e-9
    low, high = (2 / np.sqrt(2 * value) for value in (svm.objective, svm.lower_bound))
    assert low <= 0.239519604995 + 1e-12
    assert high - low < 1e-9  # the certified bounds on the distance itself
    assert svm.certificate.check().status.tolist() == [Status.PROVED]


def test_descent_along_the_gradient_of_one_length_reaches_the_machine():
    """On separable data, to a hundredth of a degree, for two classes and three."""
    rng = np.random.default_rng(0)
    for classes in (2, 3):
        centres = 6 * np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])[:classes]
        y = np.repeat(np.arange(classes), 15)
        x = centres[y] + 0.6 * rng.normal(size=(len(y), 2))
        trained = fg.train_head(x, y, steps=40_000, method="normalised_gd").last
        machine = fg.max_margin(x, y, bias="augmented")
        assert fg.compare_head(trained, machine, x, y).overall_angle < 0.01


@pytest.mark.parametrize("missing", [0, 1])
def test_a_class_missing_from_a_split_is_left_out_of_machine_comparison_and_collapse(missing):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 60)
    x, head = 5 * np.eye(3)[y] + 0.3 * rng.normal(size=(60, 3)), fg.AffineHead(np.eye(3))
    there = y != missing
    left = [c for c in range(3) if c != missing]
    svm = fg.max_margin(x[there], y[there])
    compared = fg.compare_head(head, svm, x[there], y[there])
    assert svm.classes.tolist() == compared.pairs[0].tolist() == left
    assert fg.neural_collapse(x[there], y[there], head).classes.tolist() == left
