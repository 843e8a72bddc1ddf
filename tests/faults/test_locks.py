"""Two processes on one run lose nothing, and whoever is killed leaves the old state or the new one."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadData
from featgeom.locks import owned
from featgeom.runs import commit as commit_module
from featgeom.runs.commit import commit
from featgeom_cli.main import run as featgeom

from ..extracting import extracted, extracting

HOLDER = """
import sys, time
from pathlib import Path
from featgeom.locks import owned
with owned(Path(sys.argv[1])):
    time.sleep(60)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def waited(path, seconds=120):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.01)


def test_a_second_extraction_of_the_same_is_refused_with_the_name_of_the_first(tmp_path):
    store = tmp_path / "store"
    first = subprocess.Popen(extracting(store, hold=True))
    try:
        waited(store / "progress.json")
        second = subprocess.run(extracting(store), capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
        assert "wait until it has ended" in second.stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    for place in (store, tmp_path / "whole"):  # nobody has the lock any more, and nothing was lost
        extracted(place)
    assert contents(store) == contents(tmp_path / "whole")


def test_a_lock_of_another_process_is_named_and_its_end_sets_it_free(tmp_path):
    code = HOLDER
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    try:
        waited(tmp_path / ".owner")
        with (
            pytest.raises(BadData, match=rf"process {holder.pid} on .*, since .* is writing there"),
            owned(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    with owned(tmp_path), owned(tmp_path):
        assert (tmp_path / ".owner").exists()
    assert not (tmp_path / ".owner").exists()


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("at", range(12))
def test_a_change_that_is_cut_off_leaves_the_old_state_or_the_new(copied, at, monkeypatch):
    old, new = (fg.open_run(copied).result("collapse") for _ in range(2))
    new.values["cut off"] = True
    count = 0
    replace = os.replace

    def counted(*args):
        nonlocal count
        count += 1
        if count > at:
            raise Killed
        replace(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counted)
        patch.setattr(commit_module.shutil, "rmtree", lambda *a, **k: None)
        try:
            fg.open_run(copied).save(new)
            assert count <= at
        except Killed:
            pass
    run = fg.open_run(copied)
    assert run.damages() == []
    assert run.result("collapse").to_json() in (old.to_json(), new.to_json())
    run.save(new)
    assert run.result("collapse").to_json() == new.to_json()
    assert not (copied / ".stage").exists()


def test_a_run_that_was_killed_while_it_began_can_be_begun_again(tmp_path, capsys):
    from .conftest import write_arrays

    for left in ((), (".lock",), (".lock", ".stage/0"), (".lock", ".owner", ".stage/.0.1234")):
        run = tmp_path / f"run{len(left)}{len(''.join(left))}"
        run.mkdir()
        for name in left:
            (run / name).parent.mkdir(exist_ok=True)
            (run / name).write_bytes(b"{")
        assert featgeom(["analyze", str(write_arrays(tmp_path / "f.npz")), "-o", str(run), "--quiet"]) == 0
        assert featgeom(["verify", str(run)]) == 0, capsys.readouterr().err
        assert not (run / ".stage").exists()


def test_readers_never_see_half_a_state(copied):
    """A process that changes a study again and again, and one that reads it."""
    code = """
import sys, featgeom as fg
run = fg.open_run(sys.argv[1])
record = run.result("collapse")
for number in range(60):
    for array in record.arrays.values():
        array.flat[:1] = number
    record.values["number"] = number
    run.save(record)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, str(copied)])
    reader, seen = fg.open_run(copied), set()
    while writer.poll() is None:
        found = reader.result("collapse")
        number = found.values.get("number")
        if number is not None:
            seen.add(number)
            assert all(array.flat[0] == np.asarray(number, array.dtype) for array in found.arrays.values())
    assert writer.returncode == 0
    assert reader.result("collapse").values["number"] == 59
    assert seen


def test_two_studies_side_by_side_are_both_in_the_report(copied):
    words = [sys.executable, "-m", "featgeom_cli"]
    running = [
        subprocess.Popen([*words, study, str(copied), "--quiet"], stdout=subprocess.DEVNULL)
        for study in ("svm", "boundaries")
    ]
    assert [process.wait() for process in running] == [0, 0]
    run = fg.open_run(copied)
    assert run.damages() == []
    page = (copied / "report.html").read_text("utf-8")
    assert {'id="svm"', 'id="boundaries"'} <= {
        f'id="{study}"' for study in run.studies if f'id="{study}"' in page
    }


def test_parts_are_replaced_whole_and_what_is_gone_is_deleted(copied):
    commit(copied, "report", {"report.html": b"new"})
    assert not list((copied / "figures").glob("*.svg"))
    assert fg.open_run(copied).damages() == []
