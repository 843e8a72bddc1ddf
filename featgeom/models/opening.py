"""From what a user names to a network with its weights: a module, a published name, a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from torch import device, nn

from featgeom.errors import BadArgument, BadCheckpoint, nearest_name
from featgeom.models.architectures import ARCHITECTURES, Architecture, find_architecture
from featgeom.models.building import build_with_weights
from featgeom.models.checkpoints import Checkpoint, read_checkpoint
from featgeom.models.guessing import guess_architecture
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.zoos import load_pretrained, split_source
from featgeom.programs.export import is_exported, read_exported
from featgeom.programs.onnx import is_onnx, read_onnx
from featgeom.programs.script import is_script, read_script
from featgeom.reading.contents import check_file
from featgeom.reading.folders import single_file
from featgeom.reading.limits import check_spread
from featgeom.remarks import remark

BUILTIN = Path(__file__).parent / "builtin"


@dataclass(frozen=True)
class Opening:
    """How a source is to be opened: its architecture with arguments, and where in a file to look.

    ``trust`` lets the code of a pickled network run, which nothing else does and no weights need.
    """

    arch: str | None = None
    key: str | None = None
    arch_args: Mapping[str, Any] | None = None
    trust: bool = False

    def words(self) -> list[str]:
        """The options of the command line that say the same."""
        given = ",".join(f"{name}={value}" for name, value in (self.arch_args or {}).items())
        options = {"--arch": self.arch, "--key": self.key, "--arch-args": given}
        words = [word for name, value in options.items() if value for word in (name, value)]
        return words + (["--trust-pickle"] if self.trust else [])


@dataclass(frozen=True)
class Opened:
    """A network with its weights, and what its source says of it."""

    module: nn.Module
    pixels: PixelSpec
    classes: tuple[str, ...] | None
    name: str
    arch: str
    fingerprint: str
    files: dict[str, str] | None = None  # see `Architecture`


def open_source(source: str | Path | nn.Module, how: Opening) -> Opened:
    """The network that a source names, with its weights."""
    if isinstance(source, nn.Module):
        kind = type(source).__name__
        return Opened(source, PixelSpec(), None, kind, "module", kind)
    if split_source(str(source)) is not None:
        return _published(str(source), how.arch)
    path = find_file(source)
    if path.is_dir() and how.arch is None and (path / "config.json").is_file():
        return _published(f"hf:{path}", None)
    if path.is_dir() and how.arch is None:
        path = single_file(path) or path
    if how.trust and how.arch is None:
        return _trusted(path, how.key)
    if not path.is_dir():
        check_file(path)
    if is_exported(path):
        if how.arch is not None:
            raise BadArgument(f"{path} brings its architecture; leave out '{how.arch}'")
        return _program(path, "torch.export", *read_exported(path))
    if is_onnx(path):
        if how.arch is not None:
            raise BadArgument(f"{path} brings its architecture; leave out '{how.arch}'")
        return _program(path, "ONNX", *read_onnx(path))
    if how.arch is None and is_script(path):
        return _program(path, "TorchScript", *read_script(path))
    return _from_weights(path, read_checkpoint(path), how)


def _from_weights(path: Path, checkpoint: Checkpoint, how: Opening) -> Opened:
    architecture, options = _choose_architecture(path, checkpoint, how)
    name = f"{architecture.name} ({path.name})"
    try:
        module, normaliser = build_with_weights(architecture, options, checkpoint, name, how.key)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path}: {error}") from None
    recipe = checkpoint.recipe
    pixels = recipe.pixels if recipe and how.arch is None else architecture.pixels
    if normaliser is not None:
        mean, std = normaliser
        pixels = replace(pixels, mean=mean, std=std)
        remark(f"{path}: mean {mean} and std {std} are taken from the normaliser in the file")
    names = recipe.classes if recipe else None
    return Opened(
        module, pixels, names, path.stem, architecture.name, architecture.fingerprint, architecture.files()
    )


def _published(source: str, arch: str | None) -> Opened:
    if arch is not None:
        raise BadArgument(f"'{source}' brings its architecture; leave out '{arch}'")
    found = load_pretrained(source)
    return Opened(found.module, found.pixels, found.classes, source, source, type(found.module).__name__)


def _program(path: Path, form: str, module: nn.Module, shape: tuple[int, int, int] | None) -> Opened:
    """A network stored whole, as a program that is interpreted."""
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()  # the file is its architecture, too
    return Opened(module, PixelSpec(shape), None, path.stem, form, fingerprint)


def _trusted(path: Path, key: str | None) -> Opened:
    """A pickled network, made by the code that its file names."""
    from torch import load

    remark(f"{path}: --trust-pickle: code that the file names is run, to make its network")
    try:
        content = load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadCheckpoint(f"{path}: its code does not make a network ({words[:160]})") from None
    if isinstance(content, Mapping):
        named = {str(name): value for name, value in content.items() if isinstance(value, nn.Module)}
        content = named.get(key) if key else next(iter(named.values()), content)
    if not isinstance(content, nn.Module):
        raise BadCheckpoint(f"{path}: holds no pickled network; weights are read without --trust-pickle")
    kind = type(content).__name__
    return Opened(content, PixelSpec(), None, path.stem, kind, f"the pickle's own {kind}")


def built_in(source: str | Path) -> Path | None:
    """The file of a built-in name; None for another one, or where a file is called so here.

    A folder that is called so, such as a run of it, is meant by ``./NAME`` alone.
    """
    file = BUILTIN / f"{source}.safetensors"
    bare = Path(source).name == str(source)
    return file if bare and file.is_file() and not Path(source).is_file() else None


def find_file(source: str | Path) -> Path:
    """The file of a path, or of a built-in name."""
    path = Path(source).expanduser()
    if known := built_in(source):
        return known
    if path.suffix or path.exists() or path.name != str(source):
        return path
    names = sorted(file.stem for file in BUILTIN.glob("*.safetensors"))
    raise BadCheckpoint(
        f"'{source}' is neither a checkpoint file nor a built-in one{nearest_name(str(source), names)}"
    )


def _choose_architecture(
    path: Path, checkpoint: Checkpoint, how: Opening
) -> tuple[Architecture, dict[str, Any]]:
    """The architecture asked for, else the checkpoint's own, with its options."""
    recipe = checkpoint.recipe
    given = dict(how.arch_args or {})
    if how.arch is not None:
        return find_architecture(how.arch), (
            dict(recipe.options) if recipe and recipe.arch == how.arch else {}
        ) | given
    if recipe is None:
        return guess_architecture(path, checkpoint, how.key), given
    if recipe.arch not in ARCHITECTURES:
        raise BadCheckpoint(
            f"{path}: names '{recipe.arch}' as its architecture, which is no built-in one; a file cannot say "
            "what code is to run: name it yourself with --arch"
        )
    architecture = find_architecture(recipe.arch)
    with device("meta"):  # without memory: what a file says of sizes must be like what it holds
        asked = sum(value.numel() for value in architecture.build(**recipe.options).state_dict().values())
    held = sum(prod(stored.shape) for stored in checkpoint.named.tensors.values())
    check_spread(f"{path}: its recipe's network", 4 * asked, 16 * held)
    return architecture, dict(recipe.options) | given
