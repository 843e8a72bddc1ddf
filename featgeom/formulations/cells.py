"""Questions about the cells of a head and their boundaries as convex programs.

``domain`` is "space", "orthant", a `Box`, or a hull, in all of them.
"""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from featgeom.boundaries.tied import as_tied
from featgeom.formulations.shared import as_hull, given, length
from featgeom.head import AffineHead
from featgeom.regions.cells import Cells
from featgeom.regions.domains import Box, as_domain
from featgeom.regions.guarantee import class_index


def tie(
    head: AffineHead, z: ArrayLike, classes: ArrayLike, domain: object = "space", norm: object = 2
) -> cp.Problem:
    """The point nearest to z at which all the named classes tie and no other beats them.

    min ‖p − z‖ over p in the domain with l_r(p) = l_k(p) for the named k, l_r(p) ≥ l_k(p) for all others, r
    the first of them. Variable "p" (d,); parameter "z" (d,).

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> round(float(tie(head, [3.0, 4.0], [0, 1, 2]).solve()), 6)
    5.0
    """
    first, *tied = as_tied(classes, 1, head.classes)[0].tolist()
    p, sample = cp.Variable(head.dimension, name="p"), given(z, "z", head.dimension)
    logits, others = head.logits(p), np.setdiff1d(np.arange(head.classes), [first, *tied])
    above = [logits[first] >= logits[others]] if len(others) else []
    conditions = [logits[first] == logits[tied], *above, *as_domain(domain, head.dimension).constraints(p)]
    return cp.Problem(cp.Minimize(length(p - sample, norm)), conditions)


def flip(
    head: AffineHead, z: ArrayLike, target: int, domain: object = "space", norm: object = 2
) -> cp.Problem:
    """The point nearest to z at which its class ties with the target and no third class beats them.

    The class of z is taken when the program is built. Variable "p" (d,); parameter "z" (d,).

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.9, 0.9]], [0.0, 0.0, -1.0])
    >>> round(float(flip(head, [3.0, 0.0], target=2).solve()), 3)
    1.436
    """
    own = int(head.classify(np.reshape(z, (1, -1)))[0])
    return tie(head, z, [own, target], domain, norm)


def boundary(
    head: AffineHead, z: ArrayLike, rival: int, domain: object = "space", norm: object = 2
) -> cp.Problem:
    """How far z is from where the rival's logit is no lower than that of its own class, third classes aside.

    min ‖p − z‖ over p in the domain with l_rival(p) ≥ l_own(p); the least over all rivals is the radius of z.
    Variable "p" (d,); parameter "z" (d,).

    >>> round(float(boundary(AffineHead([[1.0, 0.0], [0.0, 1.0]]), [3.0, 1.0], 1).solve()), 6)
    1.414214
    """
    own = int(head.classify(np.reshape(z, (1, -1)))[0])
    p, sample = cp.Variable(head.dimension, name="p"), given(z, "z", head.dimension)
    logits = head.logits(p)
    beaten = [
        logits[class_index(head, rival)] >= logits[own],
        *as_domain(domain, head.dimension).constraints(p),
    ]
    return cp.Problem(cp.Minimize(length(p - sample, norm)), beaten)


def cell_in_hull(
    head: AffineHead, q: ArrayLike, c: int, points: Any, domain: object = "space", norm: object = 2
) -> cp.Problem:
    """The point nearest to q that lies in the cell of class c and in the hull of points (n, d).

    Infeasible where the hull does not reach the cell. Variables "z" (d,), "weights" (n,); parameter "q" (d,).

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(cell_in_hull(head, [0.0, 3.0], 0, [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]).solve()), 6)
    2.12132
    """
    z, query = cp.Variable(head.dimension, name="z"), given(q, "q", head.dimension)
    inside = Cells(head, domain).constraints(c, z) + as_hull(points).constraints(z)
    return cp.Problem(cp.Minimize(length(z - query, norm)), inside)


def lead(head: AffineHead, classes: ArrayLike, domain: object = "space") -> cp.Problem:
    """How far above all others can the named classes stand where they tie?

    max t ≤ 1 over z in the domain, l_r(z) = l_k(z) for the named k and l_r(z) ≥ l_k(z) + t for all others,
    r the first of them. For one class: whether its cell is empty (t < 0). Variables "z" (d,), "t".

    >>> head = AffineHead([[1.0], [0.0]], [0.0, 1.0])
    >>> round(float(lead(head, [0], Box([0.0], [0.5])).solve()), 6)
    -0.5
    """
    first, *tied = (class_index(head, int(c)) for c in np.atleast_1d(classes))
    z, t = cp.Variable(head.dimension, name="z"), cp.Variable(name="t")
    logits, others = head.logits(z), np.setdiff1d(np.arange(head.classes), [first, *tied])
    ties = [logits[first] == logits[tied]] if tied else []
    above = [t <= 1, logits[first] >= logits[others] + t] if len(others) else [t <= 1]
    return cp.Problem(cp.Maximize(t), ties + above + as_domain(domain, head.dimension).constraints(z))


def emptiness(head: AffineHead, c: int, domain: object = "space") -> cp.Problem:
    """Whether class c wins anywhere in the domain: find z in its cell. Infeasible where the cell is empty.

    Variable "z" (d,).

    >>> problem = emptiness(AffineHead([[1.0], [0.0]], [0.0, 1.0]), 0, Box([0.0], [0.5]))
    >>> _ = problem.solve()
    >>> problem.status
    'infeasible'
    """
    z = cp.Variable(head.dimension, name="z")
    return cp.Problem(cp.Minimize(0), Cells(head, domain).constraints(c, z))


def facet(head: AffineHead, c: int, rival: int, domain: object = "space") -> cp.Problem:
    """Whether two cells have a boundary in common: the `lead` of the two where they tie.

    A facet where the value is positive; elsewhere the rival is redundant in the description of the cell of c.
    Variables "z" (d,), "t".

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    >>> [round(float(facet(head, 0, k, "orthant").solve()), 6) + 0.0 for k in (1, 2)]
    [1.0, 0.0]
    """
    return lead(head, [c, rival], domain)


def chebyshev(head: AffineHead, c: int, domain: object = "space") -> cp.Problem:
    """The largest ball in the cell of class c: max r with l_c(z) − l_k(z) ≥ r ‖w_c − w_k‖ for all k.

    The ball keeps within the bounds of a box; of a hull only its centre does. Unbounded where the cell holds
    balls of any size. Variables "centre" (d,), "radius".

    >>> round(float(chebyshev(AffineHead([[1.0], [0.0]]), 0, Box([-1.0], [2.0])).solve()), 6)
    1.0
    """
    place, centre, r = (
        as_domain(domain, head.dimension),
        cp.Variable(head.dimension, name="centre"),
        cp.Variable(name="radius"),
    )
    rivals = np.delete(np.arange(head.classes), class_index(head, c))
    logits, norms = head.logits(centre), np.linalg.norm(head.weight[c] - head.weight[rivals], axis=1)
    inside = [r >= 0, logits[c] - logits[rivals] >= r * norms]
    for step in (-r, r) if isinstance(place, Box) else (0.0,):
        inside += place.constraints(centre + step)
    return cp.Problem(cp.Maximize(r), inside)


def inflation(head: AffineHead, points: Any, c: int) -> cp.Problem:
    """How far a hull can be scaled about its centroid m before it leaves the cell of class c.

    max s with l_c ≥ l_k at m + s (x_i − m), for every point x_i and class k; infeasible where m itself is not
    in the cell, unbounded where the hull never leaves it. Variable "factor".

    >>> round(float(inflation(AffineHead([[1.0, 0.0], [0.0, 1.0]]), [[2.0, 1.0], [4.0, 1.0]], 0).solve()), 6)
    2.0
    """
    x = as_hull(points).points.astype(np.float64)
    logits, middle = head.logits(x), head.logits(x.mean(axis=0, keepdims=True))
    own, factor = class_index(head, c), cp.Variable(name="factor", nonneg=True)
    rivals = np.delete(np.arange(head.classes), own)
    leads, start = (values[:, [own]] - values[:, rivals] for values in (logits, middle))
    return cp.Problem(cp.Maximize(factor), [start + factor * (leads - start) >= 0])
