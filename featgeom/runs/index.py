"""What belongs to a run folder: every file with its length and digest, in parts that are made as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from featgeom.errors import BadData
from featgeom.files import Digest, digest_of, json_bytes, read_document

INDEX = "index.json"
Place = Annotated[str, msgspec.Meta(pattern=r"\A\w[\w.+-]*(/\w[\w.+-]*){0,3}\Z", max_length=300)]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The length and the SHA-256 of a file as it was written."""

    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Digest


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files that are made together; ``of`` is the digest of what they were made of, where that can change."""

    files: dict[Place, Recorded]
    of: Digest | None = None


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parts of a run: "run", "features/SPLIT", "results/STUDY", "report", "paper", "guard"."""

    format: Literal[1] = 1
    parts: dict[Place, Part] = {}

    def to_bytes(self) -> bytes:
        """The index as the bytes of a file."""
        return json_bytes(msgspec.to_builtins(self))

    def studies(self) -> list[str]:
        """The studies that the run holds, by name."""
        return sorted(name.split("/")[1] for name in self.parts if name.startswith("results/"))


def recorded(content: bytes | memoryview) -> Recorded:
    """What is recorded of a file with this content.

    >>> recorded(b"abc").bytes
    3
    """
    return Recorded(memoryview(content).nbytes, hashlib.sha256(content).hexdigest())


def read_index(folder: Path) -> Index:
    """The index of a run. Raises BadData where it is missing or damaged."""
    return read_document(folder / INDEX, Index)


def remedy(part: str) -> str:
    """The command that makes a part again."""
    kind, _, name = part.partition("/")
    if kind == "results" and name == "trajectory":
        return "`featgeom reproduce` makes it again"
    if kind == "results":
        return f"`featgeom {name} RUN` makes it again"
    if kind in ("report", "paper"):
        return f"`featgeom report RUN{' --paper' if kind == 'paper' else ''}` makes it again"
    if kind == "guard":
        return "`featgeom guard RUN` makes it again"
    return "the command that made the run (`featgeom analyze ... -o RUN`) makes it again"


def damages(folder: Path, index: Index, name: str) -> Iterator[str]:
    """What is wrong with the files of a part, a line each that ends in the remedy."""
    for place, known in index.parts[name].files.items():
        wrong = difference(folder / place, known)
        if wrong:
            yield f"{folder / place}: {wrong}; {remedy(name)}"


def difference(path: Path, known: Recorded) -> str:
    """How a file differs from what was recorded of it; nothing where it does not."""
    try:
        size = path.stat().st_size
        if size != known.bytes:
            return f"damaged (it has {size:,} bytes, {known.bytes:,} were written)"
        if digest_of(path) != known.sha256:
            return "damaged or exchanged (its SHA-256 is not that of what was written)"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def read_recorded(folder: Path, index: Index, part: str, place: str) -> bytes:
    """The content of one file of a part, which is what was written. Raises BadData."""
    known, path = index.parts[part].files.get(place), folder / place
    if known is None:
        raise BadData(f"{path}: is not recorded in {INDEX}; {remedy(part)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        wrong = "missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise BadData(f"{path}: {wrong}; {remedy(part)}") from None
    if recorded(content) != known:
        raise BadData(f"{path}: damaged or exchanged (it is not what was written); {remedy(part)}")
    return content
