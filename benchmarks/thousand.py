"""A run like an ImageNet network's, of any size: features about class means in the orthant, about 75 % right.

    python benchmarks/thousand.py OUT.npz [--classes 1000] [--dimension 512] [--train 50] [--test 5]

Classes come in families of ten with means alike, as breeds of dogs do; features are rectified, so that half
of them are exactly zero; the rows of the head lie along the centred means, a little off. `featgeom analyze`
takes the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import norm

FAMILY = 10  # classes with means alike
APART = {"family": 3.0, "own": 3.2}  # how far means lie apart, where a sample's coordinates spread by 1
OFF = 0.1  # of the size of its rows: how far the head is from the means


def class_middles(classes: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """The means of the classes before rectification, (C, d)."""
    room = np.sqrt(np.log2(2 * classes))  # more families need more
    families = APART["family"] * room * rng.standard_normal((-(-classes // FAMILY), dimension))
    middles = families[np.arange(classes) // FAMILY]
    return (middles + APART["own"] * rng.standard_normal((classes, dimension))) / np.sqrt(dimension)


def head_of(middles: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weight (C, d) and bias (C,) of a head that is a little off the rectified means."""
    means = middles * norm.cdf(middles) + norm.pdf(middles)  # of a rectified normal variable
    centred = means - means.mean(axis=0)
    weight = centred + OFF * np.sqrt(np.square(centred).mean()) * rng.standard_normal(centred.shape)
    bias = -(weight * (means + means.mean(axis=0))).sum(axis=1) / 2
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def arrays_of_a_run(
    classes: int, dimension: int, train: int, test: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """The arrays of a run with ``train`` and ``test`` samples of each class."""
    rng = np.random.default_rng(seed)
    middles = class_middles(classes, dimension, rng)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", train), ("test", test)):
        labels = rng.permutation(np.repeat(np.arange(classes), count))
        noise = rng.standard_normal((len(labels), dimension))
        arrays[f"features_{split}"] = np.maximum(middles[labels] + noise, 0.0).astype(np.float32)
        arrays[f"labels_{split}"] = labels
    return arrays | head_of(middles, rng)


def main() -> None:
    """Write the file, and say how many samples the head has right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    for name, value in (("classes", 1000), ("dimension", 512), ("train", 50), ("test", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    arrays = arrays_of_a_run(asked.classes, asked.dimension, asked.train, asked.test)
    for split in ("train", "test"):
        logits = arrays[f"features_{split}"] @ arrays["weight"].T + arrays["bias"]
        right = (logits.argmax(axis=1) == arrays[f"labels_{split}"]).mean()
        print(f"{split}: {len(logits):,} samples, {100 * right:.1f} % right")
    np.savez(asked.out, **arrays)


if __name__ == "__main__":
    main()
