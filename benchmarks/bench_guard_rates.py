"""Alarms of the guard on fresh images, beside the rate that was promised, for the networks of runs.

    python benchmarks/bench_guard_rates.py RUN RUN... [--scores hull,joint]

A run whose test images the network has not seen is made by `featgeom analyze`. Half of the test part, drawn
with the run's seed, calibrates; the other half is fresh. Printed as Markdown: the share of fresh images that
raise an alarm, the exact 95 % interval of the rate that it tells of (Clopper and Pearson), and between which
numbers 95 of 100 such draws would lie, given how many images calibrate and how many are asked (the alarms
are beta-binomial in number).
"""

from __future__ import annotations

import argparse

import featgeom as fg
from featgeom.statistics import proportion_interval

RATES = (0.01, 0.05, 0.2)


def main() -> None:
    """Print a row a run, a score and a rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--scores", default="hull,joint")
    asked = parser.parse_args()
    print("| network | score | promised | alarms | share | 95 % interval of the rate | expected alarms |")
    print("|---|---|---|---|---|---|---|")
    for folder in asked.runs:
        run = fg.open_run(folder)
        for score in asked.scores.split(","):
            for rate in RATES:
                left = fg.fit_guard(run, rate, score).said_["left"]
                known = proportion_interval(left["alarms"], left["samples"])
                low, high = left["expected"]
                print(
                    f"| {run.asked['model']['name']} | {score} | {rate} | {left['alarms']:,} of "
                    f"{left['samples']:,} | {left['rate']:.4f} | {float(known.lower):.4f} to "
                    f"{float(known.upper):.4f} | {low:,} to {high:,} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
