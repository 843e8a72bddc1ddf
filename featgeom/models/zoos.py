"""Networks of other packages by name: timm:NAME, torchvision:NAME, hf:NAME."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from torch import nn

from featgeom.errors import BadArgument, BadCheckpoint, Unsupported, nearest_name
from featgeom.models.hub_pixels import hub_pixels
from featgeom.models.pixel_spec import PixelSpec
from featgeom.preprocess import Preprocess
from featgeom.remarks import caution

BRANCHED = {"googlenet", "inception_v3"}  # with auxiliary branches, which only training runs


@dataclass(frozen=True)
class Pretrained:
    """A network with its published weights, the images it takes and the names of its classes."""

    module: nn.Module
    pixels: PixelSpec
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Zoo:
    """What another package offers by name.

    ``factory`` makes a function that builds the network with fresh weights, and says what images it takes;
    None where the package has weights and architecture only together. ``pretrained`` loads both, from the
    package's own cache or the network.
    """

    package: str
    pretrained: Callable[[ModuleType, str], Pretrained]
    factory: Callable[[ModuleType, str], tuple[Callable[..., nn.Module], PixelSpec]] | None = None

    def load(self, source: str) -> ModuleType:
        """The package, or Unsupported with what to install."""
        if importlib.util.find_spec(self.package) is None:
            raise Unsupported(
                f"'{source}' needs the package {self.package}: python -m pip install {self.package} (or "
                "'featgeom[zoo]', which brings all that published networks need)"
            )
        try:
            return importlib.import_module(self.package)
        except Exception as error:
            raise self.unfit(source, error) from error

    def unfit(self, source: str, error: BaseException) -> Unsupported:
        """What to say where the package, or another that it stands on, does not fit what is installed."""
        both = " and ".join(dict.fromkeys(("torchvision", self.package)))
        return Unsupported(
            f"'{source}': the package {self.package} does not load ({_words(error)}); where torch came "
            f"from an index of its own, install {both} from the same one"
        )


def split_source(source: str) -> tuple[Zoo, str] | None:
    """The zoo and the name within it, or None where a source names no zoo.

    >>> split_source("timm:resnet18")[1], split_source("net.pth")
    ('resnet18', None)
    """
    prefix, colon, name = source.partition(":")
    if not colon or prefix not in ZOOS:
        return None
    if not name:
        raise BadArgument(f"'{source}': write {prefix}:NAME")
    return ZOOS[prefix], name


def load_pretrained(source: str) -> Pretrained:
    """The network and the weights that a zoo has under a name.

    Raises Unsupported where the package is missing, BadArgument for an unknown name, BadCheckpoint where
    its weights cannot be had.
    """
    found = split_source(source)
    assert found is not None  # the caller asked
    zoo, name = found
    package = zoo.load(source)
    try:
        return zoo.pretrained(package, name)
    except BadArgument:
        raise
    except Exception as error:
        first = _first(error)
        if "contains custom code" in str(error):  # without a word on it, transformers asks the terminal
            raise Unsupported(
                f"'{source}': brings code of its own, which is not run; build it in Python and give "
                "the module to load_classifier, or write it by torch.export"
            ) from error
        if "torchvision" in str(
            first
        ):  # transformers imports what it stands on only when asked for a network
            raise zoo.unfit(source, first) from error
        raise BadCheckpoint(f"'{source}': its weights cannot be loaded ({_words(error)})") from error


def zoo_factory(source: str) -> tuple[Callable[..., nn.Module], PixelSpec, str]:
    """How to build a zoo's network with fresh weights, its pixel space, and the package with its version."""
    found = split_source(source)
    assert found is not None  # the caller asked
    zoo, name = found
    if zoo.factory is None:
        raise BadArgument(f"'{source}' is a whole checkpoint, not an architecture: give it as the checkpoint")
    package = zoo.load(source)
    factory, pixels = zoo.factory(package, name)
    pixels = replace(pixels, preprocess=None)  # that of the published weights, which these are not
    return factory, pixels, f"{zoo.package} {package.__version__}"


def _timm_pixels(timm: ModuleType, config: dict[str, Any]) -> PixelSpec:
    """What timm's pretrained_cfg says; a shape only where the network takes no other."""
    data = timm.data.resolve_data_config(pretrained_cfg=config)
    shape = tuple(data["input_size"]) if config.get("fixed_input_size") else None
    height, width = data["input_size"][1:]
    resize = tuple(math.floor(length / data["crop_pct"]) for length in (height, width))
    mode = data["crop_mode"] or "center"
    fit = {"squash": "both sides", "border": "longer side"}.get(mode, "shorter side")
    fill = tuple(round(255 * value) for value in data["mean"]) if mode == "border" else (0, 0, 0)
    preprocess = Preprocess(resize, (height, width), data["interpolation"], fit, fill, source="timm")
    mean, std = (tuple(data[name]) for name in ("mean", "std"))
    return PixelSpec(shape, mean=mean, std=std, preprocess=preprocess)  # type: ignore[arg-type]


def _timm_factory(timm: ModuleType, name: str) -> tuple[Callable[..., nn.Module], PixelSpec]:
    _check_name(f"timm:{name}", name.partition(".")[0], timm.list_models())

    def build(num_classes: int | None = None, **given: Any) -> nn.Module:
        options = given if num_classes is None else {**given, "num_classes": num_classes}
        module: nn.Module = timm.create_model(name, pretrained=False, **options)
        return module

    config: Any = timm.models.get_pretrained_cfg(name) or build().pretrained_cfg
    return build, _timm_pixels(timm, config if isinstance(config, dict) else config.to_dict())


def _timm_pretrained(timm: ModuleType, name: str) -> Pretrained:
    _check_name(f"timm:{name}", name.partition(".")[0], timm.list_models())
    module = timm.create_model(name, pretrained=True)
    return Pretrained(module, _timm_pixels(timm, module.pretrained_cfg), None)


def _torchvision_factory(torchvision: ModuleType, name: str) -> tuple[Callable[..., nn.Module], PixelSpec]:
    models = torchvision.models
    _check_name(f"torchvision:{name}", name, models.list_models(module=models))
    default = models.get_model_weights(name).DEFAULT
    options = {"aux_logits": False, "init_weights": False} if name in BRANCHED else {}

    def build(num_classes: int = len(default.meta["categories"]), **given: Any) -> nn.Module:
        module: nn.Module = models.get_model(
            name, weights=None, num_classes=num_classes, **{**options, **given}
        )
        return module

    return build, _torchvision_pixels(default)


def _torchvision_pretrained(torchvision: ModuleType, name: str) -> Pretrained:
    models = torchvision.models
    _check_name(f"torchvision:{name}", name, models.list_models(module=models))
    weights = models.get_model_weights(name).DEFAULT
    module = models.get_model(name, weights=weights)
    return Pretrained(module, _torchvision_pixels(weights), tuple(weights.meta["categories"]))


def _torchvision_pixels(weights: Any) -> PixelSpec:
    preset = weights.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    way = preset.interpolation.value
    preprocess = Preprocess((resize, resize), (crop, crop), way, source=f"torchvision's {weights}")
    return PixelSpec(mean=tuple(preset.mean), std=tuple(preset.std), preprocess=preprocess)


def _transformers_pretrained(transformers: ModuleType, name: str) -> Pretrained:
    module = transformers.AutoModelForImageClassification.from_pretrained(name, trust_remote_code=False)
    labels = module.config.id2label
    classes = tuple(labels[index] for index in range(len(labels)))
    try:
        pixels = hub_pixels(transformers, name)
    except OSError:
        caution(
            f"hf:{name} comes without preprocessor_config.json: its images enter as they are, in [0, 1]; "
            "say --mean and --std, and @SIZE after the images, as it was trained"
        )
        pixels = PixelSpec()
    return Pretrained(module, pixels, classes)


def _check_name(source: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = nearest_name(name, known)
        raise BadArgument(f"unknown network '{source}'{near if len(near) < 200 else ''}")


def _first(error: BaseException) -> BaseException:
    """What a chain of errors began with."""
    while before := error.__cause__ or error.__context__:
        error = before
    return error


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


ZOOS = {
    "timm": Zoo("timm", _timm_pretrained, _timm_factory),
    "torchvision": Zoo("torchvision", _torchvision_pretrained, _torchvision_factory),
    "hf": Zoo("transformers", _transformers_pretrained),
}
