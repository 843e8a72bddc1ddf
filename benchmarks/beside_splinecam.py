"""Affine regions of a perceptron on a square of pixel space: ours, computed and proved, beside SplineCam's.

SplineCam (github.com/AhmedImtiazPrio/splinecam) wants an environment of its own: graph-tool 2.45, igraph and
numpy below 2; on a machine without a GPU its `cuda` is to be read as `cpu`. So this is run twice. The first
time it trains a network of ``--depth`` layers of ``--width`` ReLUs on digits, counts the regions on a square
around the first three test images, half a diagonal ``--reach`` long, and writes both to a file; the second
time, there, SplineCam counts the same. Processor seconds of one thread.

    python benchmarks/beside_splinecam.py ours FILE --width 100 --depth 4 --reach 3
    PYTHONPATH=SPLINECAM PYTORCH_JIT=0 python benchmarks/beside_splinecam.py splinecam FILE
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from time import process_time

import numpy as np
import torch
from torch import nn

STEPS, RATE = 60, 1e-2


def perceptron(width: int, depth: int) -> nn.Sequential:
    """Layers of ReLUs on 64 pixel values, and 10 logits."""
    sizes = [64, *[width] * depth]
    bent = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*bent, nn.Linear(width, 10)).double().eval()


def ours(file: str, width: int, depth: int, reach: float) -> None:
    """Train, count, prove, and write the network and the square's corners, the first again at the end."""
    import featgeom as fg
    from featgeom.pixels.pieces import OnPlane, linear_pieces

    torch.manual_seed(0)
    network, digits = perceptron(width, depth), fg.load_splits("digits")
    train, images = digits["train"], digits["test"].pixels(slice(3))
    x = torch.from_numpy(train.pixels(slice(None)).reshape(-1, 64).astype(np.float64))
    labels, descent = torch.from_numpy(np.asarray(train.labels)), torch.optim.Adam(network.parameters(), RATE)
    for _ in range(STEPS):
        descent.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        descent.step()
    network.requires_grad_(False)
    a, b, c = torch.from_numpy(images.reshape(3, 64).astype(np.float64))
    middle = (a + b + c) / 3
    one, other = a - middle, b - middle
    other = other - (one @ other) / (one @ one) * one
    steps = torch.stack([one / one.norm(), other / other.norm()]) * reach
    square = torch.cat([middle + steps, middle - steps, middle + steps[:1]])
    torch.save({"network": network.state_dict(), "square": square, "width": width, "depth": depth}, file)

    classifier = fg.load_classifier(
        nn.Sequential(nn.Flatten(), *network), pixels=fg.PixelSpec((1, 8, 8), bounds=(-9.0, 9.0))
    )
    corners = square.numpy()
    plane = fg.Plane.through(*corners[[0, 1, 3]])
    whole = OnPlane(classifier.to("cpu", torch.float64).network, plane, (1, 8, 8))
    linear_pieces(whole, plane.drop(corners[:4]), True, 10**7)  # compiles
    begun = process_time()
    count = linear_pieces(whole, plane.drop(corners[:4]), True, 10**7)[2]
    print(f"computed: {count:,} regions in {process_time() - begun:.2f} s")
    window = (*plane.drop(corners[:4]).min(0), *plane.drop(corners[:4]).max(0))
    begun = process_time()
    proved = fg.prove_pixel_regions(classifier, *corners[[0, 1, 3]].reshape(3, 1, 8, 8), window=window)
    print(f"proved: {proved.regions:,} regions in {process_time() - begun:.2f} s")


def splinecam(file: str) -> None:
    """Count with SplineCam."""
    import splinecam as other

    told = torch.load(file)
    network = perceptron(told["width"], told["depth"])
    network.load_state_dict(told["network"])
    projection = other.utils.get_proj_mat(told["square"])
    wrapped = other.wrappers.model_wrapper(
        network, input_shape=(64,), T=projection, dtype=torch.float64, device="cpu"
    )
    begun = process_time()
    regions, _, _ = other.compute.get_partitions_with_db(told["square"], projection, wrapped, n_workers=0)
    print(f"SplineCam: {len(regions):,} regions in {process_time() - begun:.2f} s")


def main() -> None:
    """One of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("whose", choices=["ours", "splinecam"])
    parser.add_argument("file")
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--reach", type=float, default=3.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.whose == "ours":
        ours(asked.file, asked.width, asked.depth, asked.reach)
    else:
        splinecam(asked.file)


if __name__ == "__main__":
    main()
