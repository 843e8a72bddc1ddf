"""A network as a table of layers makes of an image what the network makes of it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import Unsupported
from featgeom.exact.images import Ball
from featgeom.exact.layers import read_layers
from featgeom.exact.relaxing import Relaxation
from featgeom.pixels.lowering import lower


class Calls(nn.Module):
    """Whatever a function does."""

    def __init__(self, do):
        super().__init__()
        self.do = do

    def forward(self, x):
        return self.do(x)


def norm(channels):
    layer = nn.BatchNorm2d(channels)
    layer.running_mean.uniform_(-1, 1)
    layer.running_var.uniform_(0.1, 2)
    nn.init.uniform_(layer.weight, -2, 2)
    nn.init.uniform_(layer.bias)
    return layer


class Shortcut(nn.Module):
    """A block of a residual network whose shortcut loses every other place, and gains channels of zeros."""

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1, bias=False), norm(5), nn.ReLU(inplace=True))

    def forward(self, x):
        short = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        return functional.relu(self.main(x) + short).mean((2, 3))


def added(x):
    x += 0.25
    x = torch.cat([x, -x, 2 - x], 1)
    x = x * torch.arange(1.0, 10.0, dtype=x.dtype).view(1, 9, 1, 1) / 3 - torch.ones(
        1, 1, 1, 8, dtype=x.dtype
    )
    return functional.leaky_relu(x - x.flip(1), 0.2).flatten(1)


NETWORKS = {
    "affine": lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 3, bias=False)),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(3, 6, (3, 5), (2, 1), (1, 2), groups=3),
        nn.LeakyReLU(0.1),
        nn.Conv2d(6, 4, 2, dilation=2),
        nn.Flatten(),
    ),
    "pooling": lambda: nn.Sequential(
        nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(2, 1, 0, 2), nn.Flatten()
    ),
    "average without the rim": lambda: nn.Sequential(
        nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Flatten()
    ),
    "global": lambda: nn.Sequential(norm(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout()),
    "uneven": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten()),
    "shortcut": Shortcut,
    "constants": lambda: Calls(added),
    "reversed": lambda: Calls(lambda x: x.flip(1).sum((2, 3)).relu_()),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_makes_what_the_network_makes(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().double().eval()
    told = lower(network, (3, 8, 8))
    layers = read_layers(told.table, told.numbers, told.index, 192)
    for x in torch.rand(3, 1, 3, 8, 8, dtype=torch.float64):
        with torch.no_grad():
            wanted = network(x.clone())[0].numpy()
        bounds = Relaxation(layers, Ball(x.flatten().numpy(), 0.0, 0.0, 1.0, 2))
        low, high = bounds.ends[-1]
        assert len(wanted) == layers[-1].size
        assert (high - low).max() < 1e-9
        assert ((low - 1e-12 <= wanted) & (wanted <= high + 1e-12)).all()


def test_only_what_leads_to_the_features_is_kept():
    def twice(x):
        torch.sigmoid(x)  # leads nowhere
        functional.relu(x)
        return x.flatten(1) * 2

    told = lower(Calls(twice).double().eval(), (1, 2, 2))
    assert len(told.table) == 1
    assert told.numbers.dtype == np.float32


REFUSED = {
    "sigmoid": lambda x: torch.sigmoid(x).flatten(1),
    "softplus": lambda x: functional.softplus(x).flatten(1),
    "mul": lambda x: (x * x).flatten(1),
    "__getitem__": lambda x: x[:, 0].flatten(1) if x.mean() > 2 else x.flatten(1),
    "max_pool2d": lambda x: functional.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1),
    "pad": lambda x: functional.pad(x, (1, 1), value=0.5).flatten(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_does_is_named(name):
    with pytest.raises(Unsupported, match="no proof"):
        lower(Calls(REFUSED[name]).double().eval(), (1, 4, 4))


def test_the_features_of_the_built_in_network_are_those_of_the_table():
    classifier = fg.load_classifier("digits")
    images = fg.load_splits("digits")["test"].pixels(slice(3))
    told = lower(classifier.to(dtype=torch.float64).backbone, images.shape[1:])
    layers = read_layers(told.table, told.numbers, told.index, images[0].size)
    for image, features in zip(images, classifier.features(images), strict=True):
        low, high = Relaxation(layers, Ball(image.ravel().astype(float), 0.0, 0.0, 1.0, 2)).ends[-1]
        assert np.abs((low + high) / 2 - features).max() < 1e-5 * np.abs(features).max()
