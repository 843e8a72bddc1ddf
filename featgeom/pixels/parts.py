"""Parts of a ball of pixel space, and how they are halved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from featgeom.pixels.loose import Loose
from featgeom.pixels.relaxation import Line


@dataclass
class Parts:
    """Parts of one ball, one a row, each with its rival (rows,), what bends there, and its lines."""

    rivals: Tensor
    loose: list[Loose]
    lines: list[Line]

    @property
    def entries(self) -> int:
        """What bends in each part."""
        return max(1, sum(here.lower[0].numel() for here in self.loose if here.bend is not None))

    def at(self, rows: Tensor) -> Parts:
        """These of them, which may repeat."""
        lines = [_each(line, lambda t: t[rows]) for line in self.lines]
        return Parts(self.rivals[rows], [here.at(rows) for here in self.loose], lines)


def halved(parts: Parts, left: list[Tensor]) -> Parts:
    """Each part as two, on both sides of the kink that leaves out most; as one where it has no kink left.

    The first rows are the parts themselves, on the side where that kink's input is not negative.
    """
    n = len(parts.rivals)
    losses: list[Tensor] = []
    for here, line, loss in zip(parts.loose, parts.lines, left, strict=True):
        if here.kinks and here.bend is not None and line.slope is not None:
            losses.append(torch.where(here.bend.asked(here.lower, here.upper), loss - 1e-30, 0.0))
        else:
            losses.append(loss.new_zeros(n, 1))
    if not losses:
        return parts
    least, layer = torch.stack([loss.amin(1) for loss in losses]).min(0)
    split = torch.nonzero(least < 0)[:, 0]
    twin = torch.zeros(n, dtype=torch.int64).scatter(0, split, n + torch.arange(len(split)))
    both = parts.at(torch.cat([torch.arange(n), split]))
    for i, loss in enumerate(losses):
        rows = split[layer[split] == i]
        here, line = both.loose[i], both.lines[i]
        if here.bend is None or line.slope is None or not len(rows):
            continue
        unit = loss[rows].argmin(1)
        here.lower[rows, unit] = 0.0
        here.upper[twin[rows], unit] = 0.0
        line.more = torch.zeros_like(line.slope) if line.more is None else line.more
        line.slope[rows, unit] = here.bend.most
        line.slope[twin[rows], unit] = here.bend.least
    return both


def joined(one: Parts, other: Parts) -> Parts:
    """The rows of both."""
    loose = [
        replace(
            a,
            lower=torch.cat([a.lower, b.lower]),
            upper=torch.cat([a.upper, b.upper]),
            energy=torch.cat([a.energy, b.energy]),
            moves=torch.cat([a.moves, b.moves]),
        )
        if a.bend is not None
        else a
        for a, b in zip(one.loose, other.loose, strict=True)
    ]
    lines = [cat_lines([a, b]) for a, b in zip(one.lines, other.lines, strict=True)]
    return Parts(torch.cat([one.rivals, other.rivals]), loose, lines)


def cat_lines(parts: list[Line]) -> Line:
    """The rows of all of them, with nothing added where another has something added."""
    some = any(line.more is not None for line in parts)
    more = [
        torch.zeros_like(line.slope) if line.more is None and line.slope is not None else line.more
        for line in parts
    ]
    return Line(
        _cat([line.slope for line in parts]),
        _cat(more) if some else None,
        _cat([line.price for line in parts]),
    )


def _cat(parts: list[Tensor | None]) -> Tensor | None:
    held = [t for t in parts if t is not None]
    return torch.cat(held) if held else None


def leaf(line: Line) -> Line:
    """The same line in float32, to learn from."""
    return _each(line, lambda t: t.detach().float().requires_grad_(True))


def copied(line: Line) -> Line:
    """The same line, apart from learning."""
    return _each(line, lambda t: t.detach().clone())


def doubled(line: Line) -> Line:
    """The same line in float64."""
    return _each(line, Tensor.double)


def _each(line: Line, change: Callable[[Tensor], Tensor]) -> Line:
    return Line(*(None if t is None else change(t) for t in (line.slope, line.more, line.price)))


def update(line: Line, better: Line, rows: Tensor) -> None:
    """Write these rows of a better line over a line."""
    for t, new in ((line.slope, better.slope), (line.more, better.more), (line.price, better.price)):
        if t is not None and new is not None:
            t[rows] = new.detach()[rows]
