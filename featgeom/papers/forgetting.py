"""Catastrophic forgetting: what becomes of cells, hulls and support vectors when another task is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from featgeom.arrays import Float64, Ints
from featgeom.data.images import ImageSet
from featgeom.data.sources import load_splits
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate_all
from featgeom.margins.machine import max_margin
from featgeom.models.classifier import Classifier
from featgeom.models.reference import digits_cnn
from featgeom.models.sources import load_classifier
from featgeom.progress import bar
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.statistics import median_interval
from featgeom.status import Status
from featgeom.training.losses import cross_entropy
from featgeom.training.optimisers import make_optimiser

SEEDS = 10
STEPS = 300
BATCH = 64
REPLAYED = 16  # of the protected samples in every batch
OLD, NEW = range(5), range(5, 10)  # the digits of the first task and of the second
WAYS = ("nothing", "support vectors", "as many at random")


class Memory(NamedTuple):
    """What a network knows of its old task.

    The shares of old test samples and of old training samples that it gets right, of the old support vectors
    among the latter, of pairs of old class hulls that are disjoint, and of old support vectors that still
    are.
    """

    test: float
    train: float
    support: float
    apart: float
    still: float


def study(folder: Path, data: str | None = None, seed: int = 0, progress: bool = False) -> Record:
    """Learn the digits 0 to 4, then 5 to 9 with some of the old images beside the new ones, or none.

    Protected are the support vectors of the machine of the old classes on the old features, or as many
    samples drawn from the same classes at random; a quarter as many as there are new images join every
    batch. The features are those of scikit-learn's digits through a small convolutional network.
    """
    found: dict[str, list[Memory]] = {"before": [], **{way: [] for way in WAYS}}
    kept = []
    for one in bar(range(seed, seed + SEEDS), desc="forgetting", disable=not progress):
        memories, protected = forget(one)
        kept.append(protected)
        for way, memory in memories.items():
            found[way].append(memory)
    names = (
        "test accuracy, old",
        "train accuracy, old",
        "of old support vectors",
        "old hulls apart",
        "still support",
    )
    columns = [Column("protected")]
    for name in names:
        columns += [Column(name), Column(f"{name}: from"), Column(f"{name}: to")]
    rows = tuple((way, *_intervals(memories)) for way, memories in found.items())
    table = Table(
        "forgetting",
        "Digits 0 to 4 after digits 5 to 9 were learned",
        tuple(columns),
        rows,
        f"Medians over {SEEDS} seeds with intervals that hold the median with 95 %. {min(kept)} to "
        f"{max(kept)} samples are protected. Of old support vectors: the share of them that is predicted "
        "correctly. Still support: the share of them that is among the support vectors of the machine on "
        "the new features.",
    )
    wins = [s.test - r.test for s, r in zip(found[WAYS[1]], found[WAYS[2]], strict=True)]
    better, worse = sum(w > 0 for w in wins), sum(w < 0 for w in wins)
    return Record(
        (
            Finding(
                f"Old test accuracy falls from {rows[0][1]:.3g} to {rows[1][1]:.3g} where nothing is "
                f"protected, to {rows[2][1]:.3g} where the support vectors are, to {rows[3][1]:.3g} where "
                f"as many random samples are; support vectors are better than those for {better} of "
                f"{SEEDS} seeds, worse for {worse}.",
                "estimated",
            ),
        ),
        tables=(table,),
        settings={"seed": seed, "seeds": SEEDS, "steps": STEPS},
    )


def _intervals(memories: list[Memory]) -> list[float]:
    figures: list[float] = []
    for values in zip(*memories, strict=True):
        interval = median_interval(values)
        figures += [float(np.median(values)), float(interval.lower), float(interval.upper)]
    return figures


def forget(seed: int, steps: int = STEPS) -> tuple[dict[str, Memory], int]:
    """What a network of this seed knows of its old task before and after the new one, by what was protected.

    Also how many samples that were.
    """
    parts = load_splits("digits")
    old, new = (_of(parts["train"], digits) for digits in (OLD, NEW))
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = digits_cnn()
    _learn(first, old, None, rng, steps)
    before = load_classifier(first, pixels=_pixels(), probe=old.images)
    z = np.asarray(before.features(old.images), np.float64)
    right = np.flatnonzero(before.head.classify(z) == old.labels)
    support = right[max_margin(z[right], old.labels[right], bias="augmented").support]
    chance = np.concatenate(
        [
            rng.choice(right[old.labels[right] == c], int((old.labels[support] == c).sum()), replace=False)
            for c in OLD
        ]
    )
    state = {name: value.clone() for name, value in first.state_dict().items()}
    test = _of(parts["test"], OLD)
    memories = {"before": remembered(before, old, test, support)}
    for way, rows in zip(WAYS, (None, support, chance), strict=True):
        network = digits_cnn()
        network.load_state_dict(state)
        _learn(
            network, new, None if rows is None else old.take(rows), np.random.default_rng((seed, 1)), steps
        )
        after = load_classifier(network, pixels=_pixels(), probe=old.images)
        memories[way] = remembered(after, old, test, support)
    return memories, len(support)


def remembered(classifier: Classifier, old: ImageSet, test: ImageSet, support: Ints) -> Memory:
    """What a network knows of the old task: its samples ``old`` and ``test``, and the old ``support``."""
    z = np.asarray(classifier.features(old.images), np.float64)
    right = classifier.head.classify(z) == old.labels
    hulls = [ConvexHull(z[old.labels == c]) for c in OLD]
    return Memory(
        float((classifier.logits(test.images).argmax(axis=1) == test.labels).mean()),
        float(right.mean()),
        float(right[support].mean()),
        _apart(hulls),
        _still(z, old.labels, support),
    )


def _apart(hulls: list[ConvexHull]) -> float:
    """The share of pairs of hulls that are proved disjoint."""
    found = [one.status is Status.SEPARATED for one in separate_all(hulls).values()]
    return float(np.mean(found))


def _still(z: Float64, y: Ints, support: Ints) -> float:
    """The share of the old support vectors that hold up the machine on the new features, 0 without one."""
    machine = max_margin(z, y, bias="augmented")
    return float(np.isin(support, machine.support).mean()) if np.isfinite(machine.objective) else 0.0


def _of(part: ImageSet, digits: range) -> ImageSet:
    """The images of some digits, with their own labels."""
    return part.take(np.isin(part.labels, list(digits)))


def _pixels() -> Any:
    from featgeom.models.pixel_spec import PixelSpec

    return PixelSpec((1, 8, 8))


def _learn(
    network: nn.Module, new: ImageSet, old: ImageSet | None, rng: np.random.Generator, steps: int
) -> None:
    """Train on batches of new images, a few protected old ones beside them."""
    optimiser = make_optimiser("momentum", network.parameters(), 0.05)
    network.train()
    for _ in range(steps):
        parts = [new.take(rng.integers(0, len(new), BATCH))]
        if old is not None:
            parts.append(old.take(rng.integers(0, len(old), REPLAYED)))
        x = torch.from_numpy(np.concatenate([part.pixels() for part in parts]))
        y = torch.from_numpy(np.concatenate([part.labels for part in parts]))
        optimiser.zero_grad()
        cross_entropy(network(x), y).mean().backward()
        optimiser.step()
    network.eval()
