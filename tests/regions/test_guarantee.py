"""A guaranteed hull lies in its cell; a broken one names who breaks it."""

from fractions import Fraction

import numpy as np
import pytest

from featgeom import AffineHead, Cells
from featgeom.errors import BadArgument
from featgeom.regions.guarantee import guarantees
from featgeom.status import Status


def test_hull_of_predicted_points_stays_in_its_cell(head, rng):
    cells = Cells(head)
    z = rng.standard_normal((200, 4))
    found = cells.margins(z)
    for c in range(head.classes):
        mine = z[(found.classes == c) & (found.smallest > 0)]
        if len(mine) == 0:
            continue
        result = cells.guarantee(mine, c)
        assert result.status is Status.GUARANTEED
        assert result.certificate.check().tally == {"PROVED": 1}
        mixed = rng.dirichlet(np.ones(len(mine)), 50) @ mine
        assert (cells.margins(mixed).classes == c).all()
        assert cells.radius(mine).ball.min() == pytest.approx(result.distance, rel=1e-9, abs=1e-14)


def test_breakers_are_exactly_the_points_outside(head, rng):
    cells = Cells(head)
    z = rng.standard_normal((100, 4))
    found = cells.margins(z)
    for c in range(head.classes):
        result = cells.guarantee(z, c)
        outside = np.flatnonzero((found.classes != c) | (found.smallest <= 0))
        assert result.breakers.tolist() == outside.tolist()
        assert result.status is (Status.BROKEN if len(outside) else Status.GUARANTEED)
        assert set(result.certificate.check().tally) == {"PROVED"}
        assert (result.worst_margin <= 0) == bool(len(outside))


def test_inflation_is_the_last_factor_that_stays(rng):
    head = AffineHead(rng.standard_normal((4, 3)), rng.standard_normal(4))
    cells = Cells(head)
    z = rng.standard_normal((300, 3))
    found = cells.margins(z)
    mine = z[(found.classes == found.classes[0]) & (found.smallest > 0)]
    result = cells.guarantee(mine, int(found.classes[0]))
    assert 1 < result.inflation < np.inf

    def scaled(factor):
        return result.centre + factor * (mine - result.centre)

    c = int(found.classes[0])
    assert cells.guarantee(scaled(result.inflation * (1 - 1e-9)), c).status is Status.GUARANTEED
    assert cells.guarantee(scaled(result.inflation * (1 + 1e-9)), c).status is Status.BROKEN


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e100])
def test_choices_among_points_are_guaranteed_as_each_alone(scale, rng):
    head = AffineHead(rng.integers(-3, 4, (6, 4)), rng.integers(-3, 4, 6))
    points = scale * rng.integers(-3, 4, (300, 4))  # many tie
    choices = rng.random((4, 300)) < np.array([[1.1], [0.5], [0.1], [0.02]])
    right = Cells(head).margins(points).classes == 2
    for found, chosen in zip(guarantees(head, points, 2, [*choices, right]), [*choices, right], strict=True):
        alone = Cells(head).guarantee(points[chosen], 2)
        for name in ("status", "worst_margin", "worst_rival", "distance", "inflation"):
            assert getattr(found, name) == getattr(alone, name)
        assert (found.breakers == alone.breakers).all()
        assert found.certificate.check().tally == {"PROVED": max(1, len(found.breakers))}


@pytest.mark.parametrize("choice", [[0, 0], [1], [[1, 1]], [1, 1, 1]])
def test_a_choice_of_no_point_or_of_others_is_refused(choice):
    with pytest.raises(BadArgument, match="choices"):
        guarantees(AffineHead(np.eye(2)), np.eye(2), 0, [[1, 1], choice])
    assert guarantees(AffineHead(np.eye(2)), np.eye(2), 0, []) == []


def test_a_single_point_and_one_class_data():
    cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]))
    result = cells.guarantee([[2.0, 1.0]], 0)
    assert (result.status, result.inflation, result.worst_margin) == (Status.GUARANTEED, np.inf, 1.0)
    assert result.certificate.check().tally == {"PROVED": 1}


def test_a_tie_breaks_a_guarantee():
    result = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]])).guarantee([[2.0, 1.0], [1.0, 1.0]], 0)
    assert (result.status, result.worst_margin, result.breakers.tolist()) == (Status.BROKEN, 0.0, [1])
    assert result.breaker_rivals.tolist() == [1]
    assert result.certificate.check().tally == {"PROVED": 1}


@pytest.mark.parametrize("c", [-1, 2, 0.5, True, "cat"])
def test_a_class_that_is_none_is_refused(c):
    with pytest.raises(BadArgument, match="class"):
        Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]])).guarantee([[1.0, 0.0]], c)


def test_real_classes(resnet20):
    head = AffineHead(resnet20["fc_weight"], resnet20["fc_bias"])
    z, labels = resnet20["features_train"], resnet20["y_train"]
    cells = Cells(head)
    predicted = cells.margins(z).classes
    for c in range(10):
        every = cells.guarantee(z[labels == c], c)
        assert every.status is Status.BROKEN
        assert len(every.breakers) == (predicted[labels == c] != c).sum()
        right = cells.guarantee(z[(labels == c) & (predicted == c)], c)
        assert right.status is Status.GUARANTEED
        for result in (every, right):
            assert set(result.certificate.check().tally) == {"PROVED"}


def test_the_rival_of_the_least_margin_need_not_be_the_nearest():
    head = AffineHead([[0.0, 0.0], [0.0, 0.1], [-5.0, 0.0]], [3.0, 0.0, 0.0])
    result = Cells(head).guarantee([[0.0, 1.0], [0.1, 1.0]], 0)
    assert (result.worst_rival, result.worst_margin) == (1, pytest.approx(2.9))
    assert result.certificate.check().tally == {"PROVED": 1}


@pytest.mark.parametrize("kind", ["many classes", "whole numbers", "huge", "tiny", "equal rows"])
def test_the_screen_leaves_out_no_rival_that_decides(kind, rng):
    """Against margins of all rivals in plain fractions."""
    for _ in range(8):
        classes, d, n = (40, 5, 30) if kind == "many classes" else (6, 3, 12)
        weight, bias, z = (rng.standard_normal(shape) for shape in ((classes, d), classes, (n, d)))
        if kind == "whole numbers":
            weight, bias, z = np.round(2 * weight), np.round(bias), np.round(2 * z)
        if kind == "equal rows":
            weight[1], bias[2], weight[2] = weight[0], bias[3], weight[3]
        scale = {"huge": 1e150, "tiny": 1e-150}.get(kind, 1.0)
        weight, bias, z = weight * scale, bias, z * scale
        head = AffineHead(weight, bias)
        c = int(head.logits(z.mean(axis=0)[None]).argmax())
        z = (z - z.mean(axis=0)) * rng.choice([1e-3, 0.3, 1.0]) + z.mean(axis=0)
        result = Cells(head).guarantee(z, c)

        def leads(point, k, c=c, weight=weight, bias=bias):
            def value(i):
                terms = zip(weight[i], point, strict=True)
                return sum((Fraction(w) * Fraction(x) for w, x in terms), Fraction(bias[i]))

            return value(c) - value(k)

        rivals = [k for k in range(classes) if k != c]
        least = {k: min(leads(point, k) for point in z) for k in rivals}
        worst = min(least.values())
        assert Fraction(result.worst_margin) <= worst
        assert Fraction(np.nextafter(result.worst_margin, np.inf)) > worst
        assert least[result.worst_rival] == worst
        assert (result.status is Status.GUARANTEED) == (worst > 0)
        middle = {k: leads(result.centre, k) for k in rivals}
        if min(middle.values()) <= 0:
            assert result.inflation == 0
            continue
        factors = [middle[k] / (middle[k] - least[k]) for k in rivals if middle[k] > least[k]]
        expected = min(factors, default=None)
        if expected is None:
            assert result.inflation == np.inf
        else:
            assert Fraction(result.inflation) <= max(expected, 0)
            assert result.inflation == pytest.approx(max(float(expected), 0), rel=1e-14)
        assert set(result.certificate.check().tally) == {"PROVED"}
