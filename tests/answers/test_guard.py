"""The guard: certified scores, a calibrated threshold, one file, the manners of scikit-learn."""

import re
from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import betabinom
from sklearn.base import clone

from featgeom import AffineHead, ConvexHull, Guard
from featgeom.answers.conformal import surprise
from featgeom.answers.directions import direction_error, unit_length
from featgeom.answers.score_names import SCORES
from featgeom.answers.scores import Gaussians
from featgeom.errors import BadArgument, BadData
from featgeom.status import Status


@pytest.fixture
def head():
    return AffineHead(np.eye(4))


def blobs(rng, n, spread=1.0):
    labels = rng.integers(4, size=n)
    z = np.maximum(0, rng.standard_normal((n, 4)) * spread + 4 * np.eye(4)[labels])
    return z.astype(np.float32), labels


@pytest.fixture
def guard(head, rng):
    z, labels = blobs(rng, 600)
    return Guard(head, 0.1).fit(z, labels, calibration=blobs(rng, 300)[0])


def test_scores_are_distances_to_the_hull_of_the_predicted_class(guard, head, rng):
    z, _ = blobs(rng, 40, 2.0)
    scores = guard.score_samples(z)
    for i, c in enumerate(head.classify(z)):
        mine = guard.points_[guard.point_classes_ == c]
        found = ConvexHull(unit_length(mine)).project(unit_length(z[i : i + 1])).distance[0]
        rounded = direction_error(np.float32, 4) * 2
        assert -scores[i] == pytest.approx(found, rel=2e-3, abs=1.01 * rounded)


def test_bounds_are_proved(guard, rng):
    found = guard.distances(blobs(rng, 50)[0])
    assert (found.lower <= found.upper).all()
    for claim in found.certificates.values():
        assert set(claim.check().tally) == {"PROVED"}


def exact_unit(row):
    values = [Decimal(float(x)) for x in row]
    length = sum(x * x for x in values).sqrt()
    return [x / length for x in values]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_hold_the_true_angular_distance_not_that_of_rounded_directions(head, rng, dtype):
    getcontext().prec = 60
    one, asked = (np.abs(rng.standard_normal((n, 4))).astype(dtype) for n in (1, 200))
    one[0, 0], asked[:, 0] = 9, 9  # of one class
    guard = Guard(head, 0.5).fit(one, calibration=asked)
    found = guard.distances(asked, rtol=1e-9)
    assert set(found.certificates[0].check().tally) == {"PROVED"}
    tip = exact_unit(one[0])
    for row, lower, upper in zip(asked, found.lower, found.upper, strict=True):
        true = sum((a - b) ** 2 for a, b in zip(exact_unit(row), tip, strict=True)).sqrt()
        assert Decimal(float(lower)) <= true <= Decimal(float(upper))


def test_early_exit_says_what_the_scores_say(guard, rng):
    z = np.vstack([blobs(rng, 300)[0], rng.uniform(0, 4, (300, 4)).astype(np.float32)])
    scores = -guard.score_samples(z)
    clear = np.abs(scores - guard.threshold_) > 2e-3 * guard.threshold_
    np.testing.assert_array_equal((guard.predict(z) < 0)[clear], (scores > guard.threshold_)[clear])
    assert (guard.decision_function(z) < 0).tolist() == (scores > guard.threshold_).tolist()


def test_scale_of_a_feature_does_not_matter(guard, rng):
    z = blobs(rng, 30)[0]
    np.testing.assert_allclose(guard.score_samples(z), guard.score_samples(z * 1024), rtol=2e-3)


def test_false_alarms_are_as_many_as_asked_for(head, rng):
    alarms = []
    for _ in range(20):
        train, new = blobs(rng, 400)[0], blobs(rng, 400)[0]
        guard = Guard(head, 0.1).fit(train, calibration=blobs(rng, 200)[0])
        alarms.append((guard.predict(new) < 0).mean())
    assert 0.06 < np.mean(alarms) < 0.12


def test_foreign_features_are_found(guard, rng):
    foreign = rng.uniform(0.9, 1.1, (100, 4)).astype(np.float32)
    assert (guard.predict(foreign) < 0).mean() > 0.9
    assert (guard.predict(blobs(rng, 100)[0]) < 0).mean() < 0.3


def test_inside_means_guaranteed(guard, head, rng):
    z = blobs(rng, 60, 0.5)[0]
    answer = guard.inspect(z)
    assert (answer.inside == Status.INSIDE).any()
    for i in np.flatnonzero(answer.inside == Status.INSIDE):
        mine = guard.points_[guard.point_classes_ == answer.classes[i]]
        assert ConvexHull(mine).contains(z[i : i + 1]).status[0] is Status.INSIDE
        assert (head.classify(mine) == answer.classes[i]).all()
    assert (answer.outside_by[answer.inside == Status.INSIDE] == 0).all()
    assert (answer.outside_by[answer.inside == Status.OUTSIDE] > 0).all()
    assert (answer.radius >= 0).all()


def test_one_file_holds_it(guard, rng, tmp_path):
    z = blobs(rng, 50)[0]
    guard.save(tmp_path / "guard.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["guard.npz"]
    again = Guard.load(tmp_path / "guard.npz")
    assert again.threshold_ == guard.threshold_
    np.testing.assert_array_equal(again.predict(z), guard.predict(z))
    np.testing.assert_array_equal(again.score_samples(z), guard.score_samples(z))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing", "no such file"),
        ("text", "not an .npz file, or damaged"),
        ("cut", "not an .npz file, or damaged"),
        ("other", "not a guard"),
    ],
)
def test_a_file_that_is_no_guard(guard, tmp_path, damage, said):
    path = tmp_path / "guard.npz"
    if damage != "missing":
        guard.save(path)
    if damage == "text":
        path.write_text("no guard")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "other":
        np.savez(path, a=np.ones(3))
    with pytest.raises(BadData, match=rf"guard.npz: {said}"):
        Guard.load(path)


def test_manners_of_scikit_learn(guard, head, rng):
    assert clone(guard).get_params()["false_alarm"] == 0.1
    assert guard.n_features_in_ == 4
    assert guard.offset_ == -guard.threshold_
    assert set(Guard(head, 0.3).fit_predict(blobs(rng, 100)[0])) <= {-1, 1}
    assert guard.predict(np.zeros((0, 4))).shape == (0,)


def test_a_class_without_training_features_is_beyond(head, rng):
    z, labels = blobs(rng, 200)
    some = z[labels != 3]
    some = some[head.classify(some) != 3]
    guard = Guard(head, 0.1).fit(some, calibration=some)
    assert guard.predict([[0.0, 0.0, 0.0, 5.0]]).tolist() == [-1]
    assert guard.score_samples([[0.0, 0.0, 0.0, 5.0]]).tolist() == [-np.inf]
    assert guard.inspect([[0.0, 0.0, 0.0, 5.0]]).outside_by.tolist() == [np.inf]


def test_a_feature_of_zeros_has_a_score(guard):
    assert np.isfinite(guard.score_samples(np.zeros((1, 4)))).all()


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("false_alarm", [0.01, 0.05, 0.2])
def test_the_alarms_promised_hold_on_fresh_features_whichever_score(head, rng, score, false_alarm):
    """The number of alarms is what theory says it is: beta-binomial, so also at most as many as promised."""
    guard = Guard(head, false_alarm, score=score)
    guard.fit(blobs(rng, 500)[0], calibration=blobs(rng, 1000)[0])
    fresh = blobs(rng, 2000)[0]
    found = guard.judge(fresh)
    m = len(guard.calibration_)
    beyond = int((guard.calibration_ >= guard.threshold_).sum())
    assert beyond / (m + 1) <= false_alarm < (beyond + 1) / (m + 1)
    low, high = betabinom(len(fresh), beyond, m + 1 - beyond).interval(0.999)
    assert low <= found.alarm.sum() <= high
    np.testing.assert_array_equal(found.alarm, found.score > guard.threshold_)
    np.testing.assert_array_equal(found.alarm, found.p_value <= false_alarm)
    clear = np.abs(found.score - guard.threshold_) > 1e-2 * abs(guard.threshold_)
    np.testing.assert_array_equal((guard.predict(fresh) < 0)[clear], found.alarm[clear])


@pytest.mark.parametrize("score", SCORES)
def test_every_score_survives_its_file(head, rng, score, tmp_path):
    guard = Guard(head, 0.1, score=score).fit(blobs(rng, 300)[0], calibration=blobs(rng, 200)[0])
    guard.save(tmp_path / "guard.npz")
    with np.load(tmp_path / "guard.npz", allow_pickle=False) as plain:  # numpy alone reads it
        assert str(plain["score"]) == score
    z = blobs(rng, 50)[0]
    again = Guard.load(tmp_path / "guard.npz").judge(z)
    for name, value in vars(guard.judge(z)).items():
        np.testing.assert_array_equal(value, getattr(again, name))


def test_margin_and_energy_are_what_they_say(head, rng):
    z = blobs(rng, 100)[0]
    margin = Guard(head, 0.1, score="margin").fit(z, calibration=z).judge(z)
    first, second = np.sort(head.logits(z.astype(float)), axis=1)[:, :-3:-1].T
    np.testing.assert_allclose(-margin.score, (first - second) / np.sqrt(2), rtol=1e-9, atol=1e-12)
    energy = Guard(head, 0.1, score="energy").fit(z, calibration=z).judge(z)
    np.testing.assert_allclose(energy.score, -np.log(np.exp(head.logits(z.astype(float))).sum(axis=1)))
    assert np.isnan(energy.distance).all()


@pytest.mark.parametrize("score", ["hull", "combined", "joint"])
def test_a_guard_that_can_raise_no_alarm_says_so(head, rng, score, caplog):
    """Too many of those that calibrate are infinitely far out: what must be allowed for an alarm is said."""
    z = blobs(rng, 200)[0]
    classes = head.classify(z)
    some, aside = z[classes != 3], np.concatenate([z[classes != 3][:72], z[classes == 3][:8]])
    aside = aside[rng.permutation(80)]
    guard = Guard(head, 0.05, score=score).fit(some, calibration=aside)
    assert guard.silent
    assert "no feature can raise an alarm at false_alarm 0.05" in caplog.text
    assert "features of all classes" in caplog.text
    assert not guard.judge([[0.0, 0.0, 0.0, 5.0]]).alarm.any()
    assert guard.predict([[0.0, 0.0, 0.0, 5.0]]).tolist() == [1]
    enough = float(re.search(r"allow ([\d.]+), or", caplog.text)[1])
    caplog.clear()
    louder = Guard(head, enough, score=score).fit(some, calibration=aside)
    assert not louder.silent
    assert caplog.text == ""
    assert louder.judge([[0.0, 0.0, 0.0, 5.0]]).alarm.all()


def test_what_it_refuses(head, rng):
    with pytest.raises(BadArgument, match="score: one of hull"):
        Guard(head, score="softmax").fit(blobs(rng, 40)[0])
    z = blobs(rng, 40)[0]
    with pytest.raises(BadArgument, match="fit it first"):
        Guard(head).predict(z)
    with pytest.raises(BadArgument, match="kept aside"):
        Guard(head, 0.01).fit(z, calibration=z)
    with pytest.raises(BadArgument, match="false_alarm"):
        Guard(head, 1.5).fit(z)
    with pytest.raises(BadArgument, match="AffineHead"):
        Guard("head").fit(z)
    with pytest.raises(BadArgument, match="none is left"):
        Guard(head, 0.5).fit(z, (head.classify(z) + 1) % 4, calibration=z)


def test_combined_is_the_rarer_of_distance_and_energy(head, rng):
    z, aside = blobs(rng, 300)[0], blobs(rng, 200)[0]
    guard = Guard(head, 0.1, score="combined").fit(z, calibration=aside)
    compared = aside[::2]

    def angular(points):
        return Guard(head, 0.5).fit(z, calibration=compared).distances(points).upper

    def energy(points):
        return -np.log(np.exp(head.logits(points.astype(float))).sum(axis=1))

    # shorter features of the same direction have the distance of the longer and another energy
    asked = np.concatenate([compared[:20], compared[:20] / 8, blobs(rng, 20, 4.0)[0]])
    parts = np.stack([surprise(f(asked), f(compared)) for f in (angular, energy)])
    np.testing.assert_allclose(guard.judge(asked).score, parts.max(axis=0), rtol=1e-5, atol=1e-9)
    assert (np.bincount(parts.argmax(axis=0)) > 5).all()


def test_joint_is_the_sum_of_four_views(head, rng):
    """Hull distance, energy, Mahalanobis distance and shortness, the third by scipy."""
    z, aside = (points.astype(np.float64) for points, _ in (blobs(rng, 300), blobs(rng, 200)))
    guard = Guard(head, 0.1, score="joint").fit(z, calibration=aside)
    classes = head.classify(z)
    means = np.stack([z[classes == c].mean(axis=0) for c in range(4)])
    inverse = np.linalg.inv((z - means[classes]).T @ (z - means[classes]) / len(z))
    hull = Guard(head, 0.5).fit(z, calibration=aside)

    def views(points):
        apart = [[mahalanobis(point, mean, inverse) for mean in means] for point in points]
        logits = head.logits(points)
        energy = -np.log(np.exp(logits).sum(axis=1))
        length = -np.sqrt((points**2).sum(axis=1))
        return [hull.distances(points).upper, energy, np.min(apart, axis=1), length]

    asked = np.concatenate([aside[:20], aside[:20] / 8, 3 * aside[:20], blobs(rng, 20, 4.0)[0]])
    parts = [surprise(a, b) for a, b in zip(views(asked), views(aside[::2]), strict=True)]
    np.testing.assert_allclose(guard.judge(asked).score, np.sum(parts, axis=0), rtol=1e-5, atol=1e-9)
    assert all(np.ptp(part) > 0.5 for part in parts)


def test_a_direction_without_variance_is_left_out_of_the_mahalanobis_distance(rng):
    z = rng.standard_normal((50, 3)) * [1, 1, 0] + [0, 0, 7]
    known = Gaussians.of(z, np.zeros(50, int))
    assert known.whitening.shape == (3, 2)
    np.testing.assert_allclose(known.distance(z + 5 * np.eye(3)[2]), known.distance(z))
    white = known.distance(z) ** 2
    assert white.mean() == pytest.approx(2)


def test_a_file_with_another_number_of_views_is_no_guard(head, rng, tmp_path):
    guard = Guard(head, 0.1, score="combined").fit(blobs(rng, 300)[0], calibration=blobs(rng, 200)[0])
    guard.score = "joint"
    guard.save(tmp_path / "guard.npz")
    with pytest.raises(BadData, match="2 views"):
        Guard.load(tmp_path / "guard.npz")


def test_how_far_outside_is_a_distance(head):
    square = [[5.0, 0, 0, 0], [7, 0, 0, 0], [5, 2, 0, 0], [7, 2, 0, 0]]
    guard = Guard(head, 0.5).fit(square, calibration=square)
    found = guard.inspect([[6, 1, 3.0, 0], [8, 3, 0, 0], [6, 1, 0, 0], [0, 9, 0, 0]])
    assert found.outside_by == pytest.approx([3, np.sqrt(2), 0, np.inf])
    assert found.inside.tolist() == [Status.OUTSIDE, Status.OUTSIDE, Status.INSIDE, Status.OUTSIDE]
