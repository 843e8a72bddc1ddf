"""The optimisers of the first paper, by name, and the normalised gradient descent of the theory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from featgeom.errors import BadArgument, nearest_name


class NormalisedGD(torch.optim.SGD):
    """Gradient descent along the gradient divided by its length over all parameters.

    The steps do not fade with the loss, so the direction converges far faster than by plain gradient descent
    (Nacson et al., arXiv 1803.01905).
    """

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; a gradient of zero leaves the parameters where they are."""
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
        if length > 0:
            for grad in grads:
                grad.div_(length)
        return super().step(closure)


OPTIMISERS: dict[str, Callable[[list[nn.Parameter], float, float], Optimizer]] = {
    "adam": lambda p, rate, decay: torch.optim.Adam(p, lr=rate, weight_decay=decay),
    "gd": lambda p, rate, decay: torch.optim.SGD(p, lr=rate, weight_decay=decay),
    "momentum": lambda p, rate, decay: torch.optim.SGD(p, lr=rate, momentum=0.9, weight_decay=decay),
    "normalised_gd": lambda p, rate, decay: NormalisedGD(p, lr=rate, weight_decay=decay),
    "rmsprop": lambda p, rate, decay: torch.optim.RMSprop(p, lr=rate, weight_decay=decay),
}


def make_optimiser(
    name: str, parameters: Iterable[nn.Parameter], rate: float, weight_decay: float = 0.0
) -> Optimizer:
    """The optimiser of that name; raises BadArgument with the nearest known one.

    >>> type(make_optimiser("rmsprop", nn.Linear(1, 1).parameters(), rate=0.1)).__name__
    'RMSprop'
    """
    if name not in OPTIMISERS:
        raise BadArgument(f"unknown optimiser '{name}'{nearest_name(name, list(OPTIMISERS))}")
    return OPTIMISERS[name](list(parameters), rate, weight_decay)
