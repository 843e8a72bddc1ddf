"""Bounds on many entries of a layer from one backward pass, where no two of them see the same pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from featgeom.pixels.ends import WIDER, Bent, Ends
from featgeom.pixels.fields import Field, owners, spacing
from featgeom.pixels.loose import Loose
from featgeom.pixels.relaxation import LOST, SLACK, Pass, least_change

LESS = 0.7  # rows, of one for each entry, where crowds are worth while


@dataclass(frozen=True)
class Crowd:
    """Entries ``unit`` (m,) of a layer, with the ``row`` of each, and its ``place`` among those of one row.

    The entries of a row stand on a lattice so wide that they see different pixels: ``phase`` (rows, 2) is
    where it begins, and ``rows`` and ``columns`` say which spans of pixels the places of each phase see.
    """

    unit: Tensor
    row: Tensor
    place: Tensor
    phase: Tensor
    rows: list[Tensor]
    columns: list[Tensor]
    spans: tuple[Tensor, Tensor]

    @property
    def places(self) -> int:
        """In one row."""
        return len(self.rows[0]) * len(self.columns[0])

    def part(self, first: int, last: int) -> Crowd:
        """Of these rows."""
        mine = (self.row >= first) & (self.row < last)
        spans = self.spans[0][mine], self.spans[1][mine]
        phase = self.phase[first:last]
        return replace(
            self,
            unit=self.unit[mine],
            row=self.row[mine] - first,
            place=self.place[mine],
            phase=phase,
            spans=spans,
        )

    def owner(self, at: Tensor, shape: Sequence[int], field: Field) -> Tensor:
        """The place (rows, m) to whose bound these entries of an earlier layer belong; `places` for none."""
        row, column = at // shape[-1] % shape[-2], at % shape[-1]
        one = torch.stack([owners(field.rows, spans) for spans in self.rows])[self.phase[:, 0]][:, row]
        other = torch.stack([owners(field.columns, spans) for spans in self.columns])[self.phase[:, 1]][
            :, column
        ]
        across = len(self.columns[0])
        none = (one == len(self.rows[0])) | (other == across)
        return torch.where(none, self.places, one * across + other)


def crowded(here: Bent, bent: Sequence[Bent], unit: Tensor) -> Crowd | None:
    """These entries of one image's layer in crowds; None where that is not known to be worth while."""
    shape = here.lower.shape[1:]
    field, before = here.field, [one for one in bent if one.bend is not None]
    if field is None or not before or any(one.after is None for one in before):
        return None
    down, across = spacing(field.rows), spacing(field.columns)
    i, j = unit // shape[-1] % shape[-2], unit % shape[-1]
    position = i * shape[-1] + j
    order = position.argsort(stable=True)
    first = torch.searchsorted(position[order], position[order])
    rank = torch.empty_like(unit)
    rank[order] = torch.arange(len(unit)) - first
    phase = i % down * across + j % across
    keys, row = torch.unique(phase * (int(rank.max()) + 1) + rank, return_inverse=True)
    if len(keys) > LESS * len(unit):
        return None
    begun = keys // (int(rank.max()) + 1)
    rows, columns = _lattice(field.rows, down), _lattice(field.columns, across)
    place = i // down * len(columns[0]) + j // across
    return Crowd(
        unit, row, place, torch.stack([begun // across, begun % across], 1), rows, columns,
        (field.rows[i], field.columns[j]),
    )  # fmt: skip


def _lattice(spans: Tensor, distance: int) -> list[Tensor]:
    """The spans of each phase, with a last one that holds nothing where a phase has one place less."""
    nothing = torch.tensor([[1, -1]])
    parts = [spans[start::distance] for start in range(distance)]
    return [torch.cat([part, nothing.expand(len(parts[0]) - len(part), 2)]) for part in parts]


def below_crowd(
    network: nn.Module,
    x: Tensor,
    loose: Sequence[Loose],
    crowd: Crowd,
    sign: float,
    room: Ends,
    radius: Tensor,
) -> Tensor:
    """Lower bounds (m,) on sign · each entry over the room of one image x (1, c, h, w).

    ``loose`` are its layers (1 row each), ``room`` and ``radius`` as `Pass` takes them. What an entry's lines
    leave out, and the pixels that change it, are those that it sees; the others of its row see none of them.
    """
    n, shape = len(crowd.phase), x.shape[1:]
    every = torch.zeros(n, dtype=torch.int64)
    owner, energy, mine = {}, {}, []
    for i, here in enumerate(loose):
        rows = here.at(every)
        if here.bend is not None and here.after is not None:
            owner[i] = crowd.owner(here.live, here.gives, here.after)
            energy[i] = _energies(here, owner[i], crowd)
            rows = replace(rows, energy=energy[i].square().sum(1).sqrt())
        mine.append(rows)
    found = Pass(network, x.expand(n, *shape), mine, room, radius.expand(n))
    with torch.no_grad():
        value, slope = found.line(_sum_of(crowd, sign))
        bound = sign * found.values[crowd.row, crowd.unit]
        for i, left in found.mode.left.items():
            price = found.mode.lines[i].price
            if price is not None:
                share = left.new_zeros(n, crowd.places + 1).scatter_add(1, owner[i], left)[:, :-1]
                bound += (share - price.exp()[:, None] * energy[i].square())[crowd.row, crowd.place]
        seen, low, high = (_seen(t.view(-1, *shape), crowd) for t in (slope, *room))
        change, _ = least_change(seen, low, high, radius.expand(len(crowd.unit)))
        size = (found.size() + value.abs())[crowd.row] - change
        return bound + change - SLACK * size - LOST


def _energies(here: Loose, owner: Tensor, crowd: Crowd) -> Tensor:
    """No less than the length of the movement of what belongs to each place (rows, places)."""
    far = here.far.expand(len(owner), -1)
    length = far.new_zeros(len(owner), crowd.places + 1).scatter_add(1, owner, far)[:, :-1].sqrt() * WIDER
    return torch.minimum(length, here.energy[:, None])


def _sum_of(crowd: Crowd, sign: float) -> Callable[[Tensor], Tensor]:
    def pick(values: Tensor) -> Tensor:
        return values.new_zeros(len(values)).index_add(0, crowd.row, sign * values[crowd.row, crowd.unit])

    return pick


def _seen(images: Tensor, crowd: Crowd) -> Tensor:
    """Of images (rows or 1, c, h, w) what each entry sees (m, pixels), with zeros to fill up."""
    row = crowd.row if len(images) > 1 else torch.zeros_like(crowd.row)
    axes, inside = [], []
    for spans in crowd.spans:
        width = int((spans[:, 1] - spans[:, 0]).max().clamp_min(1))
        at = spans[:, :1] + torch.arange(width)
        inside.append(at < spans[:, 1:])
        axes.append(at)
    down, across = (at.clamp(0, n - 1) for at, n in zip(axes, images.shape[-2:], strict=True))
    met = images.movedim(1, 3)[row[:, None, None], down[:, :, None], across[:, None, :]]
    seen = inside[0][:, :, None] & inside[1][:, None, :]
    return torch.where(seen[..., None], met, 0.0).flatten(1)
