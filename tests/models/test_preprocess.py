"""Pictures enter a published network exactly as its own source lets them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import featgeom as fg
from featgeom.data.decoding import decode
from featgeom.data.pictures import Picture
from featgeom.errors import BadArgument, NoAffineHead
from featgeom.models.zoos import ZOOS, load_pretrained
from featgeom.preprocess import Preprocess, parse_preprocess, preprocess_from_json, square

pytestmark = pytest.mark.usefixtures("torchvision_operators")

SIZES = [(30, 40), (333, 500), (500, 334), (257, 256), (64, 64), (700, 90)]  # (width, height)


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Coarse blobs under fine noise, so that every way of resizing gives something else."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).resize(size)
    noise = rng.integers(-40, 40, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(coarse, int) + noise).clip(0, 255).astype(np.uint8))


def entering(spec: fg.PixelSpec, image: Image.Image) -> np.ndarray:
    """What reaches the network itself: pixels made, then normalised."""
    from featgeom.models.tap import Normalise

    pixels = decode([Picture("made", lambda: image)], spec.preprocess)
    return Normalise(spec)(torch.from_numpy(pixels) / 255)[0].numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "changes",
    [
        {"input_size": (3, 64, 64), "crop_pct": 0.875, "interpolation": "bicubic"},
        {"input_size": (3, 64, 64), "crop_pct": 0.95, "interpolation": "bilinear"},
        {"input_size": (3, 64, 64), "crop_pct": 1.0, "interpolation": "lanczos"},
        {"input_size": (3, 64, 64), "crop_pct": 0.9, "crop_mode": "squash", "interpolation": "bicubic"},
        {"input_size": (3, 64, 64), "crop_pct": 0.9, "crop_mode": "border", "interpolation": "bilinear"},
        {"input_size": (3, 48, 64), "crop_pct": 0.9, "interpolation": "bicubic"},
    ],
)
def test_pixels_are_those_of_timm(changes: dict[str, Any], size: tuple[int, int]) -> None:
    import timm

    from featgeom.models.zoos import _timm_pixels

    config = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3), **changes}
    spec = _timm_pixels(timm, config)
    data = timm.data.resolve_data_config(pretrained_cfg=config)
    own = timm.data.create_transform(**data)(picture(size)).numpy()
    np.testing.assert_allclose(entering(spec, picture(size)), own, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["resnet18", "inception_v3", "vit_b_16", "swin_t", "efficientnet_b1", "regnet_y_16gf"]
)
def test_pixels_are_those_of_torchvision(name: str) -> None:
    import torchvision

    from featgeom.models.zoos import _torchvision_pixels

    for weights in torchvision.models.get_model_weights(name):
        spec = _torchvision_pixels(weights)
        for size in SIZES:
            own = weights.transforms()(picture(size)).numpy()
            np.testing.assert_allclose(entering(spec, picture(size)), own, rtol=0, atol=1e-6)


# By name in transformers: what makes a small network of it, and its image processor.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ViT": (
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
         "image_size": 32, "patch_size": 8},
        {"size": {"height": 32, "width": 32}},
    ),
    "ConvNext": (
        {"hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2},
        {"size": {"shortest_edge": 48}, "crop_pct": 0.875},
    ),
    "EfficientNet": (
        {"width_coefficient": 0.25, "depth_coefficient": 0.1, "image_size": 64, "hidden_dim": 320},
        {"size": {"height": 64, "width": 64}, "rescale_offset": True, "rescale_factor": 1 / 127.5},
    ),
    "MobileViT": (
        {"hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 8, 16, 16, 16, 24]},
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    ),
    "MobileNetV2": (
        {"depth_multiplier": 0.35},
        {"size": {"shortest_edge": 80}, "crop_size": {"height": 64, "width": 64}},
    ),
}  # fmt: skip


def tiny(kind: str) -> Any:
    """A network of transformers with random weights."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(num_labels=5, **KINDS[kind][0])
    torch.manual_seed(0)
    return getattr(transformers, f"{kind}ForImageClassification")(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers_and_its_processor(kind: str, tmp_path: Path) -> None:
    import transformers

    module = tiny(kind)
    module.save_pretrained(tmp_path)
    processor = getattr(transformers, f"{kind}ImageProcessor")(**KINDS[kind][1])
    processor.save_pretrained(tmp_path)
    spec = load_pretrained(f"hf:{tmp_path}").pixels
    for size in SIZES[1:4]:
        own = processor(picture(size), return_tensors="pt")["pixel_values"]
        np.testing.assert_allclose(entering(spec, picture(size)), own[0].numpy(), rtol=0, atol=1e-5)
    clf = fg.load_classifier(f"hf:{tmp_path}")
    pixels = decode([Picture("made", lambda: picture(SIZES[1]))], clf.pixels.preprocess)
    with torch.no_grad():
        logits = module(processor(picture(SIZES[1]), return_tensors="pt")["pixel_values"]).logits.numpy()
    np.testing.assert_allclose(clf.logits(pixels), logits, rtol=0, atol=1e-5 * np.abs(logits).max())
    again = fg.PixelSpec.from_json(json.loads(json.dumps(clf.pixels.to_json())))
    np.testing.assert_array_equal(entering(again, picture(SIZES[2])), entering(clf.pixels, picture(SIZES[2])))


def test_a_folder_without_processor_is_said(tmp_path: Path) -> None:
    from featgeom.remarks import heard

    tiny("ConvNext").save_pretrained(tmp_path)
    lines: list[str] = []
    with heard(lines.append, alone=True):
        clf = fg.load_classifier(f"hf:{tmp_path}")
    assert clf.pixels.mean is None
    assert any("without preprocessor_config.json" in line and "--mean" in line for line in lines)


def folder(place: Path) -> Path:
    for label in ("tench", "goldfish"):
        (place / label).mkdir(parents=True)
        for i, size in enumerate(SIZES[1:4]):
            picture(size, len(label) + i).save(place / label / f"{i}.png")
    return place


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """torchvision:resnet18 with random weights where the package looks before it downloads."""
    import torchvision

    weights = torchvision.models.ResNet18_Weights.DEFAULT
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    torch.manual_seed(1)
    made = torchvision.models.resnet18().eval()
    torch.save(made.state_dict(), place / weights.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return made, weights


def test_a_run_takes_the_networks_own_way_and_is_made_again(tmp_path: Path, published: Any) -> None:
    from featgeom.remarks import heard
    from featgeom.runs.making import make_run
    from featgeom.runs.run import Run

    made, weights = published
    place = folder(tmp_path / "images")
    lines: list[str] = []
    with heard(lines.append, alone=True):
        run = make_run(tmp_path / "run", "torchvision:resnet18", f"folder:{place}")
    assert any("shorter side resized to 256 (bilinear, antialias), central 224x224" in line for line in lines)
    files = sorted(place.rglob("*.png"))
    with torch.no_grad():
        own = made(torch.stack([weights.transforms()(Image.open(file)) for file in files])).numpy()
    logits = run.features("all").logits
    np.testing.assert_allclose(logits, own, rtol=0, atol=1e-5 * np.abs(own).max())
    opened = Run(run.folder)
    assert opened.images("all").shape == (3, 224, 224)  # read again in the same way, or this raises
    assert opened.asked["data"]["preprocess"]["crop"] == [224, 224]
    other = make_run(tmp_path / "other", "torchvision:resnet18", f"folder:{place}@64")
    assert Run(other.folder).images("all").shape == (3, 64, 64)


def test_the_way_can_be_said(tmp_path: Path) -> None:
    place = folder(tmp_path / "images")
    assert fg.load_images(f"folder:{place}@resize=40,crop=32x24,interpolation=box").shape == (3, 32, 24)
    assert fg.load_images(f"folder:{place}@resize=32x24").shape == (3, 32, 24)
    assert fg.load_images(f"folder:{place}", preprocess=square(16)).shape == (3, 16, 16)
    for words, error in [
        ("size=3", "write @SIZE"),
        ("resize=0", "write @SIZE"),
        ("interpolation=cubic", "did you mean"),
    ]:
        with pytest.raises(BadArgument, match=error):
            fg.load_images(f"folder:{place}@{words}")
    way = parse_preprocess("resize=40,crop=32x24")
    assert preprocess_from_json(json.loads(json.dumps(way.to_json()))) == way
    with pytest.raises(BadArgument, match="unknown fit"):
        Preprocess((8, 8), None, fit="both")


def test_an_architecture_alone_brings_no_way() -> None:
    """The weights are somebody's own, and so is what they were trained on."""
    from featgeom.models.architectures import find_architecture

    assert find_architecture("torchvision:resnet18").pixels.preprocess is None
    assert set(ZOOS) == {"timm", "torchvision", "hf"}


def test_two_distilled_heads_are_one_over_the_joined_features() -> None:
    import transformers

    config = transformers.DeiTConfig(**{"num_labels": 5, **KINDS["ViT"][0]})
    torch.manual_seed(0)
    module = transformers.DeiTForImageClassificationWithTeacher(config).eval()
    clf = fg.load_classifier(module, pixels=fg.PixelSpec((3, 32, 32)))
    assert clf.head.dimension == 32
    assert clf.tap.output == "logits"
    heads = [
        layer.weight.detach().double().numpy() / 2
        for layer in (module.cls_classifier, module.distillation_classifier)
    ]
    np.testing.assert_array_equal(clf.head.weight, np.hstack(heads))


def test_squeezenet_is_refused_with_what_can_be_done() -> None:
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.squeezenet1_1(num_classes=5)
    with pytest.raises(
        NoAffineHead, match=r"1x1 convolution 'classifier\.1'.* comes relu.*logits themselves"
    ):
        fg.load_classifier(module, pixels=fg.PixelSpec((3, 64, 64)))
