"""The pieces of segments and polygons of pixel space on which a network is affine, with claims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_numpy
from featgeom.boundaries.crossings import Paths
from featgeom.boundaries.planes import Plane
from featgeom.certificates.pixel_pieces import PixelPolygon, PixelSegment
from featgeom.exact.layers import Layer
from featgeom.exact.pieces import Walk
from featgeom.exact.polytopes import Unclear
from featgeom.exact.running import features_apart
from featgeom.exact.single import Single
from featgeom.exact.tiles import ENDS, areas_of, classes_along, shares, told
from featgeom.models.classifier import Classifier
from featgeom.pixels.crossings import pixel_crossings
from featgeom.pixels.derivatives import on_enough_threads, pixel_function, segment_ends
from featgeom.pixels.slices import inside
from featgeom.pixels.written import Written, written
from featgeom.progress import bar
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

BLUNT = 2.0**-30  # of the polygon's width: corners no farther from the line between their neighbours are none


@dataclass(frozen=True, eq=False, repr=False)
class ProvedCrossings(Paths):
    """`Paths` through the classes of pixel space, and on how many ``pieces`` (n,) the network is affine.

    Where ``status`` (n,) is SOLVED, ``certificate`` proves both, and each parameter is within ``error`` (n,)
    of the crossing, as a fraction of the segment. Other segments are COMPUTED: twice the digits of float64 do
    not tell some tie, the error is inf, and all is as `pixel_crossings` finds it. The certificate is about
    the former, in order.
    """

    shows = ("changes", "pieces", "error")

    pieces: Ints
    error: Float64
    status: StatusArray
    certificate: PixelSegment
    stats: Stats


@dataclass(frozen=True, eq=False, repr=False)
class ProvedRegions(Result):
    """On how many ``regions`` of a polygon of pixel space the network is affine, and its classes there.

    ``corners`` (r, 2) are u and v of a + u (b − a) + v (c − a). The classes ``classes`` (k,) are all that
    are the largest logit anywhere inside, each on a ``share`` (k,) of the area, to ± ``error``. Where twice
    the digits of float64 do not tell some tie, ``status`` is UNDECIDED, ``why`` says so, there is no
    certificate and the count is 0.
    """

    shows = ("regions", "classes", "share")

    regions: int
    classes: Ints
    share: Float64
    error: float
    corners: Float64
    status: Status
    why: str
    certificate: PixelPolygon | None
    stats: Stats


def _off(network: Written, images: Float64, features: np.ndarray) -> Float64:
    """How far its features of images (n, m) may be from those that are given."""
    given = features.astype(np.float64)
    apart = [features_apart(network.layers, x, own) for x, own in zip(images, given, strict=True)]
    return np.array(apart, np.float64)


@on_enough_threads
def prove_pixel_crossings(
    classifier: Classifier, a: ArrayLike, b: ArrayLike, *, progress: bool = False
) -> ProvedCrossings:
    """Prove the sequence of classes along each straight segment from image a[i] to b[i], and its pieces.

    The network is written out as numbers. On each piece every value is an affine function of t, a fraction
    of the segment, which float64 knows to an error that is carried along; a unit that bends cuts the piece
    where it is 0, and its sign at both ends must be beyond the error. Where it is not, all is done again with
    twice the digits, which deep networks need: their layers make errors grow. Images a and b are
    (n, c, h, w), or one image. A small network takes a millisecond or two a piece, LeNet-5 some twenty, a
    ResNet-20 some tenths of a second: whole segments of that have too many.

    Raises Unsupported, with the name of the operation, for a network that is not made of affine layers,
    batch normalisation, additions, average and max pooling, ReLU and LeakyReLU; BadArgument and BadData as
    `pixel_crossings` does.

    Source: Sotoudeh and Thakur, arXiv 1908.06223.

    >>> import featgeom as fg, numpy as np; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> images = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32)
    >>> way = prove_pixel_crossings(clf, images[:2], images[2:])
    >>> way.certificate.check().status
    array([PROVED, PROVED], dtype=object)
    >>> bool((way.pieces == fg.pixel_crossings(clf, images[:2], images[2:]).pieces).all())
    True
    """
    begun = perf_counter()
    one, other = segment_ends(a, b)
    classifier = classifier if classifier.device.type == "cpu" else classifier.to("cpu")
    f = pixel_function(classifier, one, "logits")
    start, end = (f.vectors(x, "images").double().numpy() for x in (one, other))
    network = written(classifier, f)
    status, ways = status_array(len(one), Status.COMPUTED), []
    for i in bar(range(len(one)), desc="proved segments", disable=not progress):
        way = _walked(network.layers, np.stack([start[i], end[i]]))
        if way is None:
            told = pixel_crossings(classifier, one[i], other[i])
            way = _Way(int(told.pieces[0]), told.cells, told.enter, np.inf)
        else:
            status[i] = Status.SOLVED
        ways.append(way)
    held = np.flatnonzero(status == Status.SOLVED)
    told_of, none = dict[str, Any](network.told), np.zeros((0, network.dimension))
    for name, images, x in (("start", one, start), ("end", other, end)):
        features = np.asarray(classifier.features(images)) if len(images) else none
        off = _off(network, x[held], features[held])
        told_of |= {name: x[held], f"{name}_features": features[held], f"{name}_off": off}
    claim = PixelSegment(**told_of | _joined([ways[i] for i in held]))
    whole = _joined(ways)
    enter, first = whole["enter"], whole["first"]
    leave = np.append(enter[1:], 1.0)[: len(enter)]
    leave[first[1:] - 1] = 1.0
    stats = Stats(len(one), 0, perf_counter() - begun)
    cells, pieces, error = (whole[name] for name in ("cells", "pieces", "error"))
    return ProvedCrossings(cells, enter, leave, first, pieces, error, status, claim, stats)


@dataclass(frozen=True, eq=False)
class _Way:
    """On how many pieces of a segment a network is affine; its classes, where each begins, to what error."""

    pieces: int
    cells: Ints
    enter: Float64
    error: float


def _walked(layers: list[Layer], ends: Float64) -> _Way | None:
    """What is sure of one segment, or nothing."""

    def walk(how: Single) -> _Way:
        pieces = list(Walk(layers, ends, ENDS, how).pieces())
        cells, enter, off = classes_along(pieces)
        return _Way(sum(piece.whole for piece in pieces), cells, enter, 2 * float(off.max()))

    try:
        return told(walk)
    except Unclear:
        return None


def _joined(ways: list[_Way]) -> dict[str, np.ndarray]:
    """Several segments, as a claim tells of them."""
    return {
        "pieces": np.array([way.pieces for way in ways], np.int64),
        "first": np.cumsum([0, *(len(way.cells) for way in ways)]),
        "cells": np.concatenate([np.zeros(0, np.int64), *(way.cells for way in ways)]),
        "enter": np.concatenate([np.zeros(0), *(way.enter for way in ways)]),
        "error": np.array([way.error for way in ways], np.float64),
    }


@on_enough_threads
def prove_pixel_regions(
    classifier: Classifier,
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    window: ArrayLike | None = None,
) -> ProvedRegions:
    """Prove how many affine regions a window of the plane through images a, b and c (c, h, w) falls into.

    ``window`` (umin, vmin, umax, vmax) is in the coordinates of `slice_pixels`: a is the origin, b lies on
    the first axis; without it, it is all of the plane inside the bounds. The polygon is cut as
    `prove_pixel_crossings` cuts a segment, its corners known to an error; the classes come with their shares
    of the area. A region takes a few milliseconds: deep networks, and whole planes, want a small window.

    Raises what `slice_pixels` with ``exact`` does.

    Sources: Sotoudeh and Thakur, arXiv 1908.06223; Humayun et al., arXiv 2302.12828.

    >>> import featgeom as fg, numpy as np; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> a, b, c = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    >>> found = prove_pixel_regions(clf, a, b, c)
    >>> found.regions == fg.slice_pixels(clf, a, b, c, across=32, exact="regions").regions
    True
    >>> found.certificate.check().status
    array([PROVED], dtype=object)
    """
    begun = perf_counter()
    images = np.stack([as_numpy(x, "images").reshape(np.shape(x)[-3:]) for x in (a, b, c)])
    classifier = classifier if classifier.device.type == "cpu" else classifier.to("cpu")
    f = pixel_function(classifier, images, "logits")
    x = f.vectors(images, "images").double().numpy()
    plane = Plane.through(*x)
    ring = np.array(inside(plane, f, window).exterior.coords)[:-1]
    corners = in_sides(plane, x, ring)
    network = written(classifier, f)
    try:
        regions, classes, share, bound = told(partial(_regions, network, x, corners))
    except Unclear as unclear:
        nothing = np.zeros(0, np.int64), np.zeros(0), np.inf, corners, Status.UNDECIDED
        return ProvedRegions(0, *nothing, str(unclear), None, Stats(0, 0, perf_counter() - begun))
    features = np.asarray(classifier.features(images))
    claim = PixelPolygon(
        **network.told,
        images=x,
        features=features,
        corners=corners,
        regions=regions,
        classes=classes,
        share=share,
        error=bound,
        off=_off(network, x, features),
    )
    stats = Stats(regions, 0, perf_counter() - begun)
    return ProvedRegions(regions, classes, share, bound, corners, Status.SOLVED, "", claim, stats)


def _regions(network: Written, x: Float64, corners: Float64, how: Single) -> tuple[int, Ints, Float64, float]:
    """How many regions there are, the classes, their shares of the area, and how far these may be off."""
    walk = Walk(network.layers, x, corners, how)
    regions, areas, error = areas_of(walk.pieces(), len(network.told["weight"]))
    share, off = shares(areas, error, *walk.part.area())
    classes = np.flatnonzero(share > 0)
    return regions, classes, share[classes], 2 * float(off.max())


def in_sides(plane: Plane, x: Float64, points: Float64) -> Float64:
    """A ring (n, 2) of a plane as u and v of x[0] + u (x[1] − x[0]) + v (x[2] − x[0]), turning left."""
    at = plane.drop(x)
    found = np.linalg.solve((at[1:] - at[0]).T, (points - at[0]).T).T
    found[np.abs(found) < 2**-40 * np.abs(found).max()] = 0.0
    corners = list(found if _area(found) > 0 else found[::-1])
    wide, i = float(np.ptp(found, axis=0).max()), 0
    while i < len(corners) and len(corners) > 3:  # images at a bound leave corners that are next to none
        behind, here, ahead = corners[i - 1], corners[i], corners[(i + 1) % len(corners)]
        if _turn(behind, here, ahead) < BLUNT * wide * max(
            wide * BLUNT, float(np.linalg.norm(ahead - behind))
        ):
            del corners[i]
            i = 0
        else:
            i += 1
    return np.ascontiguousarray(corners)


def _area(ring: Float64) -> float:
    """Twice the area of a ring, positive where it turns left."""
    return sum(_turn(ring[0], ring[i], ring[i + 1]) for i in range(1, len(ring) - 1))


def _turn(a: Float64, b: Float64, c: Float64) -> float:
    """Twice the area of a triangle, positive where it turns left."""
    (ux, uy), (vx, vy) = b - a, c - b
    return float(ux * vy - uy * vx)
