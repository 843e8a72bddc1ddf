"""The cells of a head: the polyhedra into which the last affine layer divides the feature domain."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.regions.domains import Domain, as_domain
from featgeom.regions.guarantee import HullGuarantee, guarantee
from featgeom.regions.margins import Margins, margins
from featgeom.regions.radius import Radii, radius


@dataclass(frozen=True, eq=False)
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

    def margins(self, z: ArrayLike) -> Margins:
        """The class of features (n, d), decided exactly, and their margins to every rival, in logits.

        >>> Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]])).margins([[1.0, 1.0]]).smallest
        array([0.])
        """
        return margins(self.head, z)

    def radius(self, z: ArrayLike) -> Radii:
        """How far features (n, d) are from the boundary of their cell within the domain, and towards whom.

        >>> cells = Cells(AffineHead([[1.0, -1.0], [0.0, 0.0]], [1.0, 0.0]), "orthant")
        >>> cells.radius([[0.0, 0.0]]).radius.round(6)
        array([1.])
        """
        return radius(self.head, z, self.domain)

    def guarantee(self, points: ArrayLike, c: int) -> HullGuarantee:
        """Whether the hull of ``points`` (n, d) lies inside the cell of class ``c``, and by how much.

        >>> cells = Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]))
        >>> cells.guarantee([[2.0, 1.0], [3.0, 0.0]], 0).status
        GUARANTEED
        """
        return guarantee(self.head, points, c)
