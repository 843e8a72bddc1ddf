"""From a file to its tensors by name, by what the file holds, never by what it is called."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint, FeatgeomError, Unsupported
from featgeom.reading.archives import Archive
from featgeom.reading.limits import NAMES
from featgeom.reading.names import Named, name_tensors
from featgeom.reading.pickles import read_pickle
from featgeom.reading.stored import Storage, Stored, steps_between, strided
from featgeom.reading.torch_files import is_torchscript, read_pickled, read_tar, read_torch_zip

HEADER = 100 << 20  # safetensors' own limit
OTHERS = {  # other files, by how they begin
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"BZh": "packed by bzip2: unpack it first",
    b"\xfd7zXZ": "packed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"\x89HDF": "an HDF5 file (Keras); convert its weights, or give features and head in an .npz file",
    b"GGUF": "a GGUF file (llama.cpp), which holds quantised weights",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run `git lfs pull`",
    b"<": "a page of the web, not a checkpoint: the download has failed",
}


@dataclass(frozen=True)
class Contents:
    """What a file holds: tensors by name, and what it says of itself. ``form`` is how it was written."""

    form: str
    named: Named
    metadata: dict[str, str]


def read_file(path: Path) -> Contents:
    """The tensors in a file, described and not yet read. Nothing in the file is run.

    Raises BadCheckpoint for one that is missing, empty, damaged, beyond the limits, or no checkpoint.
    """
    check_file(path)
    return guarded(path, _reader_of)


def guarded(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """What ``read`` finds, and BadCheckpoint in one line with the path for whatever it stumbles over."""
    try:
        return read(path)
    except (BadCheckpoint, Unsupported) as error:
        said = str(error)
        raise type(error)(said if said.startswith(str(path)) else f"{path}: {said}") from None
    except FeatgeomError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadCheckpoint(f"{path}: damaged or truncated ({words[:120]})") from None
    except MemoryError:
        raise BadCheckpoint(f"{path}: too large for this machine's memory") from None


def check_file(path: Path) -> None:
    """Raise BadCheckpoint for what is missing, empty, or no file (opening a pipe would wait for ever)."""
    if not path.exists():
        raise BadCheckpoint(f"{path}: no such file")
    if not path.is_file():
        raise BadCheckpoint(
            f"{path}: neither a file nor a folder; a pipe or device is to be written to a file first"
        )
    if path.stat().st_size == 0:
        raise BadCheckpoint(f"{path}: the file is empty")


def _reader_of(path: Path) -> Contents:
    """What the file holds, by the reader for what it is, which its bytes tell."""
    with open(path, "rb") as file:
        start = file.read(512)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _read_zip(path)
    size = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 2 <= size <= HEADER:
        return _read_safetensors(path)
    if start[257:262] == b"ustar" or (b"\x00" * 64 in start and _is_tar(path)):
        return _read_tar(path)
    for beginning, what in OTHERS.items():
        if start.startswith(beginning):
            raise BadCheckpoint(what)
    if start[:1] == b"\x80" and start[1] <= 5:
        return _read_pickled(path)
    if start[:1] in b"(c]}L" and _is_old_pickle(path):
        return _read_pickled(path)
    raise BadCheckpoint(f"not a PyTorch checkpoint (it starts with {start[:8]!r})")


def _is_tar(path: Path) -> bool:
    import tarfile

    return tarfile.is_tarfile(path)


def _is_old_pickle(path: Path) -> bool:
    """Whether a file without a pickle's mark is a pickle of protocol 0 or 1."""
    try:
        with open(path, "rb") as file:
            return read_pickle(file, persistent=lambda reference: reference) is not None
    except BadCheckpoint:
        return False


def _read_pickled(path: Path) -> Contents:
    return Contents("pickle", name_tensors(read_pickled(path)), {})


def _read_tar(path: Path) -> Contents:
    return Contents("tar of torch.save", name_tensors(read_tar(path)), {})


def _read_zip(path: Path) -> Contents:
    archive = Archive(path)
    folder = archive.folder_of("data.pkl")
    if folder is not None:
        form = "TorchScript" if is_torchscript(archive, folder) else "torch.save"
        if form == "TorchScript" and not archive.sizes.get(f"{folder}data.pkl"):
            raise BadCheckpoint("damaged TorchScript archive")
        return Contents(form, name_tensors(read_torch_zip(archive, folder)), {})
    if archive.sizes and all(name.endswith(".npy") for name in archive.sizes):
        return Contents("npz", _named({name[:-4]: _array(archive, name) for name in archive.sizes}), {})
    inside = [n for n in archive.sizes if n.rpartition(".")[2] in ("pt", "pth", "bin", "safetensors", "ckpt")]
    if inside:
        raise BadCheckpoint(f"a zip archive with '{inside[0]}' in it: unpack it and name that file")
    raise BadCheckpoint("a zip archive that holds no checkpoint of torch")


def _named(tensors: dict[str, Stored]) -> Named:
    return Named(tensors, dict.fromkeys(tensors, ""))


def _array(archive: Archive, name: str) -> Stored:
    """An array of numpy in an .npz file, whose numbers are read when they are wanted."""
    stream = io.BytesIO(archive.read(name))
    version = np.lib.format.read_magic(stream)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}.get(version[0])
    if read is None:
        raise BadCheckpoint(f"'{name}' is an array of a newer form")
    try:
        shape, columns_first, kind = read(stream)
    except (TokenError, SyntaxError) as error:  # of numpy, for headers of old versions
        raise BadCheckpoint(f"'{name}' is an array with a damaged header ({error.args[0]})") from None
    if kind.kind not in "fiubc":
        raise BadCheckpoint(f"'{name}' holds {kind}, not numbers")
    start = stream.tell()
    native = kind.newbyteorder("=")
    dtype = torch.from_numpy(np.empty(0, native)).dtype
    storage = Storage(
        archive.sizes[name] - start, lambda: bytearray(archive.read(name)[start:]), kind.byteorder == ">"
    )
    return strided(storage, dtype, 0, shape, steps_between(shape, columns_first))


def _read_safetensors(path: Path) -> Contents:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            names = list(file.keys())
            if len(names) > NAMES:
                raise BadCheckpoint(f"more than {NAMES:,} tensors")
            kinds = _safetensors_types(path)
            tensors = {name: _safetensor(path, name, kinds[name], file.get_slice(name)) for name in names}
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadCheckpoint(f"damaged or truncated safetensors file ({words[:120]})") from None
    return Contents("safetensors", _named(tensors), metadata)


def _safetensors_types(path: Path) -> dict[str, str]:
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: str(entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}


SAFETENSORS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "C64": torch.complex64,
}  # fmt: skip


def _safetensor(path: Path, name: str, kind: str, part: Any) -> Stored:
    shape = tuple(part.get_shape())
    dtype = SAFETENSORS.get(kind)
    if dtype is None:
        return Stored(torch.float32, shape, torch.Tensor, f"'{name}' holds numbers of type {kind}")

    def load() -> Tensor:
        from safetensors import safe_open

        with safe_open(path, framework="pt", device="cpu") as file:
            return file.get_tensor(name)

    return Stored(dtype, shape, load)
