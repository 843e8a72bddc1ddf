"""The guard as a detector of foreign images, beside the usual scores, for every shared network.

    FEATGEOM_DATA=... python benchmarks/bench_guard.py [--networks resnet20,resnet32] [--train N] [--test N]

Features of ``--train`` training images (default 20,000; 0 means all) make the hulls and the neighbours; the
first ``--test`` test images (default 2,000) are the ordinary ones, the next as many calibrate the guard, as
many others are foreign: images of the other data set, uniform noise, images of one colour, and test images
blurred, with permuted pixels, and mixed in pairs. Printed for each: AUROC, and the false-alarm rate at which
95 % of the foreign images are detected; then the time of each score for the ordinary images, and the alarms
at the calibrated threshold.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from featgeom import Classifier, Guard, PixelSpec, load_classifier, load_images
from featgeom.guard import unit_length

CIFAR = PixelSpec(shape=(3, 32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
NETWORKS = {  # name: file, architecture, pixels, data
    "resnet20": ("resnet20-12fca82f.th", "cifar_resnet20", CIFAR, "cifar10"),
    "resnet32": ("resnet32.safetensors", "cifar_resnet32", CIFAR, "cifar10"),
    "cnn_small_clean": ("cnn_small_clean.safetensors", "cnn_small", None, "cifar10"),
    "cnn_a_adversarial": ("cnn_a_adversarial.safetensors", "cnn_a", None, "cifar10"),
    "lenet5_clean": ("lenet5_clean.safetensors", "lenet5", None, "mnist"),
    "lenet5_adversarial": ("lenet5_adversarial.safetensors", "lenet5", None, "mnist"),
}
NEIGHBOUR = 50
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def load(name: str, data: Path) -> tuple[Classifier, str]:
    """A shared network, and the name of the data it was trained on."""
    file, arch, pixels, source = NETWORKS[name]
    folder = data / "checkpoints"
    if not arch.startswith("cifar_"):
        arch = f"{folder / 'architectures.py'}:{arch}"
    return load_classifier(str(folder / file), arch=arch, pixels=pixels), source


def foreign(test: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Foreign images by name, each (n, c, h, w) in [0, 1] like ``test``."""
    rng = np.random.default_rng(0)
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


def scores(guard: Guard, train: np.ndarray, labels: np.ndarray) -> dict[str, Score]:
    """Every score, the higher the more foreign, as a function of features and logits."""
    means = np.stack([train[labels == c].mean(axis=0, dtype=np.float64) for c in range(labels.max() + 1)])
    precision = np.linalg.pinv(np.cov((train - means[labels]).T))
    plain = NearestNeighbors(n_neighbors=NEIGHBOUR, algorithm="brute").fit(train)
    cosine = NearestNeighbors(n_neighbors=NEIGHBOUR, algorithm="brute").fit(unit_length(train))

    def mahalanobis(z: np.ndarray, _: np.ndarray) -> np.ndarray:
        apart = z[:, None, :] - means
        return np.einsum("nci,ij,ncj->nc", apart, precision, apart, optimize=True).min(axis=1)

    return {
        "angular hull (guard)": lambda z, _: -guard.score_samples(z),
        "softmax": lambda _, logits: 1 - np.exp(logits.max(axis=1) - logsumexp(logits, axis=1)),
        "energy": lambda _, logits: -logsumexp(logits, axis=1),
        "Mahalanobis": mahalanobis,
        f"Euclidean {NEIGHBOUR}th neighbour": lambda z, _: plain.kneighbors(z)[0][:, -1],
        f"cosine {NEIGHBOUR}th neighbour": lambda z, _: cosine.kneighbors(unit_length(z))[0][:, -1],
    }


def study(name: str, data: Path, train_count: int, test_count: int) -> None:
    """Print the tables of one network."""
    classifier, source = load(name, data)
    train = load_images(f"{source}:{data / source}", split="train")
    test = load_images(f"{source}:{data / source}", split="test")
    other_name = "mnist" if source == "cifar10" else "cifar10"
    other = load_images(f"{other_name}:{data / other_name}", split="test")
    train = train.take(slice(train_count or None))
    ordinary, aside = test.take(slice(test_count)), test.take(slice(test_count, 2 * test_count))
    features, logits = classifier.features(train), None
    guard = Guard(classifier.head).fit(features, train.labels, calibration=classifier.features(aside))
    known = {"ordinary": ordinary.pixels()} | foreign(ordinary.pixels(), other.pixels(slice(test_count)))
    seen = {what: classifier.features(np.clip(images, 0, 1)) for what, images in known.items()}
    logits = {what: classifier.head.logits(z) for what, z in seen.items()}
    print(f"\n{name}: {len(train):,} training images of {source}, {len(ordinary):,} ordinary test images")
    whats = [what for what in known if what != "ordinary"]
    print(f"{'AUROC / false alarms at 95 %':28s}" + "".join(f"{what:>15s}" for what in whats) + "   time [s]")
    for label, score in scores(guard, features, train.labels).items():
        start = time.perf_counter()
        calm = score(seen["ordinary"], logits["ordinary"])
        taken = time.perf_counter() - start
        cells = [figures(calm, score(seen[what], logits[what])) for what in whats]
        print(
            f"{label:28s}" + "".join(f"{a:8.3f} /{f:5.2f}" for a, f in cells) + f"{taken:11.3f}", flush=True
        )
    alarms = {what: (guard.predict(z) < 0).mean() for what, z in seen.items()}
    print("alarms at the threshold for 5 %: " + ", ".join(f"{k} {v:.3f}" for k, v in alarms.items()))


def figures(calm: np.ndarray, strange: np.ndarray) -> tuple[Any, Any]:
    """AUROC, and the share of calm scores at or above the threshold that detects 95 % of the strange."""
    together = np.nan_to_num(np.concatenate([calm, strange]), posinf=1e300)
    truth = np.repeat([0, 1], [len(calm), len(strange)])
    return roc_auc_score(truth, together), (calm >= np.quantile(strange, 0.05)).mean()


def main() -> None:
    """Study every network asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--train", type=int, default=20_000)
    parser.add_argument("--test", type=int, default=2_000)
    asked = parser.parse_args()
    data = os.environ.get("FEATGEOM_DATA")
    if not data:
        print("FEATGEOM_DATA is not set: nothing to measure")
        return
    for name in asked.networks.split(","):
        study(name, Path(data), asked.train, asked.test)


if __name__ == "__main__":
    main()
