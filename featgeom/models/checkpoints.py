"""Checkpoint files: weights read without running what a file says, and written with their recipe."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from featgeom.errors import BadCheckpoint, Unsupported
from featgeom.files import write_whole
from featgeom.models.pixel_spec import PixelSpec

Weights = dict[str, Tensor]
NESTS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")


@dataclass(frozen=True)
class Recipe:
    """How to build the network that a checkpoint of our own belongs to."""

    arch: str
    options: dict[str, Any]
    pixels: PixelSpec
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by name, and its recipe where the file carries one."""

    weights: Weights
    recipe: Recipe | None = None


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights in a file, on the CPU, by the reader of its ending.

    Nothing in the file is run. Raises BadCheckpoint for a file that is missing, empty, damaged, refused, or
    that holds no weights or NaN.
    """
    check_file(path)
    if path.suffix == ".onnx":
        raise Unsupported(
            f"{path}: an ONNX graph cannot be run here; give the weights with --arch, a .pt2 file of "
            "torch.export, or features and head in an .npz file"
        )
    if path.suffix not in READERS:
        raise Unsupported(f"{path}: ends in '{path.suffix}'; featgeom reads {', '.join([*READERS, '.pt2'])}")
    checkpoint = READERS[path.suffix](path)
    if not checkpoint.weights:
        raise BadCheckpoint(f"{path}: holds no weights")
    for name, tensor in checkpoint.weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            raise BadCheckpoint(
                f"{path}: {count} of {tensor.numel()} weights in '{name}' are NaN or infinite"
            )
    return checkpoint


def check_file(path: Path) -> None:
    """Raise BadCheckpoint for a file that is missing or empty."""
    if not path.exists():
        raise BadCheckpoint(f"{path}: no such file")
    if not path.is_file():
        raise BadCheckpoint(f"{path}: not a file")
    if path.stat().st_size == 0:
        raise BadCheckpoint(f"{path}: the file is empty")


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


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadCheckpoint(f"{path}: damaged or truncated safetensors file ({_first_line(error)})") from None
    recipe = _read_recipe(path, metadata["featgeom"]) if "featgeom" in metadata else None
    return Checkpoint(weights, recipe)


def _read_script(path: Path) -> Checkpoint:
    """The weights of a TorchScript archive; compiled code hides the layers, so it needs an architecture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise BadCheckpoint(f"{path}: damaged TorchScript archive ({_first_line(error)})") from None
    return Checkpoint(dict(module.state_dict()))


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


def _read_pickle(path: Path) -> Checkpoint:
    with open(path, "rb") as file:
        start = file.read(2)
    if start != b"PK" and start[:1] != b"\x80":  # a zip archive, or a pickle of protocol 2 and later
        raise BadCheckpoint(f"{path}: not a PyTorch checkpoint (it starts with {start!r})")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_plain_data()):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        detail = re.search(r"WeightsUnpickler error:\s*(.*)", str(error))
        why = f"it would run code ({wanted[1]})" if wanted else "it is no pickle of plain weights, or damaged"
        if detail and not wanted:
            why += f" ({detail[1]})"
        raise BadCheckpoint(
            f"{path}: this pickle is refused, because {why}; "
            "save the weights alone with torch.save(model.state_dict(), ...)"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, IndexError, TypeError) as error:
        raise BadCheckpoint(f"{path}: damaged or truncated ({_first_line(error)})") from None
    return Checkpoint(_find_weights(path, content))


def _plain_data() -> list[Any]:
    """What a checkpoint may hold beside tensors: plain containers that training scripts put next to them."""
    import argparse

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}
    return [argparse.Namespace, scalar, np.dtype, *kinds]


def _find_weights(path: Path, content: object, where: str = "") -> Weights:
    """The state dict in what was loaded, which may lie next to an optimizer, epochs and so on."""
    if isinstance(content, Mapping):
        tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
        nests = [key for key in NESTS if isinstance(content.get(key), Mapping)]
        if nests:
            return _find_weights(path, content[nests[0]], f"{where}['{nests[0]}']")
        if tensors:
            return tensors
    found = sorted(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise BadCheckpoint(f"{path}: no weights found{' in ' + where if where else ''}; it holds {found}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


READERS = {
    ".pt": _read_pickle,
    ".pth": _read_pickle,
    ".th": _read_pickle,
    ".safetensors": _read_safetensors,
    ".ts": _read_script,
}


def fit_weights(module: nn.Module, weights: Weights, name: str) -> None:
    """Put ``weights`` into ``module``, or raise BadCheckpoint with every key that does not fit.

    A prefix that all keys share ('module.', '_orig_mod.') is taken off where the module has none of it.
    """
    wanted = module.state_dict()
    weights = strip_prefix(weights, wanted)
    missing = [key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in weights if key not in wanted]
    shapes = mismatched_shapes(wanted, weights)
    complaints = [_group("missing", [f"'{k}'{_near(k, unexpected)}" for k in missing])]
    complaints += [_group("unexpected", [f"'{k}'{_near(k, list(wanted))}" for k in unexpected])]
    complaints += [
        _classes_complaint(shapes)
        or _group(
            "of another shape",
            [f"'{k}' {tuple(weights[k].shape)}, wanted {tuple(wanted[k].shape)}" for k in shapes],
        )
    ]
    if any(complaints):
        raise BadCheckpoint(f"the weights do not fit {name}: " + "; ".join(filter(None, complaints)))
    if all(t.dtype == torch.float64 for t in weights.values() if t.is_floating_point()):
        module.double()
    module.load_state_dict(weights, strict=False)


def strip_prefix(weights: Weights, wanted: Mapping[str, Tensor]) -> Weights:
    """Take off the leading name that all keys share and none of the module's has.

    >>> list(strip_prefix({"module.a.weight": torch.ones(1)}, {"a.weight": torch.ones(1)}))
    ['a.weight']
    """
    while True:
        heads = {key.partition(".")[0] for key in weights}
        head = heads.pop() + "."
        if heads or any(key.startswith(head) for key in wanted) or not all("." in key for key in weights):
            return weights
        weights = {key[len(head) :]: tensor for key, tensor in weights.items()}


def mismatched_shapes(
    wanted: Mapping[str, Tensor], weights: Weights
) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The keys both have in different shapes: {key: (shape in the module, shape in the file)}."""
    both = [key for key in weights if key in wanted and weights[key].shape != wanted[key].shape]
    return {key: (tuple(wanted[key].shape), tuple(weights[key].shape)) for key in both}


def other_class_count(shapes: dict[str, tuple[tuple[int, ...], ...]]) -> tuple[int, int] | None:
    """(classes of the module, classes in the file) where the shapes differ in nothing but these.

    >>> other_class_count({"fc.weight": ((10, 64), (100, 64)), "fc.bias": ((10,), (100,))})
    (10, 100)
    """
    pairs = {(have[:1], found[:1]) for have, found in shapes.values()}
    rest = all(have[1:] == found[1:] for have, found in shapes.values())
    if not rest or len(pairs) != 1 or len(shapes) > 2:
        return None
    ((have, found),) = pairs
    return (have[0], found[0]) if have and found else None


def _classes_complaint(shapes: dict[str, tuple[tuple[int, ...], ...]]) -> str:
    counts = other_class_count(shapes)
    if counts is None:
        return ""
    keys = ", ".join(f"'{key}'" for key in shapes)
    return f"wrong number of classes: the checkpoint has {counts[1]}, the architecture {counts[0]} ({keys})"


def _group(what: str, items: list[str], limit: int = 8) -> str:
    if not items:
        return ""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return f"{len(items)} {what}: " + ", ".join(items[:limit]) + more


def _near(key: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, known, n=1)
    return f" (nearest: '{near[0]}')" if near else ""
