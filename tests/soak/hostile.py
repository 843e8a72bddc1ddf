"""Files that want to run code or to take memory, each given to a command in a process of its own."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..faults.hostile import KINDS
from .trials import Trial, called, unsound

LIMIT = 1 << 30  # bytes that a file may ask for
ROOM = 512 << 20  # what reading takes beside
PATIENCE = 120.0  # seconds


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Make a file, let a child read it, and see how it ended, what it took, and what was written."""
    importlib.import_module("featgeom.models.sources")  # so that every child has it
    rng = np.random.default_rng(seed)
    called(["inspect", "digits"])
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        with tempfile.TemporaryDirectory(dir=place) as folder:
            yield tried(kind, Path(folder), rng)


def tried(kind: str, folder: Path, rng: np.random.Generator) -> Trial:
    """One file of a kind."""
    inside, canary = folder / "inside", folder / "canary"
    inside.mkdir()
    words = KINDS[kind](inside, canary, rng)
    before = {p: p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*") if not sparse(p)}
    (folder / "said").mkdir()
    status, took, err = in_child([*words, "--max-memory", "1G", "--quiet"], folder / "said")
    after = {p: p.read_bytes() if p.is_file() else b"" for p in before if p.exists()}
    if canary.exists() or after != before or set(inside.rglob("*")) - set(before) - big(inside):
        return Trial(kind, "ran", f"{words}: code ran or a file was written")
    if took > LIMIT + ROOM:
        return Trial(kind, "grew", f"{words}: took {took:,} bytes")
    wrong = unsound(status, err)
    if wrong:
        return Trial(kind, "unsound", f"{words}: {wrong}")
    return Trial(kind, "refused in a line" if status == 2 else "read as data")


def sparse(path: Path) -> bool:
    """Whether a file is so long that it is not worth comparing."""
    return path.is_file() and path.stat().st_size > 50 << 20


def big(folder: Path) -> set[Path]:
    """The long files of a folder."""
    return {path for path in folder.rglob("*") if sparse(path)}


def in_child(words: list[str], said: Path) -> tuple[int, int, str]:
    """Status, growth of memory in bytes, and standard error of a command in a forked process."""
    child = os.fork()
    if child == 0:
        os.chdir(said)
        base = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        status, _, err = called(words)
        (said / "err").write_text(f"{base}\n{err}", "utf-8")
        sys.stdout.flush()
        os._exit(status & 0xFF)
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return -9, 0, f"no end after {PATIENCE:.0f} s"
        time.sleep(0.01)
    if not os.WIFEXITED(status) or not (said / "err").exists():
        return -1, 0, f"killed by signal {os.WTERMSIG(status)}"
    before, _, err = (said / "err").read_text("utf-8").partition("\n")
    return os.WEXITSTATUS(status), used.ru_maxrss * 1024 - int(before), err
