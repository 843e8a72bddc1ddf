"""Pieces of a line, which share their ends."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from featgeom.pixels.bends import Bend
from featgeom.pixels.piecewise import ZERO, Full, entries_of, largest
from featgeom.pixels.pooling import Pool

SAME = 1e-12  # of the segment: ends that are nearer than this are one


class LinePieces:
    """The pieces between neighbours of rising parameters (n,): tensors are held at all of these, (n, ...)."""

    def __init__(self, ends: Tensor, room: float) -> None:
        self.versions, self.room = [ends], room

    def __len__(self) -> int:
        return len(self.ends) - 1

    @property
    def ends(self) -> Tensor:
        """The parameters between which the pieces lie."""
        return self.versions[-1]

    @property
    def version(self) -> int:
        """How often they were cut."""
        return len(self.versions) - 1

    @property
    def share(self) -> float:
        """Their part of [0, 1]."""
        return float(self.ends[-1] - self.ends[0])

    def points(self) -> Tensor:
        """All ends (n, 1)."""
        return self.ends[:, None].clone()

    def lifted(self, x: Tensor, version: int) -> Tensor:
        """Interpolated between the ends as they were."""
        old, new = self.versions[version], self.ends
        if len(old) == len(new):
            return x
        piece = (torch.searchsorted(old, new, right=True) - 1).clamp(0, len(old) - 2)
        share = (new - old[piece]) / (old[piece + 1] - old[piece])
        lifted = x[piece]
        inside = torch.nonzero(share > 0)[:, 0]
        left, right = lifted[inside], x[piece[inside] + 1]
        lifted[inside] = torch.lerp(left, right, share[inside].view(-1, *(1,) * (x.ndim - 1)))
        return lifted

    def bent(self, bend: Bend, x: Tensor) -> Tensor:
        """Cut where an entry changes its sign, or another one of a window becomes the largest."""
        x = self.led(bend, x) if isinstance(bend, Pool) else self._cut(x, *_zeros(x.flatten(1)))
        return bend.value(x)

    def led(self, bend: Pool, x: Tensor) -> Tensor:
        """Cut where another entry of a window becomes the largest; x as it is then."""
        while True:
            before = len(self)
            x = self._cut(x, *_overtakings(bend, x))
            if len(self) == before:
                return x

    def parts(self, count: int) -> list[Self]:
        """Runs of neighbours."""
        starts = range(0, len(self), count)
        return [type(self)(self.ends[i : i + count + 1].clone(), self.room) for i in starts]

    def _cut(self, x: Tensor, piece: Tensor, share: Tensor) -> Tensor:
        """Cut pieces at a share (0 to 1) of their length; x as it is then."""
        old = self.ends
        cuts = torch.lerp(old[piece], old[piece + 1], share)
        cuts = cuts[(cuts - old[piece] > SAME) & (old[piece + 1] - cuts > SAME)].sort().values
        if not len(cuts):
            return x
        cuts = cuts[torch.diff(cuts, prepend=old[:1] - 1) > SAME]
        self.versions.append(torch.cat([old, cuts]).sort().values)
        if len(self.ends) > self.room and len(self) > 1:
            raise Full
        return self.lifted(x, self.version - 1)


def _zeros(z: Tensor) -> tuple[Tensor, Tensor]:
    """The pieces on which an entry of z (n, all) changes its sign, and where in them."""
    zero = ZERO * largest(z)
    up, down = z > zero, z < -zero
    crossing = (up[:-1] & down[1:]) | (down[:-1] & up[1:])
    piece, unit = torch.nonzero(crossing, as_tuple=True)
    one, other = z[piece, unit], z[piece + 1, unit]
    return piece, one / (one - other)


def _overtakings(bend: Pool, x: Tensor) -> tuple[Tensor, Tensor]:
    """The pieces on which no entry of a window of x (n, ...) is the largest at both ends.

    And where in them the first of all entries overtakes the largest at the start: which of two that tie
    there is the larger at the end counts.
    """
    zero, leads = ZERO * largest(x), bend.leaders(x)
    piece, window = torch.nonzero(leads[:-1] != leads[1:], as_tuple=True)
    entries = bend.members(x.shape[1:])[window]
    here, there = entries_of(x, piece, entries), entries_of(x, piece + 1, entries)
    short = [at.amax(1, keepdim=True) - at for at in (here, there)]
    split = torch.maximum(*short).amin(1) > zero
    piece, here, there = piece[split], here[split], there[split]
    tied = here.amax(1, keepdim=True) - here <= zero
    own = there.masked_fill(~tied, -torch.inf).argmax(1, keepdim=True)
    before, after = here.gather(1, own) - here, there - there.gather(1, own)
    share = torch.where(after > zero, before.clamp_min(0) / (before.clamp_min(0) + after), torch.inf)
    return piece, share.amin(1)
