"""Whatever the last layers look like: W·φ(x) + b equals the logits, or the line says why not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import NoAffineHead, Unsupported

D, C = 6, 4
IMAGES = np.random.default_rng(1).random((300, 1, 8, 8)).astype(np.float32)


def trunk() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, D, 3, stride=2), nn.BatchNorm2d(D), nn.ReLU())


class WithTrunk(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk()
        self.layers = nn.ModuleList(layers)


class PoolLinear(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](self.trunk(x).mean((2, 3)))


class ConvAfterPool(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](functional.adaptive_avg_pool2d(self.trunk(x), 1)).flatten(1)


class ConvBeforePool(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](self.trunk(x)).mean((2, 3))


class TwiceUsed(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        first = self.layers[0](self.trunk(x).mean((2, 3)))
        return self.layers[0](functional.relu(first))


class OwnHead(nn.Module):
    """An affine map that no layer of torch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(D, C))

    def forward(self, x: Tensor) -> Tensor:
        return 3 * (x @ self.matrix) + 1


class LogSoftmax(PoolLinear):
    def forward(self, x: Tensor) -> Tensor:
        return functional.log_softmax(super().forward(x), dim=1)


class TupleOutput(PoolLinear):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x), x


class KeywordCall(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](input=self.trunk(x).mean((2, 3)))


HEADS = {
    "pool, linear": (PoolLinear(nn.Linear(D, C)), "layers.0", D),
    "linear without bias": (PoolLinear(nn.Linear(D, C, bias=False)), "layers.0", D),
    "1x1 convolution after pooling": (ConvAfterPool(nn.Conv2d(D, C, 1)), "layers.0", D),
    "1x1 convolution before pooling": (ConvBeforePool(nn.Conv2d(D, C, 1)), "layers.0", D),
    "convolution over the whole map": (nn.Sequential(trunk(), nn.Conv2d(D, C, 3), nn.Flatten()), "1", D * 9),
    "one layer, two calls": (TwiceUsed(nn.Linear(D, D)), "layers.0", D),
    "own layer": (PoolLinear(OwnHead()), "layers.0", D),
    "dropout before": (PoolLinear(nn.Sequential(nn.Dropout(0.5), nn.Linear(D, C))), "layers.0.1", D),
    "softmax module": (nn.Sequential(PoolLinear(nn.Linear(D, C)), nn.Softmax(dim=1)), "0.layers.0", D),
    "functional log_softmax": (LogSoftmax(nn.Linear(D, C)), "layers.0", D),
    "tuple": (TupleOutput(nn.Linear(D, C)), "layers.0", D),
    "keyword argument": (KeywordCall(nn.Linear(D, C)), "layers.0", D),
    "linear classifier": (nn.Sequential(nn.Flatten(), nn.Linear(64, C)), "1", 64),
}


@pytest.mark.parametrize("probe", [None, IMAGES], ids=["noise", "images"])
@pytest.mark.parametrize("case", HEADS)
def test_head_reproduces_the_logits(case: str, probe: np.ndarray | None) -> None:
    module, layer, dimension = HEADS[case]
    module.train()
    clf = fg.load_classifier(module, pixels=fg.PixelSpec((1, 8, 8)), probe=probe)
    assert (clf.tap.layer, clf.head.dimension) == (layer, dimension)
    assert not any(part.training for part in clf.tapped.modules())
    features, logits = clf.features(IMAGES), clf.logits(IMAGES)
    assert features.shape == (300, dimension)
    assert features.dtype == logits.dtype == np.float32
    np.testing.assert_allclose(clf.head.logits(features), logits, atol=1e-5)
    with torch.no_grad():
        output = module(torch.from_numpy(IMAGES))
    output = output[0] if isinstance(output, tuple) else output
    undo = {"logits": logits, "softmax": torch.tensor(logits).softmax(1).numpy()}
    undo["log_softmax"] = torch.tensor(logits).log_softmax(1).numpy()
    np.testing.assert_allclose(undo[clf.tap.ending], output.numpy(), atol=1e-5)
    if "softmax" in case:
        assert "whose input is taken as the logits" in clf.tap.describe()


def test_last_call_of_a_shared_layer_is_the_head() -> None:
    clf = fg.load_classifier(HEADS["one layer, two calls"][0], pixels=fg.PixelSpec((1, 8, 8)))
    assert clf.tap.call == 1
    assert clf.features(IMAGES).min() >= 0


class Scaled(PoolLinear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class ScaledSoftmax(PoolLinear):
    """Saturated, so that every probability is near 0 or 1 whatever the scale is."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.softmax(2 * super().forward(x), dim=1)


class ReluLogits(PoolLinear):
    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(super().forward(x))


class Functional(WithTrunk):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(C, D))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.trunk(x).mean((2, 3)), self.weight)


def test_no_affine_head_names_the_candidates() -> None:
    for module in (Scaled(nn.Linear(D, C)), ReluLogits(nn.Linear(D, C))):
        with pytest.raises(
            NoAffineHead, match=r"tried: Linear 'layers\.0' misses them by [0-9.e-]+ \(largest"
        ):
            fg.load_classifier(module, probe=IMAGES)
    saturated = nn.Linear(D, C)
    nn.init.constant_(saturated.weight, 0.0)
    saturated.bias = nn.Parameter(torch.tensor([30.0, 0.0, 0.0, -1.0]))
    with pytest.raises(NoAffineHead, match=r"tried: Linear 'layers\.0' misses them by"):
        fg.load_classifier(ScaledSoftmax(saturated), probe=IMAGES)
    with pytest.raises(NoAffineHead, match="no Linear layer or convolution"):
        fg.load_classifier(Functional(), probe=IMAGES)
    with pytest.raises(Unsupported, match="not one logit for each of two classes"):
        fg.load_classifier(PoolLinear(nn.Linear(D, 1)), probe=IMAGES)


def test_shape_is_found_or_left_free() -> None:
    assert fg.load_classifier(HEADS["linear classifier"][0]).pixels.shape == (1, 8, 8)
    assert fg.load_classifier(HEADS["pool, linear"][0]).pixels.shape is None
    assert fg.load_classifier(HEADS["pool, linear"][0], probe=IMAGES).pixels.shape == (1, 8, 8)
