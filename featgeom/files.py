"""Files that appear whole or not at all, and documents that are read through one door."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec

from featgeom.errors import BadData

Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
NAME = r"\A\w[\w.+-]{0,99}\Z"  # of one file or folder, never a way out
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Document = TypeVar("Document")

AT_ONCE = 1 << 24  # bytes that are written in one step
SETTLED = 2.0  # seconds after which a file that changes again has another time stamp
_digests: dict[tuple[str, int, int, int], str] = {}


def write_whole(path: Path, content: bytes | memoryview, called: Path | None = None) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary name beside ``path``, reach the disk, and are renamed. An error names
    the file as ``called``, where it is on its way to another place.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a.txt", b"all of it")
    ...     [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
    [('a.txt', b'all of it')]
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with named(called or path), open(temporary, "wb") as file:
            _write(file, memoryview(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write(file: BinaryIO, content: memoryview) -> None:
    """Write all of it; pages of a file that it is mapped from are given back."""
    for start in range(0, content.nbytes, AT_ONCE):
        file.write(content[start : start + AT_ONCE])
        if isinstance(content.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            content.obj.madvise(mmap.MADV_DONTNEED)


@contextmanager
def named(path: Path | str) -> Iterator[None]:
    """Say in an OSError which file it is about: the system names none when a disk is full.

    >>> with named("a.txt"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device: 'a.txt'
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_json(path: Path, value: Any) -> None:
    """`write_whole` of a JSON document, indented for people, with keys in the order given."""
    write_whole(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """A JSON document as the bytes of a file, indented.

    The bytes are those of `json.dumps` with an indent, which encodes that in Python, four times slower.
    """
    said = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return msgspec.json.format(said, indent=2) + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or BadData naming the file."""
    return read_document(path, dict[str, Any])


def read_document(path: Path, kind: type[Document]) -> Document:
    """A JSON document of a known form (a msgspec Struct, say), or BadData that names the file and the place.

    >>> read_document(Path("no/such.json"), dict)
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such.json: cannot be read (No such file or directory)
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror})") from None
    return parsed(content, kind, path)


def parsed(content: bytes, kind: type[Document], path: Path | str) -> Document:
    """The document that the bytes of a file hold, or BadData that names it and what is wrong.

    >>> parsed(b'{"n": "3"}', dict[str, int], "a.json")
    Traceback (most recent call last):
    featgeom.errors.BadData: a.json: damaged (Expected `int`, got `str` - at `$[...]`)
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadData(f"{path}: damaged ({error})") from None


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; one that has not changed since it was last asked for is not read again."""
    found = path.stat()
    key = (str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ino)
    if key not in _digests:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - found.st_mtime < SETTLED:  # a change within the same tick would not be seen
            return digest
        _digests[key] = digest
    return _digests[key]


@contextmanager
def claimed_folder(folder: Path, ours: str, what: str) -> Iterator[None]:
    """A folder to write into: a new one, or one that is empty or has the file ``ours``.

    What was made for it and is empty still goes again where that ends in an error. Raises BadData for a
    folder that holds something else, or cannot be written to; ``what`` says what we write.

    >>> with claimed_folder(Path("/"), "training.json", "training"):
    ...     pass
    Traceback (most recent call last):
    featgeom.errors.BadData: /: is not empty and holds no training; choose another folder with -o
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        refuse_foreign(folder, ours, what)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadData(f"{folder}: cannot be written to ({error.strerror})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadData(f"{folder}: cannot be written to (no permission)")
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the first that is not empty ends it
            for place in made:
                place.rmdir()
        raise


def refuse_foreign(folder: Path, ours: str, what: str, beside: Set[str] = frozenset()) -> None:
    """Raise BadData for a folder that holds files, but not the one that says that it is ours.

    What stands ``beside`` it, by name, may be there first.
    """
    names = (
        {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        if folder.exists()
        else set()
    )
    if names - beside and ours not in names:
        raise BadData(f"{folder}: is not empty and holds no {what}; choose another folder with -o")
