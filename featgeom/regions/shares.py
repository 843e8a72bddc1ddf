"""How much of the domain each class holds: Monte Carlo, with exact binomial intervals."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import beta

from featgeom.arrays import Float64, Ints
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.regions.domains import Domain
from featgeom.regions.margins import margins_of_block, point_blocks
from featgeom.regions.uniform import uniform_sampler
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class Shares(Result):
    """The share of the domain's volume that each class holds: an estimate, not a proof.

    ``share`` (C,), between ``low`` and ``high`` (C,) with probability ``confidence`` for each class by
    itself (Clopper and Pearson 1934, exact for any count). ``counts`` (C,) of ``n`` uniform samples.
    """

    bounded = ("share", "low", "high")
    shows = ("n",)
    status: ClassVar[Status] = Status.ESTIMATED

    share: Float64
    low: Float64
    high: Float64
    counts: Ints
    n: int
    seed: int
    confidence: float
    stats: Stats


def shares(head: AffineHead, domain: Domain, n: int, seed: int = 0, confidence: float = 0.95) -> Shares:
    """Estimate the shares of a bounded domain from ``n`` uniform samples.

    Raises BadArgument for a domain without bounds or volume, Unsupported for a hull of more than six
    dimensions.

    >>> from featgeom.regions.domains import Box
    >>> found = shares(AffineHead([[1.0, 0.0], [0.0, 0.0]]), Box([-1.0, 0.0], [3.0, 1.0]), 4000)
    >>> bool(found.low[0] < 0.75 < found.high[0])
    True
    """
    start = time.perf_counter()
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise BadArgument(f"n: expected a positive whole number of samples, got {n!r}")
    if not 0 < confidence < 1:
        raise BadArgument(f"confidence: expected a number between 0 and 1, got {confidence!r}")
    draw = uniform_sampler(domain, np.random.default_rng(seed))
    counts = np.zeros(head.classes, dtype=np.int64)
    for block in point_blocks(head, n):
        z = draw(block.stop - block.start)
        counts += np.bincount(margins_of_block(head, z).classes, minlength=head.classes)
    low, high = binomial_interval(counts, int(n), confidence)
    stats = Stats(passes=1, seconds=time.perf_counter() - start)
    return Shares(counts / n, low, high, counts, int(n), seed, confidence, stats)


def binomial_interval(counts: Ints, n: int, confidence: float) -> tuple[Float64, Float64]:
    """The exact interval of Clopper and Pearson for a proportion, ends included.

    >>> low, high = binomial_interval(np.array([0, 10]), 10, 0.95)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.692]), array([0.308, 1.   ]))
    """
    tail = (1 - confidence) / 2
    low = np.where(counts == 0, 0.0, beta.ppf(tail, np.maximum(counts, 1), n - counts + 1))
    high = np.where(counts == n, 1.0, beta.ppf(1 - tail, counts + 1, np.maximum(n - counts, 1)))
    return low, high
