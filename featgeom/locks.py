"""One writer at a time in a folder or of a file, with the owner's name for all others."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from featgeom.errors import BadData
from featgeom.files import parsed, write_json

LOCK, OWNER = ".lock", ".owner"


@contextmanager
def owned(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only one who writes into ``folder``, after at most ``wait`` seconds.

    The operating system gives the lock back when its process ends, however it ends, so none is left over.
    One thread may take it again while it has it. Raises BadData that names the owner where another process
    has it, or where nothing can be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, owned(Path(place)):
    ...     "process" in owner(Path(place))
    True
    """
    with _held(folder, folder / LOCK, folder / OWNER, wait):
        yield


@contextmanager
def owned_file(file: Path) -> Iterator[None]:
    """Be the only one who writes ``file``; as `owned`, without waiting. The lock is a hidden file beside it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, owned_file(Path(place) / "a.csv"):
    ...     sorted(path.name for path in Path(place).iterdir())
    ['.a.csv.lock', '.a.csv.owner']
    """
    lock_file, owner_file = (file.with_name(f".{file.name}{kind}") for kind in (LOCK, OWNER))
    with _held(file, lock_file, owner_file, 0.0):
        yield


@contextmanager
def _held(what: Path, lock_file: Path, owner_file: Path, wait: float) -> Iterator[None]:
    import filelock

    lock = filelock.FileLock(lock_file, is_singleton=True)
    first = not lock.is_locked
    try:
        lock.acquire(timeout=wait)
    except filelock.Timeout:
        raise BadData(
            f"{what}: {_named(owner_file)} is writing there; wait until it has ended (if it is gone, delete "
            f"{lock_file})"
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "this file system has no locks"
        raise BadData(f"{what}: cannot be written to ({reason})") from None
    try:
        if first:
            with suppress(OSError):
                write_json(owner_file, _myself())
        yield
    finally:
        if first:
            with suppress(OSError):
                owner_file.unlink(missing_ok=True)
        lock.release()


def owner(folder: Path) -> str:
    """Who writes into a folder, in words."""
    return _named(folder / OWNER)


def _named(owner_file: Path) -> str:
    try:
        said = parsed(owner_file.read_bytes(), dict[str, str], owner_file)
        return "process {process} on {machine}, since {since} ({command}),".format_map(said)
    except (OSError, BadData, KeyError):
        return "another process"


def _myself() -> dict[str, str]:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {
        "process": str(os.getpid()),
        "machine": platform.node(),
        "since": since,
        "command": command if len(command) <= 200 else command[:199] + "…",
    }
