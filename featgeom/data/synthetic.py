"""The first paper's simulated data: points of the plane, as images of one channel and two pixels.

Li, Ding and Gao, arXiv 1808.05385. Every set has 1,000 training and 1,000 test points, drawn with seeds of
their own, half of them (a third, where there are three) of each class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featgeom.arrays import Float64
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument, nearest_name

POINTS = 1_000
SEEDS = {"train": 0, "test": 1}
Draw = Callable[[np.random.Generator, int], Float64]


def gaussian(centre: tuple[float, float], sigma: float) -> Draw:
    """Points about a centre, with standard deviation ``sigma`` in each coordinate."""
    return lambda rng, n: np.asarray(centre) + sigma * rng.normal(size=(n, 2))


def annulus(inner: float, outer: float, angle: float, centre: tuple[float, float] = (0.0, 0.0)) -> Draw:
    """Points of a ring sector from angle 0 to ``angle``, uniform by area."""

    def draw(rng: np.random.Generator, n: int) -> Float64:
        radius = np.sqrt(rng.uniform(inner**2, outer**2, n))
        turn = rng.uniform(0, angle, n)
        return np.asarray(centre) + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)

    return draw


def half_moon(upper: bool) -> Draw:
    """Points on one of two interleaved half circles, without noise."""

    def draw(rng: np.random.Generator, n: int) -> Float64:
        turn = rng.uniform(0, np.pi, n)
        arc = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return arc if upper else np.array([1.0, 0.5]) - arc

    return draw


def unit_square(inside: Callable[[Float64], np.ndarray]) -> Draw:
    """Points of the unit square for which ``inside`` is true, uniform by area."""

    def draw(rng: np.random.Generator, n: int) -> Float64:
        found: list[Float64] = []
        while sum(map(len, found)) < n:
            points = rng.random((4 * n, 2))
            found.append(points[inside(points)])
        return np.concatenate(found)[:n]

    return draw


def _distance(points: Float64) -> Float64:
    return np.asarray(np.linalg.norm(points - 0.5, axis=1))


SYNTHETIC: dict[str, tuple[Draw, ...]] = {
    "blobs": (gaussian((0.2, 0.2), 0.1), gaussian((0.8, 0.8), 0.1)),
    "three_blobs": (gaussian((10, 10), 5), gaussian((45, 75), 5), gaussian((80, 10), 5)),
    "moons": (half_moon(upper=True), half_moon(upper=False)),
    "annuli": (annulus(0.1, 200, np.pi / 2), annulus(300, 400, np.pi / 2)),
    "annuli_nonseparable": (annulus(0.1, 0.2, np.pi / 2), annulus(0.25, 0.4, np.pi / 2)),
    "disc": (
        annulus(0.0, 0.1, 2 * np.pi, (0.5, 0.5)),
        unit_square(lambda points: _distance(points) > 0.3),
    ),
    "band": (
        unit_square(lambda points: points.sum(axis=1) <= 0.9),
        unit_square(lambda points: points.sum(axis=1) >= 1.1),
    ),
}


def read_synthetic(name: str, split: str) -> ImageSet:
    """One of the simulated sets, as images of shape (1, 1, 2).

    >>> read_synthetic("moons", "train")
    <ImageSet synthetic:moons train: 1000 of 1x1x2, 2 classes>
    """
    if name not in SYNTHETIC:
        raise BadArgument(f"unknown simulated data '{name}'{nearest_name(name, list(SYNTHETIC))}")
    draws = SYNTHETIC[name]
    rng = np.random.default_rng(SEEDS[split])
    counts = [len(part) for part in np.array_split(np.arange(POINTS), len(draws))]
    points = np.concatenate([draw(rng, n) for draw, n in zip(draws, counts, strict=True)])
    labels = np.repeat(np.arange(len(draws)), counts)
    order = rng.permutation(POINTS)
    images = points[order].astype(np.float32).reshape(-1, 1, 1, 2)
    classes = tuple(map(str, range(len(draws))))
    return ImageSet(images, labels[order], classes, f"synthetic:{name}", split)
