"""The command line as a process of its own, with little of what processes need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATGEOM = (sys.executable, "-m", "featgeom_cli")
PATIENCE = 300.0  # seconds after which a process hangs


@dataclass(frozen=True)
class Done:
    """How a process ended: its status (negative: a signal) and what it said."""

    status: int
    out: str
    err: str

    @property
    def one_line(self) -> bool:
        """Whether it was refused as everything should be: status 2 and one line."""
        return self.status == 2 and len(self.err.strip().splitlines()) == 1 and self.sound

    @property
    def sound(self) -> bool:
        """Whether it ended in words of ours."""
        return not any(word in self.err for word in ("Traceback", "internal error", "Exception ignored"))


def featgeom(words: Sequence[Any], limits: dict[str, int] | None = None, **options: Any) -> Done:
    """Run a command; ``limits`` are those of `resource` by their ends, as {"NOFILE": 8}."""

    def limited() -> None:
        import resource

        for name, most in (limits or {}).items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))

    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
    given["env"] = {**os.environ, "OMP_NUM_THREADS": "1"} | options.get("env", {})
    done = subprocess.run(
        [*FEATGEOM, *map(str, words)],
        preexec_fn=limited if limits else None,
        timeout=PATIENCE,
        check=False,
        **given,
    )
    return Done(
        done.returncode, *((part or b"").decode("utf-8", "replace") for part in (done.stdout, done.stderr))
    )


def shell(line: str) -> Done:
    """A line of bash in which `featgeom` is the command; it should end by echoing the status asked about."""
    done = subprocess.run(
        ["bash", "-c", f'featgeom() {{ "{sys.executable}" -m featgeom_cli "$@"; }}; {line}'],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Done(int(done.stdout.split()[-1]), done.stdout, done.stderr)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of ``size`` KiB at a folder, in memory. Raises PermissionError where that is not allowed."""
    place.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        raise PermissionError(made.stderr.decode())
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def visible_files(folder: Path) -> dict[str, bytes]:
    """What is in a folder, by name, without what is hidden."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
