"""Boundaries against what people use now, as ratios within one run.

    FEATGEOM_DATA=DIR python benchmarks/bench_boundaries.py

Slices against a 1,000 × 1,000 grid of argmax, flip points against cvxpy, crossings against dense sampling,
and, where the data are there, all flips of the ResNet-20 test features.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np

from featgeom import AffineHead, Plane, crossings, flip_points, slice_cells


def seconds(work: Callable[[], Any], repeat: int = 3) -> float:
    """The least of a few times; compilation is done before the first."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def slices(rng: np.random.Generator) -> None:
    """A slice of a random head, and one in which every class is visible."""
    for classes in (10, 100, 1000):
        d = 512
        head = AffineHead(rng.normal(size=(classes, d)) / np.sqrt(d), rng.normal(size=classes))
        through = Plane.through(*rng.normal(size=(3, d)))
        sites = rng.uniform(-4, 4, (classes, 2))
        voronoi = AffineHead(sites, -0.5 * (sites**2).sum(axis=1))
        for name, h, plane in (
            ("random head", head, through),
            ("all visible", voronoi, Plane(np.zeros(2), np.eye(2))),
        ):
            side = 40.0 if h is head else 4.0
            window = (-side, -side, side, side)
            ours = seconds(lambda h=h, p=plane, w=window: slice_cells(h, p, w))
            u, v = np.meshgrid(np.linspace(-side, side, 1000), np.linspace(-side, side, 1000))
            uv = np.stack([u.ravel(), v.ravel()], 1).astype(np.float32)
            slopes = (h.weight @ plane.basis.T).astype(np.float32)
            values = h.logits(plane.origin[None])[0].astype(np.float32)

            def sample(uv: Any = uv, slopes: Any = slopes, values: Any = values) -> Any:
                parts = np.array_split(uv, max(1, len(values) // 10))
                return [(part @ slopes.T + values).argmax(axis=1) for part in parts]

            grid = seconds(sample, 1)
            visible = len(slice_cells(h, plane, window).polygons)
            print(
                f"slice, C = {classes:5d}, {name}, {visible:4d} cells: exact {ours * 1e3:7.1f} ms; "
                f"grid of argmax {grid * 1e3:8.1f} ms; {grid / ours:6.1f} times faster"
            )


def flips(head: AffineHead, z: np.ndarray) -> None:
    """All ordered pairs of own class and rival, against one cvxpy problem a pair."""
    ours = seconds(lambda: flip_points(head, z, "every", "orthant"), 1)
    count = len(z) * (head.classes - 1)
    found = flip_points(head, z[:12], "every", "orthant")
    worst, start, solved = 0.0, time.perf_counter(), 0
    for i in range(12):
        for j in range(2):
            c, k = found.classes[i, j]
            p = cp.Variable(head.dimension)
            logits = head.weight @ p + head.bias
            conditions = [logits[c] == logits[k], p >= 0]
            conditions += [logits[c] >= logits[m] for m in range(head.classes) if m not in (c, k)]
            problem = cp.Problem(cp.Minimize(cp.sum_squares(p - z[i])), conditions)
            problem.solve(solver=cp.CLARABEL)
            solved += 1
            worst = max(worst, abs(np.sqrt(problem.value) / found.distance[i, j] - 1))
    each = (time.perf_counter() - start) / solved
    print(
        f"flips, {len(z)} × {head.classes - 1}, orthant: {ours:.2f} s, {ours / count * 1e6:.1f} µs each, "
        f"{each / (ours / count):.0f} times faster than cvxpy + Clarabel (they differ by {worst:.1e})"
    )
    nearest = seconds(lambda: flip_points(head, z, None, "orthant"), 1)
    print(f"nearest flip of {len(z)} samples: {nearest:.2f} s")


def segments(rng: np.random.Generator) -> None:
    """5,000 segments, against 1,000 samples on each of 200 of them."""
    for classes in (10, 1000):
        head = AffineHead(rng.normal(size=(classes, 64)), rng.normal(size=classes))
        a, b = 2 * rng.normal(size=(2, 5000, 64))
        ours = seconds(lambda h=head, a=a, b=b: crossings(h, a, b), 1)
        found = crossings(head, a, b)
        t = np.linspace(0, 1, 1000)[:, None]
        start = time.perf_counter()
        sampled = [np.flatnonzero(np.diff(head.classify(a[i] + t * (b[i] - a[i])))) for i in range(200)]
        dense = (time.perf_counter() - start) / 200
        missed = sum(found.changes[i] - len(s) for i, s in enumerate(sampled))
        print(
            f"crossings, C = {classes:4d}: {ours / 5000 * 1e6:7.1f} µs a segment, exact; 1,000 samples take "
            f"{dense * 1e6:9.1f} µs, {dense / (ours / 5000):5.0f} times as long, and miss {missed} of "
            f"{found.changes[:200].sum()} crossings"
        )


def main() -> None:
    """All of them."""
    rng = np.random.default_rng(0)
    slices(rng)
    segments(rng)
    folder = os.environ.get("FEATGEOM_DATA")
    if folder:
        data = np.load(Path(folder) / "features" / "resnet20.npz")
        head, z = AffineHead(data["fc_weight"], data["fc_bias"]), data["features_test"].astype(float)
    else:
        print("FEATGEOM_DATA is not set: random features instead of ResNet-20's")
        head = AffineHead(rng.normal(size=(10, 64)), rng.normal(size=10))
        z = np.abs(rng.normal(size=(10_000, 64)))
    flips(head, z)


if __name__ == "__main__":
    main()
