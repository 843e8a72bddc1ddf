"""What the formulations share: features as parameters, points as hulls, the length of a displacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import as_numpy, as_points, as_vector
from featgeom.norms import as_norm
from featgeom.regions.domains import Hull


def given(value: ArrayLike, name: str, dimension: int) -> cp.Parameter:
    """A parameter (d,) of that name and value; the value may be a row (1, d)."""
    array = as_numpy(value, name)
    return cp.Parameter(
        dimension,
        name=name,
        value=as_vector(array.reshape(-1) if array.ndim == 2 else array, name, dimension),
    )


def as_hull(points: Any) -> Hull:
    """The hull meant by points (n, d), or by what has ``points`` (a `ConvexHull`)."""
    return points if isinstance(points, Hull) else Hull(as_points(getattr(points, "points", points)))


def length(move: cp.Expression, norm: object = 2) -> cp.Expression:
    """The length of a displacement (d,), a cvxpy expression, in a norm: 1, 2, inf or `mahalanobis(…)`.

    >>> round(float(length(cp.Constant([3.0, 4.0])).value), 9)
    5.0
    """
    found = as_norm(norm, move.shape[0])
    return cp.norm(move if found.factor is None else np.linalg.inv(found.factor) @ move, found.order)


def total(parts: Sequence[list[cp.Constraint]]) -> list[cp.Constraint]:
    """Several lists of constraints as one."""
    return [constraint for part in parts for constraint in part]
