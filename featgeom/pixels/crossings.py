"""Where the class changes along straight segments of pixel space, exactly, for piecewise linear networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.crossings import Paths
from featgeom.errors import BadArgument
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import as_given, on_enough_threads, segment_ends
from featgeom.pixels.lines import LinePieces
from featgeom.pixels.piecewise import MOST, Largest, runs, together
from featgeom.pixels.plain import require_plain
from featgeom.progress import bar
from featgeom.status import Stats, Status


@dataclass(frozen=True, eq=False, repr=False)
class PixelCrossings(Paths):
    """`Paths` through the classes of pixel space, and the pieces on which the network is affine there.

    ``bends[i]`` are the parameters between 0 and 1 at which a ReLU changes its sign on segment i, or another
    entry of a pooling window becomes the largest: between two of them the network is affine, so that
    ``pieces`` (n,) is one more than there are. Of all this nothing is left out for being small, down to 1e-12
    of the segment and of the largest entry of a layer; it is computed in float64 with the network's weights,
    and not proved, which `prove_pixel_crossings` does.
    """

    shows = ("changes", "pieces")
    status: ClassVar[Status] = Status.COMPUTED

    bends: list[Float64]
    stats: Stats

    @property
    def pieces(self) -> Ints:
        """On how many pieces of each segment (n,) the network is affine."""
        return np.array([len(bends) + 1 for bends in self.bends], np.int64)


class OnLine(nn.Module):
    """A network as a function of the parameters (n, 1) of a segment between images (1, c, h, w)."""

    def __init__(self, network: nn.Module, start: Tensor, end: Tensor) -> None:
        super().__init__()
        self.network, self.start, self.step = network, start, end - start

    def forward(self, t: Tensor) -> Tensor:
        """The network's values (n, k)."""
        values: Tensor = self.network(self.start + t.view(-1, *(1,) * (self.start.ndim - 1)) * self.step)
        return values


@on_enough_threads
def pixel_crossings(
    classifier: Classifier, a: ArrayLike, b: ArrayLike, *, most: int = MOST, progress: bool = False
) -> PixelCrossings:
    """The exact sequence of classes along each straight segment from image a[i] to b[i].

    A network of affine layers, ReLU and the like is affine between the points of the segment at which one of
    its units bends; all of these are found, layer by layer, and between them the largest logit. Images a and
    b are (n, c, h, w), or one image; t is a fraction of the segment. Of classes that tie along a piece the
    lowest index stands for all.

    Raises Unsupported for a network that is not made of affine layers, batch normalisation, ReLU, LeakyReLU,
    average and max pooling and additions, and where a segment falls into more than ``most`` pieces.

    Source: Sotoudeh and Thakur, arXiv 1908.06223.

    >>> import featgeom as fg, torch; from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    >>> with torch.no_grad():
    ...     _ = net[1].weight.copy_(torch.eye(2)), net[1].bias.copy_(torch.tensor([-0.5, 0.0]))
    ...     _ = net[3].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]])), net[3].bias.zero_()
    >>> clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 1, 2)))
    >>> way = pixel_crossings(clf, [[[0.0, 0.5]]], [[[1.0, 0.5]]])
    >>> way.path(0), way.bends
    ((array([1, 0]), array([0.75])), [array([0.5])])
    """
    begun = perf_counter()
    if most < 1:
        raise BadArgument(f"most: expected at least 1, got {most}")
    start, end = (as_given(classifier, x, "images").cpu() for x in segment_ends(a, b))
    network = classifier.to("cpu", torch.float64).network.requires_grad_(False)
    if len(start):
        require_plain(network, start[:1], derivatives=False)
    found = []
    with bar(desc="segments", total=float(len(start)), disable=not progress) as told:
        for one, other in zip(start, end, strict=True):
            found.append(_walked(OnLine(network, one[None], other[None]), most, told.update))
    cells = np.concatenate([np.zeros(0, np.int64), *(cells for cells, _, _ in found)])
    enter = np.concatenate([np.zeros(0), *(enter for _, enter, _ in found)])
    first = np.cumsum([0, *(len(cells) for cells, _, _ in found)]).astype(np.int64)
    leave = np.append(enter[1:], 1.0)[: len(enter)]
    leave[first[1:] - 1] = 1.0
    bends = [bends for _, _, bends in found]
    stats = Stats(sum(map(len, bends)), 0, perf_counter() - begun)
    return PixelCrossings(cells, enter, leave, first, bends, stats)


def _walked(line: OnLine, most: int, done: Callable[[float], object]) -> tuple[Ints, Float64, Float64]:
    """The classes along one segment, where it enters each, and where the network bends."""
    if not line.step.any():
        with torch.no_grad():
            own = line(torch.zeros(1, 1, dtype=torch.float64)).argmax(1)
        done(1.0)
        return own.numpy(), np.zeros(1), np.empty(0)
    room = together(line, torch.zeros(1, 1, dtype=torch.float64))
    bends, enter, cells = [], [], []
    for pieces, logits in runs(line, LinePieces(torch.tensor([0.0, 1.0]).double(), room), room, most, done):
        bends.append(pieces.ends[1:].numpy())
        values = pieces.led(Largest(), logits)
        enter.append(pieces.ends[:-1].numpy())
        cells.append((values[:-1] + values[1:]).argmax(1).numpy())
    cell, into = np.concatenate(cells), np.concatenate(enter)
    fresh = np.concatenate([[True], cell[1:] != cell[:-1]])
    return cell[fresh], into[fresh], np.concatenate(bends)[:-1]
