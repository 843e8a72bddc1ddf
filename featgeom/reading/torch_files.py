"""The three forms in which torch.save has written its files: zip, the legacy stream, and tar."""

from __future__ import annotations

import io
import mmap
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from featgeom.errors import BadCheckpoint
from featgeom.reading.archives import Archive
from featgeom.reading.inert import Inert
from featgeom.reading.limits import DIMENSIONS
from featgeom.reading.meanings import MAKERS, storage_type
from featgeom.reading.pickles import Makers, read_pickle
from featgeom.reading.stored import Storage, Stored, Typed, strided

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DEPTH = 2  # pickles within pickles: a state dict of plain `pickle` holds each storage as one


def read_torch_zip(archive: Archive, folder: str, record: str = "data.pkl", tensors: str = "data") -> Any:
    """The object in a zip archive of torch.save: ``record`` and the storages in the folder ``tensors``."""
    swapped = f"{folder}byteorder" in archive.sizes and archive.read(f"{folder}byteorder").strip() == b"big"
    known: dict[str, Storage] = {}

    def storage(key: str) -> Storage:
        name = f"{folder}{tensors}/{key}"
        if name not in archive.sizes:
            raise BadCheckpoint(f"damaged (its tensor '{key}' is missing)")
        return Storage(archive.sizes[name], lambda: bytearray(archive.read(name)), swapped)

    def persistent(reference: Any) -> Any:
        kind, key = _storage_reference(reference)
        if key not in known:
            known[key] = storage(key)
        return Typed(known[key], storage_type(kind))

    return read_pickle(io.BytesIO(archive.read(folder + record)), _makers(0), persistent)


def _storage_reference(reference: Any) -> tuple[Any, str]:
    if not isinstance(reference, tuple) or len(reference) < 3 or reference[0] != "storage":
        raise BadCheckpoint(f"damaged (a reference of unknown kind: {str(reference)[:60]})")
    return reference[1], str(reference[2])


def read_pickled(path: Path) -> Any:
    """The object in a file that starts with a pickle: the legacy form of torch.save, or a plain pickle."""
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return _read_stream(mapped, lambda start, count: _bytes_of(path, start, count), len(mapped), 0)


def _bytes_of(path: Path, start: int, count: int) -> bytearray:
    content = bytearray(count)
    with open(path, "rb") as file:
        file.seek(start)
        if file.readinto(content) != count:
            raise BadCheckpoint("damaged or truncated")
    return content


def _makers(depth: int) -> Makers:
    """The meanings, and with them storages that are files of torch.save in miniature."""

    def within(content: Any) -> Any:
        if not isinstance(content, bytes) or depth >= DEPTH:
            return NotImplemented
        stream = io.BytesIO(content)
        return _read_stream(
            stream, lambda start, n: bytearray(content[start : start + n]), len(content), depth + 1
        )

    return {**MAKERS, "torch.storage._load_from_bytes": within}


def _read_stream(stream: Any, read: Callable[[int, int], bytearray], size: int, depth: int) -> Any:
    makers = _makers(depth)
    first = read_pickle(stream, makers, _no_module)
    if first != MAGIC:
        return first
    if read_pickle(stream) != PROTOCOL:
        raise BadCheckpoint("a legacy file of torch.save of unknown protocol")
    system = read_pickle(stream)
    swapped = isinstance(system, dict) and system.get("little_endian") is False
    found = _LegacyStorages(read, swapped)
    content = read_pickle(stream, makers, found.persistent)
    found.place(read_pickle(stream), stream.tell(), size)
    return content


def _no_module(reference: Any) -> Any:
    return Inert("an outside reference", (reference,))


class _LegacyStorages:
    """The storages of a legacy stream: their references come first, their places in the file afterwards."""

    def __init__(self, read: Callable[[int, int], bytearray], swapped: bool) -> None:
        self.read = read
        self.swapped = swapped
        self.known: dict[Any, tuple[Storage, int]] = {}

    def persistent(self, reference: Any) -> Any:
        if not isinstance(reference, tuple) or not reference:
            raise BadCheckpoint("damaged (a reference of unknown kind)")
        if reference[0] == "module":  # (class, file, source): a whole network of torch 0.x
            return reference[1] if len(reference) > 1 else None
        if reference[0] != "storage" or len(reference) < 5:
            raise BadCheckpoint(f"damaged (a reference of unknown kind: {str(reference)[:60]})")
        dtype, key, count = storage_type(reference[1]), reference[2], reference[4]
        size = 1 if dtype is None else dtype.itemsize
        if not isinstance(count, int) or count < 0 or not isinstance(key, str | int):
            raise BadCheckpoint("damaged (a storage without a size)")
        if key not in self.known:
            self.known[key] = Storage(count * size, lambda: bytearray(), self.swapped), size
        storage = self.known[key][0]
        view = reference[5] if len(reference) > 5 else None
        if isinstance(view, tuple) and len(view) == 3:
            storage = storage.part(int(view[1]) * size, int(view[2]) * size)
        return Typed(storage, dtype)

    def place(self, keys: Any, start: int, whole: int) -> None:
        """Tell every storage where its bytes are: one after the other, each behind its length."""
        if not isinstance(keys, list):
            raise BadCheckpoint("damaged (no list of its tensors)")
        for key in keys:
            if key not in self.known:
                raise BadCheckpoint("damaged (a tensor that nothing refers to)")
            storage, size = self.known[key]
            head = self.read(start, 8) if start + 8 <= whole else b""
            count = int.from_bytes(head, "big" if self.swapped else "little", signed=True)
            if len(head) != 8 or count * size != storage.nbytes or start + 8 + storage.nbytes > whole:
                raise BadCheckpoint("damaged or truncated (a tensor's bytes are not all there)")
            storage.read = _reader(self.read, start + 8, storage.nbytes)
            start += 8 + storage.nbytes
        if missing := len(set(self.known) - set(keys)):
            raise BadCheckpoint(f"damaged (the bytes of {missing} tensors are missing)")


def _reader(read: Callable[[int, int], bytearray], start: int, count: int) -> Callable[[], bytearray]:
    return lambda: read(start, count)


def read_tar(path: Path) -> Any:
    """The object in a tar archive as torch.save wrote them before version 0.2."""
    try:
        with tarfile.open(path, "r:") as tar:
            parts = {
                m.name: m
                for m in tar.getmembers()
                if m.isreg() and m.name in ("storages", "tensors", "pickle")
            }
            if len(parts) != 3:
                raise BadCheckpoint(
                    "a tar archive that torch.save did not write; unpack it and name a file of it"
                )
            if any(m.size > path.stat().st_size for m in parts.values()):
                raise BadCheckpoint("damaged (a part is larger than the archive)")
            content = {name: tar.extractfile(m).read() for name, m in parts.items()}  # type: ignore[union-attr]
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadCheckpoint(f"damaged tar archive ({str(error)[:120]})") from None
    known: dict[Any, Any] = _tar_storages(content["storages"])
    known |= _tar_tensors(content["tensors"], known)

    def persistent(reference: Any) -> Any:
        if isinstance(reference, tuple):
            return reference[0] if reference else None
        found = known.get(_number(reference))
        return found if found is not None else Inert("a missing tensor", (reference,))

    return read_pickle(io.BytesIO(content["pickle"]), _makers(0), persistent)


def _tar_storages(content: bytes) -> dict[Any, Typed]:
    stream, found = io.BytesIO(content), dict[Any, Typed]()
    for _ in range(_count(read_pickle(stream))):
        key, _location, kind = _parts(read_pickle(stream), 3)
        dtype = storage_type(kind) or torch.uint8
        count = int.from_bytes(_exactly(stream, 8), "little", signed=True)
        start, nbytes = stream.tell(), count * dtype.itemsize
        if count < 0 or start + nbytes > len(content):
            raise BadCheckpoint("damaged or truncated (a tensor's bytes are not all there)")
        part = bytes(content[start : start + nbytes])
        found[_number(key)] = Typed(Storage(nbytes, _keeper(part)), dtype)
        stream.seek(start + nbytes)
    for view in read_pickle(stream):
        target, root, offset, count = _parts(view, 4)
        typed = found[_number(root)]
        size = (typed.dtype or torch.uint8).itemsize
        found[_number(target)] = Typed(typed.storage.part(int(offset) * size, int(count) * size), typed.dtype)
    return found


def _keeper(content: bytes) -> Callable[[], bytearray]:
    return lambda: bytearray(content)


def _tar_tensors(content: bytes, storages: dict[Any, Any]) -> dict[Any, Stored]:
    stream, found = io.BytesIO(content), dict[Any, Stored]()
    for _ in range(_count(read_pickle(stream))):
        key, storage, _kind = _parts(read_pickle(stream), 3)
        (dimensions,) = struct.unpack("<i", _exactly(stream, 4))
        if not 0 <= dimensions <= DIMENSIONS:
            raise BadCheckpoint("damaged (a tensor without a shape)")
        _exactly(stream, 4)
        shape = struct.unpack(f"<{dimensions}q", _exactly(stream, 8 * dimensions))
        stride = struct.unpack(f"<{dimensions}q", _exactly(stream, 8 * dimensions))
        (offset,) = struct.unpack("<q", _exactly(stream, 8))
        typed = storages.get(_number(storage))
        if typed is None:
            raise BadCheckpoint("damaged (a tensor without its numbers)")
        found[_number(key)] = strided(typed.storage, typed.dtype, offset, shape, stride)
    return found


def _exactly(stream: io.BytesIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise BadCheckpoint("damaged or truncated")
    return content


def _number(key: Any) -> Any:
    return int(key) if isinstance(key, int) or (isinstance(key, str) and key.isdigit()) else None


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise BadCheckpoint("damaged (a count that is none)")
    return value


def _parts(value: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list) or len(value) != count:
        raise BadCheckpoint("damaged (an entry of another form)")
    return tuple(value)


def is_torchscript(archive: Archive, folder: str) -> bool:
    """Whether an archive holds a program beside its tensors."""
    return f"{folder}constants.pkl" in archive.sizes or any(
        n.startswith(f"{folder}code/") for n in archive.sizes
    )
