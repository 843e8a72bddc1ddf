"""`featgeom verify` proves what was stored, and refutes what was changed since."""

import json
from dataclasses import replace

import numpy as np
import pytest

from featgeom import ConvexHull, open_run
from featgeom.certificates.classes import ClassBall
from featgeom.runs.making import arrays_run
from featgeom_cli.main import run as featgeom_run


@pytest.fixture
def run(tmp_path, rng):
    labels = np.repeat([0, 1, 2], 40)
    features = (np.eye(3)[labels] * 3 + rng.standard_normal((120, 3))).astype(np.float32)
    file = tmp_path / "features.npz"
    np.savez(file, features=features, labels=labels, weight=np.eye(3, dtype=np.float32), bias=np.zeros(3))
    made = arrays_run(tmp_path / "run", str(file))
    opened = open_run(made.folder)
    opened.study("overview")
    return opened


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_everything_stored_is_proved(run, capsys):
    found = run.verify()
    assert found.refuted == 0
    assert found.tally["PROVED"] > 120
    assert featgeom_run(["verify", str(run.folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["result"]
    assert document["tally"] == found.tally


def test_a_changed_feature_is_refuted(run, capsys):
    shard = next(p for p in (run.folder / "features").rglob("*.safetensors"))
    raw = shard.read_bytes()
    feature = np.ascontiguousarray(run.features("all").features[7]).tobytes()
    place = raw.index(feature) + 2
    shard.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    assert featgeom_run(["verify", str(run.folder)]) == 1
    assert "its SHA-256 is not that of manifest.json" in capsys.readouterr().out


def test_a_changed_claim_is_refuted(run, capsys):
    document = next((run.folder / "claims").glob("*.json"))
    text = document.read_text()
    document.write_text(text.replace('"integer": 0', '"integer": 1', 1))
    assert featgeom_run(["verify", str(run.folder)]) == 1
    out = capsys.readouterr().out
    assert "REFUTED" in out
    assert "altered" in out


def test_evidence_that_is_gone_is_refuted(run, capsys):
    next((run.folder / "claims").glob("*.npz")).unlink()
    assert featgeom_run(["verify", str(run.folder)]) == 1


def test_a_folder_that_is_no_run(tmp_path, capsys):
    assert featgeom_run(["verify", str(tmp_path)]) == 2
    assert "no run there" in capsys.readouterr().err


def test_claims_that_are_gone_are_a_refutation(run, capsys):
    for file in (run.folder / "claims").glob("overview.*"):
        file.unlink()
    assert featgeom_run(["verify", str(run.folder)]) == 1
    assert "claims/overview.json is gone" in capsys.readouterr().out


def test_a_check_that_raises_leaves_one_statement_undecided_and_the_exit_status_is_1(
    run, capsys, monkeypatch
):
    def fails(claim, i):
        raise OSError("out of luck")

    monkeypatch.setattr(ClassBall, "screened", lambda claim: np.arange(len(claim)) != 7)
    monkeypatch.setattr(ClassBall, "decide", fails)
    assert featgeom_run(["verify", str(run.folder)]) == 1
    out = capsys.readouterr().out
    assert "UNDECIDED overview/balls-all[7]" in out
    assert "the check ended with OSError: out of luck" in out
    tally = run.verify().tally
    assert tally["REFUTED"] == 0
    assert tally["PROVED"] >= 119


def test_one_bad_row_leaves_the_other_statements_proved():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    found = ConvexHull(square).contains(np.array([[1.0, 1.0], [0.5, 1.0], [3.0, 1.0]])).certificate
    out_of_range = replace(found, rows=np.array([0, 1, 9]))
    assert out_of_range.check().tally == {"PROVED": 2, "REFUTED": 1}
    no_number = replace(found, normal=np.where(np.arange(3)[:, None] == 2, np.nan, found.normal))
    assert no_number.check().tally == {"PROVED": 2, "REFUTED": 1}
