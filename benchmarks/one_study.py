"""One study of a run, or its verification, in this process and its workers, for `bench_memory.py`.

    python benchmarks/one_study.py STUDY RUN [WORKERS]

STUDY may be ``verify``. Printed are two lines: the memory of its own that this process holds once the workers
are there, and, at the end, what a verification says. It imports little, since workers import it, too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from featgeom import cluster, open_run


def own_memory(pid: int | str) -> int:
    """The bytes of anonymous pages that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def main() -> None:
    """Do it."""
    study, folder, *workers = sys.argv[1:]
    run = open_run(folder)
    with cluster(workers=int(workers[0]) if workers else None):
        print(own_memory("self"), flush=True)
        if study == "verify":
            found = run.verify()
            checks = [asdict(check) for check in (*found.checks, *found.said)]
            print(json.dumps([found.holds, *checks], default=str))
        else:
            run.study(study)
            print("[]")


if __name__ == "__main__":
    main()
