"""Checkpoints that are folders: shards with an index, DeepSpeed's states, torch.distributed.checkpoint."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint
from featgeom.reading.archives import Archive
from featgeom.reading.contents import Contents, guarded, read_file
from featgeom.reading.inert import Inert
from featgeom.reading.limits import check_spread
from featgeom.reading.meanings import MAKERS, as_stored
from featgeom.reading.names import Named
from featgeom.reading.pickles import read_pickle
from featgeom.reading.stored import Stored, whole_numbers
from featgeom.reading.torch_files import read_torch_zip
from featgeom.remarks import remark

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.safetensors", "model.bin")
ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".th", ".pkl", ".tar", ".pt2", ".onnx")
STATES = ("optimizer", "scheduler", "random_states", "sampler", "training_args", "scaler", "rng_state")


def read_contents(path: Path) -> Contents:
    """The tensors in a file or a folder, described and not yet read. Nothing of it is run.

    Raises BadCheckpoint for what is missing, empty, damaged, beyond the limits, or no checkpoint.
    """
    return guarded(path, _read_folder) if path.is_dir() else read_file(path)


def single_file(folder: Path) -> Path | None:
    """The one file of a folder that may be a checkpoint; None where there are none or several."""
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name.lower().endswith(ENDINGS) and not file.name.startswith((".", *STATES))
    ]
    return found[0] if len(found) == 1 else None


def _read_folder(folder: Path) -> Contents:
    if (folder / ".metadata").is_file():
        return _distributed(folder)
    indices = sorted(folder.glob("*.index.json"))
    if indices:
        return _shards(folder, indices[0])
    for name in WEIGHTS:
        if (folder / name).is_file():
            return read_file(folder / name)
    states = _deepspeed(folder)
    if states is not None:
        return states
    if (folder / "saved_model.pb").is_file():
        raise BadCheckpoint("a SavedModel of TensorFlow; give features and head in an .npz file")
    file = single_file(folder)
    if file is None:
        names = ", ".join(sorted(p.name for p in folder.iterdir())[:6])
        raise BadCheckpoint(f"a folder with no checkpoint alone in it; it has {names or 'nothing'}")
    remark(f"{folder}: '{file.name}' is taken, the one checkpoint in it")
    return read_file(file)


def _shards(folder: Path, index: Path) -> Contents:
    """Weights in several files, by the index that says which name lies in which."""
    places = json.loads(index.read_text("utf-8"))["weight_map"]
    if not isinstance(places, Mapping) or not places:
        raise BadCheckpoint(f"'{index.name}' names no weights")
    named = Named()
    for name in sorted({str(place) for place in places.values()}):
        if Path(name).name != name or not (folder / name).is_file():
            raise BadCheckpoint(f"its index names '{name}', which is not there")
        shard = read_file(folder / name).named
        wanted = {key for key, place in places.items() if place == name}
        if missing := sorted(wanted - set(shard.tensors)):
            raise BadCheckpoint(f"'{missing[0]}' is not in '{name}', where the index has it")
        named.tensors |= {key: shard.tensors[key] for key in shard.tensors if key in wanted}
    named.containers = dict.fromkeys(named.tensors, "")
    return Contents("shards", named, {})


def _deepspeed(folder: Path) -> Contents | None:
    """The weights that DeepSpeed wrote with its states, whole unless they were partitioned (ZeRO 3)."""
    latest = folder / "latest"
    step = folder / latest.read_text("utf-8").strip() if latest.is_file() else folder
    if step.parent not in (folder, folder.parent):
        raise BadCheckpoint("its file 'latest' names a place elsewhere")
    found = sorted(step.glob("mp_rank_*_model_states.pt"))
    if not found:
        if list(step.glob("zero_pp_rank_*")):
            raise BadCheckpoint(
                "weights that ZeRO 3 has partitioned: run its zero_to_fp32.py on the folder first"
            )
        return None
    if len(found) > 1:
        raise BadCheckpoint(f"weights in {len(found)} parts of model parallelism, which are not joined here")
    contents = read_file(found[0])
    tensors = contents.named.tensors
    if tensors and all(0 in t.shape for name, t in tensors.items() if name.startswith("module.")):
        raise BadCheckpoint(
            "weights that ZeRO 3 has partitioned: run its zero_to_fp32.py on the folder first"
        )
    return contents


def _distributed(folder: Path) -> Contents:
    """The tensors of torch.distributed.checkpoint, each put together from its chunks."""
    with open(folder / ".metadata", "rb") as file:
        metadata = read_pickle(file, MAKERS)
    fields = metadata.fields() if isinstance(metadata, Inert) else {}
    described, places = fields.get("state_dict_metadata"), fields.get("storage_data")
    if not isinstance(described, dict) or not isinstance(places, dict):
        raise BadCheckpoint("damaged (its .metadata says of no tensors)")
    chunks: dict[str, list[tuple[Any, Any]]] = {}
    for key, place in places.items():
        where, info = _fields(key), _fields(place)
        if where.get("offset") is not None:
            chunks.setdefault(str(where.get("fqn")), []).append((where["offset"], info))
    named = Named()
    for name, entry in described.items():
        about = _fields(entry)
        if "size" in about and name in chunks:
            named.tensors[str(name)] = _joined(
                folder, str(name), whole_numbers(tuple(about["size"])), chunks[name]
            )
    named.containers = dict.fromkeys(named.tensors, "")
    return Contents("torch.distributed.checkpoint", named, {})


def _fields(value: Any) -> dict[str, Any]:
    return value.fields() if isinstance(value, Inert) else {}


def _joined(folder: Path, name: str, shape: tuple[int, ...], chunks: list[tuple[Any, Any]]) -> Stored:
    parts = [(whole_numbers(tuple(offset)), _chunk(folder, info)) for offset, info in chunks]
    first = parts[0][1]
    held = sum(torch.Size(part.shape).numel() for _, part in parts)
    check_spread(f"'{name}' of shape {shape}", torch.Size(shape).numel(), held)

    def load() -> Tensor:
        whole = torch.zeros(shape, dtype=first.dtype)
        seen = 0
        for offset, part in parts:
            if len(offset) != len(shape) or any(o + n > s for o, n, s in zip(offset, part.shape, shape)):
                raise BadCheckpoint(f"damaged (a part of '{name}' lies outside of it)")
            place = tuple(slice(o, o + n) for o, n in zip(offset, part.shape))
            whole[place] = part.tensor()
            seen += torch.Size(part.shape).numel()
        if seen != whole.numel():
            raise BadCheckpoint(f"damaged (parts of '{name}' are missing)")
        return whole

    return Stored(first.dtype, shape, load)


def _chunk(folder: Path, info: Mapping[str, Any]) -> Stored:
    name, start, length = str(info.get("relative_path")), info.get("offset"), info.get("length")
    start, length = whole_numbers((start, length))
    file = folder / name
    if Path(name).name != name or not file.is_file() or start + length > file.stat().st_size:
        raise BadCheckpoint(f"damaged or truncated (a part in '{name}' is not there)")
    with open(file, "rb") as opened:
        opened.seek(start)
        archive = Archive(io.BytesIO(opened.read(length)))
    inner = archive.folder_of("data.pkl")
    stored = None if inner is None else as_stored(read_torch_zip(archive, inner))
    if stored is None:
        raise BadCheckpoint(f"damaged (a part in '{name}' is no tensor)")
    return stored
