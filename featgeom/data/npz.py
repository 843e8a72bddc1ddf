"""Images and labels from an .npz file."""

from __future__ import annotations

import io
import lzma
import mmap
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path
from tokenize import TokenError  # of numpy, for headers of old versions
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import file_map, release
from featgeom.data.images import ImageSet, channels_first
from featgeom.errors import BadData
from featgeom.limits import require_memory
from featgeom.shelf import Room, Shelf, closed, held_at_once

LONGEST, AT_ONCE = 1 << 20, 1 << 22  # bytes of a header that are read, and of an array at a time
KEYS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "all": ("images", "labels")}


def read_arrays(
    path: Path, only: Sequence[str] | None = None, folder: Path | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, or ``only`` those of these names that it has.

    Objects, whose pickle could run code, are refused, and so is a file whose arrays would take more memory
    than `featgeom.limits` allows, before any is taken. For ``folder`` see `arrays_of`.
    """
    with _open(path) as file:
        return arrays_of(file, path, only, folder)


def arrays_of(
    file: IO[bytes], path: Path | str, only: Sequence[str] | None = None, folder: Path | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an opened .npz file; ``path`` is its name in errors. Raises BadData.

    Where a ``folder`` is named, those that memory should not hold are put into a file without a name there.
    """
    with damaged(path), zipfile.ZipFile(file) as archive:
        members = _members(archive)
        chosen = {name: info for name, info in members.items() if only is None or name in only}
        total = 0
        for name, info in chosen.items():
            with archive.open(info) as member:
                total += array_bytes(member, info.file_size, f"{path}: {name}")
        require_memory(total, path)
        shelf = Shelf(folder) if folder is not None and total > held_at_once() else None
        found: dict[str, NDArray[Any]] = {}
        for name, info in chosen.items():
            with archive.open(info) as member:
                found[name] = _array(member) if shelf is None else closed(_array(member, shelf.room))
        return found


def packed(arrays: Mapping[str, NDArray[Any]], folder: Path | None = None) -> memoryview:
    """The bytes of an .npz file of many arrays, compressed as fast as that goes.

    Where a ``folder`` is named and memory should not hold them, they lie in a file without a name there.
    """
    if folder is None or sum(array.nbytes for array in arrays.values()) <= held_at_once():
        content = io.BytesIO()
        _pack(arrays, content)
        return content.getbuffer()
    with Shelf.file(folder) as file:
        _pack(arrays, file)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _pack(arrays: Mapping[str, NDArray[Any]], content: IO[bytes]) -> None:
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=array.nbytes > 1 << 30) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
                release(file_map(array))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that an .npy file begins with."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError("unknown version")
    long = 2 if version == (1, 0) else 4
    length = file.read(long)
    text = file.read(min(int.from_bytes(length, "little"), LONGEST))
    return _said(version == (1, 0), length + text)


@lru_cache(maxsize=1024)  # files of claims hold tens of thousands of arrays, of few shapes
def _said(old: bool, text: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    return read(io.BytesIO(text))


def array_bytes(file: IO[bytes], size: int, what: str) -> int:
    """How many bytes an array takes, from the header of its .npy file, which must fit to its ``size``.

    Raises BadData where it does not, and for Python objects.
    """
    shape, _, dtype = _header(file)
    if dtype.hasobject:
        raise BadData(f"{what}: holds Python objects, which are refused: reading them runs code")
    wanted = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or wanted + file.tell() != size:
        raise BadData(f"{what}: damaged, its header says {shape} of {dtype}, which is not its length")
    return wanted


def _array(file: Any, room: Room = np.empty) -> NDArray[Any]:
    """The array of an .npy file, which `array_bytes` let pass, in ``room`` made for it."""
    shape, by_columns, dtype = _header(file)
    values = room((prod(shape),), dtype)
    if values.nbytes:
        view = values.view(np.uint8).data
        for start in range(0, len(view), AT_ONCE):
            if file.readinto(view[start : start + AT_ONCE]) != len(view[start : start + AT_ONCE]):
                raise EOFError("it ends before its last number")
    return values.reshape(shape[::-1]).T if by_columns else values.reshape(shape)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays of an archive, by name."""
    return {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """The file, where there is one."""
    if not path.is_file():
        raise BadData(f"{path}: no such file")
    with open(path, "rb") as file:
        yield file


@contextmanager
def damaged(path: Path | str) -> Iterator[None]:
    """Whatever the libraries find wrong with an .npz file becomes BadData."""
    try:
        yield
    except zipfile.BadZipFile:
        raise BadData(f"{path}: not an .npz file, or damaged") from None
    except (
        OSError, ValueError, EOFError, TypeError, AttributeError, KeyError, SyntaxError, OverflowError,
        NotImplementedError, RuntimeError, RecursionError, TokenError,
        zlib.error, lzma.LZMAError, UnicodeError,
    ) as error:  # fmt: skip
        words = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
        raise BadData(f"{path}: not a file of arrays, or damaged ({words})") from None


def npz_splits(path: Path) -> list[str]:
    """Which splits the keys of the file make up."""
    with _open(path) as file, damaged(path), zipfile.ZipFile(file) as archive:
        names = set(_members(archive))
    splits = [split for split, keys in KEYS.items() if names.issuperset(keys)]
    if not splits:
        raise BadData(
            f"{path}: needs x_train, y_train, x_test, y_test, or images, labels; it has {sorted(names)}"
        )
    return [split for split in splits if split != "all"] or ["all"]


def read_npz(path: Path, split: str) -> ImageSet:
    """Images (n, h, w), (n, h, w, c) or (n, c, h, w), uint8 or floats in [0, 1], and labels (n,).

    An array ``classes`` of names may lie beside them; else classes are numbered up to the largest label of
    the file.
    """
    image_key, label_key = KEYS[split]
    label_keys = [keys[1] for keys in KEYS.values()]
    arrays = read_arrays(path, [image_key, *label_keys, "classes"])
    images = _pixels(arrays[image_key], f"{path}: {image_key}")
    labels = {key: _flat_labels(arrays[key], f"{path}: {key}") for key in label_keys if key in arrays}
    count = 1 + max(int(column.max(initial=0)) for column in labels.values())
    classes = tuple(map(str, arrays.get("classes", np.arange(count))))
    return ImageSet(images, labels[label_key], classes, f"npz:{path.name}", split)


def _flat_labels(labels: NDArray[Any], where: str) -> NDArray[Any]:
    if labels.dtype.kind not in "iub" or labels.ndim == 0 or labels.shape[1:] not in ((), (1,)):
        raise BadData(f"{where} must be whole numbers of shape (n,), got {labels.dtype} {labels.shape}")
    return labels.ravel()


def _pixels(images: NDArray[Any], where: str) -> NDArray[Any]:
    if images.dtype.kind == "f":
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            if not np.isfinite(images).all():
                raise BadData(f"{where} contains NaN or infinity")
            raise BadData(
                f"{where}: floats must lie in [0, 1], these reach from {images.min():g} to {images.max():g}"
            )
    elif images.dtype != np.uint8:
        raise BadData(f"{where}: expected uint8 or floats in [0, 1], got {images.dtype}")
    return channels_first(images, where)
