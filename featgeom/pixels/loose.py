"""What of an operation that bends is not settled by its ends: most entries bend nowhere, and cost nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from featgeom.pixels.bends import Bend
from featgeom.pixels.ends import WIDER, Bent
from featgeom.pixels.fields import Field


@dataclass(frozen=True)
class Loose:
    """An operation's entries, of which those at ``live`` can bend and the others have the slopes ``sure``.

    ``lower`` and ``upper`` (rows, live) and, of pooling, (rows, window, live) are the ends of the live ones,
    ``energy`` (rows,) a bound on the length of their movement, ``moves`` (rows,) on that of all entries that
    count; ``sure`` is (rows or 1, all) or (rows or 1, window, all). ``takes`` and ``gives`` are the shapes of
    what goes in and comes out, without rows.
    """

    bend: Bend | None
    live: Tensor
    lower: Tensor
    upper: Tensor
    energy: Tensor
    moves: Tensor
    sure: Tensor
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    after: Field | None = None

    @classmethod
    def of(cls, bent: Bent) -> Loose:
        """What is not settled for all rows."""
        bend, empty = bent.bend, torch.empty(0)
        if bend is None:
            return cls(None, empty, empty, empty, empty, empty, empty, (), ())
        lower, upper = bend.windows(bent.lower), bend.windows(bent.upper)
        settled, sure = bend.settled(lower, upper)
        live = torch.nonzero(~settled.all(0))[:, 0]
        lower, upper = lower[..., live], upper[..., live]
        takes, gives = bent.lower.shape[1:], bend.value(bent.lower[:1]).shape[1:]
        found = cls(
            bend, live, lower, upper, bent.energy, bent.energy, sure, tuple(takes), tuple(gives), bent.after
        )
        energy = torch.minimum(bent.energy, found.far.sum(1).sqrt() * WIDER)
        return replace(found, energy=energy if bent.tight is None else torch.minimum(energy, bent.tight))

    @property
    def far(self) -> Tensor:
        """No less than the square of each live entry's movement (rows, live), of pooling over its window."""
        squares = (self.upper - self.lower).square().nan_to_num(0.0)  # −inf stands where a window is padded
        return squares.sum(1) if squares.ndim == 3 else squares

    def stretch(self, x: Tensor) -> Tensor:
        """By how much the operation may stretch distances (rows,) about the values x of what goes in."""
        assert self.bend is not None
        z = self.bend.windows(x)[..., self.live]
        found = self.bend.stretch(torch.minimum(self.lower, z), torch.maximum(self.upper, z))
        return torch.as_tensor(found, dtype=x.dtype)

    @property
    def size(self) -> int:
        """The entries that go in."""
        return 0 if self.bend is None else math.prod(self.takes)

    @property
    def kinks(self) -> bool:
        """Whether there is a kink to split at."""
        return self.bend is not None and self.bend.kinks and len(self.live) > 0

    def at(self, rows: Tensor) -> Loose:
        """Of these rows, which may repeat."""
        if self.bend is None:
            return self
        sure = self.sure if len(self.sure) == 1 else self.sure[rows]
        ends = {name: getattr(self, name)[rows] for name in ("lower", "upper", "energy", "moves")}
        return replace(self, **ends, sure=sure)

    def to(self, dtype: torch.dtype) -> Loose:
        """In another type."""
        ends = {name: getattr(self, name).to(dtype) for name in ("lower", "upper", "energy", "moves", "sure")}
        return replace(self, **ends)
