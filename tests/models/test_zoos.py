"""Networks of other packages, and programs of torch.export, are networks like any other."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadCheckpoint, Unsupported
from featgeom.models.hub_pixels import hub_pixels
from featgeom.remarks import heard

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 64, 64)).astype(np.uint8)


pytestmark = pytest.mark.usefixtures("torchvision_operators")


def saved(module: nn.Module, path: Path) -> Path:
    torch.save(module.state_dict(), path)
    return path


@pytest.mark.parametrize("zoo", ["timm", "torchvision"])
def test_architecture_of_a_zoo(zoo: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm
        import torchvision
    made = {
        "timm": lambda: timm.create_model("resnet18", num_classes=7),
        "torchvision": lambda: torchvision.models.resnet18(num_classes=7),
    }[zoo]().eval()
    clf = fg.load_classifier(saved(made, tmp_path / "w.pth"), f"{zoo}:resnet18", probe=IMAGES)
    assert clf.head.weight.shape == (7, 512)  # as many classes as the file has, not the zoo's thousand
    assert clf.pixels.mean == pytest.approx((0.485, 0.456, 0.406))
    assert clf.arch_fingerprint.startswith(zoo)
    spec = clf.pixels
    x = (torch.tensor(IMAGES) / 255 - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[
        :, None, None
    ]
    with torch.no_grad():
        np.testing.assert_allclose(clf.logits(IMAGES), made(x).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("arch", "given", "shape"),
    [
        ("torchvision:vit_b_32", {"image_size": 64}, (3, 64, 64)),
        ("timm:resnet18", {"in_chans": 1, "base_width": 64}, (1, 64, 64)),
    ],
)
def test_arguments_reach_a_zoo(arch: str, given: dict[str, int], shape: tuple, tmp_path: Path) -> None:
    """A network of a zoo in another form than the one published: --arch-args."""
    import timm
    import torchvision

    zoo, _, name = arch.partition(":")
    make = timm.create_model if zoo == "timm" else torchvision.models.get_model
    path = saved(make(name, num_classes=3, **given), tmp_path / "w.pth")
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    clf = fg.load_classifier(path, arch, arch_args=given, pixels=fg.PixelSpec(shape), probe=images)
    assert clf.logits(images).shape == (2, 3)
    with pytest.raises(BadArgument, match="colour_depth"):
        fg.load_classifier(path, arch, arch_args={"colour_depth": 3}, pixels=fg.PixelSpec(shape))


@pytest.mark.parametrize("name", ["mnasnet0_5", "googlenet"])
def test_whatever_form_its_state_dict_has(name: str, tmp_path: Path) -> None:
    """mnasnet asks which version it is; googlenet is saved with its auxiliary branches or without."""
    import torchvision

    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    torch.manual_seed(0)
    made = torchvision.models.get_model(name, num_classes=5, **options).eval()
    clf = fg.load_classifier(saved(made, tmp_path / "w.pth"), f"torchvision:{name}", probe=IMAGES)
    own = fg.load_classifier(made, pixels=clf.pixels)
    np.testing.assert_array_equal(clf.logits(IMAGES), own.logits(IMAGES))
    assert clf.head.classes == 5


def test_a_torchvision_of_another_build_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    load = importlib.import_module

    def broken(name: str, package: str | None = None) -> Any:
        if name == "timm":
            raise RuntimeError("operator torchvision::nms does not exist")
        return load(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(Unsupported, match="install torchvision and timm from the same one"):
        fg.load_classifier("timm:resnet18")


def test_a_torchvision_that_transformers_stumbles_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports torchvision only when a network is asked for, and then says nothing of why."""
    import transformers

    def broken(name: str, **_: Any) -> Any:
        try:
            raise RuntimeError("operator torchvision::nms does not exist")
        except RuntimeError as error:
            raise ModuleNotFoundError("Could not import module 'ResNetForImageClassification'") from error

    monkeypatch.setattr(transformers.AutoModelForImageClassification, "from_pretrained", broken)
    with pytest.raises(Unsupported, match=r"nms does not exist.* install torchvision and transformers from"):
        fg.load_classifier("hf:some/network")


def test_published_weights_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    weights = torchvision.models.ResNet18_Weights.DEFAULT
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    made = torchvision.models.resnet18()
    saved(made, folder / weights.url.rpartition("/")[2])  # where the package looks before it downloads
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    clf = fg.load_classifier("torchvision:resnet18", probe=IMAGES)
    assert clf.weights_hash == fg.load_classifier(made, pixels=clf.pixels).weights_hash
    assert clf.classes[:2] == ("tench", "goldfish")


def test_published_weights_of_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from huggingface_hub import constants
    from safetensors.torch import save_file

    made = timm.create_model("resnet18")
    config = made.pretrained_cfg
    repository = tmp_path / ("models--" + config["hf_hub_id"].replace("/", "--"))
    commit = hashlib.sha1(b"ours").hexdigest()
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    save_file(made.state_dict(), repository / "snapshots" / commit / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    clf = fg.load_classifier("timm:resnet18", probe=IMAGES)
    assert clf.weights_hash == fg.load_classifier(made, pixels=clf.pixels).weights_hash


def test_published_weights_of_transformers(tmp_path: Path) -> None:
    import transformers

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], id2label={0: "cat", 1: "dog", 2: "eel"}
    )
    made = transformers.ResNetForImageClassification(config).eval()
    made.save_pretrained(tmp_path, max_shard_size="4KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    (tmp_path / "preprocessor_config.json").write_text(
        '{"do_normalize": true, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}'
    )
    clf = fg.load_classifier(f"hf:{tmp_path}", probe=IMAGES)
    assert clf.classes == ("cat", "dog", "eel")
    assert clf.pixels.mean == (0.5, 0.4, 0.3)
    assert clf.head.dimension == 16
    assert clf.residual < 1e-5


@pytest.mark.parametrize("part", ["config.json", "preprocessor_config.json"])
def test_code_that_a_published_network_brings_is_not_run_whatever_the_terminal_says(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_mean": [0.5, 0.4, 0.3], "image_std": [1, 1, 1]}'
    )
    said = json.loads((tmp_path / part).read_text())
    said["auto_map"] = {"AutoModelForImageClassification": "own.Net", "AutoConfig": "own.Config"}
    said["auto_map"] |= {"AutoImageProcessor": "own.Processor"}
    said |= {"model_type": "own", "image_processor_type": "Processor"}
    (tmp_path / part).write_text(json.dumps(said))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    if part == "config.json":
        with pytest.raises(Unsupported, match="brings code of its own, which is not run"):
            fg.load_classifier(f"hf:{tmp_path}", probe=IMAGES)
    else:
        assert fg.load_classifier(f"hf:{tmp_path}", probe=IMAGES).pixels.mean == (0.5, 0.4, 0.3)
    assert not (tmp_path / "ran").exists()


PROCESSORS = (
    "Beit", "Bit", "CLIP", "ConvNext", "DeiT", "EfficientNet", "Levit", "MobileNetV2", "MobileViT", "PPLCNet",
    "Perceiver", "PoolFormer", "Pvt", "Segformer", "Siglip", "TextNet", "ViT",
)  # fmt: skip


@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_picture_enters_as_its_image_processor_lets_it(kind: str, tmp_path: Path) -> None:
    import transformers

    processor = getattr(transformers, f"{kind}ImageProcessor")()
    processor.save_pretrained(tmp_path)
    transformers.ResNetConfig().save_pretrained(tmp_path)
    pixels = hub_pixels(transformers, str(tmp_path))
    assert pixels.preprocess is not None
    for size in ((300, 240), (48, 64), (411, 300)):
        picture = Image.fromarray(IMAGES[0].transpose(1, 2, 0)).resize(size)
        own = processor(picture, return_tensors="np")["pixel_values"][0]
        ours = np.asarray(pixels.preprocess.apply(picture), np.float64).transpose(2, 0, 1) / 255
        mean, std = (np.asarray(values)[:, None, None] for values in (pixels.mean, pixels.std))
        ours = ((ours - mean) / std)[:: -1 if pixels.reversed_channels else 1]
        np.testing.assert_allclose(ours, own, atol=1e-5)


def test_a_processor_that_gives_patches_is_told(tmp_path: Path) -> None:
    import transformers

    transformers.Siglip2ImageProcessor().save_pretrained(tmp_path)
    transformers.ResNetConfig().save_pretrained(tmp_path)
    lines: list[str] = []
    with heard(lines.append, alone=True):
        pixels = hub_pixels(transformers, str(tmp_path))
    assert pixels.preprocess is None
    assert any("not (3, height, width)" in line for line in lines)


def test_a_processor_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    class Mirrored(transformers.ViTImageProcessor):  # type: ignore[misc, name-defined]
        def __call__(self, *args: object, **kwargs: object) -> object:
            made = super().__call__(*args, **kwargs)
            if kwargs.get("do_rescale", True):
                made["pixel_values"] = made["pixel_values"][..., ::-1]
            return made

    transformers.ViTImageProcessor().save_pretrained(tmp_path)
    transformers.ResNetConfig().save_pretrained(tmp_path)
    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", lambda name, **_: Mirrored())
    monkeypatch.setattr(transformers, "Mirrored", Mirrored, raising=False)
    with pytest.raises(Unsupported, match="not its geometry and then its values"):
        hub_pixels(transformers, str(tmp_path))


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("timm:resnet19", BadArgument, "did you mean 'resnet1"),
        ("torchvision:resnet19", BadArgument, "did you mean"),
        ("timm:", BadArgument, "write timm:NAME"),
        ("hf:/no/such/folder", BadCheckpoint, "cannot be loaded"),
    ],
)
def test_one_clear_line(source: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        fg.load_classifier(source)
    assert "\n" not in str(caught.value)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match="python -m pip install timm"):
        fg.load_classifier("timm:resnet18")


def test_a_whole_checkpoint_is_no_architecture(tmp_path: Path) -> None:
    path = saved(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(BadArgument, match="give it as the checkpoint"):
        fg.load_classifier(path, "hf:some/network")
    with pytest.raises(BadArgument, match="leave out"):
        fg.load_classifier("timm:resnet18", "timm:resnet18")


def small() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(144, 5), nn.ReLU(), nn.Dropout(0.4), nn.Linear(5, 3),
    )  # fmt: skip


def exported(module: nn.Module, path: Path, *, free: bool = True) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("n", min=1)},) if free else None
        program = torch.export.export(module, (torch.rand(4, 1, 8, 8),), dynamic_shapes=shapes)
        torch.export.save(program, path)
    return path


def test_exported_program_is_the_network(tmp_path: Path) -> None:
    made = small().eval()
    clf = fg.load_classifier(exported(made, tmp_path / "net.pt2"))
    whole = fg.load_classifier(made, pixels=clf.pixels)
    images = np.random.default_rng(1).random((9, 1, 8, 8), np.float32)
    np.testing.assert_allclose(clf.features(images), whole.features(images), atol=1e-6)
    np.testing.assert_allclose(clf.head.weight, whole.head.weight, atol=1e-6)
    assert clf.pixels.shape == (1, 8, 8)
    assert clf.head.dimension == 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04 not one"), "damaged or truncated zip archive"),
        (lambda path: path.touch(), "the file is empty"),
        (lambda path: None, "no such file"),
    ],
)
def test_programs_that_are_refused(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "net.pt2"
    make(path)  # type: ignore[operator]
    with pytest.raises(BadCheckpoint, match=words):
        fg.load_classifier(path)


def test_a_program_that_was_left_in_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="no function of the image"):
        fg.load_classifier(exported(small().train(), tmp_path / "net.pt2"))


def test_torchscript_gives_weights(tmp_path: Path) -> None:
    from featgeom.models.architectures import find_architecture

    network = find_architecture("cifar_resnet20").build().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.rand(1, 3, 32, 32)).save(tmp_path / "net.ts")
    clf = fg.load_classifier(tmp_path / "net.ts", "cifar_resnet20")
    assert clf.weights_hash == fg.load_classifier(network, pixels=clf.pixels).weights_hash
    whole = fg.load_classifier(tmp_path / "net.ts", probe=IMAGES[:, :, :32, :32])
    np.testing.assert_allclose(whole.head.weight, clf.head.weight)
    (tmp_path / "bad.ts").write_bytes(b"PK\x03\x04 not one")
    with pytest.raises(BadCheckpoint, match="damaged or truncated zip archive"):
        fg.load_classifier(tmp_path / "bad.ts")
