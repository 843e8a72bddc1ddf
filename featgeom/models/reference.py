"""Architectures of the reference networks: small, of a chosen feature dimension, trained by `featgeom train`.

Every builder takes plain numbers and strings, so that a checkpoint can hold them, and returns a network whose
last layer is affine.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from featgeom.errors import BadArgument, nearest_name


class Square(nn.Module):
    """The activation t ↦ t²."""

    def forward(self, t: Tensor) -> Tensor:
        """Squares every entry."""
        return t * t


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "softsign": nn.Softsign,
    "square": Square,
    "tanh": nn.Tanh,
}


def find_activation(name: str) -> nn.Module:
    """The activation of that name.

    >>> import torch
    >>> find_activation("square")(torch.tensor([-3.0]))
    tensor([9.])
    """
    if name not in ACTIVATIONS:
        raise BadArgument(f"activation '{name}' is unknown" + nearest_name(name, list(ACTIVATIONS)))
    return ACTIVATIONS[name]()


def digits_cnn(classes: int = 10, features: int = 32) -> nn.Module:
    """Two convolutions and a hidden layer of non-negative features, for 8 × 8 grey images.

    >>> import torch
    >>> digits_cnn()(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 10])
    """
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, features),
        nn.ReLU(),
        nn.Linear(features, classes),
    )


def mlp(
    inputs: int = 2, hidden: int = 2000, features: int = 2, classes: int = 2, activation: str = "relu"
) -> nn.Module:
    """Two hidden layers, the second of ``features`` units: the first paper's 2 → 2000 → 2 → C.

    >>> import torch
    >>> mlp(classes=3)(torch.zeros(5, 1, 1, 2)).shape
    torch.Size([5, 3])
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden),
        find_activation(activation),
        nn.Linear(hidden, features),
        find_activation(activation),
        nn.Linear(features, classes),
    )


REFERENCE: dict[str, Callable[..., nn.Module]] = {"digits_cnn": digits_cnn, "mlp": mlp}
