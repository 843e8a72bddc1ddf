"""The study of hulls: what it stores is proved, and its figures are those of the hull floor."""

import json

import numpy as np
import pytest

from featgeom import ConvexHull, Status, open_run, separate
from featgeom.catalog import STUDIES
from featgeom.proofs import hulls
from featgeom.runs.making import arrays_run
from featgeom_cli.main import run as featgeom_run


def made_run(folder, splits):
    rng = np.random.default_rng(5)
    labels = rng.integers(3, size=240)
    features = np.maximum(0, 4 * np.eye(3)[labels] + rng.standard_normal((240, 3))).astype(np.float32)
    arrays = {"weight": np.eye(3, dtype=np.float32), "bias": np.zeros(3, dtype=np.float32)}
    for split, part in splits.items():
        arrays |= {f"features_{split}": features[part], f"labels_{split}": labels[part]}
    np.savez(folder / "features.npz", **arrays)
    return arrays_run(folder / "run", str(folder / "features.npz"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = made_run(tmp_path_factory.mktemp("hulls"), {"train": slice(180), "test": slice(180, None)})
    assert featgeom_run(["hulls", str(made.folder), "--quiet"]) == 0
    return open_run(made.folder)


def test_all_that_is_claimed_is_proved(run):
    found = run.verify()
    assert found.tally["PROVED"] > 300
    assert (found.tally["REFUTED"], found.tally["UNDECIDED"]) == (0, 0)


def test_the_record_says_what_the_hulls_say(run):
    record = run.result("hulls")
    train, test = run.features("train"), run.features("test")
    whole = ConvexHull(train.features)
    np.testing.assert_allclose(record.arrays["test_all"], whole.project(test.features).distance)
    everything = record.values["hulls"][0]
    assert everything["inside"] == (whole.contains(test.features).status == Status.INSIDE).sum()
    assert everything["extreme"] == whole.extreme_points().mask.sum()
    assert everything["diameter"] == pytest.approx(whole.diameter().value)
    right = train.head.classify(train.features) == train.labels
    a, b = (ConvexHull(train.features[(train.labels == c) & right]) for c in (0, 2))
    pair = next(p for p in record.values["pairs"]["correct"] if list(p["classes"]) == [0, 2])
    assert pair["distance"] == pytest.approx(separate(a, b).distance)


def test_vertices_taken_from_greater_hulls_are_all_there_are(run):
    train = run.features("train")
    right = train.head.classify(train.features) == train.labels
    for part in run.result("hulls").values["hulls"][1:]:
        rows = (train.labels == part["label"]) & (right | (part["samples"] == "all"))
        assert part["extreme"] == ConvexHull(train.features[rows]).extreme_points().mask.sum()


def test_both_versions_of_every_class_are_there(run):
    table = run.result("hulls").table("hulls")
    assert len(table.rows) == 7
    assert set(table.column("samples")) == {"all samples", "correctly predicted"}


def test_the_report_shows_it(run):
    assert "Convex hulls of the features" in run.report().read_text()
    assert (run.folder / "figures" / "hulls-distance.svg").exists()
    assert (run.folder / "figures" / "hulls-pairs.svg").exists()


def test_json(run, capsys):
    assert featgeom_run(["hulls", str(run.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["study"] == "hulls"


def test_what_is_left_out_is_said(run, monkeypatch):
    monkeypatch.setattr(hulls, "MOST_POINTS", 10)
    monkeypatch.setattr(hulls, "MOST_CLASSES", 2)
    record = STUDIES["hulls"].make(run)
    said = " ".join(finding.text for finding in record.findings)
    assert "not counted for hulls of more than 10 points" in said
    assert "Of more than 2 classes not all pairs of hulls are measured" in said
    assert record.values["hulls"][0]["extreme"] is None


def test_one_split_alone_asks_no_questions(tmp_path):
    made = made_run(tmp_path, {"train": slice(None)})
    record = STUDIES["hulls"].make(made)
    assert "one split alone" in record.findings[0].text
    assert record.values["hulls"][0]["questions"] == 0
