"""The facets of one cell: the rivals with which it has a boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.farkas import CellsApart
from featgeom.head import AffineHead
from featgeom.regions.adjacency import Pairs, meetings
from featgeom.regions.domains import Domain
from featgeom.regions.guarantee import class_index
from featgeom.results import Result
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class Facets(Result):
    """The rivals with which a cell has a boundary in the domain.

    ``rivals``: those proved to tie with the class somewhere, strictly above all others. ``candidates``
    (C − 1,): all rivals in order, with ``status``: SOLVED (a facet), INFEASIBLE (proved none), UNDECIDED.
    """

    shows = ("programs",)

    rivals: Pairs
    candidates: Pairs
    status: NDArray[np.object_]
    certificate: tuple[CellsMeet, CellsApart]
    programs: int
    stats: Stats


def facets(head: AffineHead, domain: Domain, c: int, witnesses: ArrayLike | None = None) -> Facets:
    """Which rivals bound the cell of class ``c`` in the domain.

    >>> from featgeom import Box
    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    >>> facets(head, Box.orthant(2), 2).rivals
    array([], dtype=int64)
    """
    own = class_index(head, c)
    rivals = np.array([k for k in range(head.classes) if k != own], dtype=np.int64)
    pairs = np.stack([np.full(len(rivals), own), rivals], axis=1)
    found = meetings(head, domain, pairs, witnesses)
    return Facets(
        rivals=rivals[found.status == Status.SOLVED],
        candidates=rivals,
        status=found.status,
        certificate=(found.ties, found.no_ties),
        programs=found.programs,
        stats=found.stats,
    )
