"""The losses of the first paper, by name, on logits (n, C) and labels (n,): one value a sample, (n,)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from featgeom.errors import BadArgument, nearest_name

Loss = Callable[[Tensor, Tensor], Tensor]


def hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """The K-class hinge of Crammer and Singer: max over k ≠ y of (1 + l_k − l_y)₊.

    >>> hinge(torch.tensor([[0.5, 0.0]]), torch.tensor([0]))
    tensor([0.5000])
    """
    own = logits.gather(1, labels[:, None])
    rivals = logits.scatter(1, labels[:, None], float("-inf"))
    return functional.relu(1 + rivals.max(dim=1).values - own[:, 0])


def squared(logits: Tensor, labels: Tensor) -> Tensor:
    """Σ_k (l_k − [k = y])²."""
    return (logits - _one_hot(logits, labels)).square().sum(dim=1)


def absolute(logits: Tensor, labels: Tensor) -> Tensor:
    """Σ_k |l_k − [k = y]|."""
    return (logits - _one_hot(logits, labels)).abs().sum(dim=1)


def log(logits: Tensor, labels: Tensor) -> Tensor:
    """Σ_k of the binary log loss of the softmax: −log p_y − Σ_{k ≠ y} log(1 − p_k)."""
    own = functional.log_softmax(logits, dim=1)
    # 1 − p_k is the softmax mass of all others: a sum of exponentials, which no cancellation spoils.
    classes = logits.shape[1]
    others = logits[:, None, :].masked_fill(
        torch.eye(classes, dtype=torch.bool, device=logits.device), float("-inf")
    )
    rest = torch.logsumexp(others, dim=2) - torch.logsumexp(logits, dim=1, keepdim=True)
    target = _one_hot(logits, labels)
    return -(target * own + (1 - target) * rest).sum(dim=1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−log p_y of the softmax."""
    return functional.cross_entropy(logits, labels, reduction="none")


def log_of_mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The logarithm of the mean −log p_y: a gradient of the same direction, which never underflows.

    >>> log_of_mean_cross_entropy(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
    tensor(-1000.)
    """
    behind = logits - logits.gather(1, labels[:, None])
    rivals = torch.logsumexp(behind.scatter(1, labels[:, None], float("-inf")), dim=1)
    # log log(1 + e^b) is b − e^b/2 + ... for b far below 0, where float32 sees no more than b.
    near = rivals > -15
    each = torch.where(near, functional.softplus(rivals.where(near, 0)).log(), rivals)
    return torch.logsumexp(each, dim=0) - math.log(len(labels))


def _one_hot(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.one_hot(labels, logits.shape[1]).to(logits.dtype)


LOSSES: dict[str, Loss] = {
    "absolute": absolute,
    "cross_entropy": cross_entropy,
    "hinge": hinge,
    "log": log,
    "squared": squared,
}


def find_loss(name: str) -> Loss:
    """The loss of that name; raises BadArgument with the nearest known one.

    >>> find_loss("squared")(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
    tensor([1.])
    """
    if name not in LOSSES:
        raise BadArgument(f"unknown loss '{name}'{nearest_name(name, list(LOSSES))}")
    return LOSSES[name]
