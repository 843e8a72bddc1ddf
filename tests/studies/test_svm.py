"""The studies of head and machine, and of neural collapse, on a run of the built-in network."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

import featgeom as fg
from featgeom import Status
from featgeom.catalog import STUDIES
from featgeom.margins import comparison
from featgeom.runs.making import arrays_run, make_run
from featgeom.runs.subjects import Subjects
from featgeom.studies import svm


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("svm") / "run", "digits", "digits")


def test_every_figure_is_that_of_the_library(run, monkeypatch):
    monkeypatch.setattr(svm, "MOST_PAIRS", 3)
    record = STUDIES["svm"].make(run)
    features = run.features("train")
    right = features.predictions == features.labels
    x, y = np.asarray(features.features)[right], features.labels[right]
    machine = fg.max_margin(x, y)
    assert record.values["machines"]["standard"]["margin"] == machine.margin
    assert len(record.values["pairs"]) == 3
    assert any("42 are left out" in finding.text for finding in record.findings)
    pair = record.values["pairs"][0]
    rows = np.isin(y, pair["classes"])
    compared = fg.compare_head(
        features.head, fg.max_margin(x[rows], y[rows], bias="augmented"), x[rows], y[rows]
    )
    assert pair["augmented"]["angle"] == compared.overall_angle
    assert np.array_equal(record.arrays["support-standard"], np.flatnonzero(right)[machine.support])


def test_every_claim_is_proved_and_the_record_is_stored(run, monkeypatch):
    monkeypatch.setattr(svm, "MOST_PAIRS", 3)
    record = STUDIES["svm"].make(run)
    assert len(record.claims) == 2 + 2 * 3
    for name, claim in record.claims.items():
        assert claim.check().status.tolist() == [Status.PROVED], name
    run.save(record)
    assert run.results["svm"].to_text() == record.to_text()


def test_the_least_head_margins_are_chosen(monkeypatch):
    monkeypatch.setattr(svm, "MOST_PAIRS", 1)
    head = fg.AffineHead(np.eye(3))
    x, y = np.array([[9.0, 0, 0], [0, 9.0, 0], [0, 8.0, 8.5]]), np.array([0, 1, 2])
    assert svm.chosen_pairs(head, x, y) == ([(1, 2)], 2)


def test_samples_whose_features_are_all_zero_are_counted(tmp_path):
    x = np.array([[3.0, 0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]], np.float32)
    np.savez(tmp_path / "f.npz", features=x, labels=[0, 0, 1, 1], weight=np.eye(2), bias=np.array([0.5, 0]))
    record = STUDIES["svm"].make(arrays_run(tmp_path / "run", str(tmp_path / "f.npz")))
    assert record.values["at_origin"] == 2
    assert any("Of 2 samples all features are 0" in finding.text for finding in record.findings)
    assert record.values["largest_loss"] == pytest.approx(np.log(1 + np.exp(0.5)))


def test_they_are_chosen_and_losses_taken_without_all_logits_at_once(rng, monkeypatch):
    head, classes = fg.AffineHead(rng.normal(size=(14, 8))), []
    x = rng.normal(size=(900, 8))
    y = head.classify(x)
    held, logits = head.logits(x), fg.AffineHead.logits

    def told(self, points):
        classes.append(len(points))
        return logits(self, points)

    monkeypatch.setattr(fg.AffineHead, "logits", told)
    for module in (svm, comparison):
        monkeypatch.setattr(module, "ENTRIES", 14 * 100)
    least = {
        (a, b): min((held[y == a, a] - held[y == a, b]).min(), (held[y == b, b] - held[y == b, a]).min())
        for a, b in itertools.combinations(np.unique(y).tolist(), 2)
    }
    assert len(least) > svm.MOST_PAIRS
    nearest = sorted(sorted(least, key=least.get)[: svm.MOST_PAIRS])
    assert svm.chosen_pairs(head, x, y) == (nearest, len(least) - svm.MOST_PAIRS)
    beside = np.exp(held - held[np.arange(900), y][:, None])
    np.testing.assert_allclose(comparison.cross_entropy(head, x, y), np.log(beside.sum(axis=1)), rtol=1e-9)
    assert max(classes) <= 100


def test_machines_of_few_pairs_at_a_time_share_the_draws(run, monkeypatch):
    monkeypatch.setattr(svm, "MOST_PAIRS", 7)
    monkeypatch.setattr(svm, "MOST_UNKNOWNS", 100)
    monkeypatch.setattr(svm, "AT_A_TIME", 3)
    machines, compare = [], svm.compare_heads

    def counted(head, asked, seed):
        machines.append(len(asked))
        return compare(head, asked, seed)

    monkeypatch.setattr(svm, "compare_heads", counted)
    assert len(STUDIES["svm"].make(run).values["pairs"]) == 7
    assert machines == [6, 6, 2]


def test_features_of_all_samples_are_looked_at_once_and_not_copied(run, monkeypatch):
    """Of a million samples on disk, the correct ones alone take more than memory should hold."""
    monkeypatch.setattr(svm, "MOST_PAIRS", 2)
    monkeypatch.setattr(svm, "MOST_UNKNOWNS", 100)
    named, points, looks, look = [], Subjects.points, [], svm.look
    monkeypatch.setattr(Subjects, "points", lambda known, words: named.append(words) or points(known, words))
    monkeypatch.setattr(svm, "look", lambda *asked: looks.append(look(*asked)) or looks[-1])
    record = STUDIES["svm"].make(run)
    assert "train/features predicted as labelled" not in named
    assert len(named) >= 2
    (seen,) = looks
    features = run.features("train")
    losses = comparison.cross_entropy(features.head, features.features, features.labels)
    np.testing.assert_allclose(seen.losses, losses, rtol=1e-12)
    assert record.values["at_origin"] == seen.at_origin


def test_a_class_without_correct_samples_is_left_out(tmp_path):
    x = np.array([[3.0, 0.0], [4.0, 0.0], [0.0, 3.0], [0.0, 4.0], [5.0, 1.0]], np.float32)
    np.savez(tmp_path / "f.npz", features=x, labels=[0, 0, 1, 1, 2], weight=np.eye(3, 2), bias=np.zeros(3))
    record = STUDIES["svm"].make(arrays_run(tmp_path / "run", str(tmp_path / "f.npz")))
    assert [pair["classes"] for pair in record.values["pairs"]] == [[0, 1]]
    assert record.values["samples"] == 4


def test_a_machine_that_would_be_too_large_is_left_out_aloud(run, monkeypatch):
    monkeypatch.setattr(svm, "MOST_PAIRS", 1)
    monkeypatch.setattr(svm, "MOST_UNKNOWNS", 100)
    record = STUDIES["svm"].make(run)
    assert record.values["machines"] == {}
    assert any("more than 100 unknowns" in finding.text for finding in record.findings)


def test_collapse_measures_every_split(run):
    record = STUDIES["collapse"].make(run)
    features = run.features("test")
    expected = fg.neural_collapse(features.features, features.labels, features.head)
    assert record.values["test"]["nc1"] == expected.nc1
    assert record.values["test"]["nc4"] == expected.nc4
    run.save(record)
    assert run.results["collapse"].to_text() == record.to_text()


@pytest.mark.parametrize("command", ["collapse"])
def test_the_command_stores_what_it_shows(run, command):
    done = subprocess.run(
        [sys.executable, "-m", "featgeom_cli", command, str(run.folder), "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["study"] == command
    assert (run.folder / "results" / f"{command}.json").exists()
