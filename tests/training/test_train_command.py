"""`featgeom train` from outside."""

import json
import subprocess
import sys

import pytest


def featgeom(*words):
    return subprocess.run([sys.executable, "-m", "featgeom_cli", *words], capture_output=True, text=True)


def test_it_trains_and_says_what_it_left(tmp_path):
    done = featgeom("train", "digits", "-o", str(tmp_path), "--steps", "12", "--classes", "3,8", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)["result"]
    assert [r["step"] for r in document["history"]] == [0, 1, 2, 3, 6, 10, 12]
    assert len(document["checkpoints"]) == 7
    inspected = featgeom("inspect", document["checkpoints"][-1], "--json")
    assert json.loads(inspected.stdout)["result"]["classes"] == ["3", "8"]


def test_it_lists_its_recipes():
    done = featgeom("train", "--list")
    assert done.returncode == 0
    assert "digits" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "missing argument 'RECIPE'"),
        (["train", "digit"], "did you mean 'digits'"),
        (["train", "digits", "--loss", "hing"], "did you mean 'hinge'"),
        (["train", "digits", "--steps", "0"], "steps: expected"),
    ],
)
def test_wrong_use_gets_one_line(tmp_path, words, message):
    done = featgeom(*words, "-o", str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
