"""Injected label noise found by `featgeom suspects`, beside cleanlab at its documented settings.

    python benchmarks/bench_suspects.py [--seeds 1] [--epochs 60,400]
    FEATGEOM_DATA=... python benchmarks/bench_suspects.py --data mnist,cifar10 [--count 10000] [--epochs 6]

A network is trained *with* the noise (2, 5 and 10 % of the labels, moved to another class uniformly or to the
class that it is confused with most). On digits it has two hidden layers, trained for few epochs and for many;
on the first ``--count`` training images of MNIST it is the small residual net of `featgeom train`, on those
of CIFAR-10 one of three convolutions, both with 64 features. Printed: the average precision of the order of
suspicion, the precision among as many samples as are wrong, and the accuracy on the first 2,000 test images.
cleanlab, which is asked where it is installed, gets what its documentation asks for: probabilities out of
sample, by five-fold logistic regression on the features, and its label quality score (self-confidence).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier

import featgeom as fg
from featgeom.runs.making import make_run

PAIRS = {  # with which class each is confused most
    "digits": np.array([6, 7, 3, 5, 9, 3, 0, 1, 1, 4]),
    "mnist": np.array([6, 7, 3, 5, 9, 3, 0, 1, 3, 4]),
    "cifar10": np.array([8, 9, 4, 5, 2, 3, 3, 4, 0, 1]),
}


@dataclass(frozen=True)
class Trained:
    """Features of the training images of a network, its last layer, and its accuracy on others."""

    features: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    accuracy: float = np.nan


def noisy(labels: np.ndarray, rate: float, pairs: np.ndarray | None, seed: int) -> np.ndarray:
    """Labels of which a share is wrong: uniformly, or as the class of each in ``pairs``."""
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(labels), int(rate * len(labels)), replace=False)
    found = labels.copy()
    found[wrong] = (
        (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10 if pairs is None else pairs[labels[wrong]]
    )
    return found


def digits(labels: np.ndarray, epochs: int, seed: int) -> Trained:
    """A network of two hidden layers trained on digits with these labels."""
    z = load_digits().data / 16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is meant
        net = MLPClassifier((64, 32), max_iter=epochs, random_state=seed).fit(z, labels)
    for weight, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        z = np.maximum(z @ weight + bias, 0)
    return Trained(z, net.coefs_[-1].T.copy(), net.intercepts_[-1].copy())


def residual(train: fg.ImageSet, test: fg.ImageSet, labels: np.ndarray, epochs: int, seed: int) -> Trained:
    """The small residual net trained on images with these labels, by `featgeom train`."""
    batch = 64
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noisy.npz"
        np.savez(
            file, x_train=train.images, y_train=labels, x_test=test.images, y_test=test.labels,
            classes=np.array(train.classes),
        )  # fmt: skip
        steps = epochs * len(labels) // batch
        made = fg.train(
            "mnist_two", Path(folder) / "run", seed, images=f"npz:{file}", classes=(), batch=batch,
            options={"features": 64, "width": 16}, steps=steps, per_decade=1, threads=1,
        )  # fmt: skip
        clf = fg.load_classifier(str(made.last))
        seen = fg.extract(clf, train)
        return Trained(seen.features, clf.head.weight, clf.head.bias, fg.extract(clf, test).accuracy)


def convolutions(
    train: fg.ImageSet, test: fg.ImageSet, labels: np.ndarray, epochs: int, seed: int
) -> Trained:
    """Three convolutions and a layer of 64 features trained on images with these labels, by Adam."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for before, after in ((train.shape[0], 16), (16, 32), (32, 64)):
        parts += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    side = -(-train.shape[1] // 8)
    net = nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * side * side, 64), nn.ReLU(), nn.Linear(64, 10))
    x, y = torch.tensor(train.pixels()) * 2 - 1, torch.tensor(labels)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()
    with torch.no_grad():
        seen, asked = (net[:-1](part).numpy() for part in (x, torch.tensor(test.pixels()) * 2 - 1))
    weight, bias = (part.detach().numpy() for part in (net[-1].weight, net[-1].bias))
    return Trained(seen, weight, bias, float(((asked @ weight.T + bias).argmax(1) == test.labels).mean()))


def suspicion(net: Trained, labels: np.ndarray) -> np.ndarray:
    """The score of `fg.suspects`, for every sample."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        np.savez(file, features=net.features, labels=labels, weight=net.weight, bias=net.bias)
        found = fg.suspects(make_run(Path(folder) / "run", file), most=len(labels)).table
    score = np.empty(len(labels))
    score[found.column("row")] = found.column("score")
    return score


def cleanlab(net: Trained, labels: np.ndarray) -> np.ndarray | None:
    """Minus cleanlab's label quality; None where it is not installed."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=300)
        chances = cross_val_predict(model, net.features, labels, cv=5, method="predict_proba")
    return -get_label_quality_scores(labels, chances)


def settings(
    asked: argparse.Namespace,
) -> Iterator[tuple[str, str, float, list[tuple[np.ndarray, np.ndarray, Trained]]]]:
    """What was trained, kind and rate of the noise, and and of each seed what is wrong, labels, network."""
    for data in asked.data.split(","):
        if data == "digits":
            true = load_digits().target
        else:
            source = f"{data}:{Path(os.environ['FEATGEOM_DATA']) / data}"
            train = fg.load_images(source, split="train").take(slice(asked.count))
            test, true = fg.load_images(source, split="test").take(slice(2000)), np.asarray(train.labels)
        for epochs in map(int, asked.epochs.split(",")):
            for kind in ("uniform", "pairs"):
                for rate in (0.02, 0.05, 0.1):
                    made = []
                    for seed in range(asked.seeds):
                        labels = noisy(true, rate, PAIRS[data] if kind == "pairs" else None, seed)
                        if data == "digits":
                            net = digits(labels, epochs, seed)
                        else:
                            way = convolutions if data == "cifar10" else residual
                            net = way(train, test, labels, epochs, seed)
                        made.append((labels, net))
                    yield (
                        f"{data}, {epochs} epochs",
                        kind,
                        rate,
                        [(labels != true, labels, net) for labels, net in made],
                    )


def main() -> None:
    """Print a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", default="60,400")
    print("average precision / precision among as many as are wrong, mean over seeds")
    for name, kind, rate, made in settings(parser.parse_args()):
        cells: dict[str, list[tuple[float, float]]] = {}
        for wrong, labels, net in made:
            for method, score in {
                "featgeom": suspicion(net, labels),
                "cleanlab": cleanlab(net, labels),
            }.items():
                if score is not None:
                    first = np.argsort(-score, kind="stable")[: wrong.sum()]
                    both = average_precision_score(wrong, score), wrong[first].mean()
                    cells.setdefault(method, []).append(both)
        means = {method: np.mean(cell, axis=0) for method, cell in cells.items()}
        said = ", ".join(f"{method} {a:.3f} / {p:.3f}" for method, (a, p) in means.items())
        accuracy = np.mean([net.accuracy for *_, net in made])
        print(f"{name}, {kind} {rate:.0%}: {said}; test accuracy {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
