"""How far the entries of a layer can move together in a Euclidean ball.

With one slope in the middle of those that each bend before can have, a layer's movement is a linear function
of the image's, and of what these bends leave over: J δ + Σ M res, where ‖res‖ is at most a share of the
movement of what can bend there. So norms of a few matrices bound it, in which what is settled counts as it
is; the product of the layers' norms, which knows of no ball, is greater.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import thread_time

import torch
from torch import Tensor, nn

from featgeom.pixels.ends import WIDER, Ends
from featgeom.pixels.energy import matrix_norm
from featgeom.pixels.loose import Loose
from featgeom.pixels.relaxation import LOST, Pass, Relaxed, entry


class Averaged(Relaxed):
    """Backward through slopes in the middle; ``met_by`` holds the coefficients (rows, live) of each bend."""

    def clear(self) -> None:
        """Before another backward pass."""
        super().clear()
        self.met_by: dict[int, Tensor] = {}

    def pull(self, at: int, z: Tensor, a: Tensor) -> Tensor:
        """The coefficients of what goes into an operation, from those of what comes out."""
        here = self.loose[at]
        assert here.bend is not None
        weight = a.unsqueeze(1) if here.bend.windowed else a
        slope, _ = here.bend.middle(here.lower, here.upper)
        self.met_by[at] = a[:, here.live]
        return (here.sure * weight).index_copy(z.ndim - 1, here.live, slope * weight[..., here.live])


def movements(
    network: nn.Module,
    x: Tensor,
    loose: Sequence[Loose],
    unit: Tensor,
    groups: Sequence[Tensor],
    room: Ends,
    radius: Tensor,
    at_once: int,
    until: float,
) -> list[Tensor] | None:
    """No less than how far each of these groups (masks of ``unit``) of a layer's entries can move.

    ``x`` is one image (1, c, h, w), ``loose`` what bends before that layer (1 row each). None where the clock
    of `thread_time` says ``until`` too soon.
    """
    slopes, coefficients, rounded = [], [], []
    for part in unit.split(at_once):
        if thread_time() > until:
            return None
        rows = torch.zeros_like(part)
        mine = [here.at(rows) for here in loose]
        found = Pass(
            network,
            x.expand(len(part), *x.shape[1:]),
            mine,
            room,
            radius.expand(len(part)),
            mode=Averaged(mine),
        )
        with torch.no_grad():
            slopes.append(found.line(partial(entry, part, 1.0))[1])
        assert isinstance(found.mode, Averaged)
        coefficients.append(found.mode.met_by)
        rounded.append(found.mode.rounded + torch.zeros(len(part), dtype=x.dtype))
    slope, off = torch.cat(slopes), torch.cat(rounded)
    result = []
    for group in groups:
        length = matrix_norm(slope[group]) * radius[0] + off[group].norm()
        for at in coefficients[0]:
            here = loose[at]
            assert here.bend is not None
            _, share = here.bend.middle(here.lower, here.upper)
            if len(here.live):
                met = torch.cat([part[at] for part in coefficients])[group]
                length = length + matrix_norm(met) * share * here.energy[0]
        result.append(length * WIDER + LOST)
    return result
