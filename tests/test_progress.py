"""How far a long step is: lines without a terminal, none for what is quick or where quiet is asked for."""

import os
import re
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

from featgeom import arrays, open_run, progress
from featgeom.quiet import without_output
from featgeom.runs.making import arrays_run
from featgeom_cli.main import run as featgeom_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("progress")
    rng = np.random.default_rng(2)
    arrays = {"weight": np.eye(3, dtype=np.float32), "bias": np.zeros(3)}
    for split in ("train", "test"):
        labels = np.tile([0, 1, 2], 8)
        features = np.abs(np.eye(3)[labels] * 3 + rng.standard_normal((24, 3))).astype(np.float32)
        arrays |= {f"features_{split}": features, f"labels_{split}": labels}
    np.savez(folder / "features.npz", **arrays)
    return open_run(arrays_run(folder / "run", folder / "features.npz").folder)


def test_a_line_says_what_how_far_and_how_long(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert list(progress.bar(range(4), desc="things", disable=False)) == [0, 1, 2, 3]
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert lines[-1].startswith("things: 4 of 4 (100 %), 00:0")
    assert all(line.startswith("things: ") and line.endswith(" left") for line in lines)
    assert not any("\r" in line for line in lines)


def test_every_state_is_a_line_and_a_cleared_bar_is_none(capsys):
    lines = progress._Lines()
    for text in ("\rthings: 1 of 2", "\r", "   ", "", "things: 2 of 2\n"):
        lines.write(text)
    lines.flush()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "things: 1 of 2\nthings: 2 of 2\n")


def test_what_ends_while_its_bar_is_about_to_be_shown_ends_quietly(monkeypatch):
    """Between waking up and looking, the thread of a bar may find that nothing goes on any more."""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    shown = []
    bar = SimpleNamespace(
        refresh=lambda: shown.append(list(progress._going_on)), set_postfix_str=lambda text, refresh: None
    )
    mine, woken = object(), iter([False, False, True])
    progress._tell(bar, mine, SimpleNamespace(wait=lambda seconds: next(woken)))
    assert shown == []
    monkeypatch.setattr(progress, "_going_on", [mine])
    woken = iter([False, True])
    progress._tell(bar, mine, SimpleNamespace(wait=lambda seconds: next(woken)))
    assert shown == [[mine]]


@pytest.mark.parametrize("descriptor", [1, 2])
def test_what_a_library_writes_to_a_descriptor_is_kept_from_it_meanwhile(descriptor, capfd):
    os.write(descriptor, b"before ")
    with without_output(descriptor):
        os.write(descriptor, b"meanwhile ")
        os.write(3 - descriptor, b"other")
    os.write(descriptor, b"after")
    said = capfd.readouterr()
    streams = {1: said.out, 2: said.err}
    assert (streams[descriptor], streams[3 - descriptor]) == ("before after", "other")


def test_what_is_quick_says_nothing(capsys):
    assert list(progress.bar(range(4), desc="things", disable=False)) == [0, 1, 2, 3]
    assert list(progress.bar(range(4), desc="things", disable=True)) == [0, 1, 2, 3]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("overview", "hulls in their cells: "),
        ("regions", "largest balls: "),
        ("hulls", "pairs of hulls: "),
        ("svm", "machines of pairs: "),
        ("svm", "machines of all classes: "),
        ("boundaries", "slices: "),
        ("verify", "verify hulls: "),
    ],
)
def test_studies_say_how_far_they_are_also_without_a_terminal(run, study, said, monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert featgeom_run([study, str(run.folder)]) == 0
    assert said in capsys.readouterr().err
    assert featgeom_run([study, str(run.folder), "--quiet"]) == 0
    assert said not in capsys.readouterr().err


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.05)


def lines_of(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_what_goes_on_is_told_while_it_does(soon, capsys):
    with progress.doing("this", disable=False):
        sleep(0.5)
    lines = lines_of(capsys)
    assert lines
    assert {line.partition(": ")[0] for line in lines} == {"this"}
    assert all(line.endswith(" gone") for line in lines)
    with progress.doing("this", disable=True):
        sleep(0.2)
    sleep(0.2)
    assert not lines_of(capsys)


def test_how_far_a_pass_over_a_large_array_is_and_the_time_left_are_told(soon, monkeypatch, capsys):
    monkeypatch.setattr(arrays, "SMALL", 80)
    with progress.doing("this", disable=False):
        for _ in arrays.blocks(np.zeros(10), 8):
            sleep(0.06)
        sleep(0.2)
        for _ in arrays.blocks(np.zeros(9), 8):  # not large
            sleep(0.03)
    told = [line.partition(" gone")[2] for line in lines_of(capsys)]
    shares = [int(re.fullmatch(r", at (\d+) % of 10 rows, 00:0\d left", text)[1]) for text in told if text]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert told[-1] == ""


def test_a_pass_that_is_given_up_is_not_told_any_more(monkeypatch):
    monkeypatch.setattr(arrays, "SMALL", 80)
    pass_ = arrays.blocks(np.zeros(10), 8)
    next(pass_), next(pass_), next(pass_)
    assert progress._how_far().startswith("at 20 % of 10 rows, ")
    pass_.close()
    assert progress._how_far() == ""


class Fleeting(list):
    """Is emptied by somebody else as soon as it was asked whether it holds anything."""

    def __len__(self):
        count = super().__len__()
        self.clear()
        return count


def test_a_pass_that_another_thread_ends_meanwhile_disturbs_nobody(monkeypatch):
    monkeypatch.setattr(progress, "_pass", Fleeting([(1, 3, 0.0)]))
    progress.looked(2, 3)
    assert progress._how_far().startswith("at 67 % of 3 rows, ")


def test_of_things_within_each_other_the_innermost_is_told(soon, capsys):
    with progress.doing("outer", disable=False), progress.doing("inner", disable=False):
        sleep(0.5)
    assert {line.partition(": ")[0] for line in lines_of(capsys)} == {"inner"}


def test_what_tells_more_is_not_talked_over(soon, capsys):
    with progress.doing("outer", disable=False):
        for _ in progress.bar(range(60), desc="things", disable=False):
            sleep(0.01)
    said = [line.partition(": ")[0] for line in lines_of(capsys)]
    assert said.count("things") > said.count("outer")


def test_an_error_ends_the_telling(soon, capsys):
    def fails():
        with progress.doing("this", disable=False):
            sleep(0.2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert lines_of(capsys)
    sleep(0.2)
    assert not lines_of(capsys)
    assert not progress._going_on
