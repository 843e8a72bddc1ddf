"""Wrong use is one line and status 2, before any work, and nothing is written."""

import os
import random
import re

import pytest

from featgeom_cli.main import run as featgeom

from .wrong_use import calls

EVERY = int(os.environ.get("FEATGEOM_EVERY_CALL", "0"))  # all of them; the soak sets it
CALLS = list(calls())
QUICK = CALLS if EVERY else random.Random(0).sample(CALLS, 120)


@pytest.fixture(scope="module")
def places(whole, tmp_path_factory):
    place = tmp_path_factory.mktemp("wrong")
    (place / "empty").mkdir()
    (place / "foreign").mkdir()
    (place / "foreign/thesis.tex").write_text("years of work")
    (place / "file.txt").write_text("notes\n" * 9)
    return {
        "run": whole, "arrays": whole.parent / "f.npz", "empty": place / "empty",
        "foreign": place / "foreign", "file": place / "file.txt", "out": place / "out",
    }  # fmt: skip


def snapshot(places):
    roots = [places["run"], places["empty"].parent]
    files = [p for root in roots for p in root.rglob("*") if p.name not in (".lock", ".owner")]
    return {p: p.stat().st_mtime_ns if p.is_file() else None for p in files}


def bare(text):
    """Without what tells `--per-decade` from `per_decade`."""
    return re.sub(r"[-_ ]", "", text)


@pytest.mark.parametrize(("words", "named"), QUICK, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_it_is_refused_in_one_line(words, named, places, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = snapshot(places)
    assert featgeom([word.format_map(places) for word in words]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("featgeom: ")
    assert "internal error" not in lines[0]
    assert bare(named.format_map(places)) in bare(lines[0])
    assert snapshot(places) == before
    assert list(tmp_path.iterdir()) == []


def test_a_home_folder_is_found_after_an_equals_sign(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert featgeom(["extract", str(whole.parent / "f.npz"), "--out=~/x", "--quiet"]) == 0
    assert (tmp_path / "x/run.json").exists()
    assert not (tmp_path / "~").exists()
    assert featgeom(["collapse", "~/x", "--quiet"]) == 0
