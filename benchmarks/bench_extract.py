"""Extraction into a store beside the bare network, in the batch size in which it is fastest.

    FEATGEOM_DATA=DIR python benchmarks/bench_extract.py [--images 10000] [--rounds 3] [--device cuda]

ResNet-20 on CIFAR-10. The bare network gets batches that lie in memory, in inference mode, nothing is done
with what it says; extraction reads, checks, compares head and network, and stores. Both are timed in turn, on
the wall and in processor time; the least of each counts. Wanted is 1.1 times the bare network, or less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from featgeom.data.sources import load_images
from featgeom.features.extraction import extract
from featgeom.models.sources import load_classifier

BATCHES = (16, 32, 64, 128, 256, 512, 1024)


def least(calls: list[Callable[[], object]], rounds: int) -> list[tuple[float, float]]:
    """Least seconds on the wall and of the processor of some calls, made in turn."""
    found = [(float("inf"), float("inf"))] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            wall, work = time.perf_counter(), time.process_time()
            call()
            took = time.perf_counter() - wall, time.process_time() - work
            found[i] = min(found[i][0], took[0]), min(found[i][1], took[1])
    return found


def main() -> None:
    """Print a line for each batch size of the bare network, and the ratio of the extraction."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="of the bare network")
    asked = parser.parse_args()
    data = Path(os.environ["FEATGEOM_DATA"])
    clf = load_classifier(
        data / "checkpoints" / "resnet20-12fca82f.th", arch="cifar_resnet20", device=asked.device
    )
    whole = load_images(f"cifar10:{data / 'cifar10'}", split="train")
    images = replace(whole, images=whole.images[: asked.images], labels=whole.labels[: asked.images])
    pixels = torch.from_numpy(images.images[:].copy()).float() / 255

    def bare(size: int) -> Callable[[], object]:
        def call() -> object:
            with torch.inference_mode():
                return [clf.network(part.to(clf.device)).cpu() for part in pixels.split(size)]

        return call

    with tempfile.TemporaryDirectory() as place:
        stores = iter(range(10**6))
        calls = [
            *map(bare, asked.batches),
            lambda: extract(clf, images, store=Path(place) / str(next(stores))),
        ]
        *networks, (wall, work) = least(calls, asked.rounds)
    for size, (a, b) in zip(asked.batches, networks, strict=True):
        print(f"bare network, {size:>4} at once: {a:6.2f} s, {b:6.2f} s of the processor")
    print(f"extraction:                 {wall:6.2f} s, {work:6.2f} s of the processor")
    print(f"ratio: {wall / min(a for a, _ in networks):.2f} on the wall, ", end="")
    print(f"{work / min(b for _, b in networks):.2f} of the processor")


if __name__ == "__main__":
    main()
