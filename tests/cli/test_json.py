"""With --json every command prints one document, {run, report, result}, on the real standard output."""

import json
import subprocess
import sys

from featgeom.catalog import STUDIES
from featgeom_cli.main import COMMANDS

SMALL = {
    "retrain": ["--steps", "20"],
    "invert": ["--samples", "1"],
    "flips": ["--samples", "2"],
    "morph": ["--morphs", "1", "--steps", "2", "--alike", "2"],
    "planes": ["--planes", "1"],
    "compare": ["--train-samples", "60", "--test-samples", "5", "--flip-samples", "2"],
}


OF_ANY_RUN = [name for name, study in STUDIES.items() if study.study and name != "maps"]


def document(words, place):
    """What a process of its own writes to file descriptor 1, as one document."""
    command = [sys.executable, "-m", "featgeom_cli", *words, "--json", "--quiet"]
    done = subprocess.run(command, cwd=place, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    read = json.loads(done.stdout)
    assert set(read) == {"run", "report", "result"}
    return read


def test_every_command_of_a_run(tmp_path):
    found = document(["analyze", "digits", "digits", "--classes", "1,4,7", "-o", "run"], tmp_path)
    assert found["run"] == "run"
    assert found["result"]["overview"]["study"] == "overview"
    for name in OF_ANY_RUN:  # the observations last: they take what is stored
        found = document([name, "run", *SMALL.get(name, [])], tmp_path)
        assert found["result"]["study"] == name
        assert f'id="{name}"' in (tmp_path / found["report"]).read_text("utf-8"), "the report is renewed"
    written = document(["view", "run", "--html", "view.html"], tmp_path)["result"]["files"]
    assert written == {"html": "view.html"}
    assert document(["report", "run"], tmp_path)["result"]["studies"]
    assert document(["verify", "run"], tmp_path)["result"]["tally"]["REFUTED"] == 0


def test_every_other_command(tmp_path):
    training = ["train", "simulated_three_blobs", "--steps", "10", "--per-decade", "1", "-o", "training"]
    series = document(training, tmp_path)["result"]["checkpoints"]
    followed = document(["trajectory", *series, "synthetic:three_blobs", "-o", "followed"], tmp_path)
    assert followed["result"]["study"] == "trajectory"
    document(["analyze", series[-1], "synthetic:three_blobs", "-o", "plane"], tmp_path)
    assert document(["maps", "plane"], tmp_path)["result"]["study"] == "maps"
    assert document(["inspect", "digits"], tmp_path)["result"]["dimension"] == 32
    part = document(["extract", "digits", "digits", "--split", "test", "-o", "part"], tmp_path)
    assert part["result"]["samples"] == {"test": 500}
    assert document(["train", "--list"], tmp_path)["result"]["digits"]
    assert document(["reproduce", "--list"], tmp_path)["result"]


def test_every_command_is_tried():
    others = {"analyze", "view", "report", "verify", "train", "trajectory", "maps", "inspect", "extract"}
    assert set(COMMANDS) == {*OF_ANY_RUN, *others, "reproduce"}
