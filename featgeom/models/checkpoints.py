"""Checkpoint files: weights read without running what a file says, and written with their recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from featgeom.errors import BadCheckpoint
from featgeom.files import write_whole
from featgeom.models.pixel_spec import PixelSpec
from featgeom.reading.folders import read_contents
from featgeom.reading.names import Named


@dataclass(frozen=True)
class Recipe:
    """How to build the network that a checkpoint of our own belongs to."""

    arch: str
    options: dict[str, Any]
    pixels: PixelSpec
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by name, its recipe where the file carries one, and in what form it was."""

    named: Named
    recipe: Recipe | None = None
    form: str = ""


def read_checkpoint(path: Path) -> Checkpoint:
    """The tensors in a file, by what it holds and whatever it is called; their numbers are read when wanted.

    Nothing in the file is run. Raises BadCheckpoint for a file that is missing, empty, damaged, or that holds
    no weights.
    """
    contents = read_contents(path)
    if not contents.named.tensors:
        beside = ", ".join(list(contents.named.beside)[:5])
        raise BadCheckpoint(f"{path}: no weights found" + (f"; it holds {beside}" if beside else ""))
    text = contents.metadata.get("featgeom")
    recipe = None if text is None else _read_recipe(path, text)
    return Checkpoint(contents.named, recipe, contents.form)


def save_checkpoint(
    path: str | Path,
    module: nn.Module,
    arch: str,
    options: dict[str, Any],
    pixels: PixelSpec,
    classes: tuple[str, ...] | None = None,
) -> None:
    """Write weights with their recipe, so that `load_classifier(path)` needs no architecture.

    The file is safetensors; the recipe is JSON under the metadata key "featgeom". It appears whole or not at
    all, and the same weights give the same bytes.

    >>> import tempfile
    >>> from featgeom.models.architectures import find_architecture
    >>> net, pixels = find_architecture("cifar_resnet20").build(), PixelSpec((3, 32, 32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/net.safetensors", net, "cifar_resnet20", {}, pixels)
    ...     read_checkpoint(Path(f"{folder}/net.safetensors")).recipe.arch
    'cifar_resnet20'
    """
    record = {
        "arch": arch,
        "options": options,
        "pixels": pixels.to_json(),
        "classes": None if classes is None else list(classes),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_whole(Path(path), save(tensors, metadata={"featgeom": json.dumps(record)}))


def _read_recipe(path: Path, text: str) -> Recipe:
    try:
        record = json.loads(text)
        pixels = PixelSpec.from_json(record["pixels"])
        classes = record.get("classes")
        return Recipe(
            str(record["arch"]), dict(record.get("options", {})), pixels, classes and tuple(map(str, classes))
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{path}: its featgeom metadata cannot be read ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
