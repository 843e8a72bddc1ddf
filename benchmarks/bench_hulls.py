"""Hulls beside what people use now, as ratios within one run.

    FEATGEOM_DATA=DIR python benchmarks/bench_hulls.py [--quick] [--only NAME] [--disk ROWS]

Slow peers are asked fewer questions than we are; every time is per question, and how many were asked is
printed. ``--only disk --disk ROWS`` asks a memory-mapped hull of that many points in 2,048 dimensions, which
is written to a temporary folder first (8 kB a row; TMPDIR names another place). Its points are made as a wide
network emits them: 128 factors, some noise, ReLU. Their projections have supports of about 70 points; those
of plain Gaussian points of that dimension have 140.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from on_disk import figures
from support import clocked, features, images, line, timed

import featgeom as fg


def one_pass(points: np.ndarray, queries: np.ndarray) -> None:
    """The yardstick: one float32 product of all queries with all points, and its row maximum."""
    x, q = torch.from_numpy(points), torch.from_numpy(np.asarray(queries, np.float32))
    for start in range(0, len(q), 2000):
        (q[start : start + 2000] @ x.T).max(dim=1)


def nnls_distance(points: np.ndarray, query: np.ndarray) -> float:
    """SciPy NNLS with a heavy row that makes the weights sum to one."""
    from scipy.optimize import nnls

    wide = points.astype(np.float64)
    heavy = 1e3 * np.abs(wide).max()
    weights, _ = nnls(np.vstack([wide.T, np.full(len(wide), heavy)]), np.append(query, heavy))
    return float(np.linalg.norm(weights / weights.sum() @ wide - query))


def clarabel_distance(points: np.ndarray, query: np.ndarray) -> float:
    """Cvxpy with Clarabel."""
    import cvxpy

    weights = cvxpy.Variable(len(points), nonneg=True)
    apart = cvxpy.Variable(points.shape[1])
    equal = [apart == points.astype(np.float64).T @ weights - query, cvxpy.sum(weights) == 1]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(apart)), equal)
    problem.solve(solver=cvxpy.CLARABEL)
    return float(np.linalg.norm(apart.value))


def qp_distance(solver: str, points: np.ndarray, query: np.ndarray) -> float:
    """A solver of qpsolvers, on the dense quadratic program."""
    import qpsolvers

    wide = points.astype(np.float64) - query
    n = len(wide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = qpsolvers.solve_qp(
            wide @ wide.T, np.zeros(n), A=np.ones((1, n)), b=np.ones(1), lb=np.zeros(n), solver=solver
        )
    return float(np.linalg.norm(found @ wide)) if found is not None else np.nan


def projections(points: np.ndarray, queries: np.ndarray, quick: bool, title: str, pixels: bool) -> None:
    """Projection of all queries, beside one pass and beside solvers of single queries."""
    print(f"\n{title}: {len(queries):,} queries, {len(points):,} points, d = {points.shape[1]:,}")
    hull, built = timed(lambda: fg.ConvexHull(points))
    hull.project(queries[:2])
    _, before, spent_before = clocked(lambda: one_pass(points, queries), 2)
    result, ours, spent = clocked(lambda: hull.project(queries), 1 if pixels else 2)
    _, after, spent_after = clocked(lambda: one_pass(points, queries), 2)
    plain, ours = min(before, after) / len(queries), ours / len(queries)
    cores = spent / min(spent_before, spent_after)
    gap = ((result.distance - result.lower_bound) / result.distance).max()
    sizes = np.diff(result.weights.indptr)
    print(f"  preparing the hull, once: {built:.2f} s; passes over all points: {result.stats.passes}")
    line(
        "featgeom", ours, ours, f"worst relative gap {gap:.1e}, supports {sizes.mean():.0f} to {sizes.max()}"
    )
    line("one float32 pass with row maximum", plain, ours, f"ours takes {ours / plain:.1f} passes")
    print(f"  in processor time, ours takes {cores:.1f} passes")

    def peer(name: str, solve, count: int, some: np.ndarray = points, expected=result.distance) -> None:  # type: ignore[no-untyped-def]
        values, seconds = timed(lambda: [solve(some, queries[i].astype(np.float64)) for i in range(count)])
        error = max(abs(v - e) / e for v, e in zip(values, expected))
        line(name, seconds / count, ours, f"{count} queries, relative error {error:.1e}")

    peer("SciPy NNLS with a sum row", nnls_distance, 1 if pixels or quick else 5)
    if not pixels:
        if not quick:
            peer("cvxpy + Clarabel", clarabel_distance, 1)
        few = points[:1000]
        small = fg.ConvexHull(few).project(queries[:20]).distance
        print("  on the first 1,000 points alone (a dense QP of more does not fit):")
        for solver in ("daqp", "piqp"):
            peer(f"qpsolvers, {solver}", lambda p, q, s=solver: qp_distance(s, p, q), 3, few, small)


def separations(data: dict[str, np.ndarray], quick: bool) -> None:
    """All 45 pairs of hulls of correctly predicted features, beside libsvm."""
    from sklearn.svm import SVC

    x, y = data["features_train"], data["y_train"]
    right = data["logits_train"].argmax(axis=1) == y
    parts = [x[(y == c) & right] for c in range(10)]
    print(f"\nDistances of all 45 pairs of class hulls, {right.sum():,} points, d = {x.shape[1]}")
    fg.separate(*[fg.ConvexHull(p[:9]) for p in parts[:2]])
    results, ours = timed(lambda: fg.separate_all([fg.ConvexHull(p) for p in parts]), 3)
    apart = [r for r in results.values() if r.status is fg.Status.SEPARATED]
    gap = max(((r.distance - r.lower_bound) / r.distance for r in apart), default=np.nan)
    line("featgeom", ours / 45, ours / 45, f"{len(apart)} separated, worst relative gap {gap:.1e}")
    chosen = list(results)[:: 9 if quick else 1]
    seconds, error = 0.0, 0.0
    for i, j in chosen:
        both, labels = np.vstack([parts[i], parts[j]]), np.repeat([0, 1], [len(parts[i]), len(parts[j])])
        svm, took = timed(lambda b=both, t=labels: SVC(kernel="linear", C=1e6).fit(b, t))
        seconds += took
        error = max(error, abs(2 / np.linalg.norm(svm.coef_) / results[i, j].distance - 1))
    note = f"{len(chosen)} pairs, relative error up to {error:.1e}"
    line("scikit-learn SVC (libsvm), C = 1e6", seconds / len(chosen), ours / 45, note)


def extremes(data: dict[str, np.ndarray], quick: bool) -> None:
    """Which points of one class are vertices, beside one linear program a point."""
    from scipy.optimize import linprog

    points = data["features_train"][data["y_train"] == 3]
    print(f"\nExtreme points of one class: {len(points):,} points, d = {points.shape[1]}")
    hull = fg.ConvexHull(points)
    hull.project(points[:2])
    result, ours = timed(hull.extreme_points, 2)
    line(
        "featgeom, with the distance of each",
        ours / len(points),
        ours / len(points),
        f"{result.mask.sum():,} extreme",
    )
    count = 2 if quick else 10
    wide = points.astype(np.float64)

    def is_extreme(i: int) -> bool:
        others = np.delete(wide, i, axis=0)
        equal = np.vstack([others.T, np.ones(len(others))])
        found = linprog(np.zeros(len(others)), A_eq=equal, b_eq=np.append(wide[i], 1), method="highs")
        return bool(found.status == 2)

    same, seconds = timed(lambda: sum(is_extreme(i) == result.mask[i] for i in range(count)))
    line("HiGHS, one LP a point", seconds / count, ours / len(points), f"{same} of {count} answers agree")
    everyone = fg.ConvexHull(data["features_train"][: 5000 if quick else 50_000])
    result, seconds = timed(everyone.extreme_points)
    print(
        f"  all {len(everyone):,} points: {1e3 * seconds / len(everyone):.3f} ms a point, "
        f"{result.mask.sum():,} extreme"
    )


def lengths(data: dict[str, np.ndarray]) -> None:
    """Diameter and enclosing ball of all training features."""
    hull = fg.ConvexHull(data["features_train"])
    hull.diameter()
    for name in ("diameter", "enclosing_ball"):
        result, seconds = timed(getattr(hull, name))
        value = getattr(result, "radius" if name == "enclosing_ball" else "value")
        gap = (value - result.lower_bound) / value
        print(f"  {name:<16} {value:.9g}, relative gap {gap:.1e}, {1e3 * seconds:.0f} ms")


def one_size(n: int, d: int, queries: int) -> tuple[float, float]:
    """Processor seconds and bytes that a projection of Gaussian questions takes, in a process of its own."""
    rng = np.random.default_rng(0)
    hull = fg.ConvexHull(rng.normal(size=(n, d)).astype(np.float32))
    asked = 1.5 * rng.normal(size=(queries, d))
    fg.ConvexHull(rng.normal(size=(200, d)).astype(np.float32)).project(asked[:2])  # all is compiled
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is from here on
    before = figures("/proc/self/status", "VmRSS")
    seconds = clocked(lambda: hull.project(asked))[2]
    return seconds, 1024.0 * (figures("/proc/self/status", "VmHWM") - before)


def slopes(quick: bool) -> None:
    """How time and memory of a projection grow: slopes on log scales, Gaussian data."""
    base = {"n": 64_000, "d": 64, "queries": 1600}
    grids = {"n": (16_000, 64_000, 256_000), "d": (16, 64, 256), "queries": (400, 1600, 6400)}
    print("\nGrowth of processor time and memory (Gaussian data, around n = 64,000, d = 64, 1,600 queries)")
    for name, values in grids.items():
        chosen, found = values[: 2 if quick else 3], []
        for value in chosen:
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                found.append(alone.submit(one_size, **(base | {name: value})).result())
        times, held = zip(*found, strict=True)
        slope = [np.polyfit(np.log(chosen), np.log(row), 1)[0] for row in (times, held)]
        print(
            f"  {name:<8} {chosen}: {[round(1e3 * t) for t in times]} ms, slope {slope[0]:.2f}; "
            f"{[round(h / 2**20) for h in held]} MiB, slope {slope[1]:.2f}",
            flush=True,
        )


def make_activations(file: Path, rows: int, d: int, factors: np.ndarray, rng: np.random.Generator) -> None:
    """Points as a wide network emits them, (rows, d) float32 to a file: few factors, some noise, ReLU."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, d)}
    with file.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, rows, 10_000):
            part = rng.standard_normal((min(10_000, rows - start), len(factors)), dtype=np.float32) @ factors
            part += 0.3 * rng.standard_normal(part.shape, dtype=np.float32)
            np.maximum(part, 0, out=part).tofile(out)


def on_disk(rows: int) -> None:
    """A memory-mapped hull larger than what the passes may hold."""
    d, count = 2048, 1000
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((128, d), dtype=np.float32) / 11
    print(f"\nOn disk: {rows:,} points, d = {d:,}, {count:,} queries, {rows * d * 4 / 2**30:.1f} GiB")
    with tempfile.TemporaryDirectory() as folder:
        make_activations(Path(folder) / "points.npy", rows, d, factors, rng)
        make_activations(Path(folder) / "queries.npy", count, d, factors, rng)
        mapped = np.load(Path(folder) / "points.npy", mmap_mode="r")
        queries = np.load(Path(folder) / "queries.npy")
        q = torch.from_numpy(queries)

        def plain() -> None:
            for start in range(0, rows, 20_000):
                (q @ torch.from_numpy(np.array(mapped[start : start + 20_000])).T).max(dim=1)

        hull, built = timed(lambda: fg.ConvexHull(mapped, memory=1 << 30))
        hull.project(queries[:2], max_passes=1)
        result, ours, spent = clocked(lambda: hull.project(queries))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        _, once, once_spent = clocked(plain)
        gap = ((result.distance - result.lower_bound) / result.distance).max()
        sizes = np.diff(result.weights.indptr)
        print(
            f"  preparing, once: {built:.1f} s; one pass {once:.1f} s, ours {ours:.1f} s in "
            f"{result.stats.passes} passes"
        )
        print(
            f"  ours takes {ours / once:.1f} passes, in processor time {spent / once_spent:.1f}; worst "
            f"relative gap {gap:.1e}, supports {sizes.mean():.0f} to {sizes.max()}"
        )
        print(f"  greatest resident memory {peak:.2f} GiB (pages of the file included)", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer questions, and the slowest peers left out"
    )
    parser.add_argument(
        "--only", choices=["features", "pixels", "pairs", "extremes", "lengths", "slopes", "disk"]
    )
    parser.add_argument("--disk", type=int, default=0, metavar="ROWS")
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        return options.only in (None, name)

    data = features()
    if wanted("features"):
        queries = data["features_test"][: 1000 if options.quick else None]
        projections(data["features_train"], queries, options.quick, "Projection in feature space", False)
    pictures = images() if wanted("pixels") else None
    if pictures is not None:
        train, test = pictures
        projections(
            train, test[: 100 if options.quick else 1000], options.quick, "Projection in pixels", True
        )
    if wanted("pairs"):
        separations(data, options.quick)
    if wanted("extremes"):
        extremes(data, options.quick)
    if wanted("lengths"):
        print("\nLengths of the hull of all training features")
        lengths(data)
    if wanted("slopes"):
        slopes(options.quick)
    if options.disk:
        on_disk(options.disk)


if __name__ == "__main__":
    main()
