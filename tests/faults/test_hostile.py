"""Every kind of hostile file, once: no code runs, nothing is written, and it is read or refused in a line."""

import numpy as np
import pytest

from featgeom_cli.main import run as featgeom

from .hostile import KINDS

LONG = {"archive that swells", "arrays that swell", "images that swell"}  # gigabytes; the soak makes them


@pytest.mark.parametrize("kind", sorted(set(KINDS) - LONG))
@pytest.mark.filterwarnings("ignore")
def test_it_does_nothing(kind, tmp_path, capsys, monkeypatch):
    inside, canary = tmp_path / "inside", tmp_path / "canary"
    inside.mkdir()
    words = KINDS[kind](inside, canary, np.random.default_rng(sum(map(ord, kind))))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    status = featgeom([*words, "--quiet"])
    said = capsys.readouterr().err
    assert status in (0, 1, 2)
    assert "internal error" not in said
    assert status != 2 or len(said.strip().splitlines()) == 1
    assert not canary.exists()
    assert {path: path.stat().st_mtime_ns for path in before if path != tmp_path} == before
