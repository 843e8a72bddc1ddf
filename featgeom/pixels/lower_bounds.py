"""How far in pixel space no change of class can be: lower bounds on flip distances."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from featgeom.arrays import Float64, Ints, as_numpy
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import pixel_function
from featgeom.pixels.flips import named_targets
from featgeom.pixels.interval import Ends, IntervalPass
from featgeom.pixels.relaxation import bounded_below
from featgeom.results import Result
from featgeom.status import Stats, Status, StatusArray, status_array

PIXELS = 1 << 17  # of the images asked about at once
ENTRIES = 1 << 22  # inputs of ReLU in one forward and backward pass
FIRST = 1e-9  # of the diameter of the box: the least radius tried
WIDER = 8.0  # times the radius found by intervals alone: the greatest tried with linear functions
SHORT = 1e-8  # how far short of a computed root the next radius lies, relatively


Pick = Callable[[Tensor], Tensor]


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


def pixel_lower_bounds(
    classifier: Classifier,
    images: ArrayLike,
    target: ArrayLike | None = None,
    *,
    steps: int = 12,
    units: int = 0,
) -> PixelLowerBounds:
    """Find the largest ball around each of ``images`` (n, c, h, w) in which no class change is possible.

    With `pixel_flips`, which bounds the same distance from above, it gives an interval. ``target`` names the
    class that must not be reached, one or (n,); without it, none but the sample's own may be.

    For a radius, the difference of two logits is bounded from below by a linear function of the pixels, in
    which each ReLU that can bend is replaced by a line; how far its input can move is bounded by intervals
    and, in a layer in which at most ``units`` of a sample's ReLUs can bend, by linear functions again. The
    radius is searched for in ``steps`` halvings without these, and ``steps`` with them. Bounds are tight for
    small networks and small distances, and weak for deep ones: the ends of the intervals spread layer by
    layer.

    The bound holds for the network as a function of real numbers, with its weights as they are stored. It
    is computed in float64, with slack for its rounding: it is no claim that `featgeom verify` re-checks,
    and in the network's own arithmetic logits that nearly tie may be ordered otherwise.

    Raises Unsupported, with the name of the operation, for a network that is not made of affine layers,
    additions, ReLU, average and max pooling; BadArgument and BadData as `pixel_flips` does.

    Sources: Zhang et al., arXiv 1811.00866; intervals: Gowal et al., arXiv 1810.12715.

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
    f = pixel_function(classifier, array, "logits")
    if steps < 1 or units < 0:
        raise BadArgument("steps must be at least 1 and units at least 0")
    start = f.vectors(array, "images").clamp(f.low, f.high)
    logits = f(start)
    source = logits.argmax(1)
    goals = named_targets(target, source, classifier.head.classes)
    ranked = logits.scatter(1, source[:, None], torch.inf).argsort(1, descending=True)
    rivals = ranked[:, 1:] if goals is None else goals[:, None]
    network = classifier.to(dtype=torch.float64).network
    balls = _Balls(network, start.view(-1, *f.shape), source, rivals, (f.low, f.high))

    whole = torch.full((len(start),), f.diameter, dtype=torch.float64, device=start.device)
    best = balls.search(torch.zeros_like(whole), FIRST * whole, whole, 0, steps)
    if units:
        best = balls.search(best, best, (WIDER * best).minimum(whole), units, steps // 2)
    _, _, in_the_way = balls.hold(balls.every, best.clamp_min(FIRST * f.diameter), 0)

    lower = torch.where(best < f.diameter, best, torch.inf).cpu().numpy()
    status = status_array(len(start))
    status[lower > 0] = Status.SOLVED
    classes = torch.stack([source, in_the_way], 1).cpu().numpy()
    return PixelLowerBounds(
        lower, classes, status, Stats(steps + (steps // 2 if units else 0), 0, perf_counter() - begun)
    )


class _Balls:
    """Whether no rival (n, R), strongest first, can win in balls around images (n, c, h, w)."""

    def __init__(
        self, network: nn.Module, start: Tensor, source: Tensor, rivals: Tensor, bounds: tuple[float, float]
    ) -> None:
        self.network, self.start, self.source, self.rivals, self.bounds = (
            network,
            start,
            source,
            rivals,
            bounds,
        )
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
        block = _Block(self.start[rows], radius, self.bounds)
        narrow = partial(block.narrowed, self.again, units) if units else None
        intervals = IntervalPass(block.low, block.high, block.x, radius, narrow)
        lower, upper = intervals.run(self.network)
        asked = lower.gather(1, source[:, None]) <= upper.gather(1, rivals)
        value = torch.full(rivals.shape, torch.inf, dtype=radius.dtype, device=radius.device)
        change = torch.zeros_like(value)
        strongest = torch.arange(rivals.shape[1], device=rivals.device) == 0
        for group in (asked & strongest, asked & ~strongest):
            still = (value + change > 0).all(1, keepdim=True)  # one rival that may win is enough
            for part in torch.nonzero(group & still).split(_rows(intervals.bent)):
                sample, at = part.T
                lead = partial(_lead, source[sample], rivals[sample, at])
                (found,) = block.below(self.network, sample, intervals.bent, [lead])
                value[sample, at], change[sample, at] = found
        worst = (value + change).argmin(1, keepdim=True)
        root = (radius[:, None] * value / (-change).clamp_min(1e-300)).amin(1)
        return (value + change > 0).all(1), root, rivals.gather(1, worst)[:, 0]


class _Block:
    """The images that differ from some x (n, c, h, w) by at most ``radius`` (n,), inside the bounds."""

    def __init__(self, x: Tensor, radius: Tensor, bounds: tuple[float, float]) -> None:
        reach = radius.view(-1, 1, 1, 1)
        self.x, self.radius = x, radius
        self.low, self.high = (x - reach).clamp_min(bounds[0]), (x + reach).clamp_max(bounds[1])

    def below(self, network: nn.Module, sample: Tensor, bent: list[Ends], picks: list[Pick]) -> list[Ends]:
        """`bounded_below` for each of these samples, which may repeat."""
        ends = [(one[sample], other[sample]) if one.numel() else (one, other) for one, other in bent]
        x = self.x[sample]
        room = self.low[sample] - x, self.high[sample] - x
        return list(bounded_below(network, x, ends, picks, room, self.radius[sample]))

    def narrowed(self, network: nn.Module, units: int, bent: list[Ends], ends: Ends) -> Ends:
        """The ends of what goes into a ReLU, narrowed by linear functions where few of a sample can bend."""
        lower, upper = (end.flatten(1).clone() for end in ends)
        bends = (lower < 0) & (upper > 0)
        bends &= bends.sum(1, keepdim=True) <= units
        for part in torch.nonzero(bends).split(_rows([*bent, ends])):
            sample, unit = part.T
            picks: list[Pick] = [partial(_entry, unit, 1.0), partial(_entry, unit, -1.0)]
            up, down = (value + change for value, change in self.below(network, sample, bent, picks))
            lower[sample, unit] = torch.maximum(lower[sample, unit], up)
            upper[sample, unit] = torch.minimum(upper[sample, unit], -down)
        return lower.view_as(ends[0]), upper.view_as(ends[1])


def _entry(unit: Tensor, sign: float, values: Tensor) -> Tensor:
    return sign * values.gather(1, unit[:, None])[:, 0]


def _lead(own: Tensor, other: Tensor, values: Tensor) -> Tensor:
    """By how much one class beats another."""
    return (values.gather(1, own[:, None]) - values.gather(1, other[:, None]))[:, 0]


def _rows(bent: list[Ends]) -> int:
    """How many images one forward and backward pass may take."""
    return max(1, min(256, ENTRIES // max(1, sum(lower[0].numel() for lower, _ in bent if lower.numel()))))
