"""What is said reaches who listens, and nobody else where it is to stay there."""

import logging
import subprocess
import sys

import pytest

from featgeom.remarks import caution, heard, remark


def test_what_is_said_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    inner: list[str] = []
    with caplog.at_level(logging.INFO, "featgeom"):
        with heard(lines.append):
            remark("one")
            with heard(inner.append, alone=True):
                caution("100 % two")
        remark("three")
    assert lines == ["one", "100 % two"]
    assert inner == ["100 % two"]
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("INFO", "one"), ("INFO", "three")]


def test_python_shows_cautions_alone() -> None:

    code = "from featgeom.remarks import *; remark('quiet'); caution('loud')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "loud"
    assert done.stdout == ""
