"""What every command owes its user: help, one clear line for wrong use, statuses, clean JSON."""

import json
import re
import subprocess
import sys

import pytest

from featgeom_cli.main import COMMANDS, run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_the_common_options(name, capsys):
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    for words in ("Example", f"featgeom {name}", "--json", "--quiet", "--debug"):
        assert words in text
    prose = text.partition("Options:")[0]
    assert "\n  " in prose
    assert not re.search(r"\S  |\n   ", prose)  # paragraphs begin where they should, and hold no gaps


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analize"], "did you mean 'analyze'"),
        (["analyze", "--sede", "1"], "--sede"),
        (["extract", "net.pth"], "IMAGES"),
        (["report", "nowhere"], "no run there"),
        (["analyze", "nowhere.pth", "digits"], "nowhere.pth"),
        (["analyze", "digits", "digitz"], "did you mean 'digits'"),
        (["analyze", "digits", "digits", "--device", "gpu9"], "gpu9"),
        (["inspect", "digitz"], "did you mean 'digits'"),
        (["analyze", "digits", "digits", "--mean", "a,b", "--std", "1"], "--mean"),
    ],
)
def test_wrong_use_gives_one_line_and_status_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_no_command_shows_the_help(capsys):
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_the_installed_command_runs():
    done = subprocess.run(
        [sys.executable, "-m", "featgeom_cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("featgeom ")


def test_json_is_one_document_and_nothing_else(capsys):
    assert run(["inspect", "digits", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["result"]
    assert document["classes"] == [str(digit) for digit in range(10)]
    assert document["residual"] < 1e-4
