"""Maximum-margin machines beside scikit-learn's and cvxpy's, on CIFAR-10 features of ResNet-20.

Prints times as ratios within this run, and how near each solver comes to the certified optimum. Parts can be
named: `bench_margins.py small pairs all`. FEATGEOM_DATA names the folder of real data.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from itertools import combinations

import numpy as np
from sklearn.svm import SVC, LinearSVC

import featgeom as fg
from featgeom.margins.comparison import one_row_a_class

TIMES_OURS = 20  # how much longer than ours a solver may take before it is given up


def timed(work):
    """What ``work`` returns, and its seconds."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def hard_objective(weight, bias, x, y, regularised):
    """½‖W‖² (+ ½‖b‖²) after scaling so that every margin is at least 1; inf where that cannot be."""
    logits = x @ weight.T + bias
    rows = np.arange(len(y))
    own = logits[rows, y].copy()
    logits[rows, y] = -np.inf
    least = (own - logits.max(axis=1)).min()
    size = (weight**2).sum() + regularised * (bias**2).sum()
    return size / 2 / least**2 if least > 0 else np.inf


def pairs_against_libsvm(x, y):
    """Every pair of classes, hard margin."""
    print("\n45 pairs of classes, hard margin, free bias")
    ours = libsvm = 0.0
    worst_gap, worst_excess = 0.0, 0.0
    for pair in combinations(range(10), 2):
        rows = np.isin(y, pair)
        some, labels = x[rows], np.searchsorted(pair, y[rows])
        svm, seconds = timed(lambda some=some, labels=labels: fg.max_margin(some, labels))
        ours += seconds
        worst_gap = max(worst_gap, svm.gap)
        wide = some.astype(np.float64)
        other, seconds = timed(
            lambda wide=wide, labels=labels: SVC(kernel="linear", C=1e6, tol=1e-6, cache_size=1000).fit(
                wide, labels
            )
        )
        libsvm += seconds
        halves = np.vstack([-other.coef_ / 2, other.coef_ / 2])
        offsets = np.concatenate([-other.intercept_ / 2, other.intercept_ / 2])
        value = 2 * hard_objective(halves, offsets, wide, labels, False)
        worst_excess = max(worst_excess, value / svm.objective - 1)
    print(f"  featgeom       1.0 × its time, certified relative gap at most {worst_gap:.1e}")
    print(f"  SVC (libsvm)  {libsvm / ours:4.1f} × that time, objective up to {worst_excess:.1e} above ours")


def all_classes_against_liblinear(x, y):
    """One machine of all classes, hard margin."""
    print(f"\nOne machine of ten classes, hard margin, bias regularised: {len(x):,} samples")
    svm, ours = timed(lambda: fg.max_margin(x, y, bias="augmented"))
    head = one_row_a_class(svm)
    value = hard_objective(head.weight, head.bias, x.astype(np.float64), y, True)
    print(f"  featgeom                       1.0 × its time, certified relative gap {svm.gap:.1e}")
    assert abs(value / svm.objective - 1) < 1e-6
    for form in ("crammer_singer", "ovr"):
        iterations, spent = 10, 0.0
        while spent < TIMES_OURS * ours:
            model = LinearSVC(
                C=1e4, multi_class=form, max_iter=iterations, tol=1e-12, random_state=0, dual=True
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, spent = timed(lambda model=model: model.fit(x.astype(np.float64), y))
            value = hard_objective(model.coef_, model.intercept_, x.astype(np.float64), y, True)
            print(
                f"  LinearSVC({form:<14}) {spent / ours:8.1f} × that time, {iterations:>7,} iterations: "
                f"objective {value / svm.objective:.6g} × ours"
            )
            if value <= svm.objective * (1 + 1e-6):
                break
            iterations *= 2


def small_against_cvxpy(x, y):
    """A soft margin small enough for a modelling language."""
    import cvxpy as cp

    rows = np.flatnonzero(np.isin(y, (3, 5)))[:2000]
    some, labels = x[rows].astype(np.float64), np.where(y[rows] == 5, 1.0, -1.0)
    print(f"\nTwo classes, C = 1, free bias: {len(rows):,} samples")
    svm, ours = timed(lambda: fg.max_margin(some, labels > 0, C=1.0))
    w, b, slack = cp.Variable(64), cp.Variable(), cp.Variable(len(rows), nonneg=True)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(w) / 2 + cp.sum(slack)), [cp.multiply(labels, some @ w + b) + slack >= 1]
    )
    value, seconds = timed(lambda: problem.solve(solver=cp.CLARABEL))
    print(f"  featgeom             1.0 × its time, certified relative gap {svm.gap:.1e}")
    print(
        f"  cvxpy + Clarabel  {seconds / ours:6.1f} × that time, objective {value / svm.objective - 1:+.1e}"
    )


PARTS = {
    "small": small_against_cvxpy,
    "pairs": pairs_against_libsvm,
    "all": all_classes_against_liblinear,
}


def main():
    """Run the parts named, or all of them."""
    root = os.environ.get("FEATGEOM_DATA")
    if not root:
        sys.exit("FEATGEOM_DATA is not set: it names the folder of real data")
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"unknown part {unknown[0]}: one of {', '.join(PARTS)}")
    data = np.load(f"{root}/features/resnet20.npz")
    right = data["logits_train"].argmax(1) == data["y_train"]
    x, y = data["features_train"][right], data["y_train"][right].astype(int)
    fg.max_margin(x[:500], y[:500], C=1.0)  # imports and first calls are not timed
    for name in names:
        PARTS[name](x, y)


if __name__ == "__main__":
    main()
