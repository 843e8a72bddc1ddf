"""The cells of a head: the polyhedra into which the last affine layer divides the feature domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
from numpy.typing import ArrayLike

from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.regions.adjacency import adjacency
from featgeom.regions.chebyshev import Chebyshev, chebyshev
from featgeom.regions.domains import Domain, as_domain
from featgeom.regions.emptiness import Emptiness, emptiness
from featgeom.regions.facets import Facets, facets
from featgeom.regions.guarantee import HullGuarantee, class_index, guarantee
from featgeom.regions.margins import Margins, margins
from featgeom.regions.radius import Radii, radius
from featgeom.regions.recession import Recession, recession
from featgeom.regions.shares import Shares, shares

if TYPE_CHECKING:
    from cvxpy import Constraint, Expression


@dataclass(frozen=True, eq=False, repr=False)
class Cells:
    """The cells P_c = {z in the domain: l_c(z) ≥ l_k(z) for all k} of an affine head.

    ``domain`` is "space" (all of R^d), "orthant" (z ≥ 0, as after ReLU), a `Box`, or anything with
    ``points``, such as a `ConvexHull`. What is proved of a cell is about feature space and the head; it says
    nothing about which features images can reach.

    >>> cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]), domain="orthant")
    >>> cells.margins([[3.0, 1.0]]).smallest.round(9)
    array([2.])
    """

    head: AffineHead
    domain: Domain

    def __init__(self, head: AffineHead, domain: object = "space") -> None:
        if not isinstance(head, AffineHead):
            raise BadArgument(f"cells: expected an AffineHead, got {type(head).__name__}")
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "domain", as_domain(domain, head.dimension))

    def __repr__(self) -> str:
        return f"<Cells: {self.head.classes:,} classes; domain {self.domain}>"

    def constraints(self, c: int, z: Expression, margin: float = 0.0) -> list[Constraint]:
        """That the cvxpy expression z (d,) lies in the cell of class ``c``, for convex programs of your own.

        l_c(z) ≥ l_k(z) + ``margin`` (in logits) for every other class k, and z in the domain.

        >>> import cvxpy as cp
        >>> z, cells = cp.Variable(2), Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]), "orthant")
        >>> nearest = cp.Problem(cp.Minimize(cp.norm(z - [0.0, 2.0])), cells.constraints(0, z))
        >>> round(float(nearest.solve()), 6)
        1.414214
        """
        logits, own = self.head.logits(z), class_index(self.head, c)
        rivals = [k for k in range(self.head.classes) if k != own]
        return [logits[own] >= logits[rivals] + margin, *self.domain.constraints(z)]

    def margins(self, z: ArrayLike) -> Margins:
        """The class of features (n, d), decided exactly, and their margins to every rival, in logits.

        >>> Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]])).margins([[1.0, 1.0]]).smallest
        array([0.])
        """
        return margins(self.head, z)

    def radius(self, z: ArrayLike, norm: object = 2) -> Radii:
        """How far features (n, d) are from the boundary of their cell within the domain, and towards whom.

        ``norm``: 1, 2, inf or `mahalanobis(…)`; but for 2 the features must lie in the domain, a box.

        >>> cells = Cells(AffineHead([[1.0, -1.0], [0.0, 0.0]], [1.0, 0.0]), "orthant")
        >>> cells.radius([[0.0, 0.0]]).radius.round(6)
        array([1.])
        """
        return radius(self.head, z, self.domain, norm)

    def guarantee(self, points: ArrayLike, c: int) -> HullGuarantee:
        """Whether the hull of ``points`` (n, d) lies inside the cell of class ``c``, and by how much.

        >>> cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]))
        >>> cells.guarantee([[2.0, 1.0], [3.0, 0.0]], 0).status
        GUARANTEED
        """
        return guarantee(self.head, points, c)

    def is_empty(self, c: int) -> Emptiness:
        """Whether class ``c`` wins nowhere in the domain, not even in a tie.

        >>> cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, -1.0]), "orthant")
        >>> cells.is_empty(2).status
        INFEASIBLE
        """
        return emptiness(self.head, self.domain, c)

    def is_unbounded(self, c: int) -> Recession:
        """Whether the cell of class ``c`` has an end in the domain.

        >>> Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]), "orthant").is_unbounded(0).status
        UNBOUNDED
        """
        return recession(self.head, self.domain, c)

    def chebyshev(self, c: int) -> Chebyshev:
        """The largest ball in the cell of class ``c`` in the domain, between proved bounds.

        >>> from featgeom import Box
        >>> cells = Cells(AffineHead([[1.0], [0.0]]), Box([-1.0], [2.0]))
        >>> found = cells.chebyshev(0)
        >>> found.centre.round(6), round(found.radius, 6), round(found.upper, 6)
        (array([1.]), 1.0, 1.0)
        """
        return chebyshev(self.head, self.domain, c)

    def facets(self, c: int, witnesses: ArrayLike | None = None) -> Facets:
        """The rivals that share a boundary with class ``c`` in the domain: all others can be left out.

        >>> cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]]), "orthant")
        >>> cells.facets(0).rivals
        array([1])
        """
        return facets(self.head, self.domain, c, witnesses)

    def adjacency(self, witnesses: ArrayLike | None = None) -> nx.Graph:
        """The graph of classes whose cells meet in the domain, with evidence on edges and non-edges.

        ``witnesses`` (m, d): points of the domain, such as features, that may save linear programs.

        >>> graph = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]]), "orthant").adjacency()
        >>> list(graph.edges), graph.graph["programs"]
        ([(0, 1)], 2)
        """
        return adjacency(self.head, self.domain, witnesses)

    def shares(self, n: int, seed: int = 0, confidence: float = 0.95) -> Shares:
        """Estimate the share of a bounded domain that each class holds, with exact binomial intervals.

        >>> from featgeom import Box
        >>> Cells(AffineHead([[1.0], [0.0]]), Box([-1.0], [1.0])).shares(100).counts.sum()
        np.int64(100)
        """
        return shares(self.head, self.domain, n, seed, confidence)
