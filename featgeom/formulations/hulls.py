"""Questions about hulls as convex programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from featgeom.formulations.shared import as_hull, given, length, total


def projection(points: Any, q: ArrayLike, norm: object = 2) -> cp.Problem:
    """The hull point nearest to q: min ‖z − q‖ over z = Σ λ_i x_i, λ ≥ 0, Σ λ_i = 1.

    ``points`` (n, d) or a hull; variables "z" (d,), "weights" (n,); parameter "q" (d,).

    >>> problem = projection([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], [4.0, 4.0])
    >>> round(float(problem.solve()), 6), problem.var_dict["z"].value.round(5)
    (2.828427, array([2., 2.]))
    """
    hull = as_hull(points)
    z, query = cp.Variable(hull.dimension, name="z"), given(q, "q", hull.dimension)
    return cp.Problem(cp.Minimize(length(z - query, norm)), hull.constraints(z))


def membership(points: Any, q: ArrayLike) -> cp.Problem:
    """Whether q lies in the hull: find λ ≥ 0, Σ λ_i = 1, with Σ λ_i x_i = q. Infeasible where it does not.

    Variable "weights" (n,); parameter "q" (d,).

    >>> problem = membership([[0.0], [1.0]], [0.5])
    >>> _ = problem.solve()
    >>> problem.status
    'optimal'
    """
    hull = as_hull(points)
    return cp.Problem(cp.Minimize(0), hull.constraints(given(q, "q", hull.dimension)))


def separation(a: Any, b: Any, norm: object = 2) -> cp.Problem:
    """How far two hulls are apart: min ‖p − q‖ over p in the first and q in the second.

    Variables "p", "q" (d,), and their weights "weights_a", "weights_b".

    >>> round(float(separation([[0.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [5.0, 9.0]]).solve()), 6)
    3.0
    """
    first, second = as_hull(a), as_hull(b)
    p, q = cp.Variable(first.dimension, name="p"), cp.Variable(second.dimension, name="q")
    members = first.constraints(p, "weights_a") + second.constraints(q, "weights_b")
    return cp.Problem(cp.Minimize(length(p - q, norm)), members)


def support(points: Any, direction: ArrayLike) -> cp.Problem:
    """How far the hull reaches along a direction u: max ⟨u, z⟩ over z in the hull.

    Variables "z" (d,), "weights" (n,); parameter "u" (d,).

    >>> round(float(support([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]], [1.0, 1.0]).solve()), 6)
    3.0
    """
    hull = as_hull(points)
    z, u = cp.Variable(hull.dimension, name="z"), given(direction, "u", hull.dimension)
    return cp.Problem(cp.Maximize(u @ z), hull.constraints(z))


def enclosing_ball(points: Any) -> cp.Problem:
    """The smallest ball around the hull: min r with ‖x_i − m‖ ≤ r for all i.

    Variables "centre" (d,), "radius".

    >>> round(float(enclosing_ball([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]).solve()) ** 2, 6)
    2.0
    """
    x = as_hull(points).points.astype(np.float64)
    centre, radius = cp.Variable((1, x.shape[1]), name="centre"), cp.Variable(name="radius")
    return cp.Problem(cp.Minimize(radius), [cp.norm(x - np.ones((len(x), 1)) @ centre, axis=1) <= radius])


def common_region(hulls: Sequence[Any], q: ArrayLike, norm: object = 2) -> cp.Problem:
    """The point nearest to q that lies in all of several hulls, such as those of the classes.

    Infeasible where they have no point in common. Variables "z" (d,), "weights_0", "weights_1", …; parameter
    "q" (d,).

    >>> round(float(common_region([[[0.0], [2.0]], [[1.0], [3.0]]], [0.0]).solve()), 6)
    1.0
    """
    members = [as_hull(points) for points in hulls]
    z, query = cp.Variable(members[0].dimension, name="z"), given(q, "q", members[0].dimension)
    inside = total([hull.constraints(z, f"weights_{i}") for i, hull in enumerate(members)])
    return cp.Problem(cp.Minimize(length(z - query, norm)), inside)
