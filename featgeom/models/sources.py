"""From the name of a checkpoint to a Classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from featgeom.arrays import as_numpy
from featgeom.errors import BadArgument, BadCheckpoint, BadData, NoAffineHead, nearest_name
from featgeom.models.architectures import ARCHITECTURES, Architecture, find_architecture
from featgeom.models.checkpoints import (
    READERS,
    Checkpoint,
    check_file,
    fit_weights,
    mismatched_shapes,
    other_class_count,
    read_checkpoint,
    strip_prefix,
)
from featgeom.models.classifier import Classifier, as_tensor, cannot_take, to_pixels
from featgeom.models.exported import read_exported
from featgeom.models.find_head import FoundHead, find_head
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.tap import Normalise
from featgeom.models.zoos import load_pretrained, split_source

BUILTIN = Path(__file__).parent / "builtin"
PROBES = 64  # images in the batch that finds the head
SIZES = (32, 28, 224, 64, 8, 16, 96, 128, 256, 299, 384)  # tried in turn where nothing tells the size


def load_classifier(
    source: str | Path | nn.Module,
    arch: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    pixels: PixelSpec | None = None,
    device: str = "cpu",
    probe: Any = None,
) -> Classifier:
    """Load a trained network, find its head by running it, and check W·φ(x) + b = logits.

    ``source`` is a checkpoint (.pt .pth .th .safetensors .ts), a whole network written by torch.export
    (.pt2), the name of a built-in one, ``timm:NAME``, ``torchvision:NAME`` or ``hf:NAME`` (a published
    network, which that package fetches), or a torch module with its weights in it. ``arch`` is a built-in
    architecture, ``FILE.py:FUNCTION``, ``timm:NAME`` or ``torchvision:NAME``; checkpoints that featgeom
    wrote do not need it. ``pixels`` says what images it takes where its architecture does not.
    ``probe`` are images (n, c, h, w) of pixel space on which the check is made; without them it is made on
    seeded noise within the bounds.

    Raises BadCheckpoint, BadArgument, BadData (images that do not fit) or NoAffineHead.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    >>> clf = load_classifier(net, pixels=PixelSpec((1, 8, 8)))
    >>> clf.head.classes, clf.head.dimension, clf.residual < 1e-5
    (3, 5, True)
    >>> clf.features(np.zeros((2, 1, 8, 8), np.uint8)).shape
    (2, 5)
    """
    images = None if probe is None else as_numpy(getattr(probe, "images", probe), "probe")[:PROBES]
    network = _network(source, arch)
    module = network.module.eval()
    spec, found = _find(module, pixels or network.pixels, images, network.name)
    given = tuple(classes) if classes is not None else network.classes
    named = _class_names(given, found.head.classes)
    classifier = Classifier(module, spec, found, named, network.name, network.arch, network.fingerprint)
    classifier.source = None if isinstance(source, nn.Module) else _absolute(source, arch)
    return classifier if device == "cpu" else classifier.to(device)


def _absolute(source: str | Path, arch: str | None) -> dict[str, str | None]:
    """What loads a network again from another folder."""
    path = Path(source).expanduser()
    if arch and ".py:" in arch:
        file, function = arch.rsplit(":", 1)
        arch = f"{Path(file).expanduser().resolve()}:{function}"
    return {"path": str(path.resolve()) if path.exists() else str(source), "arch": arch}


@dataclass(frozen=True)
class _Source:
    """A network with its weights, and what its source says of it."""

    module: nn.Module
    pixels: PixelSpec
    classes: tuple[str, ...] | None
    name: str
    arch: str
    fingerprint: str


def _network(source: str | Path | nn.Module, arch: str | None) -> _Source:
    """The network that a source names."""
    if isinstance(source, nn.Module):
        kind = type(source).__name__
        return _Source(source, PixelSpec(), None, kind, "module", kind)
    if split_source(str(source)) is not None:
        return _published(str(source), arch)
    path = _find_file(source)
    if path.suffix == ".pt2":
        return _exported(path, arch)
    checkpoint = read_checkpoint(path)
    architecture, options = _choose_architecture(path, checkpoint, arch)
    module = _build(architecture, options, checkpoint, path)
    recipe = checkpoint.recipe
    pixels = recipe.pixels if recipe and arch is None else architecture.pixels
    names = recipe.classes if recipe else None
    return _Source(module, pixels, names, path.stem, architecture.name, architecture.fingerprint)


def _published(source: str, arch: str | None) -> _Source:
    if arch is not None:
        raise BadArgument(f"'{source}' brings its architecture; leave out '{arch}'")
    found = load_pretrained(source)
    return _Source(found.module, found.pixels, found.classes, source, source, type(found.module).__name__)


def _exported(path: Path, arch: str | None) -> _Source:
    if arch is not None:
        raise BadArgument(f"{path} brings its architecture; leave out '{arch}'")
    check_file(path)
    module, shape = read_exported(path)
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()  # the file is its architecture, too
    return _Source(module, PixelSpec(shape), None, path.stem, "torch.export", fingerprint)


def _find_file(source: str | Path) -> Path:
    """The file of a path, or of a built-in name."""
    path = Path(source).expanduser()
    if path.suffix or path.exists() or path.name != str(source):
        return path
    builtin = BUILTIN / f"{source}.safetensors"
    if not builtin.is_file():
        known = sorted(file.stem for file in BUILTIN.glob("*.safetensors"))
        raise BadCheckpoint(
            f"'{source}' is neither a checkpoint file ({' '.join(READERS)}) nor a built-in one"
            f"{nearest_name(str(source), known)}"
        )
    return builtin


def _choose_architecture(
    path: Path, checkpoint: Checkpoint, arch: str | None
) -> tuple[Architecture, dict[str, Any]]:
    """The architecture asked for, else the checkpoint's own, with its options."""
    recipe = checkpoint.recipe
    if arch is not None:
        return find_architecture(arch), dict(recipe.options) if recipe and recipe.arch == arch else {}
    if recipe is None:
        raise BadArgument(
            f"{path} holds weights alone: name the architecture, one of {', '.join(sorted(ARCHITECTURES))}, "
            "or FILE.py:FUNCTION"
        )
    return find_architecture(recipe.arch), dict(recipe.options)


def _build(
    architecture: Architecture, options: dict[str, Any], checkpoint: Checkpoint, path: Path
) -> nn.Module:
    """The network with the checkpoint's weights, for as many classes as the checkpoint has."""
    module = architecture.build(**options)
    option = architecture.classes_option
    if option is not None and option not in options:
        wanted = module.state_dict()
        shapes = mismatched_shapes(wanted, strip_prefix(checkpoint.weights, wanted))
        counts = other_class_count(shapes) if shapes else None
        if counts is not None:
            module = architecture.build(**options, **{option: counts[1]})
    fit_weights(module, checkpoint.weights, f"{architecture.name} ({path.name})")
    return module


def _find(
    module: nn.Module, pixels: PixelSpec, images: np.ndarray[Any, Any] | None, name: str
) -> tuple[PixelSpec, FoundHead]:
    """The head, and the pixel space with the shape that was run."""
    if images is not None:
        pixels.check_shape(images.shape)
        pixels.check_values(images)
        if len(images) == 0:
            raise BadData("probe: no images")
        found = _try(module, pixels, as_tensor(images), name)
        c, h, w = images.shape[1:]
        return replace(pixels, shape=(c, h, w)), found
    if pixels.shape is not None:
        return pixels, _try(module, pixels, _noise(pixels, pixels.shape), name)
    channels = len(pixels.mean) if pixels.mean else _channels(module)
    failures: list[str] = []
    for size in SIZES:
        try:
            found = _try(module, pixels, _noise(pixels, (channels, size, size)), name)
        except BadData as error:
            failures.append(str(error))
            continue
        if _runs(module, pixels, (channels, 2 * size, 2 * size), name):
            return pixels, found  # it takes images of any size
        return replace(pixels, shape=(channels, size, size)), found
    raise BadArgument(f"{name}: no usual image size runs; say its shape ({failures[0]})")


def _runs(module: nn.Module, pixels: PixelSpec, shape: tuple[int, int, int], name: str) -> bool:
    try:
        _try(module, pixels, _noise(pixels, shape), name)
    except (BadData, NoAffineHead):
        return False
    return True


def _try(module: nn.Module, pixels: PixelSpec, images: Tensor, name: str) -> FoundHead:
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    try:
        with torch.no_grad():
            x = Normalise(pixels).to(dtype)(to_pixels(images, dtype))
            return find_head(module, x)
    except (RuntimeError, ValueError) as error:
        if isinstance(error, BadArgument):
            raise
        raise cannot_take(tuple(images.shape[1:]), error, name) from error


def _noise(pixels: PixelSpec, shape: tuple[int, int, int]) -> Tensor:
    low, high = pixels.bounds
    generator = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(16, *shape, generator=generator)


def _channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; 1 where the network has none."""
    first = next((layer for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    return first.in_channels if first is not None else 1


def _class_names(given: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if given is None:
        return tuple(str(index) for index in range(count))
    if len(given) != count:
        raise BadArgument(f"classes: {len(given)} names for a head of {count} classes")
    return tuple(str(name) for name in given)
