"""Architectures of the reference networks: small, of a chosen feature dimension, trained by `featgeom train`.

Every builder takes plain numbers and strings, so that a checkpoint can hold them, and returns a network whose
last layer is affine.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from featgeom.errors import BadArgument, nearest_name


class Square(nn.Module):
    """The activation t ↦ t²."""

    def forward(self, t: Tensor) -> Tensor:
        """Squares every entry."""
        return t * t


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "softsign": nn.Softsign,
    "square": Square,
    "tanh": nn.Tanh,
}


def find_activation(name: str) -> nn.Module:
    """The activation of that name.

    >>> find_activation("square")(torch.tensor([-3.0]))
    tensor([9.])
    """
    if name not in ACTIVATIONS:
        raise BadArgument(f"activation '{name}' is unknown" + nearest_name(name, list(ACTIVATIONS)))
    return ACTIVATIONS[name]()


def digits_cnn(classes: int = 10, features: int = 32) -> nn.Module:
    """Two convolutions and a hidden layer of non-negative features, for 8 × 8 grey images.

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
    inputs: int = 2,
    hidden: int = 2000,
    features: int = 2,
    classes: int = 2,
    activation: str = "relu",
    bias: bool = True,
) -> nn.Module:
    """Two hidden layers, the second of ``features`` units: the first paper's 2 → 2000 → 2 → C.

    Without ``bias``, in any layer, and with ReLU it is homogeneous in its weights, as theory wants it.

    >>> mlp(classes=3)(torch.zeros(5, 1, 1, 2)).shape
    torch.Size([5, 3])
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden, bias),
        find_activation(activation),
        nn.Linear(hidden, features, bias),
        find_activation(activation),
        nn.Linear(features, classes, bias),
    )


class Residual(nn.Module):
    """Two normalised convolutions around a shortcut, which is a 1 × 1 convolution where shapes differ."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, t: Tensor) -> Tensor:
        """(n, channels_in, h, w) → (n, channels, h / stride, w / stride)."""
        return nn.functional.relu(self.inner(t) + self.shortcut(t))


def small_resnet(
    channels: int = 1,
    classes: int = 2,
    features: int = 2,
    width: int = 8,
    activation: str = "relu",
    stride: int = 1,
) -> nn.Module:
    """A residual net of three stages behind a ``stride``, then a hidden layer of ``features`` units.

    >>> small_resnet(classes=3)(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 3])
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Residual(width, width, 1),
        Residual(width, 2 * width, 2),
        Residual(2 * width, 4 * width, 2),
        *_hidden_layer_and_head(4 * width, features, classes, activation),
    )


class DenseLayer(nn.Module):
    """A normalised convolution whose output is put beside its input."""

    def __init__(self, channels_in: int, growth: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.BatchNorm2d(channels_in), nn.ReLU(), nn.Conv2d(channels_in, growth, 3, padding=1, bias=False)
        )

    def forward(self, t: Tensor) -> Tensor:
        """(n, channels_in, h, w) → (n, channels_in + growth, h, w)."""
        return torch.cat([t, self.inner(t)], dim=1)


def small_densenet(
    channels: int = 1,
    classes: int = 2,
    features: int = 2,
    depth: int = 13,
    growth: int = 12,
    activation: str = "relu",
) -> nn.Module:
    """A DenseNet of three blocks, ``depth`` = 3·layers + 4 in all, then a hidden layer of ``features``.

    The first paper's has depth 40 and growth 12.

    >>> small_densenet(channels=3)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 2])
    """
    if depth < 7 or (depth - 4) % 3:
        raise BadArgument(f"small_densenet: depth must be 3·layers + 4 (7, 10, 13, ..., 40), got {depth}")
    width = 2 * growth
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    for block in range(3):
        if block:
            layers += [
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 1, bias=False),
                nn.AvgPool2d(2),
            ]
        for _ in range((depth - 4) // 3):
            layers.append(DenseLayer(width, growth))
            width += growth
    layers += [nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, *_hidden_layer_and_head(width, features, classes, activation))


def _hidden_layer_and_head(width: int, features: int, classes: int, activation: str) -> list[nn.Module]:
    return [
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, features),
        find_activation(activation),
        nn.Linear(features, classes),
    ]


class Asymmetric(nn.Module):
    """Two logits from different layers: one from 1,500 hidden units, one from 500 others and the raw input.

    Its features are all of these together, and zeros of the head, which stay zeros, hold them apart.
    """

    def __init__(self, inputs: int, first: int, second: int, activation: str) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, first + second), find_activation(activation)
        )
        self.head = nn.Linear(first + second + inputs, 2)
        mask = torch.zeros(2, first + second + inputs)
        mask[0, :first] = 1
        mask[1, first:] = 1
        with torch.no_grad():
            self.head.weight.mul_(mask)
        self.head.weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))

    def forward(self, t: Tensor) -> Tensor:
        """(n, c, h, w) → (n, 2)."""
        return self.head(torch.cat([self.hidden(t), t.flatten(1)], dim=1))


def asymmetric(inputs: int = 2, first: int = 1500, second: int = 500, activation: str = "relu") -> nn.Module:
    """The first paper's network whose two logits do not share their hidden units.

    >>> asymmetric()(torch.zeros(4, 1, 1, 2)).shape
    torch.Size([4, 2])
    """
    return Asymmetric(inputs, first, second, activation)


REFERENCE: dict[str, Callable[..., nn.Module]] = {
    "asymmetric": asymmetric,
    "digits_cnn": digits_cnn,
    "mlp": mlp,
    "small_densenet": small_densenet,
    "small_resnet": small_resnet,
}
