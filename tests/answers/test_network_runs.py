"""`featgeom networks --images`: checkpoints become runs that stay, and the page says what those runs say."""

import json

import pytest

import featgeom as fg
from featgeom.answers.network_runs import network_runs
from featgeom.errors import BadArgument
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The checkpoints of two short trainings, which are called the same."""
    folder = tmp_path_factory.mktemp("series")
    made = [fg.train("digits", folder / f"seed{seed}", seed, steps=1, per_decade=1) for seed in (0, 1)]
    return [str(training.last) for training in made]


def test_checkpoints_are_set_side_by_side(checkpoints, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["networks", *checkpoints, "--images", "digits", "--studies", "collapse", "-o", str(out)]
    assert featgeom([*words, "--json", "--quiet"]) == 0
    first = capsys.readouterr().out
    said = json.loads(first)["result"]
    runs = [fg.open_run(folder) for folder in sorted((out / "runs").iterdir())]
    assert [run.folder.name.split("-")[0] for run in runs] == ["seed0", "seed1"]
    assert [list(run.results) for run in runs] == [["collapse"]] * 2
    assert all((run.folder / "report.html").exists() for run in runs)
    accuracies = [run.features("test").accuracy for run in runs]
    assert accuracies[0] != accuracies[1]
    assert [row["accuracy"] for row in said["networks"]] == accuracies
    assert len(said["pairs"]) == 1
    stamps = [path.stat().st_mtime_ns for path in sorted(out.rglob("*.npz"))]
    assert featgeom([*words, "--json", "--quiet"]) == 0  # what is there is kept
    assert capsys.readouterr().out == first
    assert [path.stat().st_mtime_ns for path in sorted(out.rglob("*.npz"))] == stamps


def test_a_page_that_was_stopped_carries_on(checkpoints, tmp_path):
    network_runs(checkpoints, "digits", tmp_path / "out" / "runs")
    words = ["networks", *checkpoints, "--images", "digits", "-o", str(tmp_path / "out"), "--quiet"]
    assert featgeom(words) == 0
    assert (tmp_path / "out" / "networks.html").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    assert featgeom([*words[:-2], str(tmp_path / "mine"), "--quiet"]) == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A", "--images", "digits"], "two checkpoints or more"),
        (["A", "A", "--images", "digits"], "is named twice"),
        (["A", "B", "--images", "digits", "--studies", "hull"], "unknown study 'hull'"),
        (["A", "B", "--arch", "lenet5"], "--arch says how to read checkpoints"),
        (["A", "B", "--studies", "hulls"], "--studies goes with --images"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(checkpoints, tmp_path, capsys, words, said):
    names = dict(zip("AB", checkpoints, strict=True))
    out = tmp_path / "out"
    assert featgeom(["networks", *(names.get(word, word) for word in words), "-o", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_what_goes_for_one_run_goes_for_all(checkpoints, tmp_path):
    with pytest.raises(BadArgument, match="unknown argument 'way'"):
        network_runs(checkpoints, "digits", tmp_path / "runs", way="another")
    runs = network_runs(checkpoints, "digits", tmp_path / "runs", split="test")
    assert [list(run.splits) for run in runs] == [["test"]] * 2
