"""The main job as a user meets it: one command, a run folder, a report."""

import json
from pathlib import Path

import numpy as np
import pytest

import featgeom as fg
from featgeom_cli.main import run


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert run(["analyze", "-o", str(folder), "--quiet", "--json"]) == 0
    return folder


def test_the_run_folder_is_plain(digits_run):
    names = {str(p.relative_to(digits_run)) for p in digits_run.rglob("*")}
    assert {"run.json", "report.html", "results/overview.json", "features/train", "features/test"} <= names
    assert not [name for name in names if name.endswith(".part")]


def test_figures_agree_with_a_plain_calculation(digits_run):
    opened = fg.open_run(digits_run)
    overview = opened.results["overview"]
    for split in ("train", "test"):
        feats = opened.features(split)
        z, w, b = np.asarray(feats.features, np.float64), feats.head.weight, feats.head.bias
        logits = z @ w.T + b
        assert overview.values["accuracy"][split] == pytest.approx((logits.argmax(1) == feats.labels).mean())
        own = logits.argmax(1)
        rows = np.arange(len(z))
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (logits[rows, own][:, None] - logits) / np.linalg.norm(
                w[own][:, None] - w[None], axis=2
            )
        distance[rows, own] = np.inf
        np.testing.assert_allclose(overview.arrays[f"{split}_distance"], distance.min(1), rtol=1e-9)
        np.testing.assert_array_equal(overview.arrays[f"{split}_prediction"], own)
    assert overview.values["accuracy"]["test"] >= 0.98


def test_the_same_command_again_gives_the_same_results(digits_run, tmp_path):
    again = tmp_path / "again"
    assert run(["analyze", "-o", str(again), "--quiet"]) == 0
    for name in ("results/overview.json",):
        first, second = (json.loads((f / name).read_text()) for f in (digits_run, again))
        first.pop("seconds")
        second.pop("seconds")
        assert first == second


def test_a_folder_with_another_run_is_never_reused(digits_run, capsys):
    assert run(["analyze", "digits", "digits", "--split", "test", "-o", str(digits_run)]) == 2
    assert "another run" in capsys.readouterr().err


def test_the_report_stands_alone(digits_run):
    page = (digits_run / "report.html").read_text("utf-8")
    assert "<svg" in page
    assert "src=" not in page
    assert page.count("<link") == page.count('<link rel="icon" href="data:,">')
    for words in ("proved", "distance in feature space", "featgeom analyze", "Accuracy is 0.9"):
        assert words in page


def test_report_is_rebuilt_from_what_is_stored(digits_run, capsys):
    before = (digits_run / "report.html").read_text("utf-8")
    (digits_run / "report.html").unlink()
    assert run(["report", str(digits_run), "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["report"]).read_text("utf-8") == before


def test_extraction_alone_makes_a_run_that_has_no_report_yet(tmp_path, capsys):
    folder = tmp_path / "r"
    assert run(["extract", "digits", "digits", "--split", "test", "-o", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["samples"] == {"test": 500}
    assert run(["report", str(folder)]) == 2
    assert "no results yet" in capsys.readouterr().err


def test_features_from_anywhere(digits_run, tmp_path, capsys):
    opened = fg.open_run(digits_run)
    arrays = {}
    for split in opened.splits:
        feats = opened.features(split)
        arrays |= {f"features_{split}": feats.features, f"labels_{split}": feats.labels}
    np.savez(tmp_path / "f.npz", weight=feats.head.weight, bias=feats.head.bias, **arrays)
    assert run(["analyze", str(tmp_path / "f.npz"), "-o", str(tmp_path / "run"), "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    values = document["result"]["overview"]["values"]
    assert values["accuracy"] == opened.results["overview"].values["accuracy"]
    assert values["guarantees"] == json.loads(
        json.dumps(opened.results["overview"].to_json()["values"]["guarantees"])
    )
