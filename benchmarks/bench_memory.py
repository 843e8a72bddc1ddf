"""A run with all studies and its verification, with little memory and by workers, beside the plain one.

    python benchmarks/bench_memory.py [RUN] [--memory 16M] [--workers 2] [--studies overview ...] [--kill]

RUN is a run whose features are extracted, which is copied, and its studies made anew; without it one of
`thousand.py` is made (``--classes 20 --dimension 256 --train 4000 --test 50``). Every study is a process of
its own, with the workers that it starts; told is the most memory that each held (anonymous pages, so without
those of files), that of the interpreter and its libraries included, and the processor time of all together.
Then what both runs say is compared: sentences, tables, claims, and the verdicts and reasons of the
verification. ``--kill`` ends a worker by SIGKILL in the midst of each, once it has been seen at work.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from one_study import own_memory
from thousand import arrays_of_a_run

from featgeom import open_run
from featgeom.limits import BUDGET
from featgeom.runs.making import arrays_run

STUDIES = ("overview", "hulls", "regions", "boundaries", "svm", "collapse")
LOOK, MIB = 0.02, 1 << 20  # seconds between two looks
WORKER = b"multiprocessing.spawn"  # in the command line of a worker
AFTER = 8  # looks at which a worker was at work, after which it is killed


def below(pid: int) -> list[int]:
    """A process and all that it started, as they are now."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def working(pid: int) -> bool:
    """Whether a process is a worker, and running now."""
    running = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    return running and WORKER in Path(f"/proc/{pid}/cmdline").read_bytes()


def watched(study: str, folder: Path, asked: argparse.Namespace, bounded: bool) -> list[Any]:
    """Make a study in a process of its own, print what it took, and return what a verification says."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, str(Path(__file__).with_name("one_study.py")), study, str(folder)]
    words += [str(asked.workers)] if bounded and asked.workers else []
    environment = os.environ | ({BUDGET: asked.memory} if bounded else {})
    held, busy, killed = dict[int, int](), Counter[int](), 0
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as running,
        ThreadPoolExecutor(1) as reader,
    ):
        out: IO[str] = running.stdout  # type: ignore[assignment]
        first, said = reader.submit(out.readline), reader.submit(out.read)
        while running.poll() is None:
            for pid in below(running.pid):
                with contextlib.suppress(OSError, StopIteration):
                    held[pid] = max(held.get(pid, 0), own_memory(pid))
                    busy[pid] += first.done() and working(pid)
                    if asked.kill and not killed and busy[pid] > AFTER:
                        os.kill(pid, signal.SIGKILL)
                        killed = pid
            time.sleep(LOOK)
    if running.returncode:
        raise SystemExit(f"{study} failed")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    mine, idle = held.pop(running.pid), int(first.result())
    line = f"  {study:<11} {mine / MIB:,.0f} MiB, of these {idle / MIB:,.0f} before it began"
    line += f"; a worker {max(held.values()) / MIB:,.0f} MiB" if held else ""
    line += f"; {spent:.1f} s of the processor, {wall:.1f} s on the wall"
    print(line + ("; a worker was killed" if killed else ""), flush=True)
    return list(json.loads(said.result()))


def says(folder: Path, study: str) -> dict[str, Any]:
    """What a record says, and digests of its claims, without the time that it took."""
    run = open_run(folder)
    record, claims = run.result(study).to_json(), dict[str, str]()
    for one in run.claims(study) if (folder / "claims" / f"{study}.json").exists() else ():
        digest = hashlib.sha256(repr((one.kind, sorted(one.about.items()))).encode())
        for name, value in sorted(one.claim.evidence.items()):
            parts = (value.data, value.indices, value.indptr) if hasattr(value, "indptr") else (value,)
            for part in parts:
                digest.update(name.encode() + np.ascontiguousarray(part).tobytes())
        claims[one.name] = digest.hexdigest()
    sentences = [finding["text"] for finding in record["findings"]]
    return {"sentences": sentences, "tables": record["tables"], "claims": claims}


def compared(one: dict[str, Any], other: dict[str, Any]) -> str:
    """What differs between two records of a study, in words."""
    alike = [
        f"{'the same' if one[name] == other[name] else 'OTHER'} {name}" for name in ("sentences", "tables")
    ]
    mine, theirs = one["claims"], other["claims"]
    differ = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    return f"{', '.join(alike)}; of {len(mine):,} claims {len(differ):,} have other bytes {differ[:4] or ''}"


def apart(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """By how much the tables of two records of a study differ, a line each."""
    lines = []
    for mine, theirs in zip(one["tables"], other["tables"], strict=True):
        if mine == theirs:
            continue
        cells = [
            (place, a, b)
            for row, (left, right) in enumerate(zip(mine["rows"], theirs["rows"], strict=True))
            for place, (a, b) in enumerate(zip(left, right, strict=True))
            if a != b
        ]
        words = sum(isinstance(a, str) or isinstance(b, str) or None in (a, b) for _, a, b in cells)
        numbers = [(p, a, b) for p, a, b in cells if isinstance(a, float) and isinstance(b, float)]
        most = max((abs(a - b) / max(abs(a), abs(b)) for _, a, b in numbers), default=0.0)
        where = sorted({mine["columns"][place]["name"] for place, _, _ in cells})
        size = len(mine["rows"]) * len(mine["columns"])
        lines.append(
            f"table {mine['name']}: {len(cells):,} of {size:,} cells differ, {words} of them words, the "
            f"numbers by a relative {most:.1e} at most, under {', '.join(where)}"
        )
    return lines


def verdicts(said: list[Any]) -> list[Any]:
    """What a verification says but for the seconds that it took."""
    return [one if isinstance(one, bool) else {**one, "seconds": None} for one in said]


def main() -> None:
    """Print what both ways take, and how what they say differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--memory", default="16M")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--studies", nargs="+", default=list(STUDIES))
    parser.add_argument("--kill", action="store_true")
    for name, value in (("classes", 20), ("dimension", 256), ("train", 4000), ("test", 50)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source, folders, said = asked.run or Path(place) / "made", [], []
        if not asked.run:
            file = Path(place) / "features.npz"
            np.savez(file, **arrays_of_a_run(asked.classes, asked.dimension, asked.train, asked.test))
            arrays_run(source, file)
        for bounded in (False, True):
            folder = Path(place) / f"run-{bounded}"
            folder.mkdir()
            for part in ("run.json", "index.json", "features"):
                (shutil.copytree if (source / part).is_dir() else shutil.copy2)(source / part, folder / part)
            print(f"memory {asked.memory}, {asked.workers} workers:" if bounded else "plain:", flush=True)
            for study in (*asked.studies, "verify"):
                found = watched(study, folder, asked, bounded)
            folders.append(folder)
            said.append(found)
        for study in asked.studies:
            both = [says(folder, study) for folder in folders]
            print("\n  ".join([f"{study}: {compared(*both)}", *apart(*both)]))
        words = "the same" if verdicts(said[0]) == verdicts(said[1]) else "OTHER"
        print(f"verify: holds {[one[0] for one in said]}, {words} verdicts and reasons")


if __name__ == "__main__":
    main()
