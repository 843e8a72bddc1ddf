"""The hull of the rightly predicted training features of a class, and how far ordinary ones lie from it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from featgeom.answers.ranked_distances import apart_from_others, away
from featgeom.arrays import Float64, Floats, Ints
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.cells import Cells
from featgeom.regions.guarantee import HullGuarantee
from featgeom.runs.subjects import of_class, rows_of

if TYPE_CHECKING:
    from featgeom.runs.run import Run


RTOL = 1e-3  # of distances that are ranked among each other


class ClassHull:
    """What is asked of the hull of class ``c`` of a run; each part is computed when it is first needed.

    ``rows`` are those of the reference part whose features make it.
    """

    def __init__(self, run: Run, c: int, device: str = "cpu") -> None:
        self.run, self.c, self.device = run, c, device
        mine = of_class(run.reference_split, c, True)
        chosen = run.subjects.rows(mine)
        self.rows: Ints = np.arange(len(run.features(run.reference_split))) if chosen is None else chosen
        self.points: Floats = run.subjects.points(mine)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def hull(self) -> ConvexHull:
        """The hull itself."""
        return ConvexHull(self.points, device=self.device)

    @cached_property
    def guarantee(self) -> HullGuarantee:
        """That the head gives every point of it this class."""
        return Cells(self.run.subjects.head).guarantee(self.points, self.c)

    @cached_property
    def training(self) -> Float64:
        """The distance of each of its points from the hull of the others."""
        return apart_from_others(self.hull, RTOL)

    @cached_property
    def calibration(self) -> tuple[Ints, Float64]:
        """Rows of the question part that are predicted so, and their distances; none of a run of one part."""
        run = self.run
        if run.question_split == run.reference_split:
            return np.zeros(0, np.int64), np.zeros(0)
        rows = np.flatnonzero(run.subjects.predicted(run.question_split) == self.c)
        if not len(rows) or not len(self):
            return rows, np.full(len(rows), np.inf)
        points = run.subjects.points(rows_of(f"{run.question_split}/features", rows))
        return rows, away(self.hull, points, RTOL)

    def without(self, row: int) -> tuple[Ints, ConvexHull | None]:
        """The rows of its points but for one, and their hull; the whole where ``row`` is none of them."""
        keep = self.rows != row
        if keep.all():
            return self.rows, self.hull if len(self) else None
        rest = np.ascontiguousarray(self.points[keep])
        return self.rows[keep], ConvexHull(rest, device=self.device) if len(rest) else None
