"""How far in pixel space no change of class can be: lower bounds on flip distances."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from time import perf_counter, thread_time

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from featgeom.arrays import Float64, Ints, as_numpy
from featgeom.errors import BadArgument, Unsupported
from featgeom.exact.layers import Layer, Misread, read_layers
from featgeom.models.classifier import Classifier
from featgeom.pixels.balls import Balls, lead, rows_at_once
from featgeom.pixels.branching import Prover
from featgeom.pixels.cutting import BallSearch
from featgeom.pixels.derivatives import as_given, on_enough_threads, pixel_function
from featgeom.pixels.flips import named_targets
from featgeom.pixels.loose import Loose
from featgeom.pixels.lowering import lower
from featgeom.pixels.plain import require_plain
from featgeom.pixels.radii import largest_radius
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

PIXELS = 1 << 17  # of the images asked about at once
FIRST = 1e-9  # of the diameter of the box: the least radius tried
WIDER = 8.0  # times the radius found by intervals alone: the greatest tried with linear functions
UNITS = 2048  # in a layer, which linear functions bound where there is time
WRITTEN = 0.5  # of the seconds, for linear functions of the network as it is written out
SLOW = 5e-3  # of the seconds: of a network whose image alone takes that, nothing else is asked
PARTS = 64  # of a ball there
DEEP = 32  # layers: through more, the ends at the image alone take minutes
ROOM = 1 << 23  # entries of all layers' matrices: of more, each ball takes minutes
SHORT = 1e-8  # how far short of a computed root the next radius lies, relatively


@dataclass(frozen=True, eq=False, repr=False)
class PixelLowerBounds(Result):
    """Radii of balls in pixel space in which the class does not change.

    ``lower_bound`` (n,) is a distance that every image of another class (or of the target), inside the
    bounds, is beyond; inf where no image inside the bounds has that class. ``classes`` (n, 2) holds the
    sample's class and the rival that stood in the way of more. ``status`` is SOLVED where a positive bound
    was found, else UNDECIDED with 0.
    """

    shows = ("lower_bound",)

    lower_bound: Float64
    classes: Ints
    status: StatusArray
    stats: Stats


@on_enough_threads
def pixel_lower_bounds(
    classifier: Classifier,
    images: ArrayLike,
    target: ArrayLike | None = None,
    *,
    steps: int = 12,
    units: int | None = None,
    norm: float = 2,
    seconds: float = 0.0,
) -> PixelLowerBounds:
    """Find the largest ball around each of ``images`` (n, c, h, w) in which no class change is possible.

    With `pixel_flips`, which bounds the same distance from above, it gives an interval. ``target`` names the
    class that must not be reached, one or (n,); without it, none but the sample's own may be.

    For a radius, the difference of two logits is bounded from below by a linear function of the pixels, in
    which each ReLU that can bend is replaced by a line. What the lines leave out is counted at the ends of
    each ReLU's input by itself, and at a price of the squared movement of a layer's inputs together, of
    which a Euclidean ball has only so much. How far an input can move is bounded by intervals and spectral
    norms and, in a layer in which at most ``units`` of a sample's can bend, by linear functions again
    (None: 0, or 2048 where ``seconds`` are given). The radius is searched for in ``steps`` halvings without
    these, and in half as many with them.

    ``seconds`` more for each sample, of the calling thread's processor time, are spent half on the linear
    functions of `prove_pixel_balls`, where the network can be written out so, and then on slopes and prices
    learned by gradient and on branch and bound: a ball that does not hold is split at the ReLU that leaves
    out most, until all parts hold or the time is over. On small networks, where the distance is not
    too large, the bound so meets it. Where intervals leave nothing (deep networks), the network's own linear
    function at the image bounds a ball so small that it reaches few kinks.

    ``norm`` is 2 for Euclidean balls, inf for balls of the largest change of a pixel.

    The bound holds for the network as a function of real numbers, with its weights as they are stored. It
    is computed in float64, wherever the network is on the processor, with slack for its rounding: it is no
    claim that `featgeom verify` re-checks, and in the network's own arithmetic logits that nearly tie may be
    ordered otherwise.

    Raises Unsupported, with the name of the operation, for a network that is not made of affine layers,
    additions, average and max pooling, ReLU, LeakyReLU, GELU, SiLU, sigmoid, tanh, exp, log, roots,
    reciprocals, products, quotients, softmax, logsumexp, layer normalisation, and what was registered with
    `featgeom.pixels.operators.register`; BadArgument and BadData as `pixel_flips` does.

    Sources: Zhang et al., arXiv 1811.00866; intervals: Gowal et al., arXiv 1810.12715; slopes by gradient: Xu
    et al., arXiv 2011.13824; branch and bound: Wang et al., arXiv 2103.06624.

    >>> import featgeom as fg, numpy as np; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    >>> samples = np.random.default_rng(0).random((3, 1, 8, 8))
    >>> found = pixel_lower_bounds(clf, samples)
    >>> bool((found.lower_bound <= fg.pixel_flips(clf, samples).distance).all())
    True
    """
    begun = perf_counter()
    array = as_numpy(getattr(images, "images", images), "images")
    classifier = classifier if classifier.device.type == "cpu" else classifier.to("cpu")
    f = pixel_function(classifier, array, "logits")
    if steps < 1 or (units or 0) < 0 or not 0 <= seconds < math.inf:
        raise BadArgument("steps must be at least 1, units and seconds at least 0")
    if norm not in (2, math.inf):
        raise BadArgument(f"norm: expected 2 or inf, got {norm}")
    units = (UNITS if seconds else 0) if units is None else units
    low, high = (
        end(e, own) for end, e, own in zip((min, max), classifier.pixels.bounds, (f.low, f.high), strict=True)
    )
    start = as_given(classifier, array, "images").clamp(low, high)
    logits = f(f.vectors(array, "images").clamp(f.low, f.high))
    source = logits.argmax(1)
    goals = named_targets(target, source, classifier.head.classes)
    ranked = logits.scatter(1, source[:, None], torch.inf).argsort(1, descending=True)
    rivals = ranked[:, 1:] if goals is None else goals[:, None]
    network = classifier.to(dtype=torch.float64).network
    if len(start):
        require_plain(network, start[:1])
    search = _Search(network, start, source, rivals, (low, high), norm)

    greatest = (high - low) * (f.size**0.5 if norm == 2 else 1) * (1 + 1e-12)  # no image is beyond
    whole = torch.full((len(start),), greatest, dtype=torch.float64, device=start.device)
    best = search.search(torch.zeros_like(whole), FIRST * whole, whole, 0, steps)
    if units and not seconds:
        best = search.search(best, best, (WIDER * best).minimum(whole), units, steps // 2)
    if seconds:
        best = search.refine(best, greatest, units, seconds)
    _, _, in_the_way = search.hold(search.every, best.clamp_min(FIRST * greatest), 0)

    lower = torch.where(best < greatest, best, torch.inf).cpu().numpy()
    status = status_array(len(start))
    status[lower > 0] = Status.SOLVED
    classes = torch.stack([source, in_the_way], 1).cpu().numpy()
    return PixelLowerBounds(
        lower, classes, status, Stats(steps + (steps // 2 if units else 0), 0, perf_counter() - begun)
    )


class _Search:
    """The greatest radii at which no rival (n, R), strongest first, can win around images (n, c, h, w)."""

    def __init__(
        self,
        network: nn.Module,
        start: Tensor,
        source: Tensor,
        rivals: Tensor,
        bounds: tuple[float, float],
        norm: float,
    ) -> None:
        self.network, self.start, self.source, self.rivals = network, start, source, rivals
        self.bounds, self.norm = bounds, norm
        self.again = copy.deepcopy(network)  # runs inside a run of the other, whose hooks must not see it

    @property
    def every(self) -> Tensor:
        """The numbers of all images."""
        return torch.arange(len(self.start), device=self.start.device)

    def search(self, best: Tensor, least: Tensor, greatest: Tensor, units: int, steps: int) -> Tensor:
        """The greatest radius found that holds, between ``least`` and ``greatest`` and no less than ``best``.

        Both ends are tried, then halvings of the logarithm, in turn with the radius at which the last linear
        functions vanish: the answer itself, where the network is affine. What is returned did hold; that
        smaller radii hold where greater ones do only guides the search.
        """
        best, high, root = best.clone(), greatest.clone(), greatest.clone()
        rows = torch.nonzero(least > 0)[:, 0]
        for step in range(-2, steps):
            ends = least if step == -2 else greatest
            middle = (best[rows] * high[rows]).sqrt() if step >= 0 else ends[rows]
            if step > 0 and step % 2:
                vanish = root[rows]
                between = (vanish > best[rows]) & (vanish < high[rows])
                middle = torch.where(between, vanish * (1 - SHORT), middle)
            holds, root[rows], _ = self.hold(rows, middle, units)
            best[rows] = torch.where(holds, torch.maximum(best[rows], middle), best[rows])
            high[rows] = torch.where(holds, high[rows], middle)
            rows = rows[(best[rows] > 0) & (best[rows] < greatest[rows])]
        return best

    def refine(self, best: Tensor, greatest: float, units: int, seconds: float) -> Tensor:
        """The radii after ``seconds`` more for each image, with slopes learned and balls split."""
        layers = self._layers()
        provers = (
            Prover(self.network, x[None], own, rivals, self.bounds, self.norm)
            for x, own, rivals in zip(self.start, self.source, self.rivals, strict=True)
        )
        found = [
            self._refined(prover, float(radius), greatest, units, seconds, layers)
            for prover, radius in zip(provers, best, strict=True)
        ]
        return best.new_tensor(found)

    def _refined(
        self,
        prover: Prover,
        radius: float,
        greatest: float,
        units: int,
        seconds: float,
        layers: list[Layer] | None,
    ) -> float:
        """The radius for one image, by both kinds of linear functions in turn."""
        begun = thread_time()
        if layers is not None:
            x, own, rivals = prover.x.flatten().numpy(), int(prover.source), prover.rivals.numpy()
            search = BallSearch(layers, x, self.bounds, self.norm, PARTS, own, rivals)
            share = 1.0 if search.took > SLOW * seconds else WRITTEN
            search.until = begun + share * seconds
            radius = search.found(radius).radius
        return largest_radius(prover, radius, greatest, units, begun + seconds)

    def _layers(self) -> list[Layer] | None:
        """The network written out as numbers, where it is piecewise linear, and neither deep nor wide."""
        size = self.start[:1].numel()
        try:
            told = lower(self.network, tuple(self.start.shape[1:]))
            if len(told.table) > DEEP:
                return None
            return read_layers(told.table, told.numbers, told.index, size, ROOM)
        except (Unsupported, Misread):
            return None

    def hold(self, rows: Tensor, radius: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
        """Whether the class holds in each ball, where the linear functions vanish, and the worst rival."""
        if not len(rows):
            return torch.zeros_like(radius, dtype=torch.bool), radius, rows
        size = max(1, PIXELS // self.start[0].numel())
        blocks = zip(rows.split(size), radius.split(size), strict=True)
        parts = [self._hold(block, part, units) for block, part in blocks]
        holds, root, worst = (torch.cat(part) for part in zip(*parts, strict=True))
        return holds, root, worst

    def _hold(self, rows: Tensor, radius: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
        rivals, source = self.rivals[rows], self.source[rows]
        balls = Balls(self.start[rows], radius, self.bounds, self.norm)
        narrow = partial(balls.narrowed, self.again, units, math.inf) if units else None
        (lower, upper), bent = balls.intervals(self.network, narrow)
        # so put that ends which are no numbers (inf − inf) decide nothing
        asked = ~(lower.gather(1, source[:, None]) > upper.gather(1, rivals))
        value = torch.full(rivals.shape, torch.inf, dtype=radius.dtype, device=radius.device)
        change = torch.zeros_like(value)
        loose = [Loose.of(here) for here in bent]
        strongest = torch.arange(rivals.shape[1], device=rivals.device) == 0
        for group in (asked & strongest, asked & ~strongest):
            still = (value + change > 0).all(1, keepdim=True)  # one rival that may win is enough
            for part in torch.nonzero(group & still).split(rows_at_once(bent)):
                sample, at = part.T
                pick = partial(lead, source[sample], rivals[sample, at])
                (found,) = balls.below(self.network, sample, loose, [pick])
                value[sample, at], change[sample, at] = found
        worst = (value + change).argmin(1, keepdim=True)
        root = (radius[:, None] * value / (-change).clamp_min(1e-300)).amin(1)
        return (value + change > 0).all(1), root, rivals.gather(1, worst)[:, 0]
