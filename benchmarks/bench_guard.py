"""The guard as a detector of foreign images, beside the detectors of pytorch-ood, for every shared network.

    FEATGEOM_DATA=... python benchmarks/bench_guard.py [--networks resnet20,resnet32] [--first 0] [--seed 0]

Features of ``--train`` training images (default 10,000; 0 means all) are what every detector is fitted to.
``--test`` test images (default 1,000) from the ``--first`` on are the ordinary ones, the next as many
calibrate the guard, as many others are foreign: images of the other data set, uniform noise, images of one
colour, and the ordinary ones blurred, with permuted pixels, and mixed in pairs. Printed for each detector:
AUROC, and the false-alarm rate at which 95 % of the foreign images are detected; then tables in Markdown of
our scores and the best of the others in each cell, the cells in which we lose, and the standing of all.

The detectors of pytorch-ood (asked where it is installed) have the settings that they come with, on the
features before the last layer; where a setting has no default, the middle of what their documentation gives:
ViM's principal subspace is half of the space, DICE drops 70 % of the weights.
"""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from featgeom import (
    AffineHead,
    Classifier,
    FeatureSet,
    Guard,
    PixelSpec,
    extract,
    load_classifier,
    load_images,
)
from featgeom.answers.score_names import SCORES
from featgeom.statistics import auroc

CIFAR = PixelSpec(shape=(3, 32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
NETWORKS = {  # name: file, architecture, pixels, data
    "resnet20": ("resnet20-12fca82f.th", "cifar_resnet20", CIFAR, "cifar10"),
    "resnet32": ("resnet32.safetensors", "cifar_resnet32", CIFAR, "cifar10"),
    "cnn_small_clean": ("cnn_small_clean.safetensors", "cnn_small", None, "cifar10"),
    "cnn_a_adversarial": ("cnn_a_adversarial.safetensors", "cnn_a", None, "cifar10"),
    "lenet5_clean": ("lenet5_clean.safetensors", "lenet5", None, "mnist"),
    "lenet5_adversarial": ("lenet5_adversarial.safetensors", "lenet5", None, "mnist"),
}
Score = Callable[[np.ndarray], np.ndarray]
Cells = list[tuple[float, float]]  # AUROC and false alarms, for each kind of foreign images
COUNTED = 0.8  # cells in which no detector is better tell of the network, not of detectors
KEPT: list[Any] = []  # a library of torch lives as long as its object


def load(name: str, data: Path) -> tuple[Classifier, str]:
    """A shared network, and the name of the data it was trained on."""
    file, arch, pixels, source = NETWORKS[name]
    folder = data / "checkpoints"
    if not arch.startswith("cifar_"):
        arch = f"{folder / 'architectures.py'}:{arch}"
    return load_classifier(str(folder / file), arch=arch, pixels=pixels), source


def foreign(test: np.ndarray, other: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Foreign images by name, each (n, c, h, w) in [0, 1] like ``test``."""
    rng = np.random.default_rng(seed)
    n, c, h, w = test.shape
    pixels = rng.permutation(h * w)
    partners = rng.permutation(n)
    return {
        "other data": fitted(other[:n], test.shape),
        "noise": rng.random(test.shape, dtype=np.float32),
        "one colour": np.broadcast_to(rng.random((n, c, 1, 1), dtype=np.float32), test.shape).copy(),
        "blurred": gaussian_filter(test, (0, 0, 3, 3)),
        "permuted": test.reshape(n, c, -1)[:, :, pixels].reshape(test.shape),
        "mixed": (test + test[partners]) / 2,
    }


def fitted(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images of another data set, padded or cropped about the middle, grey or repeated in colour."""
    _, c, h, w = shape
    if images.shape[1] != c:
        images = images.mean(axis=1, keepdims=True).repeat(c, axis=1)
    if images.shape[2] < h:
        pad = (h - images.shape[2]) // 2
        images = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cut = (images.shape[2] - h) // 2
    return np.ascontiguousarray(images[:, :, cut : cut + h, cut : cut + w], dtype=np.float32)


def ours(head: AffineHead, train: FeatureSet, aside: np.ndarray) -> dict[str, Score]:
    """The scores of the guard, the higher the more foreign."""
    guards = {score: Guard(head, score=score).fit(train.features, train.labels, aside) for score in SCORES}
    return {f"guard, {score}": lambda z, g=g: -g.score_samples(z) for score, g in guards.items()}


def theirs(head: AffineHead, train: FeatureSet, aside: np.ndarray) -> dict[str, Score]:
    """The detectors of pytorch-ood that look at features or logits; none where it is not installed."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):  # beside a torch without torchvision's compiled part
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)
    try:
        from pytorch_ood import detector as d
    except ImportError:
        return {}
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    layer = torch.nn.Linear(head.dimension, head.classes)
    layer.weight.data, layer.bias.data = (
        torch.tensor(a, dtype=torch.float32) for a in (head.weight, head.bias)
    )
    z, y = torch.tensor(np.asarray(train.features)), torch.tensor(np.asarray(train.labels))
    w, b = layer.weight.data, layer.bias.data

    def logits(maps: Any) -> Any:
        return layer(maps.flatten(1))

    def score(found: Any, way: str) -> Score:
        def of(points: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                asked = torch.tensor(points, dtype=torch.float32)
                given = {"logits": layer(asked), "features": asked, "feature_maps": asked[:, :, None, None]}
                return np.asarray(getattr(found, f"predict_{way}")(given[way]))

        return of

    of_logits = [d.MaxSoftmax(None), d.MaxLogit(None), d.EnergyBased(None), d.Entropy(None), d.GEN(None)]
    of_features = [
        d.Mahalanobis(None), d.RMD(None), d.KNN(None), d.ViM(None, head.dimension // 2, w, b),
        d.SHE(None, layer), d.NNGuide(None, layer), d.fDBD(None, layer), d.DICE(None, w, b, 0.7),
    ]  # fmt: skip
    of_maps = [d.ReAct(None, logits), d.ASH(None, logits), d.SCALE(None, logits)]
    matching = d.KLMatching(None)
    with torch.no_grad():
        matching.fit_logits(layer(torch.tensor(aside)), torch.zeros(len(aside), dtype=torch.int64))
        for one in of_features:
            one.fit_features(z, y)
        of_maps[0].fit_feature_maps(z[:, :, None, None], y)
    ways = {"logits": [*of_logits, matching], "features": of_features, "feature_maps": of_maps}
    return {type(one).__name__: score(one, way) for way, some in ways.items() for one in some}


def study(name: str, data: Path, asked: argparse.Namespace) -> tuple[list[str], dict[str, Cells]]:
    """Print the figures of one network; the kinds of foreign images, and the cells of each detector."""
    classifier, source = load(name, data)
    train = load_images(f"{source}:{data / source}", split="train").take(slice(asked.train or None))
    test = load_images(f"{source}:{data / source}", split="test")
    other_name = "mnist" if source == "cifar10" else "cifar10"
    other = load_images(f"{other_name}:{data / other_name}", split="test")
    first, count = asked.first, asked.test
    rows, next_rows = slice(first, first + count), slice(first + count, first + 2 * count)
    ordinary, seen = test.take(rows), extract(classifier, train)
    aside = classifier.features(test.take(next_rows))
    known = {"ordinary": ordinary.pixels()} | foreign(ordinary.pixels(), other.pixels(rows), asked.seed)
    points = {what: classifier.features(np.clip(images, 0, 1)) for what, images in known.items()}
    whats = [what for what in known if what != "ordinary"]
    print(f"\n{name}: {len(train):,} training images of {source}, {len(ordinary):,} ordinary test images")
    print(f"{'AUROC / false alarms at 95 %':28s}" + "".join(f"{what:>15s}" for what in whats))
    found: dict[str, Cells] = {}
    head = classifier.head
    for label, score in (theirs(head, seen, aside) | ours(head, seen, aside)).items():
        calm = score(points["ordinary"])
        found[label] = [figures(calm, score(points[what])) for what in whats]
        print(f"{label:28s}" + "".join(f"{a:8.3f} /{f:5.2f}" for a, f in found[label]), flush=True)
    return whats, found


def tables(whats: list[str], found: dict[str, dict[str, Cells]]) -> None:
    """Print our scores and the best of the others as Markdown, and where we lose by more than 0.01."""
    for which, better in (("AUROC", max), ("false alarms at 95 %", min)):
        at = 0 if which == "AUROC" else 1
        print(f"\n{which}: hull / combined / joint (the best of the others)\n")
        print("| network | " + " | ".join(whats) + " |\n|" + "---|" * (len(whats) + 1))
        for name, cells in found.items():
            said = []
            for i in range(len(whats)):
                mine = [cells[f"guard, {score}"][i][at] for score in ("hull", "combined", "joint")]
                others = {k: v[i][at] for k, v in cells.items() if not k.startswith("guard")}
                best = better(others, key=others.__getitem__) if others else ""
                beside = f" ({best} {others[best]:.3f})" if others else ""
                said.append(" / ".join(f"{value:.3f}" for value in mine) + beside)
            print(f"| {name} | " + " | ".join(said) + " |")
    for score in SCORES:
        gaps = [
            (round(best - cells[f"guard, {score}"][i][0], 3), name, what)
            for name, cells in found.items()
            for i, what in enumerate(whats)
            if (best := max(cell[i][0] for cell in cells.values())) > COUNTED
        ]
        lost = sorted((gap for gap in gaps if gap[0] > 0.01), reverse=True)
        print(f"\n{score}: {len(lost)} of {len(gaps)} cells behind by more than 0.01 AUROC: {lost}")


def standing(found: dict[str, dict[str, Cells]]) -> None:
    """Print of every detector in how many cells it is behind the best by AUROC, how far, and is the worst.

    Behind is counted where any detector is above 0.8, the worst in all cells; ours beside the others alone.
    """
    names = list(next(iter(found.values())))
    cells = np.array([[a for one in found.values() for a, _ in one[name]] for name in names])
    others = cells[[not name.startswith("guard") for name in names]]
    if len(others) == 0:
        return
    counted = cells.max(axis=0) > COUNTED
    gaps = np.maximum(others.max(axis=0) - cells, 0)[:, counted]
    worst = (cells <= others.min(axis=0)).sum(axis=1)
    print(f"\n| detector | behind, of {counted.sum()} | on average | at most | worst, of {cells.shape[1]} |")
    print("|---|---|---|---|---|")
    for i in np.argsort(gaps.mean(axis=1)):
        behind, mean, most = (gaps[i].round(3) > 0.01).sum(), gaps[i].mean(), gaps[i].max()
        print(f"| {names[i]} | {behind} | {mean:.3f} | {most:.3f} | {worst[i]} |")


def figures(calm: np.ndarray, strange: np.ndarray) -> tuple[Any, Any]:
    """AUROC, and the share of calm scores at or above the threshold that detects 95 % of the strange."""
    together = np.nan_to_num(np.concatenate([calm, strange]), posinf=1e300)
    truth = np.repeat([False, True], [len(calm), len(strange)])
    return auroc(together, truth), (calm >= np.quantile(strange, 0.05)).mean()


def main() -> None:
    """Study every network asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    data = os.environ.get("FEATGEOM_DATA")
    if not data:
        print("FEATGEOM_DATA is not set: nothing to measure")
        return
    found, whats = {}, []
    for name in asked.networks.split(","):
        whats, found[name] = study(name, Path(data), asked)
    tables(whats, found)
    standing(found)


if __name__ == "__main__":
    main()
