"""No output fails for want of a letter, whatever the terminal's code page."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from featgeom_cli.main import COMMANDS, run
from featgeom_cli.streams import survive_any_encoding


class Streams:
    """Standard output and error as files of one encoding."""

    def __init__(self, encoding: str, patch: pytest.MonkeyPatch) -> None:
        self.out, self.err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        patch.setattr(sys, "stdout", self.out)
        patch.setattr(sys, "stderr", self.err)
        survive_any_encoding()

    def words(self) -> tuple[str, str]:
        """What was written since the last call, decoded."""
        texts = []
        for stream in (self.out, self.err):
            stream.flush()
            raw = stream.buffer
            assert isinstance(raw, io.BytesIO)
            texts.append(raw.getvalue().decode(stream.encoding))
            raw.seek(0)
            raw.truncate()
        return texts[0], texts[1]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1250"])
def test_every_command_speaks_any_code_page(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(encoding, monkeypatch)
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert "Usage" in streams.words()[0]
    assert run(["inspect", "digits"]) == 0
    assert "|W*phi(x) + b - logits| <=" in streams.words()[0].replace("·", "*")
    assert run(["inspect", "nothing-φ.pth"]) == 2
    assert "nothing-phi.pth" in streams.words()[1]
    assert run(["inspect", "digits", "--json"]) == 0
    assert json.loads(streams.words()[0])["result"]["dimension"] > 0


def test_every_study_speaks_any_code_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams("cp1252", monkeypatch)
    assert run(["analyze", "digits", "-o", f"{tmp_path}/run", "--studies", "overview,collapse,regions"]) == 0
    assert "Report:" in streams.words()[0]
    assert run(["verify", f"{tmp_path}/run"]) == 0
    out, err = streams.words()
    assert "internal" not in out + err
