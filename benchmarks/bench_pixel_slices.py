"""Exact slices of pixel space beside adaptive ones: regions, seconds, and where the two differ.

FEATGEOM_DATA names the folder of real data; the arguments are the number of planes (2), and of each network
its name and the width of the window in pixel-space distance, or 0 for the whole plane. Each plane goes
through three test images; the window is around the first change of class on the way from the first to the
second. Of each: the regions on which the network is affine, the processor seconds of the exact and of the
adaptive slice, the classes and pieces that each sees, and the share of the lattice points at which the
exact polygons have another class than the network itself has there. With a width of 0 parts of one class
are left whole. With `segments` first, straight segments between test images instead: pieces, seconds, and
changes of class. Beside both stand the pieces, or regions, that are proved, and the seconds that proving
takes; a dash where float64 does not tell a tie, which is looked for to the end of the seconds shown.

    python benchmarks/bench_pixel_slices.py 2 digits 2 cnn-adv 0.5 resnet20 0.01
    python benchmarks/bench_pixel_slices.py segments 2 digits cnn-adv lenet
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
from featgeom.pixels.derivatives import pixel_function
from featgeom.pixels.segments import ClassPath, classes_along

LOOKS = 256


def differing(part: fg.PixelSlice) -> float:
    """The share of lattice points in the domain whose class is not that of the polygon they lie in."""
    u, v = np.meshgrid(part.u, part.v)
    inside = part.labels >= 0
    other = np.zeros_like(inside)
    for k, polygon in part.polygons.items():
        other |= inside & (part.labels == k) & ~shapely.intersects_xy(polygon, u, v)
    missing = inside & ~np.isin(part.labels, list(part.polygons))
    return float((other | missing).sum() / inside.sum())


def looked(classifier: fg.Classifier, a: np.ndarray, b: np.ndarray) -> ClassPath:
    """The classes seen on the way from one image to another."""
    f = pixel_function(classifier, a[None], "logits")
    return classes_along(f, f.vectors(a[None], "images"), f.vectors(b[None], "images"), LOOKS)[0]


def segments(count: int, names: list[str]) -> None:
    """Print one row a segment."""
    print("| network | segment | pieces | s | proved | s | changes of class, exact | looked at |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in names:
        classifier, images = loaded(name, 2 * count)
        for i in range(count):
            a, b = images[2 * i : 2 * i + 2]
            begun = thread_time()
            way = fg.pixel_crossings(classifier, a, b)
            between, pieces = thread_time(), int(way.pieces[0])
            known = fg.prove_pixel_crossings(classifier, a, b)
            proved = f"{known.pieces[0]:,}" if len(known.certificate) else "–"
            taken = f"{thread_time() - between:.1f}"
            print(
                f"| {name} | {i} | {pieces:,} | {between - begun:.2f} | {proved} | {taken} | "
                f"{way.changes[0]} | {len(looked(classifier, a, b).changes)} |",
                flush=True,
            )


def planes(count: int, asked: list[tuple[str, float]]) -> None:
    """Print one row a plane."""
    print(
        "| network | plane | window | regions | s | proved | s | s adaptive | classes | pieces | differ at |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|---|---:|")
    for name, width in asked:
        classifier, images = loaded(name, 3 * count)
        for plane in range(count):
            a, b, c = images[3 * plane : 3 * plane + 3]
            at = float(np.linalg.norm((b - a).astype(np.float64))) * next(
                iter(looked(classifier, a, b).changes), 0.5
            )
            half = width / 2
            window = (at - half, -half, at + half, half) if width else None
            begun = thread_time()
            adaptive = fg.slice_pixels(classifier, a, b, c, window, across=128)
            between = thread_time()
            exact = fg.slice_pixels(
                classifier, a, b, c, window, across=128, exact="regions" if width else True
            )
            alone = between - begun
            seconds = max(
                thread_time() - between - alone, 1e-9
            )  # an exact slice has an adaptive one's labels
            begun, proved = thread_time(), "–"
            if width:
                known = fg.prove_pixel_regions(classifier, a, b, c, window)
                proved = f"{known.regions:,}" if known.certificate else "–"
            print(
                f"| {name} | {plane} | {width or 'whole'} | {exact.regions:,} | {seconds:.1f} | "
                f"{proved} | {thread_time() - begun:.1f} | {alone:.1f} | "
                f"{len(exact.polygons)}, {len(adaptive.polygons)} | "
                f"{sum(exact.pieces.values())}, {sum(adaptive.pieces.values())} | {differing(exact):.2g} |",
                flush=True,
            )


def main(words: list[str]) -> None:
    """Print a table."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if words[:1] == ["segments"]:
        segments(int(words[1]), words[2:])
    else:
        planes(int(words[0]), [(n, float(w)) for n, w in zip(words[1::2], words[2::2], strict=True)])


if __name__ == "__main__":
    main(sys.argv[1:] or ["2", "digits", "2", "cnn-adv", "0.5", "resnet20", "0.01"])
