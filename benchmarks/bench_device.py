"""What a GPU does faster: projections on a hull, and pixel flips, beside the same on the processor.

    python benchmarks/bench_device.py [--device cuda] [--points 50000] [--queries 10000] [--images 256]

Gaussian points in 512 dimensions; the built-in digits network and its images. One pass is the product of all
queries with all points in float32 and its row minimum, on the same device. Ratios are within this run; both
sides' answers are proved, and how far they differ is printed.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from support import timed

import featgeom as fg


def hull(device: str, points: np.ndarray, queries: np.ndarray) -> tuple[fg.HullProjection, float, float]:
    """The projections, their seconds, and those of one pass."""
    asked = fg.ConvexHull(points, device=device)
    asked.project(queries[:10])  # everything is compiled and on the device
    found, seconds = timed(lambda: asked.project(queries))
    x, q = torch.from_numpy(points).to(device), torch.from_numpy(queries.astype(np.float32)).to(device)

    def one_pass() -> list[torch.Tensor]:
        return [(part @ x.T).amin(1).cpu() for part in q.split(1000)]

    return found, seconds, timed(one_pass, 3)[1]


def flips(device: str, images: np.ndarray) -> tuple[fg.PixelFlips, float]:
    """The flips of some images, and their seconds."""
    clf = fg.load_classifier("digits", probe=fg.load_images("digits", split="test")).to(device)
    fg.pixel_flips(clf, images[:2])
    return timed(lambda: fg.pixel_flips(clf, images))


def main() -> None:
    """Print two lines a device."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for name, value in (("points", 50_000), ("queries", 10_000), ("images", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    points = rng.standard_normal((asked.points, 512)).astype(np.float32)
    queries = 2 * rng.standard_normal((asked.queries, 512))
    images = fg.load_images("digits", split="test").pixels(slice(asked.images))
    distances: dict[str, list[np.ndarray]] = {}
    for device in dict.fromkeys(("cpu", asked.device)):
        projected, seconds, one = hull(device, points, queries)
        gap = (projected.distance / projected.lower_bound - 1).max()
        print(f"{device}: projections {seconds:.2f} s, {seconds / one:.1f} passes, gap {gap:.1e}", flush=True)
        found, seconds = flips(device, images)
        held = int((found.status == fg.Status.SOLVED).sum())
        print(f"{device}: flips {seconds:.2f} s, {held} of {len(images)} verified", flush=True)
        distances[device] = [projected.distance, found.distance]
    for name, here, there in zip(("projections", "flips"), *(distances[d] for d in ("cpu", asked.device))):
        both = np.isfinite(here) & np.isfinite(there)
        print(f"{name}: distances differ by {np.abs(here / there - 1)[both].max(initial=0):.1e} at most")


if __name__ == "__main__":
    main()
