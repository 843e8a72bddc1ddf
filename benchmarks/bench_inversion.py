"""Exact inversion beside Adam at the same number of gradient evaluations, on CIFAR-10 and a ResNet-20.

FEATGEOM_DATA names the folder of real data; the arguments are the numbers of random (start, target) pairs of
test images for ours (200) and, of these, for ours with minimal movement (32) and for Adam (16). One
Gauss-Newton step costs as many gradients as there are features; Adam gets as many as 30 such steps cost.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import torch

import featgeom as fg

RATES = (0.001, 0.01)


def main(n: int, minimal_pairs: int, adam_pairs: int) -> None:
    """Print the share of pairs below each residual, and how far the images moved."""
    folder = os.environ["FEATGEOM_DATA"]
    clf = fg.load_classifier(f"{folder}/checkpoints/resnet20-12fca82f.th", arch="cifar_resnet20")
    images = fg.load_images(f"cifar10:{folder}/cifar10", split="test").images
    source, goal = np.random.default_rng(0).integers(len(images), size=(2, n))
    start, targets = images[source], clf.features(images[goal])
    for minimal, pairs in ((False, n), (True, minimal_pairs)):
        found = fg.invert(clf, targets[:pairs], start[:pairs], minimal=minimal)
        solved = found.status == fg.Status.SOLVED
        right = (found.classes == found.target_classes)[solved]
        print(f"ours{', minimal' if minimal else ''}, {pairs} pairs, {found.stats.seconds:.0f} s:")
        report(found.residual, found.moved)
        print(
            f"  of the solved, class as in the target {right.mean():.4f}; restarted "
            f"{(found.restarts > 0).sum()}; values from {found.images.min():g} to {found.images.max():g}",
            flush=True,
        )
    steps = clf.head.dimension * 30
    for rate in RATES:
        residual, moved = adam(clf, targets[:adam_pairs], start[:adam_pairs], steps, rate)
        print(f"Adam, rate {rate:g}, {steps} steps, {adam_pairs} pairs:")
        report(residual, moved)


def report(residual: np.ndarray, moved: np.ndarray) -> None:
    """Shares below four residuals, and quantiles of the distance moved."""
    shares = ", ".join(f"{(residual < bound).mean():.3f} < {bound:g}" for bound in (1e-6, 1e-4, 1e-2, 0.1))
    low, middle, high = np.quantile(moved, [0.1, 0.5, 0.9])
    print(f"  residual: {shares}; moved {middle:.2f} (10 %: {low:.2f}, 90 %: {high:.2f})", flush=True)


def adam(
    clf: fg.Classifier, targets: np.ndarray, start: np.ndarray, steps: int, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """min ‖φ(x) − z‖² over the box by Adam with a cosine schedule: residuals and distances moved."""
    first, z = torch.from_numpy(start).float() / 255, torch.from_numpy(targets)
    x = first.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([x], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        ((clf.backbone(x) - z).square().sum(1) / z.square().sum(1)).sum().backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    gap = np.linalg.norm(clf.features(x.detach()) - targets, axis=1) / np.linalg.norm(targets, axis=1)
    return gap, (x.detach() - first).flatten(1).norm(dim=1).numpy()


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(200, 32, 16)[len(given) :])
