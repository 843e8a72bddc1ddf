"""The largest ball around an image in which no rival wins, by linear functions of the network written out."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from time import thread_time

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.exact.images import Ball
from featgeom.exact.layers import Layer
from featgeom.exact.relaxing import Relaxation, leads

FIRST, LEAST = 1e-3, 1e-7  # of the diameter of the box: the first radius, and the least that is tried
AHEAD = (
    1e-9  # of the logits: by how much a rival must be behind here, that it be behind wherever it is checked
)
CLOSE = 0.02  # relatively, between a radius that holds and one that does not
WIDER = 1.3  # times what holds uncut: the greatest radius that is tried with cuts, at first
HALVINGS = 4
NEAREST = 0.1  # of the way between a radius that holds and one that does not
LONGER = 2.5  # times the last ball: what one of four times the radius is expected to take


@dataclass
class FoundBall:
    """The class at an image, a radius, how its ball is cut, and the network ``here``, at the image itself."""

    own: int
    radius: float
    cut: list[tuple[int, int]]
    here: Relaxation


@dataclass
class _Part:
    """A part of a ball, the rivals that may win there, by how much, and where it is cut, once it is."""

    relaxation: Relaxation
    rivals: Ints
    lead: Float64
    cut: tuple[int, int] = (-1, -1)
    halves: list[_Part] = field(default_factory=list)

    def told(self) -> list[tuple[int, int]]:
        """The cuts, each before those inside it."""
        return [self.cut, *(cut for half in self.halves for cut in half.told())]


class BallSearch:
    """The largest ball around an image (m,) that is found to hold, cut into at most so many parts.

    None of ``rivals`` (all other classes) may win over the class ``own`` (that of the image) in it. The
    search ends when the clock of `thread_time` is expected to say ``until`` before another ball is decided.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        x: Float64,
        bounds: tuple[float, float],
        norm: float,
        parts: int,
        own: int | None = None,
        rivals: Ints | None = None,
        until: float = math.inf,
    ) -> None:
        self.layers, self.x, self.bounds, self.norm, self.parts = layers, x, bounds, norm, parts
        self.until, begun = until, thread_time()
        self.lead = math.inf  # over the worst rival, in what was looked at last
        self.here = Relaxation(layers, self._ball(0.0))
        self.took = thread_time() - begun
        low, high = self.here.ends[-1]
        logits = low / 2 + high / 2
        self.own, self.behind = int(logits.argmax()), AHEAD * float(np.abs(logits).max())
        self.own = self.own if own is None else own
        self.rivals = np.delete(np.arange(len(logits)), self.own) if rivals is None else rivals

    def found(self, known: float = 0.0) -> FoundBall:
        """Halvings of the radius without cuts, then with them; of ``known`` it is known that it holds."""
        whole = (self.bounds[1] - self.bounds[0]) * (len(self.x) ** 0.5 if self.norm == 2 else 1.0)
        best, cut, failed = known, list[tuple[int, int]](), False
        self._look(self.here, self.rivals)
        first = self.lead  # at the image itself
        ahead, behind = math.inf, -math.inf  # by how much the worst rival loses at best, and wins at high
        radius = high = min(max(FIRST * whole, 2 * known), whole)
        while radius >= LEAST * whole and (not failed or high > best * (1 + CLOSE)):
            if not self._time(1.0 if failed else LONGER):
                break
            tree = self.holds(radius, 1)
            if tree is None:
                ahead = ahead / 2 if failed else ahead  # what stays twice counts half, so that both ends move
                failed, high, behind = True, radius, self.lead
            else:
                behind = behind / 2 if failed else behind
                best, cut, ahead = radius, tree, self.lead
            if best >= whole:
                break
            if not failed:
                vanishes = best * first / (first - ahead) if ahead < first else math.inf
                radius = min(4 * best, max(vanishes, best * (1 + CLOSE)), whole)
            else:
                radius = best + (high - best) * _share(ahead, behind) if best else high / 4
        top = min(WIDER * best, whole)
        for _ in range(HALVINGS if self.parts > 1 and 0 < best < whole else 0):
            if not self._time(1.0):
                break
            radius = (best + top) / 2
            tree = self.holds(radius, self.parts)
            if tree is None:
                top = radius
            else:
                best, cut = radius, tree
        return FoundBall(self.own, best, cut, self.here)

    def holds(self, radius: float, parts: int) -> list[tuple[int, int]] | None:
        """How the ball is cut that it hold, best first: the worst part is cut until none is left open."""
        begun = thread_time()
        root = self._look(Relaxation(self.layers, self._ball(radius)), self.rivals)
        self.took = thread_time() - begun
        heap, number = [(0.0, 0, root)] if len(root.rivals) else [], count(1)
        while heap:
            part = heapq.heappop(heap)[2]
            parts -= 1
            place = self._worst(part) if parts > 0 and thread_time() < self.until else None
            if place is None:
                return None
            part.cut = place
            part.halves = [
                self._look(part.relaxation.part(*place, above), part.rivals) for above in (True, False)
            ]
            for half in part.halves:
                if len(half.rivals):
                    heapq.heappush(heap, (float(half.lead.min()), next(number), half))
        return root.told()

    def _time(self, balls: float) -> bool:
        """Whether there is some for so many balls like the last one."""
        return thread_time() + balls * self.took <= self.until

    def _ball(self, radius: float) -> Ball:
        return Ball(self.x, radius, *self.bounds, self.norm)

    def _look(self, relaxation: Relaxation, rivals: Ints) -> _Part:
        lead = relaxation.below(len(self.layers), leads(self.own, rivals, self.layers[-1].size))
        self.lead = float(lead.min(initial=math.inf))
        open_ = ~(lead > self.behind)
        return _Part(relaxation, rivals[open_], lead[open_])

    def _worst(self, part: _Part) -> tuple[int, int] | None:
        """Where the kink's input is whose line leaves out most of the worst rival's bound."""
        rival = part.rivals[[part.lead.argmin()]]
        left = part.relaxation.left_out(len(self.layers), leads(self.own, rival, self.layers[-1].size))
        places = [(float(some.min()), value, int(some.argmin())) for value, some in left.items() if len(some)]
        least, value, entry = min(places, default=(0.0, 0, 0))
        return (value, entry) if least < 0 else None


def _share(ahead: float, behind: float) -> float:
    """How far to go from what holds to what does not, of the way, for a lead that falls in a line."""
    share = ahead / (ahead - behind) if ahead < math.inf and behind > -math.inf else 0.5
    return min(max(share, NEAREST), 1 - NEAREST)
