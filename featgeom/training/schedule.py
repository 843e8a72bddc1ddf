"""When a training leaves a checkpoint behind."""

from __future__ import annotations

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
