"""The guard: certified scores, a calibrated threshold, one file, the manners of scikit-learn."""

import numpy as np
import pytest
from sklearn.base import clone

from featgeom import AffineHead, ConvexHull, Guard
from featgeom.errors import BadArgument, BadData
from featgeom.guard import unit_length
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
        assert -scores[i] == pytest.approx(found, rel=2e-3, abs=1e-9)


def test_bounds_are_proved(guard, rng):
    found = guard.distances(blobs(rng, 50)[0])
    assert (found.lower <= found.upper).all()
    for claim in found.certificates.values():
        assert set(claim.check().tally) == {"PROVED"}


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


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "other"])
def test_a_file_that_is_no_guard(guard, tmp_path, damage):
    path = tmp_path / "guard.npz"
    if damage != "missing":
        guard.save(path)
    if damage == "text":
        path.write_text("no guard")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "other":
        np.savez(path, a=np.ones(3))
    with pytest.raises(BadData, match="not a guard"):
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


def test_what_it_refuses(head, rng):
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
