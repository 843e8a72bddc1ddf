"""Whether images can have chosen features: an image that has them, or a bound that keeps all images away."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from time import perf_counter, thread_time

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from featgeom.arrays import Float64, as_float64
from featgeom.errors import BadArgument, FeatgeomError
from featgeom.models.classifier import Classifier
from featgeom.pixels.apart import Keeper, Reach
from featgeom.pixels.derivatives import on_enough_threads, pixel_function
from featgeom.pixels.inversion import Inversion, invert
from featgeom.pixels.plain import require_plain
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

CLOSE = 1e-6  # relatively: of a bound and the distance of an image that meets it
UNITS = 2048  # in a layer, whose ends are narrowed by linear functions


@dataclass(frozen=True, eq=False, repr=False)
class Reachability(Result):
    """How near the features of images come to chosen points of feature space: between two distances.

    ``lower_bound`` (n,) is a distance from each target that the features of every image inside the bounds
    keep, ``distance`` (n,) that of the image found, both in feature space. ``status`` is SOLVED where that
    image has the features asked for, to the inversion's tolerance; UNREACHABLE where the bound is beyond that
    tolerance, so that no image has them; else UNDECIDED. ``inversion`` holds the images.
    """

    bounded = ("distance of what images reach", "lower_bound", "distance")

    lower_bound: Float64
    distance: Float64
    status: StatusArray
    inversion: Inversion
    stats: Stats


@on_enough_threads
def reachable(
    classifier: Classifier,
    targets: ArrayLike,
    found: Inversion | None = None,
    *,
    seconds: float = 5.0,
    tolerance: float = 1e-6,
) -> Reachability:
    """Decide whether an image inside the bounds has the features z, for targets z (n, d), where it can be.

    ``found`` is what `invert` gave for these targets (None: it is asked, with its defaults); ``tolerance``
    that of its residual, relative to ‖z‖. An image found says yes. What says no is a lower bound on
    ‖φ(x) − z‖ over all images x inside the bounds: first from the ends of each feature (no feature behind a
    ReLU is negative), then, with ``seconds`` of the calling thread's processor time for the network and as
    many for each target not found, by directions u in which u · (φ(x) − z) stays positive. These are learned
    by gradient together with the lines that stand for what bends, and the images are split at kinks, each
    part with a direction of its own. Over all images at once such lines are loose: a target inside the ends
    of all features is decided on small networks only, and is UNDECIDED elsewhere, between the two distances.

    The bound holds for the network as a function of real numbers, with its weights as they are stored. It is
    computed in float64, on the processor, with slack for its rounding: it is no claim that `featgeom verify`
    re-checks.

    Raises Unsupported, with the name of the operation, for a network without bounds, as `pixel_lower_bounds`
    does; BadArgument and BadData as `invert` does.

    Sources: Xu et al., arXiv 2011.13824 (lines by gradient); Kotha et al., arXiv 2302.01404 (bounds on the
    inputs of a network whose outputs are known).

    >>> import featgeom as fg, numpy as np; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> z = clf.features(np.random.default_rng(0).random((1, 1, 8, 8)))
    >>> reachable(clf, np.concatenate([z, z - 9.0])).status
    array([SOLVED, UNREACHABLE], dtype=object)
    """
    begun = perf_counter()
    z = as_float64(targets, "targets", classifier.head.dimension)
    if not (0 <= seconds < math.inf and tolerance > 0):
        raise BadArgument("seconds must be at least 0 and tolerance positive")
    found = invert(classifier, z, tolerance=tolerance) if found is None else found
    if len(found.images) != len(z):
        raise BadArgument(f"found: expected an inversion of {len(z)} targets, got {len(found.images)}")
    exact = (classifier if classifier.device.type == "cpu" else classifier.to("cpu")).to(dtype=torch.float64)
    f, own = (pixel_function(each, found.images, "features") for each in (exact, classifier))
    low, high = min(f.low, own.low), max(f.high, own.high)  # float32 may round bounds to either side
    if len(z):
        require_plain(exact.backbone, torch.full((1, *f.shape), (low + high) / 2, dtype=torch.float64))
    images = f.vectors(found.images, "found").clamp(low, high).view(-1, *f.shape)
    reach = Reach.of(exact.backbone, f.shape, (low, high), seconds, UNITS)
    goals = torch.from_numpy(z)
    lower = reach.box_distance(goals)
    distance = (f(images.flatten(1)) - goals).norm(dim=1)
    scale = torch.where(goals.norm(dim=1) > 0, goals.norm(dim=1), 1.0)
    rough = copy.deepcopy(exact.backbone).to(dtype=torch.float32)
    for i in torch.nonzero(distance > tolerance * scale)[:, 0].tolist() if seconds else ():
        keeper = Keeper(reach, rough, goals[i], images[i : i + 1])
        lower[i] = keeper.distance(float(lower[i]), thread_time() + seconds)
    _require_consistent(lower, distance)
    status = status_array(len(z))
    status[(lower > tolerance * scale).numpy()] = Status.UNREACHABLE
    status[(distance <= tolerance * scale).numpy()] = Status.SOLVED
    return Reachability(
        lower.minimum(distance).numpy(),  # but for the last digits, which are rounded
        distance.numpy(),
        status,
        found,
        Stats(len(z), 0, perf_counter() - begun),
    )


def _require_consistent(lower: Tensor, distance: Tensor) -> None:
    """Raise FeatgeomError where a bound is beyond an image by more than both are rounded by."""
    wrong = torch.nonzero(lower > distance * (1 + CLOSE))[:, 0]
    if len(wrong):
        i = int(wrong[0])
        raise FeatgeomError(
            f"target {i}: an image found is at distance {float(distance[i]):g}, but a bound keeps all at "
            f"{float(lower[i]):g}: one of the two is wrong, and nothing is said"
        )
