"""A run that has one part only, from arrays or from one split, is as good as any other."""

import json

import numpy as np
import pytest

import featgeom as fg
from featgeom_cli.main import run as featgeom

FEATURE_COMMANDS = (
    "hulls",
    "regions",
    "boundaries",
    "svm",
    "collapse",
    "retrain",
    "report",
    "verify",
    "check",
)


@pytest.fixture(scope="module", params=["arrays", "split"])
def one_part(
    request,
    tmp_path_factory,
):
    place = tmp_path_factory.mktemp(request.param)
    if request.param == "split":
        made = fg.analyze("digits", "digits", place / "run", split="test")
    else:
        rng = np.random.default_rng(0)
        labels = np.repeat([0, 1, 2], 30)
        features = (np.eye(3)[labels] * 3 + rng.standard_normal((90, 3))).astype(np.float32)
        np.savez(place / "f.npz", features=features, labels=labels, weight=np.eye(3), bias=np.zeros(3))
        made = fg.analyze(place / "f.npz", out=place / "run")
    assert len(made.splits) == 1
    return made.folder


@pytest.mark.parametrize("command", FEATURE_COMMANDS)
def test_every_command_of_feature_space_answers(command, one_part, capsys):
    assert featgeom([command, str(one_part), "--quiet"]) == 0, capsys.readouterr().err
    said, run = capsys.readouterr().out, fg.open_run(one_part)
    if command in run.results:  # a study, whose figures are there and are those shown
        record = run.result(command)
        assert record.to_text() in said
        assert record.findings or any(table.rows for table in record.tables)
        assert (one_part / "report.html").stat().st_size > 1000
    elif command == "verify":
        assert "proved" in said
    else:
        assert said.strip()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["explain", "RUN", "PART:0", "PART:5", "-o", "OUT/e.html"], lambda r: [len(r), r[1]["image"][-2:]]),
        (
            ["suspects", "RUN", "--most", "5", "-o", "OUT/s"],
            lambda r: [len(r["suspects"]), r["suspects"][0]["sample"].count(":")],
        ),
        (["guard", "RUN", "--false-alarm", "0.5"], lambda r: [r["false_alarm"], r["left"]]),
        (
            ["networks", "RUN", "RUN", "-o", "OUT/n"],
            lambda r: [len(r["networks"]), r["networks"][0]["accuracy"] > 0.8],
        ),
        (["export", "RUN", "--to", "csv", "-o", "OUT/e.csv"], lambda r: [len(r["files"])]),
        (["export", "RUN", "--to", "projector", "-o", "OUT/p"], lambda r: [len(r["files"]) >= 4]),
    ],
    ids=["explain", "suspects", "guard", "networks", "csv", "projector"],
)
def test_every_answer_is_given(words, answer, one_part, tmp_path, capsys):
    expected = {
        "explain": [2, ":5"], "suspects": [5, 1], "guard": [0.5, None], "networks": [2, True],
        "csv": [1], "projector": [True],
    }  # fmt: skip
    (part,) = fg.open_run(one_part).splits
    names = {"RUN": str(one_part), "PART": part, "OUT": str(tmp_path)}
    for name, value in names.items():
        words = [word.replace(name, value) for word in words]
    assert featgeom([*words, "--json", "--quiet"]) == 0, capsys.readouterr().err
    said = json.loads(capsys.readouterr().out)["result"]
    assert answer(said) == expected[words[3] if words[0] == "export" else words[0]]


def test_after_all_of_them_it_can_be_seen(one_part, tmp_path, capsys):
    assert featgeom(["hulls", str(one_part), "--quiet"]) == 0
    assert featgeom(["view", str(one_part), "--html", str(tmp_path / "v.html")]) == 0, capsys.readouterr().err
    run = fg.open_run(one_part)
    (part,) = run.splits
    assert np.isnan(run.result("hulls").arrays[f"{part}_all"]).sum() == len(run.features(part))
