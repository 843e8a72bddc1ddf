"""Balls of pixel space in which no change of class is possible, with a claim that proves each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Floats, Ints, as_numpy
from featgeom.certificates.pixel_balls import PixelBall
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.cutting import BallSearch, FoundBall
from featgeom.pixels.derivatives import on_enough_threads, pixel_function
from featgeom.pixels.written import Written, moved, written
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

EACH = ("radius", "classes", "parts", "status")


@dataclass(frozen=True, eq=False, repr=False)
class ProvedBalls(Result):
    """Radii of balls in pixel space in which the class is proved not to change.

    ``radius`` (n,) is a distance from image i within which every image inside the bounds has its class
    ``classes`` (n,), 0 where none was found; ``parts`` (n,) into how many parts the ball was cut.
    ``certificate`` is about the images of which the radius is positive, in order.
    """

    shows = ("radius",)

    radius: Float64
    classes: Ints
    parts: Ints
    status: StatusArray
    certificate: PixelBall
    stats: Stats


def joined(parts: Sequence[ProvedBalls]) -> ProvedBalls:
    """Balls around several images of one network, asked for one after the other."""
    claims = [part.certificate for part in parts]
    names = ("images", "features", "own", "radius", "off", "cut")
    together: dict[str, Any] = {n: np.concatenate([getattr(claim, n) for claim in claims]) for n in names}
    lengths = np.concatenate([np.diff(claim.first) for claim in claims])
    claim = replace(claims[0], first=np.cumsum([0, *lengths]), **together)
    each = {name: np.concatenate([getattr(part, name) for part in parts]) for name in EACH}
    seconds = sum(part.stats.seconds for part in parts)
    return replace(parts[0], certificate=claim, stats=Stats(len(each["radius"]), 0, seconds), **each)


def beside(claim: PixelBall, features: Floats) -> PixelBall:
    """The same claim about features (n, d) of these images that were computed in other batches."""
    return replace(claim, features=features, off=claim.off + moved(claim.features, features))


@on_enough_threads
def prove_pixel_balls(
    classifier: Classifier, images: ArrayLike, *, norm: float = 2, parts: int = 64
) -> ProvedBalls:
    """Prove of the largest ball found around each of ``images`` (n, c, h, w) that all of it has one class.

    The network is written out as numbers, and the difference of two logits is bounded from below over the
    ball by a linear function of the pixels, in which each ReLU that can bend and each window of max pooling
    is replaced by a line; what goes into these is bounded so, too, layer by layer. A ball that does not
    hold is cut, into at most ``parts``, where the input of the ReLU that leaves out most is 0. The radius
    is searched for by halvings, without cuts and then with them.

    ``norm`` is 2 for Euclidean balls, inf for balls of the largest change of a pixel value. The statement
    is about the network as a function of real numbers, with its weights as they are stored, and about
    images inside the bounds of pixel space. Every rounding is paid for, and the claim is checked again from
    the numbers that it holds: a proof, unlike the bounds of `pixel_lower_bounds`, which know more kinds of
    networks.

    Raises Unsupported, with the name of the operation, for a network that is not made of affine layers,
    batch normalisation, additions, average and max pooling, ReLU and LeakyReLU; BadArgument and BadData as
    `pixel_flips` does.

    Sources: Zhang et al., arXiv 1811.00866; Bunel et al., arXiv 1711.00455 (branch and bound).

    >>> import featgeom as fg, numpy as np; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> samples = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    >>> found = prove_pixel_balls(clf, samples)
    >>> found.certificate.check().status
    array([PROVED, PROVED, PROVED], dtype=object)
    >>> bool((found.radius <= fg.pixel_flips(clf, samples).distance).all())
    True
    """
    begun = perf_counter()
    array = as_numpy(getattr(images, "images", images), "images")
    if norm not in (2, np.inf):
        raise BadArgument(f"norm: expected 2 or inf, got {norm}")
    if parts < 1:
        raise BadArgument(f"parts: expected at least 1, got {parts}")
    classifier = classifier if classifier.device.type == "cpu" else classifier.to("cpu")
    f = pixel_function(classifier, array, "logits")
    x = f.vectors(array, "images").clamp(f.low, f.high).numpy()
    network = written(classifier, f)
    features = np.asarray(classifier.features(array)) if len(x) else np.zeros((0, network.dimension))
    balls = [BallSearch(network.layers, row, (f.low, f.high), norm, parts).found() for row in x]
    return _answer(balls, x, features, network, (f.low, f.high), norm, begun)


def _answer(
    balls: list[FoundBall],
    x: Float64,
    features: np.ndarray,
    network: Written,
    bounds: tuple[float, float],
    norm: float,
    begun: float,
) -> ProvedBalls:
    """What was found, and the claim about it."""
    own, radius = np.array([b.own for b in balls], np.int64), np.array([b.radius for b in balls])
    held = np.flatnonzero(radius > 0)
    off = np.array([balls[i].here.apart(-2, features[i].astype(np.float64)) for i in held])
    cuts = [balls[i].cut for i in held]
    claim = PixelBall(
        **network.told,
        images=x[held],
        features=features[held],
        low=bounds[0],
        high=bounds[1],
        norm="2" if norm == 2 else "inf",
        own=own[held],
        radius=radius[held],
        off=off,
        first=np.cumsum([0, *map(len, cuts)]),
        cut=np.array([cut for one in cuts for cut in one], np.int64).reshape(-1, 2),
    )
    status = status_array(len(balls))
    status[held] = Status.SOLVED
    parts = np.array([(len(b.cut) + 1) // 2 for b in balls], np.int64)
    return ProvedBalls(radius, own, parts, status, claim, Stats(len(balls), 0, perf_counter() - begun))
