"""Claims about all images near one: a network written out as numbers gives them one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import PROVED, Verdict, refuted, undecided
from featgeom.certificates.networks import OfNetwork
from featgeom.decimals import exactly, no_less, no_more
from featgeom.exact.fields import floats, stored, whole, word
from featgeom.exact.images import Ball
from featgeom.exact.relaxing import Relaxation, leads


@dataclass(frozen=True, eq=False)
class PixelBall(OfNetwork):
    """Every image with values in [low, high] and at most ``radius[i]`` from image i has class ``own[i]``: of
    all logits of the network that ``table``, ``numbers`` and ``index`` tell, with the head, that one is the
    largest. The features of image i by this network are within ``off[i]`` of ``features[i]``.

    Images are vectors of pixel space, (n, m); distances are Euclidean (norm "2") or the largest change of a
    value ("inf"). The network is a function of real numbers (`featgeom.exact.layers`).
    ``cut[first[i]:first[i + 1]]`` tells of image i how the ball is cut, the whole first and each part
    before those in it: (−1, −1) is a part in which a relaxation proves all classes beaten that are not
    beaten in what it is a part of, (v, e) one that is cut where entry e of value v is 0, first the side
    where it is not below.
    """

    counted: ClassVar[str] = "n"
    subjects: ClassVar = {"head": ("weight", "bias"), "images": ("images",), "features": ("features",)}
    unsaid: ClassVar = (*OfNetwork.unsaid, "cut")

    images: Floats = stored("n", "m")
    features: Floats = stored("n", "d")
    low: float = floats()
    high: float = floats()
    norm: str = word("2", "inf")
    own: Ints = whole("n", below="c")
    radius: Float64 = floats("n", low=0)
    off: Float64 = floats("n", low=0)
    first: Ints = whole("f", rising=True)
    cut: Ints = whole("t", 2, low=-1)

    def statement(self, i: int) -> str:
        """The statement in words."""
        apart = "apart" if self.norm == "2" else "apart in each pixel value"
        low, high = exactly(self.low), exactly(self.high)
        which = f"number {i} of {self.called('images', 'the images')}"
        far = f"{no_more(self.radius[i], 9)} {apart}"
        off = f"{no_less(self.off[i], 3)} of those of {self.called('features', 'the features')}"
        return (
            f"every image in [{low}, {high}], at most {far} from {which}, has class "
            f"{self.own[i]} by the network told here, whose features of that image are within {off}"
        )

    def misfit(self) -> str:
        """The network reads, and every image has its parts."""
        fine = len(self.first) == len(self) + 1 and self.first[0] == 0 and self.first[-1] == len(self.cut)
        if not fine:
            return "the parts do not belong to the images"
        if not self.low <= self.high:
            return "the bounds leave no image"
        return self.misread()

    @property
    def pixels(self) -> int:
        """The values of an image."""
        return self.images.shape[1]

    def _ball(self, i: int, radius: float) -> Ball:
        centre = self.images[i].astype(np.float64)
        return Ball(centre, radius, self.low, self.high, float(self.norm))

    def decide(self, i: int) -> Verdict:
        """The features, then the parts."""
        image = self.images[i].astype(np.float64)
        if not ((image >= self.low) & (image <= self.high)).all():
            return refuted("a value of the image lies outside the bounds")
        here = Relaxation(self.layers, self._ball(i, 0.0))
        if not here.apart(len(self.layers) - 1, self.features[i].astype(np.float64)) <= self.off[i]:
            return refuted("the features of the image are not within what is stated")
        fault = self._fault(Relaxation(self.layers, self._ball(i, float(self.radius[i]))), i)
        return undecided(fault) if fault else PROVED

    def _fault(self, ball: Relaxation, i: int) -> str:
        """Why not all rivals are beaten in all parts of a ball, or nothing."""
        own, classes = int(self.own[i]), len(self.weight)
        waiting = [(ball, np.delete(np.arange(classes), own))]
        for value, entry in self.cut[self.first[i] : self.first[i + 1]].tolist():
            if not waiting:
                return "there are more parts than the ball is cut into"
            part, rivals = waiting.pop()
            lead = part.below(len(self.layers), leads(own, rivals, classes))
            rivals = rivals[~(lead > 0)]
            if (value, entry) != (-1, -1):
                if not (0 < value < len(self.layers) and 0 <= entry < len(part.ends[value][0])):
                    return f"no part is cut at entry {entry} of value {value}"
                waiting += [(part.part(value, entry, above), rivals) for above in (False, True)]
            elif len(rivals):
                return f"in a part of the ball class {rivals[0]} may win"
        return "a part of the ball is left out" if waiting else ""
