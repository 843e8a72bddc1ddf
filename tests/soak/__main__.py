"""The long trials: damage, hostile files, wrong calls, kills, pairs of processes, scarcity, noise.

    python -m tests.soak [--seed N] [--only PART ...] [--PART COUNT ...] [--table FILE]

prints a table of kinds with the number of trials of each and what came of them, and every fault; it ends
with 1 if there is one: anything silent, any internal error, anything lost, any code run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from .trials import Trial, table

COUNTS = {
    "folders": 1000,
    "hostile": 200,
    "calls": 300,
    "kills": 100,
    "pairs": 50,
    "scarcity": 60,
    "readers": 20_000,
}


def main() -> int:
    """Run the parts that were asked for; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=COUNTS, default=list(COUNTS), metavar="PART")
    parser.add_argument("--table", type=Path, help="also write the table there")
    for part, count in COUNTS.items():
        parser.add_argument(f"--{part}", type=int, default=count, metavar="COUNT")
    asked = parser.parse_args()
    done: dict[str, list[Trial]] = {}
    for part in asked.only:
        begun = time.monotonic()
        trials = importlib.import_module(f"tests.soak.{part}").trials
        with tempfile.TemporaryDirectory(prefix="featgeom-soak-") as place:
            done[part] = []
            try:
                for trial in reported(trials(Path(place), asked.seed, getattr(asked, part))):
                    done[part].append(trial)
            except KeyboardInterrupt:
                print(f"{part}: stopped; what was tried is in the table", file=sys.stderr)
        print(f"{part}: {len(done[part]):,} trials in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    said = table(done)
    print(said)
    if asked.table:
        asked.table.write_text(said + "\n", "utf-8")
    return 1 if any(trial.fault for trials in done.values() for trial in trials) else 0


def reported(trials):
    """The same trials, each fault told as soon as it is found."""
    for trial in trials:
        if trial.fault:
            print(f"FAULT {trial.kind}: {trial.fault}", file=sys.stderr, flush=True)
        yield trial


sys.exit(main())
