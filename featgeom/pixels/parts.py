"""Parts of a ball of pixel space, and how they are halved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from featgeom.pixels.ends import Bent
from featgeom.pixels.relaxation import Line


@dataclass
class Parts:
    """Parts of one ball, one a row, each with its rival (rows,), what bends there, and its lines."""

    rivals: Tensor
    bent: list[Bent]
    lines: list[Line]

    @property
    def entries(self) -> int:
        """What bends in each part."""
        return max(1, sum(here.lower[0].numel() for here in self.bent if here.bend is not None))

    def at(self, rows: Tensor) -> Parts:
        """These of them, which may repeat."""
        lines = [_each(line, lambda t: t[rows]) for line in self.lines]
        return Parts(self.rivals[rows], [here.at(rows) for here in self.bent], lines)


def halved(parts: Parts, left: list[Tensor]) -> Parts:
    """Each part as two, on both sides of the kink that leaves out most; as one where it has no kink left.

    The first rows are the parts themselves, on the side where that kink's input is not negative.
    """
    losses = []
    for here, line, loss in zip(parts.bent, parts.lines, left, strict=True):
        if here.bend is None or not here.bend.kinks or line.slope is None:
            losses.append(torch.zeros_like(loss).flatten(1))
        else:
            losses.append(torch.where(here.bend.asked(here.lower, here.upper), loss - 1e-30, 0.0).flatten(1))
    least, layer = torch.stack([loss.amin(1) for loss in losses]).min(0)
    n, split = len(parts.rivals), torch.nonzero(least < 0)[:, 0]
    own, second = torch.arange(n + len(split), device=split.device).tensor_split([n])
    twin = torch.zeros_like(own).scatter(0, split, second)
    both = parts.at(torch.cat([own, split]))
    for i, loss in enumerate(losses):
        rows = split[layer[split] == i]
        here, line = both.bent[i], both.lines[i]
        if here.bend is None or line.slope is None or not len(rows):
            continue
        unit = loss[rows].argmin(1)
        here.lower.flatten(1)[rows, unit] = 0.0
        here.upper.flatten(1)[twin[rows], unit] = 0.0
        line.more = torch.zeros_like(line.slope) if line.more is None else line.more
        line.slope.flatten(1)[rows, unit] = here.bend.most
        line.slope.flatten(1)[twin[rows], unit] = here.bend.least
    return both


def joined(one: Parts, other: Parts) -> Parts:
    """The rows of both."""
    bent = [
        replace(
            a,
            lower=torch.cat([a.lower, b.lower]),
            upper=torch.cat([a.upper, b.upper]),
            energy=torch.cat([a.energy, b.energy]),
        )
        if a.bend is not None
        else a
        for a, b in zip(one.bent, other.bent, strict=True)
    ]
    lines = [cat_lines([a, b]) for a, b in zip(one.lines, other.lines, strict=True)]
    return Parts(torch.cat([one.rivals, other.rivals]), bent, lines)


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
