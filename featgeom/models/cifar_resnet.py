"""The residual networks for CIFAR of He et al. (arXiv 1512.03385, section 4.2), with option-A shortcuts."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from featgeom.errors import BadArgument


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters.

    Where the number of channels doubles, the shortcut takes every second pixel and adds channels of zeros,
    half of them before and half after.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.extra = channels - channels_in

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) → (n, channels, h / stride, w / stride)."""
        shortcut = x
        if self.extra or self.stride != 1:
            before = self.extra // 2
            shortcut = x[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, before, self.extra - before))
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + shortcut)


class CifarResNet(nn.Module):
    """Three stages of ``blocks`` basic blocks at 16, 32 and 64 channels: 64 features."""

    def __init__(self, blocks: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, stride=1)
        self.layer2 = self._stage(16, 32, blocks, stride=2)
        self.layer3 = self._stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, num_classes)

    @staticmethod
    def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [BasicBlock(channels, channels, 1) for _ in range(blocks - 1)]
        return nn.Sequential(BasicBlock(channels_in, channels, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) → logits (n, classes)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.mean(x, dim=(2, 3)))


def cifar_resnet(depth: int, num_classes: int = 10) -> CifarResNet:
    """The network of ``depth`` = 6·blocks + 2 layers.

    >>> sum(p.numel() for p in cifar_resnet(20).parameters())
    269722
    """
    if depth < 8 or (depth - 2) % 6:
        raise BadArgument(f"cifar_resnet: depth must be 6·blocks + 2 (20, 32, 44, ...), got {depth}")
    return CifarResNet((depth - 2) // 6, num_classes)


def of_depth(depth: int) -> partial[CifarResNet]:
    """The factory of one depth, which still takes ``num_classes``."""
    return partial(cifar_resnet, depth)
