"""ONNX files of both exporters give the features of the network itself, and of onnxruntime."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import FeatgeomError, Unsupported

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")  # of the new exporter
onnxruntime = pytest.importorskip("onnxruntime")
IMAGES = np.random.default_rng(0).random((6, 3, 16, 16), np.float32)
SPEC = fg.PixelSpec((3, 16, 16))


class Residual(nn.Module):
    """Strides, batch norm, a shortcut, global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.inner = nn.Sequential(
            nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.BatchNorm2d(6), nn.LeakyReLU(0.1)
        )
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.max_pool2d(self.stem(x), 3, 2, 1)
        return self.head(functional.adaptive_avg_pool2d(y + self.inner(y), 1).flatten(1))


class Attention(nn.Module):
    """Patches, a class token, layer norm, softmax, gelu."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.mixed = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], dim=1)
        q, k, v = self.mixed(self.norm(y)).chunk(3, dim=-1)
        y = y + (q @ k.transpose(-2, -1) / 8**0.5).softmax(dim=-1) @ v
        return self.head(functional.gelu(y)[:, 0])


class Gates(nn.Module):
    """Hard activations, squeeze and excitation, depthwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Conv2d(3, 6, 5, padding=2, groups=3)
        self.gate = nn.Conv2d(6, 6, 1)
        self.last = nn.Sequential(
            nn.Flatten(), nn.Linear(6 * 16, 7), nn.Hardswish(), nn.Dropout(0.5), nn.Linear(7, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.deep(x))
        y = y * functional.hardsigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        return self.last(functional.avg_pool2d(functional.relu6(y), 4))


class Shuffled(nn.Module):
    """Splits, channel shuffles, group norm, padding, a 1 × 1 convolution for a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.norm = nn.GroupNorm(2, 8)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.first(functional.pad(x, (1, 0, 1, 0))))
        a, b = y.split(4, dim=1)
        y = torch.cat([torch.tanh(b), functional.elu(a)], dim=1)
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(y.clamp(-1, 1)).mean((2, 3))


class Plain(nn.Module):
    """Layers of full connection alone, in other clothes: a product, a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(768, 9)
        self.weight = nn.Parameter(torch.randn(9, 4))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return functional.softplus(self.first(x.flatten(1))) @ self.weight + self.bias


KINDS = (Residual, Attention, Gates, Shuffled, Plain)


def made(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(5)
    return kind().eval()


def export(module: nn.Module, path: Path, new: bool, batch: int | None = None) -> Path:
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = torch.rand(batch or 4, 3, 16, 16)
            if new:
                free = None if batch else ({0: torch.export.Dim("n", min=1)},)
                torch.onnx.export(module, (images,), path, dynamo=True, dynamic_shapes=free, verbose=False)
            else:
                axes = None if batch else {"x": {0: "n"}}
                torch.onnx.export(module, (images,), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    finally:
        logging.disable(logging.NOTSET)
    return path


@pytest.mark.parametrize("new", [False, True], ids=["old exporter", "new exporter"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_onnx_file_is_the_network(kind: type[nn.Module], new: bool, tmp_path: Path) -> None:
    network = made(kind)
    path = export(network, tmp_path / "net.any", new)
    clf = fg.load_classifier(path)
    whole = fg.load_classifier(network, pixels=SPEC)
    assert clf.pixels.shape == (3, 16, 16)
    for ours, theirs in ((clf.features, whole.features), (clf.logits, whole.logits)):
        wanted = theirs(IMAGES)
        np.testing.assert_allclose(ours(IMAGES), wanted, atol=1e-4 * np.abs(wanted).max())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: IMAGES})
    np.testing.assert_allclose(clf.logits(IMAGES), logits, atol=1e-4 * np.abs(logits).max())
    np.testing.assert_allclose(
        clf.head.logits(clf.features(IMAGES)), logits, atol=1e-4 * np.abs(logits).max()
    )


def test_an_onnx_file_has_derivatives(tmp_path: Path) -> None:
    network = made(Residual)
    clf = fg.load_classifier(export(network, tmp_path / "net", False))
    x, y = (torch.tensor(IMAGES, requires_grad=True) for _ in range(2))
    clf.network(x).square().sum().backward()
    network(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_one_size_of_batch(tmp_path: Path) -> None:
    network = made(Gates)
    clf = fg.load_classifier(export(network, tmp_path / "net", False, batch=4))
    whole = fg.load_classifier(network, pixels=SPEC)
    np.testing.assert_allclose(clf.features(IMAGES), whole.features(IMAGES), atol=1e-5)


def test_files_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(made(Plain), tmp_path / "net", False)
    model = onnx.load(str(path))
    model.graph.node[-1].op_type = "If"
    onnx.save(model, str(tmp_path / "if.onnx"))
    with pytest.raises(Unsupported, match="operator 'If', which is not run here"):
        fg.load_classifier(tmp_path / "if.onnx")
    model = onnx.load(str(path))
    first = model.graph.initializer[0]
    first.ClearField("raw_data")
    first.data_location = onnx.TensorProto.EXTERNAL
    first.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "out.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FeatgeomError, match="which is not there"):
        fg.load_classifier(tmp_path / "out.onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match=r"pip install 'featgeom\[onnx\]'"):
        fg.load_classifier(path)
    assert "net" in os.listdir(tmp_path)


def test_cut_files_are_one_line(tmp_path: Path) -> None:
    whole = export(made(Residual), tmp_path / "net", False).read_bytes()
    for length in np.random.default_rng(0).integers(3, len(whole), 15):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(FeatgeomError) as caught:
            fg.load_classifier(tmp_path / "cut")
        assert "\n" not in str(caught.value)
