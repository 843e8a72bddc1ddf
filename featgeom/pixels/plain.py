"""Networks whose bounds would be another function's: refused before anything is computed."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32

BATCHES = 2, 3, 4  # beside one image alone
MOVED = 1e-5  # of the largest logit, by which an image's logits may differ with the size of its batch


def require_plain(network: nn.Module, x: Tensor, derivatives: bool = True) -> None:
    """Raise Unsupported where the size of a batch changes values, or derivatives are the network's own.

    ``x`` is one image (1, c, h, w). Few sizes are tried: what a network does for others is not known.
    """
    with torch.set_grad_enabled(derivatives), exact_float32(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a network that asks for numbers, which is refused elsewhere
        leaf = x.detach().clone().requires_grad_(True)
        alone: Tensor = network(leaf.clone())
        name = _own(alone) if derivatives else None
    if name is not None:
        raise Unsupported(
            f"no bounds: the network has a derivative of its own making ('{name}'), which need not be that "
            "of what it computes"
        )
    with torch.no_grad(), exact_float32():
        for n in BATCHES:
            try:
                values: Tensor = network(x.expand(n, *x.shape[1:]).clone())
            except RuntimeError as error:
                words = str(error).strip().splitlines()[0]
                raise Unsupported(f"no bounds: the network takes no batch of {n} images: {words}") from None
            moved = (values - alone.detach()).abs().amax() if values.shape[1:] == alone.shape[1:] else None
            if moved is None or moved > MOVED * alone.detach().abs().amax():
                raise Unsupported(
                    f"no bounds: what the network computes of an image is something else in a batch of {n}"
                )


def _own(values: Tensor) -> str | None:
    """The name of a function of the network's own among those that a backward pass would go through."""
    todo, seen = [values.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, BackwardCFunction):
            return type(node).__name__.removesuffix("Backward")
        seen.add(node)
        todo += [following for following, _ in node.next_functions]
    return None
