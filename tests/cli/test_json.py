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


SPEAKER = """
import json, os, sys
from featgeom_cli.main import run
own = os.dup(1)
for i, words in enumerate(json.load(sys.stdin)):
    os.dup2(os.open(f"{i}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    code = run([*words, "--json", "--quiet"])
    sys.stdout.flush()
    os.dup2(own, 1)
    assert code == 0, words
"""


def documents(place, *calls):
    """What a process writes to file descriptor 1, command for command, as one document each."""
    asked = json.dumps(calls).encode()
    done = subprocess.run(
        [sys.executable, "-c", SPEAKER], cwd=place, input=asked, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    found = [json.loads((place / f"{i}.said").read_bytes()) for i in range(len(calls))]
    assert all(set(document) == {"run", "report", "result"} for document in found)
    return found


def test_every_command_of_a_run(tmp_path):
    made, *studies = documents(
        tmp_path,
        ["analyze", "digits", "digits", "--classes", "1,4,7", "-o", "run"],
        *([name, "run", *SMALL.get(name, [])] for name in OF_ANY_RUN),  # observations last, of what is stored
    )
    assert made["run"] == "run"
    assert made["result"]["overview"]["study"] == "overview"
    for name, found in zip(OF_ANY_RUN, studies, strict=True):
        assert found["result"]["study"] == name
        assert f'id="{name}"' in (tmp_path / found["report"]).read_text("utf-8"), "the report is renewed"
    pictures = list((tmp_path / "run/figures").glob("*.svg"))
    assert len(pictures) > 20
    for picture in pictures:  # a formula that is not set as one stands there in its commands
        assert "mathdefault" not in picture.read_text("utf-8"), picture.name
    viewed, guarded, explained, suspected, reported, verified, checked, again, beside, exported = documents(
        tmp_path,
        ["view", "run", "--html", "view.html"],
        ["guard", "run"],
        ["explain", "run", "test:3"],
        ["suspects", "run", "--most", "2"],
        ["report", "run"],
        ["verify", "run"],
        ["check", "run", "--with", "cvxpy", "--samples", "1"],
        ["check", "run", "--solver", "HIGHS", "--samples", "1"],  # which writes a banner of its own
        ["networks", "run", "run"],
        ["export", "run", "--to", "npz"],
    )
    assert viewed["result"]["files"] == {"html": "view.html"}
    assert 0 < guarded["result"]["calibration"]["samples"] < guarded["result"]["calibration"]["of"]
    assert [one["image"] for one in explained["result"]] == ["test:3"]
    assert len(suspected["result"]["suspects"]) == 4
    assert [row["network"] for row in beside["result"]["networks"]] == [
        "digits (run) [1]",
        "digits (run) [2]",
    ]
    assert exported["result"]["files"] == ["run/export/samples.npz"]
    assert reported["result"]["studies"]
    assert verified["result"]["tally"]["REFUTED"] == 0
    assert checked["result"]["agrees"]
    assert again["result"]["agrees"]
    assert len({one["kind"] for one in checked["result"]["asked"]}) > 8


def test_every_other_command(tmp_path):
    training = ["train", "simulated_three_blobs", "--steps", "10", "--per-decade", "1", "-o", "training"]
    series = documents(tmp_path, training)[0]["result"]["checkpoints"]
    followed, _, maps, inspected, part, recipes, experiments = documents(
        tmp_path,
        ["trajectory", *series, "synthetic:three_blobs", "-o", "followed"],
        ["analyze", series[-1], "synthetic:three_blobs", "-o", "plane"],
        ["maps", "plane"],
        ["inspect", "digits"],
        ["extract", "digits", "digits", "--split", "test", "-o", "part"],
        ["train", "--list"],
        ["reproduce", "--list"],
    )
    assert followed["result"]["study"] == "trajectory"
    assert maps["result"]["study"] == "maps"
    assert inspected["result"]["dimension"] == 32
    assert part["result"]["samples"] == {"test": 500}
    assert recipes["result"]["digits"]
    assert experiments["result"]


def test_every_command_is_tried():
    others = {
        "analyze",
        "view",
        "report",
        "verify",
        "check",
        "train",
        "trajectory",
        "maps",
        "inspect",
        "extract",
        "guard",
        "explain",
        "suspects",
        "networks",
        "export",
        "plan",
    }
    assert set(COMMANDS) == {*OF_ANY_RUN, *others, "reproduce"}
