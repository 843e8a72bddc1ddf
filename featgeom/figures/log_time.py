"""Curves against the logarithm of time, with the rate that theory gives beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.arrays import Float64
from featgeom.figures.style import log_scale


def against_log_t(axes: Any, steps: Float64, curves: dict[str, tuple[Float64, str]], unit: str) -> None:
    """Draw curves (values, colour) by name over steps t ≥ 2."""
    for name, (values, colour) in curves.items():
        axes.plot(steps, values, "o-", markersize=3, linewidth=1, color=colour, label=name)
    log_scale(axes, "x")
    axes.set_xlabel("steps t")
    axes.set_ylabel(unit)


def rate(axes: Any, steps: Float64, values: Float64) -> None:
    """1/log t through the last of some values.

    So fades the error of plain descent on fixed features (Soudry et al., arXiv 1710.10345).
    """
    through = values[-1] * np.log(steps[-1]) / np.log(steps)
    axes.plot(steps, through, "--", linewidth=1, color="grey", label="1/log t, through the last point")
