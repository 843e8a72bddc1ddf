"""Code that the user named: a file with an architecture is code, and is not run because a run names it.

Whoever names a file on the command line or in a call trusts it. Its place and digest are remembered, in this
process and in the user's own folder of state, so that the run made with it can be asked again.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from featgeom.errors import BadData
from featgeom.files import parsed, write_json

_named: set[tuple[str, str]] = set()


def remember(file: Path, digest: str) -> None:
    """The user named this file, which has this SHA-256."""
    entry = str(file.resolve()), digest
    if was_named(file, digest):
        return
    _named.add(entry)
    path = _state()
    if path is not None:
        with suppress(OSError):  # without such a folder it is known in this process alone
            write_json(path, sorted({*_stored(path), entry}))


def was_named(file: Path, digest: str) -> bool:
    """Whether the user named this file as it is now."""
    entry = str(file.resolve()), digest
    path = _state()
    return entry in _named or (path is not None and entry in _stored(path))


def _stored(path: Path) -> list[tuple[str, str]]:
    try:
        return parsed(path.read_bytes(), list[tuple[str, str]], path)
    except (OSError, BadData):
        return []


def _state() -> Path | None:
    """The file that remembers; None where the user has no home."""
    place = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME")
    try:
        folder = Path(place) if place else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return folder / "featgeom" / "architectures.json"
