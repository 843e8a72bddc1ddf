"""Networks of other packages by name: timm:NAME, torchvision:NAME, hf:NAME."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from featgeom.errors import BadArgument, BadCheckpoint, Unsupported, nearest_name
from featgeom.models.pixel_spec import PixelSpec


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
                f"'{source}' needs the package {self.package}: python -m pip install {self.package}"
            )
        try:
            return importlib.import_module(self.package)
        except Exception as error:
            raise Unsupported(
                f"'{source}': the package {self.package} does not load ({_words(error)})"
            ) from error


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
    return factory, pixels, f"{zoo.package} {package.__version__}"


def _timm_pixels(config: dict[str, Any]) -> PixelSpec:
    """What timm's pretrained_cfg says; a shape only where the network takes no other."""
    shape = tuple(config["input_size"]) if config.get("fixed_input_size") else None
    return PixelSpec(shape, mean=tuple(config["mean"]), std=tuple(config["std"]))  # type: ignore[arg-type]


def _timm_factory(timm: ModuleType, name: str) -> tuple[Callable[..., nn.Module], PixelSpec]:
    _check_name(f"timm:{name}", name.partition(".")[0], timm.list_models())

    def build(num_classes: int | None = None) -> nn.Module:
        options = {} if num_classes is None else {"num_classes": num_classes}
        module: nn.Module = timm.create_model(name, pretrained=False, **options)
        return module

    config: Any = timm.models.get_pretrained_cfg(name) or build().pretrained_cfg
    return build, _timm_pixels(config if isinstance(config, dict) else config.to_dict())


def _timm_pretrained(timm: ModuleType, name: str) -> Pretrained:
    _check_name(f"timm:{name}", name.partition(".")[0], timm.list_models())
    module = timm.create_model(name, pretrained=True)
    return Pretrained(module, _timm_pixels(module.pretrained_cfg), None)


def _torchvision_factory(torchvision: ModuleType, name: str) -> tuple[Callable[..., nn.Module], PixelSpec]:
    models = torchvision.models
    _check_name(f"torchvision:{name}", name, models.list_models(module=models))
    default = models.get_model_weights(name).DEFAULT

    def build(num_classes: int = len(default.meta["categories"])) -> nn.Module:
        module: nn.Module = models.get_model(name, weights=None, num_classes=num_classes)
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
    return PixelSpec(mean=tuple(preset.mean), std=tuple(preset.std))


def _transformers_pretrained(transformers: ModuleType, name: str) -> Pretrained:
    module = transformers.AutoModelForImageClassification.from_pretrained(name)
    # the plain file: the processor's own class would ask for packages that only its transforms need
    config, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    mean, std = config.get("image_mean"), config.get("image_std")
    normalised = config.get("do_normalize", True) and mean is not None
    pixels = PixelSpec(mean=tuple(mean), std=tuple(std)) if normalised else PixelSpec()
    labels = module.config.id2label
    return Pretrained(module, pixels, tuple(labels[index] for index in range(len(labels))))


def _check_name(source: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = nearest_name(name, known)
        raise BadArgument(f"unknown network '{source}'{near if len(near) < 200 else ''}")


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


ZOOS = {
    "timm": Zoo("timm", _timm_pretrained, _timm_factory),
    "torchvision": Zoo("torchvision", _torchvision_pretrained, _torchvision_factory),
    "hf": Zoo("transformers", _transformers_pretrained),
}
