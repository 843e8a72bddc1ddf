"""What the README tells a newcomer to do works."""

import re
import shlex
from pathlib import Path

import click
import pytest

from featgeom_cli.main import COMMANDS, featgeom

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_python_blocks_run(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "(500, 32)" in capsys.readouterr().out


@pytest.mark.parametrize("line", re.findall(r"^featgeom .*$", README, re.MULTILINE))
def test_command_lines_are_understood(line):
    _, name, *words = shlex.split(line, comments=True)
    assert name in COMMANDS
    command = featgeom.get_command(click.Context(featgeom), name)
    command.make_context(name, words, resilient_parsing=False)


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
