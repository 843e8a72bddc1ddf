"""Claims about the cells along a segment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Claim, Verdict, proved_if, refuted
from featgeom.decimals import exactly, no_less
from featgeom.exact.fields import floats, stored, whole
from featgeom.exact.heads import ExactHead
from featgeom.exact.numbers import fraction


def passage(cells: Ints, enter: Float64, error: float) -> str:
    """The classes that a segment runs through, in words, and where they change."""
    at = ", ".join(exactly(t) for t in enter[1:])
    changes = f", changing at t = {at} (within {no_less(error, 2)})" if at else ""
    return " → ".join(map(str, cells.tolist())) + changes


@dataclass(frozen=True, eq=False)
class SegmentCells(Claim):
    """Segment i, from ``start[i]`` to ``end[i]``, runs through the cells of ``cells[first[i]:first[i + 1]]``
    one after the other, each on a piece of positive length (or it has one), and enters each at a parameter
    within ``error[i]`` of ``enter`` (0 at the start, 1 at the end).

    Consecutive classes tie at one parameter each; these rise strictly. At each no other logit is larger, nor
    at the ends than that of the first and last class. On a piece the largest logit less the class's own is a
    convex function of the parameter, so it is 0 throughout.
    """

    counted: ClassVar[str] = "m"
    subjects: ClassVar = {"head": ("weight", "bias"), "start": ("start",), "end": ("end",)}

    weight: Float64 = floats("c", "d")
    bias: Float64 = floats("c")
    start: Floats = stored("m", "d")
    end: Floats = stored("m", "d")
    first: Ints = whole("f", rising=True)
    cells: Ints = whole("p", below="c")
    enter: Float64 = floats("p", low=0, high=1)
    error: Float64 = floats("m", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        way = passage(self.cells[part], self.enter[part], self.error[i])
        start, end = self.called("start", "the starts"), self.called("end", "the ends")
        return f"from number {i} of {start} to that of {end} runs a segment through the cells {way}"

    def misfit(self) -> str:
        """Every piece belongs to a segment, and every segment has one."""
        fine = len(self.first) == len(self) + 1 and self.first[0] == 0 and self.first[-1] == len(self.cells)
        return "" if fine else "the pieces do not belong to the segments"

    @cached_property
    def _head(self) -> ExactHead:
        return ExactHead(self.weight, self.bias)

    def decide(self, i: int) -> Verdict:
        """Every change of class, and the ends."""
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        cells, error = self.cells[part].tolist(), fraction(self.error[i])
        at_start, at_end = self._head.leads(self.start[i], 0), self._head.leads(self.end[i], 0)
        # leads are l_0 − l_k: the class of largest logit has the least
        if min(at_start) < at_start[cells[0]] or min(at_end) < at_end[cells[-1]]:
            return refuted("another class has a larger logit at an end")
        places = [Fraction(0)]
        for c, k in pairwise(cells):
            before, after = (
                at_start[k] - at_start[c],
                at_end[c] - at_end[k],
            )  # how far k is behind, then ahead
            if before < 0 or after < 0 or before + after == 0:
                return refuted(f"class {k} does not overtake class {c}")
            t = before / (before + after)
            here = [a + t * (b - a) for a, b in zip(at_start, at_end, strict=True)]
            if min(here) < here[c]:
                return refuted("a third class has a larger logit at a change")
            places.append(t)
        if len(cells) > 1 and not all(a < b for a, b in pairwise([*places, Fraction(1)])):
            return refuted("the pieces do not follow each other")
        close = all(abs(t - fraction(at)) <= error for t, at in zip(places, self.enter[part], strict=True))
        return proved_if(close, "a parameter is farther from the change than stated")
