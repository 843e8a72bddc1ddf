"""Adversarial attack: do the closest pixel flips move features along the machine's normals?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from featgeom.arrays import Float64
from featgeom.data.sources import load_splits
from featgeom.margins.comparison import one_row_a_class
from featgeom.margins.machine import max_margin
from featgeom.models.sources import load_classifier
from featgeom.pixels.flips import pixel_flips
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.statistics import median_interval
from featgeom.status import Status

SAMPLES = 60
# Checkpoint, architecture, images and where they are in the folder of real data.
NETWORKS: dict[str, tuple[str, str | None, str]] = {
    "digits": ("digits", None, "digits"),
    "LeNet-5": ("checkpoints/lenet5_clean.safetensors", "lenet5", "mnist:{}/mnist"),
    "LeNet-5, adversarial": ("checkpoints/lenet5_adversarial.safetensors", "lenet5", "mnist:{}/mnist"),
}


def study(folder: Path, data: str | None = None, seed: int = 0, progress: bool = False) -> Record:
    """Flip test images in pixels, and measure the way their features go against the machine's normals.

    Of each flip, the displacement of its features is set beside the normal w_b − w_a of the standard machine
    of all classes between the class it leaves and the one it reaches, beside that of the head, and, as what
    chance gives, beside the displacement by noise of the same length in pixels. Angles are between lines: 0°
    to 90°.
    """
    root = Path(data or "").expanduser()
    rows, absent = [], []
    for name, (checkpoint, arch, images) in NETWORKS.items():
        if checkpoint != name and (data is None or not (root / checkpoint).exists()):
            absent.append(name)
            continue
        source = checkpoint if checkpoint == name else str(root / checkpoint)
        architecture = f"{root / 'checkpoints/architectures.py'}:{arch}" if arch else None
        rows += list(_rows(name, source, architecture, images.format(root), seed))
    table = Table(
        "attack",
        "Pixel flips beside the machine's normals",
        (
            Column("network"),
            Column("flips"),
            Column("features"),
            Column("angle to"),
            Column("median angle", "degrees"),
            Column("at least", "degrees"),
            Column("at most", "degrees"),
        ),
        tuple(rows),
        f"Flips found of the first {SAMPLES} test images that are predicted correctly. Medians with "
        "intervals that hold the median with 95 %. By noise: where the image is changed by Gaussian noise "
        "of the flip's length, cut to the bounds of pixels. A random line: the median angle of two random "
        "lines of so many dimensions."
        + (f" Left out, as the data folder has no checkpoint of it: {'; '.join(absent)}." if absent else ""),
    )
    return Record(tuple(_findings(table)), tables=(table,), settings={"seed": seed, "samples": SAMPLES})


def _rows(name: str, source: str, arch: str | None, images: str, seed: int) -> Iterator[tuple[Any, ...]]:
    """A row for every direction that flips of one network are compared with."""
    parts = load_splits(images)
    test = parts["test"].take(slice(3 * SAMPLES))
    classifier = load_classifier(source, arch=arch, probe=test)
    head = classifier.head
    z, y = np.asarray(classifier.features(parts["train"].images), np.float64), parts["train"].labels
    right = head.classify(z) == y
    machine = one_row_a_class(max_margin(z[right], y[right]))
    test = test.take(np.flatnonzero(classifier.logits(test.images).argmax(axis=1) == test.labels)[:SAMPLES])
    flips = pixel_flips(classifier, test.images)
    found = np.flatnonzero(flips.status == Status.SOLVED)
    before, after = (
        np.asarray(classifier.features(x), np.float64) for x in (test.images[found], flips.images[found])
    )
    a, b = flips.classes[found].T
    noise = np.random.default_rng(seed).normal(size=flips.images[found].shape)
    noise *= (flips.distance[found] / np.linalg.norm(noise.reshape(len(found), -1), axis=1)).reshape(
        -1, 1, 1, 1
    )
    beside = (test.pixels(found) + noise).clip(*classifier.pixels.bounds).astype(np.float32)
    shaken = np.asarray(classifier.features(beside), np.float64)
    normal = machine.weight[b] - machine.weight[a]
    angles = {
        "the machine's normal": between_lines(after - before, normal),
        "the head's normal": between_lines(after - before, head.weight[b] - head.weight[a]),
        "the machine's normal, by noise": between_lines(shaken - before, normal),
    }
    for what, values in angles.items():
        interval = median_interval(values)
        middle = float(np.median(values))
        yield (name, len(found), z.shape[1], what, middle, float(interval.lower), float(interval.upper))
    yield (name, None, z.shape[1], "a random line", random_angle(z.shape[1], seed), None, None)


def between_lines(one: Float64, other: Float64) -> Float64:
    """Degrees between lines along the rows of both, 0 to 90; 90 where one does not move at all.

    >>> between_lines(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[-1.0, 1.0], [1.0, 0.0]])).round(6)
    array([45., 90.])
    """
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    inner = np.abs((one * other).sum(axis=1))
    cosine = np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
    return np.asarray(np.degrees(np.arccos(np.minimum(cosine, 1.0))))


def random_angle(dimension: int, seed: int = 0) -> float:
    """The median of the degrees between two random lines, estimated on 10,000 of them.

    >>> 44 < random_angle(2) < 46
    True
    """
    drawn = np.random.default_rng(seed).normal(size=(10_000, dimension))
    return float(np.median(between_lines(drawn, np.eye(1, dimension).repeat(len(drawn), axis=0))))


def _findings(table: Table) -> Iterator[Finding]:
    """Network by network, how near flips go to the normal."""
    rows = {(row[0], row[3]): row for row in table.rows}
    for name in dict.fromkeys(row[0] for row in table.rows):
        machine, head, noise = (
            rows[name, what]
            for what in ("the machine's normal", "the head's normal", "the machine's normal, by noise")
        )
        yield Finding(
            f"{name}: features of {machine[1]} flips move at a median of {machine[4]:.1f}° to the "
            f"machine's normal ({head[4]:.1f}° to the head's); noise of the same length moves them at "
            f"{noise[4]:.1f}°, a random line in {machine[2]} dimensions is at "
            f"{rows[name, 'a random line'][4]:.1f}°.",
            "estimated",
        )
