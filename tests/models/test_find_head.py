"""Whatever the last layers look like: W·φ(x) + b equals the logits, or the line says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import NoAffineHead, Unsupported
from featgeom.models.self_check import check_head
from featgeom.models.tape import tensors_returned
from featgeom.remarks import heard

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


class Reading(WithTrunk):
    """A last layer in one of the forms in which people write it; ``forms`` maps the features to logits."""

    forms: ClassVar[dict[str, tuple[int, Callable[[Any, Tensor, Tensor], Any]]]] = {
        "F.linear": (D, lambda net, z, x: functional.linear(z, net.w, net.b)),
        "matmul": (D, lambda net, z, x: z @ net.w.T + net.b),
        "mm": (D, lambda net, z, x: torch.mm(z, net.w.T)),
        "addmm": (D, lambda net, z, x: torch.addmm(net.b, z, net.w.T, alpha=2)),
        "einsum": (D, lambda net, z, x: torch.einsum("nd,cd->nc", z, net.w) - net.b),
        "some outputs": (D, lambda net, z, x: net.wide(z)[:, :C]),
        "chosen outputs": (D, lambda net, z, x: net.wide(z)[:, [1, 5, 7, 19]]),
        "scaled": (D, lambda net, z, x: 2 * net.fc(z)),
        "learned temperature": (D, lambda net, z, x: net.fc(z) / net.temperature.exp()),
        "vector scaling": (D, lambda net, z, x: net.fc(z) * net.b + net.w[:, 0]),
        "in place": (D, lambda net, z, x: net.fc(z).mul_(3).add_(net.b)),
        "into an array": (D, lambda net, z, x: into(torch.zeros(len(x), C), net.fc(z))),
        "batch normalisation behind": (D, lambda net, z, x: net.norm(net.fc(z))),
        "cosine": (D, lambda net, z, x: 16 * functional.linear(functional.normalize(z), net.w / net.w[0, 0])),
        "sum of two layers": (D, lambda net, z, x: net.fc(z) + functional.linear(z, net.w)),
        "mean of two readings": (2 * D, lambda net, z, x: (net.fc(z) + net.second(net.mid(x))) / 2),
        "stacked, averaged": (2 * D, lambda net, z, x: torch.stack([net.fc(z), net.mid(x) @ net.w.T]).sum(0)),
        "one token": (D, lambda net, z, x: net.fc(tokens(z))[:, 1]),
        "the only token": (D, lambda net, z, x: net.fc(z[:, None])[:, 0]),
        "the only token of a grid": (D, lambda net, z, x: net.fc(z[:, None, None])[:, 0, 0, :]),
        "mean of tokens": (D, lambda net, z, x: net.fc(tokens(z)).mean(1)),
        "tokens and an einsum": (
            2 * D, lambda net, z, x: net.fc(tokens(z)).mean(1) + torch.einsum("nd,cd->nc", z, net.w),
        ),
        "two tokens": (3 * D, lambda net, z, x: net.fc(tokens(z))[:, ::2].sum(1)),
        "convolution and mean": (64, lambda net, z, x: functional.conv2d(x, net.kernel).mean((2, 3))),
        "features, logits": (D, lambda net, z, x: (z, net.fc(z))),
        "embedding, logits": (D, lambda net, z, x: (net.mid(x), net.fc(net.embed(z)))),
        "logits, features": (D, lambda net, z, x: (net.fc(z), z)),
        "a dictionary": (D, lambda net, z, x: {"wide": net.wide(z), "logits": net.fc(z)}),
        "nested": (D, lambda net, z, x: {"out": [None, net.fc(z)], "n": len(z)}),
        "softmax at a temperature": (D, lambda net, z, x: (net.fc(z) / 3.7).softmax(1)),
    }  # fmt: skip

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.fc, self.wide, self.embed = nn.Linear(D, C), nn.Linear(D, 20), nn.Linear(D, D)
        self.second, self.norm = nn.Linear(D, C), nn.BatchNorm1d(C)
        self.mid = nn.Sequential(nn.Flatten(), nn.Linear(64, D), nn.ReLU())
        self.w, self.b = nn.Parameter(torch.randn(C, D)), nn.Parameter(torch.randn(C))
        self.kernel = nn.Parameter(torch.randn(C, 1, 3, 3))
        self.temperature = nn.Parameter(torch.tensor(0.7))
        nn.init.uniform_(self.norm.running_var, 1, 3)

    def forward(self, x: Tensor) -> Any:
        return self.forms[self.form][1](self, self.trunk(x).mean((2, 3)), x)


def into(array: Tensor, logits: Tensor) -> Tensor:
    array[:, 1:] = logits[:, 1:]
    return array


def tokens(z: Tensor) -> Tensor:
    return torch.stack([z, z.square(), z.sin()], 1)


@pytest.mark.parametrize("form", Reading.forms)
def test_whatever_reads_the_features_is_the_head(form: str) -> None:
    torch.manual_seed(3)
    net = Reading(form).eval()
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    assert clf.head.dimension == Reading.forms[form][0]
    features, logits = clf.features(IMAGES), clf.logits(IMAGES)
    np.testing.assert_allclose(clf.head.logits(features), logits, atol=1e-5)
    output = net(torch.from_numpy(IMAGES))
    own = next(part for part in tensors_returned(output).values() if part.shape[1] == C).detach()
    if form.endswith("logits"):
        own = output[1].detach()
    given = torch.tensor(logits).softmax(1).numpy() if "softmax" in form else logits
    np.testing.assert_allclose(given, own.numpy(), atol=1e-5)
    assert clf.check.disagreements == 0
    image = torch.from_numpy(IMAGES[:2]).requires_grad_()
    (slope,) = torch.autograd.grad(clf.backbone(image).sum(), image)
    assert slope.abs().sum() > 0


def test_weights_are_those_of_the_checkpoint_to_the_bit() -> None:
    net = Reading("scaled").eval()
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    np.testing.assert_array_equal(clf.head.weight, 2 * net.fc.weight.detach().double().numpy())
    np.testing.assert_array_equal(clf.head.bias, 2 * net.fc.bias.detach().double().numpy())
    net = Reading("matmul").eval()
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
    np.testing.assert_array_equal(clf.head.weight, net.w.detach().numpy())
    np.testing.assert_array_equal(clf.head.bias, net.b.detach().numpy())


class OneLogit(PoolLinear):
    def __init__(self, ending: str) -> None:
        super().__init__(nn.Linear(D, 1))
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        logit = super().forward(x)
        return {"": logit, "flat": logit[:, 0], "sigmoid": logit.sigmoid().squeeze(1)}[self.ending]


@pytest.mark.parametrize("ending", ["", "flat", "sigmoid"])
def test_one_logit_is_two_classes(ending: str) -> None:
    net = OneLogit(ending).eval()
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)), classes=("no", "yes"))
    assert any("(0, l)" in note for note in clf.notes)
    layer = net.layers[0]
    np.testing.assert_array_equal(clf.head.weight, np.vstack([np.zeros(D), layer.weight.detach().numpy()]))
    np.testing.assert_array_equal(clf.head.bias, [0, layer.bias.item()])
    own = PoolLinear.forward(net, torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(clf.logits(IMAGES), np.hstack([0 * own, own]), atol=1e-6)


class Behind(PoolLinear):
    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(nn.Linear(D, C))
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(super().forward(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (functional.relu, r"behind Linear 'layers\.0' comes relu"),
        (lambda y: 30 * torch.tanh(y / 30), "comes div, tanh"),
        (lambda y: y * y.sigmoid(), "sigmoid"),
        (lambda y: y.clamp(-1e-3, 1e-3), "clamp"),
        (lambda y: (2 * y).softmax(1).sqrt(), "it is not the softmax"),
        (lambda y: y / y.norm(dim=1, keepdim=True), "norm"),
    ],
)
def test_what_is_not_affine_is_named(change: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(NoAffineHead, match=words) as caught:
        fg.load_classifier(Behind(change), probe=IMAGES)
    assert "\n" not in str(caught.value)
    assert "the logits themselves" in str(caught.value)


class NoReading(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)).expand(-1, C) ** 2


class NoLogits(WithTrunk):
    def forward(self, x: Tensor) -> Any:
        return {"map": self.trunk(x), "count": len(x)}


def test_no_head_at_all_is_said() -> None:
    with pytest.raises(NoAffineHead, match="no layer reads the features: the logits come from"):
        fg.load_classifier(NoReading(), probe=IMAGES)
    with pytest.raises(Unsupported, match="not one logit for each class"):
        fg.load_classifier(NoLogits(), probe=IMAGES)


class TwoHeads(WithTrunk):
    """Two outputs, neither of which is made of the other."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__(nn.Linear(D, widths[0]), nn.Linear(D, widths[1]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.trunk(x).mean((2, 3))
        return self.layers[0](z), self.layers[1](z)


TELLING = 3  # a seed of two heads that do not choose the same classes


def test_of_two_outputs_the_one_that_fits_is_taken_and_said() -> None:
    net = TwoHeads((7, C)).eval()
    assert fg.load_classifier(net, probe=IMAGES).head.classes == 7
    clf = fg.load_classifier(net, probe=IMAGES, classes=tuple("abcd"))
    assert clf.head.classes == C
    assert "output '1' (4 columns) is taken as the logits, not output '0' (7 columns)" in clf.notes[0]
    torch.manual_seed(TELLING)
    net = TwoHeads((C, C)).eval()
    with torch.no_grad():
        others, labels = (out.argmax(1).numpy() for out in net(torch.from_numpy(IMAGES)))
    assert (others != labels).any()
    images = fg.ImageSet(IMAGES, labels, tuple("abcd"), "made", "all")
    assert fg.load_classifier(net, probe=images).tap.output == "1"
    assert fg.load_classifier(net, probe=IMAGES).tap.output == "0"


class Restless(PoolLinear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.dropout(x, 0.3))


class Mixing(WithTrunk):
    def forward(self, x: Tensor) -> Tensor:
        z = self.layers[0](self.trunk(x).mean((2, 3)))
        return self.layers[1](z)


def test_a_network_that_is_no_function_of_the_image_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"from pass to pass \(dropout in '' draws random numbers\)"):
        fg.load_classifier(Restless(nn.Linear(D, C)), probe=IMAGES)
    mixing = Mixing(nn.BatchNorm1d(D, track_running_stats=False), nn.Linear(D, C))
    with pytest.raises(Unsupported, match=r"beside it in the batch.*batch_norm in 'layers\.0' takes mean"):
        fg.load_classifier(mixing, probe=IMAGES)


class BlownUp(PoolLinear):
    """Logits that float32 moves by as much as they differ, by the number of images, as rounding does."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + 0.5 * len(x) if y.dtype == torch.float32 else y


def test_rounding_alone_is_said_and_not_called_a_dependence() -> None:
    lines: list[str] = []
    with heard(lines.append, alone=True):
        clf = fg.load_classifier(BlownUp(nn.Linear(D, C)).eval(), probe=IMAGES)
    assert clf.head.dimension == D
    assert any("rounding moves an image's logits by " in line for line in lines)


class Small(PoolLinear):
    """Logits of 1e-4, behind which something changes them by as much, only for some images."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + 5e-5 * torch.sign(x[:, 0, 0, :1] - 0.5)


def test_the_self_check_is_beside_the_spread() -> None:
    layer = nn.Linear(D, C, bias=False)
    nn.init.normal_(layer.weight, std=2e-5)
    with pytest.raises(NoAffineHead):
        fg.load_classifier(Small(layer), probe=IMAGES)
    zero = nn.Linear(D, C)
    nn.init.zeros_(zero.weight)
    nn.init.zeros_(zero.bias)
    assert fg.load_classifier(PoolLinear(zero), probe=IMAGES).residual == 0


def test_another_class_is_counted() -> None:
    head = fg.AffineHead([[1.0, 0.0], [0.0, 1.0]])
    features = np.float32([[1, 0], [1, 1 + 1e-6], [0, 1]])
    logits = np.float32([[1, 0], [1 + 3e-6, 1], [0, 1]])
    check = check_head(features, logits, head)
    assert check.passes
    assert check.disagreements == 1
    assert "BUT ANOTHER CLASS on 1 of 3" in check.describe()
    assert (check | check).images == 6


def test_shape_is_found_or_left_free() -> None:
    assert fg.load_classifier(HEADS["linear classifier"][0]).pixels.shape == (1, 8, 8)
    assert fg.load_classifier(HEADS["pool, linear"][0]).pixels.shape is None
    assert fg.load_classifier(HEADS["pool, linear"][0], probe=IMAGES).pixels.shape == (1, 8, 8)
