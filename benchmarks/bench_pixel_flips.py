"""Pixel flips beside the attacks of foolbox and torchattacks, on CIFAR-10 test images and a ResNet-20.

FEATGEOM_DATA names the folder of real data; the argument is the number of images (200). Every method starts
from the same images, is given a frozen network, and is judged by the same re-evaluation: a distance counts
where the network's class differs on the image as returned. Times are ratios to DDN with 300 steps in this
run; those two run again at the end, and the faster time of each counts (processor time).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from time import process_time

import foolbox
import numpy as np
import torch
import torchattacks

import featgeom as fg


def main(n: int) -> None:
    """Print one line a method: success, median distance, ratio to the best peer per image, time."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    folder = os.environ["FEATGEOM_DATA"]
    clf = fg.load_classifier(f"{folder}/checkpoints/resnet20-12fca82f.th", arch="cifar_resnet20")
    images = fg.load_images(f"cifar10:{folder}/cifar10", split="test").images[:n] / np.float32(255)
    classes = clf.logits(images).argmax(1)
    x, labels = torch.from_numpy(images), torch.from_numpy(classes)
    model = foolbox.PyTorchModel(clf.network, bounds=(0, 1), device="cpu")
    wrong = foolbox.criteria.Misclassification(labels)

    def attack(method: foolbox.attacks.base.Attack, **options: torch.Tensor) -> np.ndarray:
        return method(model, x, wrong, epsilons=None, **options)[1].detach().clamp(0, 1).numpy()

    def ddn(steps: int) -> np.ndarray:
        return attack(foolbox.attacks.DDNAttack(steps=steps))

    def brendel_bethge() -> np.ndarray:
        method = foolbox.attacks.L2BrendelBethgeAttack(steps=100)
        return attack(method, starting_points=torch.from_numpy(ddn(50)))

    def fab() -> np.ndarray:
        method = torchattacks.FAB(clf.network, norm="L2", eps=10.0, steps=50, n_classes=clf.head.classes)
        return method(x, labels).detach().clamp(0, 1).numpy()

    def ours() -> np.ndarray:
        flips = fg.pixel_flips(clf, images)
        held = int((flips.status == fg.Status.SOLVED).sum())
        print(f"ours: {held} of {n} verified, at most {flips.difference.max():.1e} logits apart", flush=True)
        return flips.images

    methods: dict[str, Callable[[], np.ndarray]] = {
        "ours": ours,
        "DDN 300": lambda: ddn(300),
        "DDN 50": lambda: ddn(50),
        "DeepFool": lambda: attack(foolbox.attacks.L2DeepFoolAttack()),
        "FAB": fab,
        "Brendel-Bethge": brendel_bethge,
        "ours again": ours,
        "DDN 300 again": lambda: ddn(300),
    }
    distance, seconds = {}, {}
    for name, run in methods.items():
        begun = process_time()
        found = run()
        name = name.removesuffix(" again")
        seconds[name] = min(seconds.get(name, np.inf), process_time() - begun)
        moved = np.linalg.norm((found.astype(np.float64) - images).reshape(n, -1), axis=1)
        distance[name] = np.where(clf.logits(found).argmax(1) != classes, moved, np.inf)
        show(distance, seconds, name)


def show(distance: dict[str, np.ndarray], seconds: dict[str, float], name: str) -> None:
    """One method, and ours beside the best of all peers that have run so far."""
    d = distance[name]
    unit = seconds.get("DDN 300", np.nan)
    print(
        f"{name:15} success {np.isfinite(d).mean():.3f}  median {np.median(d):.5f}  "
        f"time {seconds[name] / unit:.2f} x DDN 300 ({seconds[name]:.1f} s)",
        flush=True,
    )
    peers = [key for key in distance if key != "ours"]
    if peers:
        ratio = distance["ours"] / np.min([distance[key] for key in peers], axis=0)
        print(
            f"    ours / best of {', '.join(peers)}: median {np.median(ratio):.4f}, mean {ratio.mean():.4f}, "
            f"90 % {np.quantile(ratio, 0.9):.4f}, worst {ratio.max():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
