"""Where the class changes along straight segments of pixel space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featgeom.arrays import Float64, Ints
from featgeom.errors import Unsupported
from featgeom.models.classifier import Classifier
from featgeom.pixels.crossings import pixel_crossings
from featgeom.pixels.derivatives import PixelFunction
from featgeom.pixels.piecewise import bending_units
from featgeom.results import Result
from featgeom.status import Status

T_ERROR = 1e-6
UNITS = 10_000  # that bend: with more, an exact segment takes seconds to minutes


@dataclass(frozen=True, eq=False, repr=False)
class ClassPath(Result):
    """The classes (k,) along one segment, and the parameters (k − 1,) in [0, 1] at which they change.

    Where it is not ``exact``, a class that comes and goes between two of the points looked at is not seen.
    """

    shows = ("classes", "changes")

    classes: Ints
    changes: Float64
    exact: bool = False

    @property
    def status(self) -> Status:
        """Computed where it is exact, else estimated."""
        return Status.COMPUTED if self.exact else Status.ESTIMATED


def class_paths(
    classifier: Classifier, f: PixelFunction, a: Tensor, b: Tensor, looks: int, progress: bool = False
) -> list[ClassPath]:
    """The sequence of classes on each segment a → b (n, m): exact where that is quick, else looked at.

    It is quick for a piecewise linear network of which at most 10,000 units bend, as `pixel_crossings` says;
    else `classes_along` looks at so many steps.
    """
    if len(a) and bending_units(classifier.network, f.images(a[:1]), f.device) <= UNITS:
        try:
            way = pixel_crossings(classifier, f.images(a), f.images(b), progress=progress)
        except Unsupported:
            pass
        else:
            return [ClassPath(*way.path(i), True) for i in range(len(a))]
    return classes_along(f, a, b, looks)


def classes_along(f: PixelFunction, a: Tensor, b: Tensor, steps: int) -> list[ClassPath]:
    """The sequence of classes on each segment a → b (n, m), each change located to 1e-6 in t.

    The network f (logits) is run at ``steps`` + 1 equally spaced points and then, by bisection, wherever two
    neighbours differ. A class that lives between two neighbouring points of equal class is not seen: along
    a segment of pixel space the logits are not affine.
    """
    grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=a.device)
    rows = torch.arange(len(a), device=a.device).repeat_interleave(steps + 1)
    found = _classes(f, a, b, rows, grid.repeat(len(a))).view(len(a), steps + 1)
    owner, left = torch.nonzero(found[:, 1:] != found[:, :-1], as_tuple=True)
    low, high = grid[left], grid[left + 1]
    ends = torch.stack([found[owner, left], found[owner, left + 1]], 1)
    done: list[tuple[Tensor, Tensor, Tensor]] = []
    while len(owner):
        middle = (low + high) / 2
        between = _classes(f, a, b, owner, middle)
        owner, low, high = owner.repeat(2), torch.cat([low, middle]), torch.cat([middle, high])
        ends = torch.cat([torch.stack([ends[:, 0], between], 1), torch.stack([between, ends[:, 1]], 1)])
        differ = ends[:, 0] != ends[:, 1]
        fine = differ & (high - low <= T_ERROR)
        done.append((owner[fine], (low + high)[fine] / 2, ends[fine, 1]))
        keep = differ & ~fine
        owner, low, high, ends = owner[keep], low[keep], high[keep], ends[keep]
    return [_path(int(found[i, 0]), i, done) for i in range(len(a))]


def _classes(f: PixelFunction, a: Tensor, b: Tensor, rows: Tensor, t: Tensor) -> Tensor:
    parts = [
        f(f.rounded(a[r] + s[:, None] * (b[r] - a[r]))).argmax(1)
        for r, s in zip(rows.split(256), t.split(256), strict=True)
    ]
    return torch.cat(parts)


def _path(first: int, row: int, done: list[tuple[Tensor, Tensor, Tensor]]) -> ClassPath:
    """The changes of one segment in order."""
    mine = [(owner == row, t, after) for owner, t, after in done]
    t = np.concatenate([np.empty(0), *(t[own].cpu().numpy() for own, t, _ in mine)])
    after = np.concatenate([np.empty(0, np.int64), *(c[own].cpu().numpy() for own, _, c in mine)])
    order = t.argsort()
    return ClassPath(np.append(first, after[order]).astype(np.int64), t[order])
