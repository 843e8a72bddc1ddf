"""The classifier on pixel space: one normalisation, any container, differentiable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadData

PIXELS = fg.PixelSpec((3, 4, 4), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
BYTES = np.random.default_rng(0).integers(0, 256, (600, 3, 4, 4)).astype(np.uint8)


@pytest.fixture
def clf() -> fg.Classifier:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 7), nn.Tanh(), nn.Dropout(), nn.Linear(7, 3))
    return fg.load_classifier(net, pixels=PIXELS)


def test_normalisation_is_inside(clf: fg.Classifier) -> None:
    x = torch.from_numpy(BYTES).float() / 255
    normal = (x - torch.tensor(PIXELS.mean).view(-1, 1, 1)) / torch.tensor(PIXELS.std).view(-1, 1, 1)
    with torch.no_grad():
        expected = clf.tapped.module(normal).numpy()
    for images in (BYTES, torch.from_numpy(BYTES), x, x.numpy(), x.double()):
        np.testing.assert_allclose(clf.logits(images), expected, atol=1e-6)
    assert clf.features(BYTES[:0]).shape == (0, 7)


def test_backbone_is_differentiable_in_either_precision(clf: fg.Classifier) -> None:
    exact = clf.to(dtype=torch.float64)
    assert clf.dtype == torch.float32
    x = torch.from_numpy(BYTES[:2]).double() / 255
    x.requires_grad_()
    assert torch.autograd.gradcheck(exact.backbone, (x,))
    assert torch.autograd.gradcheck(exact.network, (x,))
    jacobian = torch.func.vmap(torch.func.jacrev(lambda image: exact.backbone(image[None])[0]))(x)
    assert jacobian.shape == (2, 7, 3, 4, 4)
    single = torch.autograd.functional.jacobian(lambda image: exact.backbone(image[None])[0], x[1].detach())
    torch.testing.assert_close(jacobian[1], single)
    np.testing.assert_allclose(exact.backbone(x).detach().numpy(), clf.features(BYTES[:2]), atol=1e-6)


def test_images_outside_pixel_space_are_refused(clf: fg.Classifier) -> None:
    x = BYTES[:2] / np.float32(255)
    with pytest.raises(BadData, match=r"outside of this classifier's bounds \[0, 1\] \(uint8 for values"):
        clf.features(BYTES[:2].astype(np.float32))
    with pytest.raises(BadData, match="NaN"):
        clf.features(np.where(x == x[0, 0, 0, 0], np.float32("nan"), x))
    with pytest.raises(BadData, match="expected uint8 or floats, got int64"):
        clf.features(BYTES.astype(np.int64))
    with pytest.raises(BadData, match=r"expected shape \(n, c, h, w\)"):
        clf.features(BYTES[0])
    with pytest.raises(BadArgument, match="device"):
        clf.to("no-such-device")


@pytest.mark.parametrize(
    ("arguments", "piece"),
    [
        ({"shape": (3, 4)}, "shape must be"),
        ({"bounds": (1, 0)}, "bounds must be"),
        ({"mean": (0.5,)}, "one of them is missing"),
        ({"shape": (3, 4, 4), "mean": (0.5,), "std": (0.5,)}, "1 means and 1 stds for 3 channels"),
        ({"mean": (0.5,), "std": (0.0,)}, "std positive"),
        ({"mean": (123.7,), "std": (58.4,)}, r"divide by 255 \(--mean 0.4851 --std 0.229\)"),
    ],
)
def test_pixel_spec_refuses_nonsense(arguments: dict[str, tuple[float, ...]], piece: str) -> None:
    with pytest.raises(BadArgument, match=piece):
        fg.PixelSpec(**arguments)


REAL = {
    "resnet20-12fca82f.th": ("cifar_resnet20", 64),
    "resnet32.safetensors": ("cifar_resnet32", 64),
    "lenet5_clean.safetensors": ("lenet5", 200),
    "lenet5_adversarial.safetensors": ("lenet5", 200),
    "cnn_small_clean.safetensors": ("cnn_small", 64),
    "cnn_a_adversarial.safetensors": ("cnn_a", 100),
}


@pytest.mark.parametrize("file", REAL)
def test_real_checkpoints(real_data: Path, file: str) -> None:
    arch, dimension = REAL[file]
    folder = real_data / "checkpoints"
    source = f"mnist:{real_data}/mnist" if arch == "lenet5" else f"cifar10:{real_data}/cifar10"
    images = fg.load_images(source, split="test").take(slice(500))
    name = arch if arch.startswith("cifar_") else f"{folder}/architectures.py:{arch}"
    clf = fg.load_classifier(folder / file, name, probe=images)
    assert clf.head.dimension == dimension
    assert clf.residual < 1e-4
    accuracy = (clf.logits(images.images).argmax(1) == images.labels).mean()
    assert accuracy > (0.65 if "cnn" in arch else 0.9)
