"""`featgeom verify` proves what was stored, and refutes what was changed since."""

import json

import numpy as np
import pytest

from featgeom import open_run
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
    assert "is not what it was" in capsys.readouterr().out


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
