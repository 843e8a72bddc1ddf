"""`featgeom explain`: figures that can be worked out on paper, and what is certified where a claim fails."""

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.answers.explain_page import explain_page, strip
from featgeom.answers.explained_words import sentences
from featgeom.answers.proved import holds
from featgeom.certificates.crossings import SegmentCells
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.hulls import HullMembership
from featgeom.certificates.ties import NearestTie
from featgeom.models.pixel_spec import PixelSpec
from featgeom.runs.making import make_run
from featgeom.status import Status

SQUARE = [[3.0, 0, 0], [5, 0, 0], [3, 1, 0], [5, 1, 0], [4, 0.5, 0]]  # and its centre
OTHERS = [[0.0, 3, 0], [0, 5, 0]]  # their mean is (0, 4, 0)
ASKED = [[4, 0.5, 0.4], [4, 0.5, -1.5], [4, 0.5, 0.2], [4, 0.4, 0.0]]  # the last lies in the square


@pytest.fixture
def square(run_of):
    return run_of(
        features_train=SQUARE + OTHERS, labels_train=[0] * 5 + [1] * 2,
        features_test=ASKED, labels_test=[0] * 4,
    )  # fmt: skip


def test_figures_of_a_square(square):
    far, farther, near, inside, corner, centre = (
        one.facts for one in fg.explain(square, ["test:0-3", "train:0", "train:4"])
    )
    assert far["logit_margin"] == pytest.approx(3.5)
    assert far["boundary"] == pytest.approx(3.5 / np.sqrt(2))
    assert 3.5 / np.sqrt(2) * (1 - 1e-6) <= far["boundary_lower"] <= 3.5 / np.sqrt(2) * (1 + 1e-12)
    assert (far["path"], far["path_changes"]) == (["0", "1"], [pytest.approx(3.5 / 7.5)])
    for found, distance in ((far, 0.4), (farther, 1.5), (near, 0.2)):
        assert found["hull"] == pytest.approx(distance)
        assert distance * (1 - 1e-5) <= found["hull_lower"] <= distance * (1 + 1e-12)
    assert (inside["hull"], inside["hull_lower"], inside["inside"]) == (0, 0, "INSIDE")
    # each corner is 2/√5 from the hull of the others, the centre 0
    ranks = [found["p_training"] for found in (far, farther, near, inside, corner, centre)]
    assert ranks == pytest.approx([5 / 6, 1 / 6, 5 / 6, 1, 4 / 5, 1])
    assert corner["hull"] == pytest.approx(2 / np.sqrt(5))
    ranks = [found["p_calibration"] for found in (far, farther, near, inside, corner, centre)]
    assert ranks == pytest.approx([2 / 4, 1 / 4, 3 / 4, 1, 2 / 5, 1])


def test_the_way_to_the_rival_is_a_strip_of_exact_lengths(square):
    (found,) = fg.explain(square, "test:0")
    parts = strip(found)
    assert [part["class"] for part in parts] == ["0", "1"]
    assert parts[0]["from"] == 0
    assert parts[0]["wide"] == parts[1]["from"] == pytest.approx(100 * 3.5 / 7.5)
    assert sum(part["wide"] for part in parts) == pytest.approx(100)
    page = explain_page(square, [found])
    assert "The straight way to the mean of 1, in feature space" in page
    assert page.count("<rect") == 2
    assert [(one.row, one.label) for one in found.way] == [(2, "0"), (5, "1")]  # nearest to the middles
    start, mean = np.array(ASKED[0]), np.array([0.0, 4, 0])
    middles = [start + t * (mean - start) for t in (3.5 / 15, (1 + 3.5 / 7.5) / 2)]
    far = [np.linalg.norm(m - z) for m, z in zip(middles, (SQUARE[2], OTHERS[0]), strict=True)]
    assert [one.value for one in found.way] == pytest.approx(far)
    (itself,) = fg.explain(square, "train:2")
    assert itself.way[0].row != 2


def test_more_images_of_the_mixture_are_counted(run_of):
    z = 10 * np.eye(12)[[0]] + np.eye(12)[1:]
    run = run_of(features_train=z, labels_train=[0] * 11, features_test=z.mean(axis=0)[None], labels_test=[0])
    (found,) = fg.explain(run, "test:0")
    assert [one.value for one in found.mixture] == pytest.approx([1 / 11] * 8)
    assert found.facts["mixture_rest"] == 3


def test_what_lies_inside_is_as_far_out_as_nothing(run_of):
    """Where rounding leaves 1e-17 of a distance of zero, the p-value is 1 all the same."""
    rng = np.random.default_rng(0)
    run = run_of(
        features_train=np.array([2.0, 0]) + rng.random((40, 2)), labels_train=[0] * 40,
        features_test=np.array([2.0, 0]) + rng.random((30, 2)), labels_test=[0] * 30,
    )  # fmt: skip
    found = [one.facts for one in fg.explain(run, ["test", "train"])]
    inside = [one for one in found if one["inside"] == "INSIDE"]
    assert 40 < len(inside) < 70
    for one in inside:
        assert (one["hull"], one["hull_lower"]) == (0, 0)
        assert (one["p_training"], one["p_calibration"]) == (1, 1)
    assert all(one["p_training"] < 1 for one in found if one["inside"] == "OUTSIDE")


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        (NearestTie, "boundary"),
        (SegmentCells, "path"),
        (HullMembership, "inside"),
        (GuaranteedHull, "inside"),
    ],
)
def test_each_question_is_certified_by_its_own_claim(square, monkeypatch, kind, question):
    (before,) = fg.explain(square, "test:0")
    assert before.certified == dict.fromkeys(("boundary", "path", "hull", "inside"), True)
    monkeypatch.setattr(kind, "decide", lambda self, i: (Status.UNDECIDED, "on purpose"))
    monkeypatch.setattr(kind, "screened", lambda self: np.zeros(len(self), bool))
    (after,) = fg.explain(square, "test:0")
    assert after.certified == before.certified | {question: False}
    lost = {text for text, proved in sentences(before, square) if proved} - {
        text for text, proved in sentences(after, square) if proved
    }
    assert len(lost) == 1


def test_nothing_stated_is_nothing_proved(square):
    assert not holds()
    assert not holds(None)
    part = square.features("test")
    found = fg.flip_points(part.head, part.features)
    assert holds(found.certificate)
    assert len(found.certificate_empty) == 0
    assert not holds(found.certificate_empty)
    assert not holds(found.certificate, found.certificate_empty)


def test_that_no_other_class_exists_is_said_where_it_is_proved(run_of):
    z = np.array([1.0, 0]) + np.random.default_rng(0).random((6, 2))
    one = {"features": z, "labels": np.zeros(6, int), "bias": [1.0, 0.0]}
    never = run_of("never", weight=[[1.0, 0], [1, 0]], **one)
    (found,) = fg.explain(never, "all:0")
    said = dict(sentences(found, never))
    assert said["No point of feature space has another class."]
    assert found.facts["boundary_status"] == "INFEASIBLE"

    far = run_of("far", weight=np.array([[1.0, 0], [1, 1e-9]]) * 1e-200, **one)
    assert far.features("all").head.classify([[0, 2e209]]) == [1]
    (found,) = fg.explain(far, "all:0")
    said = dict(sentences(found, far))
    assert "No point of feature space has another class." not in said
    assert said["Whether any point of feature space has another class is not decided."] is False
    assert not found.certified["boundary"]


def test_a_class_without_a_rightly_predicted_training_feature(run_of):
    run = run_of(
        features_train=SQUARE + OTHERS, labels_train=[0] * 5 + [1] * 2,
        features_test=[[4, 0.5, 0.4], [0, 0, 5]], labels_test=[0, 2],
    )  # fmt: skip
    first, second = fg.explain(run, "test")
    assert first.facts["training"] == 5
    assert second.facts["hull"] is None
    said = [text for text, _ in sentences(second, run)]
    assert "There is no other train feature of 2 that is predicted so." in said


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Digits, which are grey, by a network of colours; a run without labels."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6), nn.ReLU())
    net.append(nn.Linear(6, 10))
    clf = fg.load_classifier(net, pixels=PixelSpec(bounds=(0.0, 1.0)))
    images = {split: fg.load_images("digits", split=split).images[:60] for split in ("train", "test")}
    sets = {k: fg.ImageSet(x, None, clf.classes, "digits", k) for k, x in images.items()}
    return make_run(tmp_path_factory.mktemp("coloured") / "run", clf, sets), images["test"]


def test_grey_arrays_are_explained_by_a_network_of_colours(coloured):
    run, grey = coloured
    (array,), (sample,) = fg.explain(run, grey[:1]), fg.explain(run, "test:0")
    assert array.facts["boundary"] == pytest.approx(sample.facts["boundary"], rel=1e-5)


def test_without_labels_nothing_is_rightly_predicted(coloured):
    run, _ = coloured
    assert run.unlabelled == ("train", "test")
    (found,) = fg.explain(run, "test:0")
    said = " ".join(text for text, _ in sentences(found, run))
    assert "right" not in said
    assert f"train features predicted {found.facts['prediction']}" in said
