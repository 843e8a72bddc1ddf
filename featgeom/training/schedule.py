"""When a training leaves a checkpoint behind, and the rate it goes at."""

from __future__ import annotations

import math

from featgeom.errors import BadArgument


def log_spaced(steps: int, per_decade: int = 4) -> tuple[int, ...]:
    """Steps at which to record, equally spaced in log t: 0, 1, ..., ``steps``, each once.

    The theory of the last layer is a statement about log t (Soudry et al., arXiv 1710.10345), so that is
    where records are wanted.

    >>> log_spaced(1000, per_decade=2)
    (0, 1, 3, 10, 32, 100, 316, 1000)
    """
    if steps < 0 or per_decade < 1:
        raise BadArgument(f"a schedule needs steps ≥ 0 and per_decade ≥ 1, got {steps} and {per_decade}")
    marks = {0, steps}
    power = 0
    while (mark := round(10 ** (power / per_decade))) < steps:
        marks.add(mark)
        power += 1
    return tuple(sorted(marks))


RISE = 0.2  # the share of a cycle in which the rate rises


def rate_at(step: int, rate: float, cycle: int, settled: float) -> float:
    """The rate of a step: up to ``rate`` along a line, down to ``settled`` along a cosine, which then stays.

    One cycle of this kind trains faster than a constant rate (Smith and Topin, arXiv 1708.07120). Without a
    cycle the rate is the same at every step.

    >>> [round(rate_at(step, 1.0, 100, 0.1), 2) for step in (0, 10, 20, 60, 100, 5000)]
    [0.05, 0.55, 1.0, 0.55, 0.1, 0.1]
    >>> rate_at(7, 0.5, 0, 0.0)
    0.5
    """
    if cycle == 0:
        return rate
    rise = RISE * cycle
    if step < rise:
        return rate * min(1.0, (step + 1) / rise)
    down = min(1.0, (step - rise) / (cycle - rise))
    return settled + (rate - settled) * (1 + math.cos(math.pi * down)) / 2
