"""A run folder is used as a whole or not at all: what is damaged is named, with the command that mends it."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadData
from featgeom.files import json_bytes
from featgeom_cli.main import run as featgeom

from .conftest import write_arrays
from .damage import KINDS

STORE = ["features/all/manifest.json", "features/all/features.safetensors"]
STUDY = ["results/overview.json", "results/overview.npz", "claims/overview.json", "claims/overview.npz"]
READ = ["run.json", "index.json", *STORE, *STUDY]
WRITTEN = ["report.html", "figures/overview-distance.svg"]


def test_the_files_broken_here_are_those_of_a_run(whole):
    index = json.loads((whole / "index.json").read_text())
    known = {place for part in index["parts"].values() for place in part["files"]}
    assert {*READ, *WRITTEN} - {"index.json"} <= known
    found = {str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file() and p.name != ".lock"}
    assert found == known | {"index.json"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", READ)
def test_damage_is_named_and_nothing_is_made_of_it(place, kind, copied, capsys):
    rng = np.random.default_rng(sum(map(ord, place + kind)))
    before = (copied / "report.html").read_bytes()
    good = (copied / place).read_bytes()
    damaged = KINDS[kind](good, rng)
    if place == "index.json" and json.loads(good) == loaded(damaged):
        return  # another blank
    (copied / place).write_bytes(damaged)
    assert featgeom(["report", str(copied), "--quiet"]) == 2
    said = capsys.readouterr().err
    named_by(said, copied, place)
    assert featgeom(["verify", str(copied), "--quiet"]) in (1, 2)
    captured = capsys.readouterr()
    assert "internal error" not in captured.err
    assert (copied / "report.html").read_bytes() == before


def loaded(content):
    try:
        return json.loads(content)
    except ValueError:
        return None


def named_by(said, folder, place):
    """One line, with the file (or, where the index is damaged, one that it no longer agrees with)."""
    assert len(said.strip().splitlines()) == 1
    assert "internal error" not in said
    assert str(folder / place) in said or (place == "index.json" and str(folder) in said)
    assert "makes it again" in said or place == "index.json"


@pytest.mark.parametrize("place", READ[2:])
def test_a_missing_file_is_named(place, copied, capsys):
    (copied / place).unlink()
    assert featgeom(["report", str(copied)]) == 2
    named_by(capsys.readouterr().err, copied, place)
    assert featgeom(["verify", str(copied)]) == 1
    assert str(copied / place) in capsys.readouterr().out


@pytest.mark.parametrize("place", WRITTEN)
def test_a_report_that_was_edited_is_refuted_and_written_again(place, copied, capsys):
    good = (copied / place).read_bytes()
    (copied / place).write_bytes(good.replace(b"1", b"2"))
    assert featgeom(["verify", str(copied)]) == 1
    assert f"{copied / place}: damaged" in capsys.readouterr().out
    assert featgeom(["report", str(copied)]) == 0
    assert featgeom(["verify", str(copied)]) == 0
    assert (copied / place).read_bytes() == good


@pytest.mark.parametrize(
    "place", ["features/all", "results/overview.json", "claims/overview.npz", "run.json"]
)
def test_files_of_another_run_are_refused(place, copied, other, capsys):
    if (copied / place).is_dir():
        shutil.rmtree(copied / place)
        shutil.copytree(other / place, copied / place)
    else:
        shutil.copy(other / place, copied / place)
    assert featgeom(["report", str(copied)]) == 2
    assert "damaged" in capsys.readouterr().err
    assert featgeom(["verify", str(copied)]) in (1, 2)


def test_results_of_another_run_are_refused_though_the_index_was_changed_with_them(copied, other, capsys):
    index, foreign = (json.loads((folder / "index.json").read_text()) for folder in (copied, other))
    index["parts"]["results/overview"] = foreign["parts"]["results/overview"]
    (copied / "index.json").write_bytes(json_bytes(index))
    for place in foreign["parts"]["results/overview"]["files"]:
        shutil.copy(other / place, copied / place)
    assert featgeom(["report", str(copied)]) == 2
    assert "made of other features or for another run; `featgeom overview RUN`" in capsys.readouterr().err
    assert featgeom(["verify", str(copied)]) == 1


def test_the_commands_that_a_refusal_names_mend_the_run(copied, capsys):
    (copied / "results/overview.json").write_text("{}")
    (copied / "claims/overview.npz").unlink()
    (copied / "results/collapse.npz").unlink()
    assert featgeom(["overview", str(copied)]) == 2
    assert "collapse.npz: missing; `featgeom collapse RUN`" in capsys.readouterr().err
    assert featgeom(["collapse", str(copied)]) == 0, capsys.readouterr().err
    assert featgeom(["verify", str(copied)]) == 0


def test_the_command_that_made_a_run_mends_what_it_is_made_of(tmp_path, capsys):
    words = ["analyze", str(write_arrays(tmp_path / "f.npz")), "-o", str(tmp_path / "run")]
    assert featgeom(words) == 0
    run = tmp_path / "run"
    good = {p: p.read_bytes() for p in (run / "features").rglob("*.*") if p.name != ".lock"}
    for place in (
        "run.json",
        "index.json",
        "features/all/manifest.json",
        "features/all/features.safetensors",
    ):
        content = (run / place).read_bytes()
        for damaged in (content[:-9], content.replace(b"0", b"1")):
            (run / place).write_bytes(damaged)
            assert featgeom(["report", str(run)]) == 2, place
            capsys.readouterr()
            assert featgeom(words) == 0, place
            assert "again" in capsys.readouterr().err, place
            assert featgeom(["verify", str(run)]) == 0, place
    assert {p: p.read_bytes() for p in good} == good


def test_a_run_that_was_moved_or_renamed_is_whole(copied, tmp_path):
    moved = copied.rename(tmp_path / "elsewhere")
    run = fg.open_run(moved)
    assert run.damages() == []
    assert run.verify().refuted == 0
    assert run.report() == moved / "report.html"


def test_stray_files_are_no_part_of_a_run(copied, capsys):
    for place in ("results/._overview.json", "results/notes.json", "claims/notes.json", "claims/._x.json"):
        (copied / place).write_bytes(b"\0\1 not json")
    for command in ("report", "verify"):
        assert featgeom([command, str(copied)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "index",
    [
        {"format": 1, "parts": {"../x": {"files": {}}}},
        {"format": 1, "parts": {"run": {"files": {"../run.json": {"bytes": 1, "sha256": "0" * 64}}}}},
        {"format": 1, "parts": {"run": {"files": {"run.json": {"bytes": -1, "sha256": "0" * 64}}}}},
        {"format": 1, "parts": {"run": {"files": {"run.json": {"bytes": 1, "sha256": "zz"}}}}},
        {"format": 1, "parts": []},
        {"format": 99, "parts": {}},
        {"format": 1, "parts": {}, "more": 1},
        [1],
    ],
)
def test_an_index_of_another_form_is_refused(index, copied):
    (copied / "index.json").write_bytes(json_bytes(index))
    with pytest.raises(BadData, match=r"index\.json"):
        fg.open_run(copied)


def test_a_deep_document_is_refused(copied):
    (copied / "index.json").write_bytes(b'{"format": 1, "parts": ' + b"[" * 100_000)
    with pytest.raises(BadData, match="damaged"):
        fg.open_run(copied)


def test_nothing_is_written_through_a_link_that_leads_out(copied, tmp_path):
    outside = tmp_path / "outside"
    (copied / "figures").rename(outside)
    before = {p.name: p.read_bytes() for p in outside.iterdir()}
    os.symlink(outside, copied / "figures")
    with pytest.raises(BadData, match="leads out of the run"):
        fg.open_run(copied).report()
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == before


def test_a_word_of_a_column_that_nobody_knows_is_damage(copied, capsys):
    path = copied / "results" / "overview.json"
    path.write_bytes(path.read_bytes().replace(b'"end"', b'"xnd"'))
    assert featgeom(["verify", str(copied)]) == 1
    assert f"{path}: damaged (Object contains unknown field `xnd`" in capsys.readouterr().out


def test_a_run_that_does_not_say_its_version_is_damaged(copied, capsys):
    asked, index = (json.loads((copied / name).read_bytes()) for name in ("run.json", "index.json"))
    del asked["versions"]["featgeom"]
    (copied / "run.json").write_bytes(content := json_bytes(asked))
    told = next(part["files"] for part in index["parts"].values() if "run.json" in part["files"])
    told["run.json"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (copied / "index.json").write_bytes(json_bytes(index))
    assert featgeom(["verify", str(copied)]) == 2
    assert f"{copied}/run.json: damaged" in capsys.readouterr().err
