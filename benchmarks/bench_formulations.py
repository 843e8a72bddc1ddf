"""Every question asked of featgeom and of a generic solver, in one run: accuracy and time.

The generic side is `featgeom.formulations` in cvxpy, its program built and solved for each question, by every
solver of `SOLVERS` with its own tolerances; one that cannot take such a program has no row. On CIFAR-10
features of ResNet-20 where FEATGEOM_DATA names them, else on Gaussian ones.
"""

from __future__ import annotations

import time

import numpy as np
from support import features

import featgeom as fg
from featgeom.certificates.claim import Claim
from featgeom.formulations.comparison import compare
from featgeom.formulations.questions import question
from featgeom.status import Status

CASES = 3
SOLVERS = ("CLARABEL", "HIGHS", "OSQP", "SCS")


def questions():
    """Name, how many questions one call answers, and the call, whose certificate is asked again."""
    held = features()
    points = {c: held["features_train"][held["y_train"] == c][:1000] for c in (3, 5)}
    rng = np.random.default_rng(0)
    weight, bias = held.get("fc_weight", rng.normal(size=(10, 64))), held.get("fc_bias", np.zeros(10))
    head, z = fg.AffineHead(weight, bias), held["features_test"][:200].astype(float)
    cat, dog = fg.ConvexHull(points[3]), fg.ConvexHull(points[5])
    cells, small = fg.Cells(head, "orthant"), points[3][:200]
    two, label = np.vstack([points[3][:300], points[5][:300]]), np.repeat([0, 1], 300)
    ball = fg.Cells(head, fg.Box.around(z))
    yield "projection on a hull of 1,000", 200, lambda: cat.project(z)
    yield "membership of a hull of 1,000", 200, lambda: cat.contains(z)
    yield "separation of two hulls of 1,000", 1, lambda: fg.separate(cat, dog)
    yield "smallest ball around 1,000", 1, lambda: cat.enclosing_ball()
    yield "radius in the orthant, L2", 200, lambda: cells.radius(z)
    yield "radius in the orthant, L1", 200, lambda: cells.radius(z, 1)
    yield "radius in the orthant, Linf", 200, lambda: cells.radius(z, np.inf)
    yield "nearest flip in the orthant", 200, lambda: fg.flip_points(head, z, None, "orthant")
    yield "tie of three classes", 200, lambda: fg.tie_points(head, z, [0, 1, 2], "orthant")
    yield "largest ball of a cell in a box", 1, lambda: ball.chebyshev(3)
    yield (
        "guarantee and inflation, 200 points",
        1,
        lambda: cells.guarantee(small[head.classify(small) == 3], 3),
    )
    yield "machine, 600 samples, C = 1", 1, lambda: fg.max_margin(two, label, C=1.0)


def main() -> None:
    """Print the table: for each question ours, then every solver that has an answer."""
    print("| question | solver | time [ms] | times ours | value off by |")
    print("|---|---|---|---|---|")
    for name, count, ask in questions():
        ask()  # kernels are compiled
        started = time.perf_counter()
        claim = ask().certificate
        ours = (time.perf_counter() - started) / count
        print(f"| **{name}** | ours | {ours * 1e3:.3g} | 1 | {interval(claim)} |", flush=True)
        for solver in SOLVERS:
            found = [c for i in range(min(CASES, len(claim))) if (c := compare(claim, i, solver))]
            said = [c for c in found if c.status is Status.SOLVED]
            if said:
                seconds = np.mean([c.seconds for c in said])
                off = max(c.outside / max(abs(c.value), 1e-9) for c in said)
                ratio = seconds / ours
                times = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
                some = "" if len(said) == len(found) else f" ({len(said)} of {len(found)})"
                print(f"| | {solver}{some} | {seconds * 1e3:.0f} | {times} | {off:.0e} |", flush=True)


def interval(claim: Claim) -> str:
    """How wide our bounds are, relative to the value, in the statements that are asked again."""
    asked = [question(claim, i) for i in range(min(CASES, len(claim)))]
    wide = [(q.upper - q.lower) / max(abs(q.upper), 1e-9) for q in asked if q and np.isfinite(q.upper)]
    return f"≤ {max(wide):.0e}, proved" if wide else "proved"


if __name__ == "__main__":
    main()
