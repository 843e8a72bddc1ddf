"""Claims about the pieces of a segment or a polygon of pixel space on which a network is affine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Verdict, proved_if, refuted, undecided
from featgeom.certificates.crossings import passage
from featgeom.certificates.networks import OfNetwork
from featgeom.decimals import exactly, no_less
from featgeom.exact.fields import floats, stored, whole
from featgeom.exact.layers import Layer
from featgeom.exact.pieces import Piece, Walk
from featgeom.exact.polytopes import Unclear
from featgeom.exact.running import features_apart
from featgeom.exact.single import Single
from featgeom.exact.tiles import ENDS, areas_of, classes_along, shares, told


def far(layers: list[Layer], image: Floats, features: Floats, off: float) -> bool:
    """Whether the features of an image may be farther from others than ``off``."""
    return not features_apart(layers, image.astype(np.float64), features.astype(np.float64)) <= off


def at_most(walk: Walk, count: int) -> Iterator[Piece]:
    """The pieces of a walk, no further than to the first that is one too many."""
    for piece in walk.pieces():
        yield piece
        count -= piece.whole
        if count < 0:
            return


@dataclass(frozen=True, eq=False)
class PixelSegment(OfNetwork):
    """Segment i of pixel space, from ``start[i]`` to ``end[i]``, falls into ``pieces[i]`` on each of which no
    unit bends of the network that ``table``, ``numbers`` and ``index`` tell, with the head, no window has
    another largest entry, and the network is affine. It runs through the classes
    ``cells[first[i]:first[i + 1]]`` one after the other, where the largest logit is, and enters each at a
    parameter within ``error[i]`` of ``enter`` (0 at the start, 1 at the end).

    Images are vectors of pixel space, (n, m); the network is a function of real numbers
    (`featgeom.exact.layers`), whose features of start and end are within ``start_off`` and ``end_off`` of
    ``start_features`` and ``end_features``. Of entries that are equal on all of a piece one counts.
    """

    counted: ClassVar[str] = "n"
    subjects: ClassVar = {
        "head": ("weight", "bias"),
        "start": ("start",),
        "end": ("end",),
        "start_features": ("start_features",),
        "end_features": ("end_features",),
    }
    start: Floats = stored("n", "m")
    end: Floats = stored("n", "m")
    start_features: Floats = stored("n", "d")
    end_features: Floats = stored("n", "d")
    pieces: Ints = whole("n", low=1)
    first: Ints = whole("f", rising=True)
    cells: Ints = whole("p", below="c")
    enter: Float64 = floats("p", low=0, high=1)
    error: Float64 = floats("n", low=0)
    start_off: Float64 = floats("n", low=0)
    end_off: Float64 = floats("n", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        way = passage(self.cells[part], self.enter[part], self.error[i])
        start, end = self.called("start", "the starts"), self.called("end", "the ends")
        off = no_less(max(self.start_off[i], self.end_off[i]), 3)
        features = (self.called(name, "the features") for name in ("start_features", "end_features"))
        return (
            f"from number {i} of {start} to that of {end} a segment runs, on {self.pieces[i]} pieces of "
            f"the network told here through the classes {way}; its features of both ends are"
            f" within {off} of those of {' and '.join(features)}"
        )

    def misfit(self) -> str:
        """The network reads, and every class belongs to a segment."""
        fine = len(self.first) == len(self) + 1 and self.first[0] == 0 and self.first[-1] == len(self.cells)
        return self.misread() if fine else "the classes do not belong to the segments"

    @property
    def pixels(self) -> int:
        """The values of an image."""
        return self.start.shape[1]

    def decide(self, i: int) -> Verdict:
        """The features, then all pieces in their order."""
        for image, features, off in (
            (self.start, self.start_features, self.start_off),
            (self.end, self.end_features, self.end_off),
        ):
            if far(self.layers, image[i], features[i], float(off[i])):
                return refuted("the features of an end are not within what is stated")
        ends = np.stack([self.start[i], self.end[i]]).astype(np.float64)
        try:
            along = told(lambda how: self._along(ends, int(self.pieces[i]), how))
        except Unclear as unclear:
            return undecided(str(unclear))
        if along is None:
            return refuted("the pieces are not as many as stated")
        cells, enter, error = along
        part = slice(int(self.first[i]), int(self.first[i + 1]))
        if not np.array_equal(cells, self.cells[part]):
            return refuted("the classes are not those stated")
        stated = self.enter[part]
        off = np.abs(enter - stated) * (1 + 2**-50) + error
        return proved_if(bool((off <= self.error[i]).all()), "a change of class is elsewhere")

    def _along(self, ends: Float64, count: int, how: Single) -> tuple[Ints, Float64, Float64] | None:
        """The classes, where each begins, and how far that may be off, if there are so many pieces."""
        found = list(at_most(Walk(self.layers, ends, ENDS, how), count))
        return classes_along(found) if sum(piece.whole for piece in found) == count else None


@dataclass(frozen=True, eq=False)
class PixelPolygon(OfNetwork):
    """A convex polygon of the plane through three ``images`` a, b, c of pixel space falls into ``regions`` on
    each of which no unit bends of the network that ``table``, ``numbers`` and ``index`` tell, with the head,
    no window has another largest entry, and the network is affine. The classes that are anywhere the largest
    logit inside are ``classes``, each on a part of its area within ``error`` of ``share``.

    ``corners`` (r, 2), turning left, are u and v of a + u (b − a) + v (c − a). Images are vectors of pixel
    space, (3, m); the network is a function of real numbers (`featgeom.exact.layers`), whose features of
    image i are within ``off[i]`` of ``features[i]``. Of entries, or logits, that are equal on all of a region
    the first counts.
    """

    subjects: ClassVar = {"head": ("weight", "bias"), "images": ("images",), "features": ("features",)}
    images: Floats = stored("t", "m")
    features: Floats = stored("t", "d")
    corners: Float64 = floats("r", 2)
    regions: int = whole(low=1)
    classes: Ints = whole("s", below="c", rising=True)
    share: Float64 = floats("s", low=0, high=1)
    error: float = floats(low=0)
    off: Float64 = floats("t", low=0)

    def statement(self, i: int) -> str:
        """The statement in words."""
        ring = ", ".join(f"({exactly(u)}, {exactly(v)})" for u, v in self.corners)
        shares = ", ".join(f"{c} on {exactly(s)}" for c, s in zip(self.classes, self.share, strict=True))
        return (
            f"the polygon with corners {ring} of the plane through {self.called('images', 'three images')}, "
            f"the first at (0, 0), the others at (1, 0) and (0, 1), falls into {self.regions} affine regions "
            f"of the network told here; its classes, with their shares of the area (within "
            f"{no_less(self.error, 2)}), are {shares}; the network's features of the three are within "
            f"{no_less(self.off.max(), 3)} of those of {self.called('features', 'the features')}"
        )

    def misfit(self) -> str:
        """Three images, and a network that reads."""
        if len(self.images) != 3:
            return "a plane goes through three images here"
        return self.misread()

    @property
    def pixels(self) -> int:
        """The values of an image."""
        return self.images.shape[1]

    def decide(self, i: int) -> Verdict:
        """The features, then all regions."""
        for image, features, off in zip(self.images, self.features, self.off, strict=True):
            if far(self.layers, image, features, float(off)):
                return refuted("the features of an image are not within what is stated")
        try:
            found = told(self._shares)
        except Unclear as unclear:
            return undecided(str(unclear))
        if found is None:
            return refuted("the regions are not as many as stated")
        share, off = found
        if not np.array_equal(np.flatnonzero(share > 0), self.classes):
            return refuted("the classes are not those stated")
        share, off = share[self.classes], off[self.classes]
        return proved_if(bool((np.abs(share - self.share) + off <= self.error).all()), "a share is another")

    def _shares(self, how: Single) -> tuple[Float64, Float64] | None:
        """The share of each class, and how far it may be off, if there are so many regions."""
        walk = Walk(self.layers, self.images.astype(np.float64), self.corners, how)
        regions, areas, error = areas_of(at_most(walk, self.regions), len(self.weight))
        return shares(areas, error, *walk.part.area()) if regions == self.regions else None
