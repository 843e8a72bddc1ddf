"""Exact slices of pixel space beside adaptive ones: regions, seconds, and where the two differ.

FEATGEOM_DATA names the folder of real data; the arguments are the number of planes (2), the width of the
window around the first image in pixel-space distance (0: the whole plane), and the networks. Of each plane
through three test images: in how many regions it was cut, the processor seconds of the exact and of the
adaptive slice, the classes and pieces that each sees, and the share of the lattice points at which the exact
polygons have another class than the network itself has there.

    python benchmarks/bench_pixel_slices.py 2 0 digits
"""

from __future__ import annotations

import sys
import warnings
from time import thread_time

import numpy as np
import shapely
import torch
from bench_pixel_bounds import loaded

import featgeom as fg


def differing(part: fg.PixelSlice) -> float:
    """The share of lattice points in the domain whose class is not that of the polygon they lie in."""
    u, v = np.meshgrid(part.u, part.v)
    inside = part.labels >= 0
    other = np.zeros_like(inside)
    for k, polygon in part.polygons.items():
        other |= inside & (part.labels == k) & ~shapely.intersects_xy(polygon, u, v)
    missing = inside & ~np.isin(part.labels, list(part.polygons))
    return float((other | missing).sum() / inside.sum())


def main(planes: int, width: float, names: list[str]) -> None:
    """Print one row a plane."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print("| network | plane | window | regions | s exact | s adaptive | classes | pieces | differ at |")
    print("|---|---:|---:|---:|---:|---:|---|---|---:|")
    for name in names:
        classifier, images = loaded(name, 3 * planes)
        for plane in range(planes):
            a, b, c = images[3 * plane : 3 * plane + 3]
            window = (-width / 2, -width / 2, width / 2, width / 2) if width else None
            begun = thread_time()
            adaptive = fg.slice_pixels(classifier, a, b, c, window, across=256)
            between = thread_time()
            exact = fg.slice_pixels(classifier, a, b, c, window, across=256, exact=True)
            seconds = thread_time() - between, between - begun
            counts = [f"{len(p.polygons)}, {len(adaptive.polygons)}" for p in (exact,)]
            pieces = f"{sum(exact.pieces.values())}, {sum(adaptive.pieces.values())}"
            print(
                f"| {name} | {plane} | {width or 'whole'} | {exact.regions:,} | {seconds[0]:.0f} | "
                f"{seconds[1]:.1f} | {counts[0]} | {pieces} | {differing(exact):.2g} |",
                flush=True,
            )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if sys.argv[1:] else 2,
        float(sys.argv[2]) if sys.argv[2:] else 0.0,
        sys.argv[3:] or ["digits"],
    )
