"""What a store of features says of itself, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from featgeom.errors import BadData
from featgeom.files import Digest, parsed

MANIFEST, JOURNAL, SHARD = "manifest.json", "progress.json", "features.safetensors"
FORMAT = 1

Count = Annotated[int, msgspec.Meta(ge=0)]


class Images(msgspec.Struct):
    """Which images features are of."""

    name: str
    split: str


class MadeFrom(msgspec.Struct):
    """What features are made from, as far as every store says it."""

    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    images: Images


class Shard(msgspec.Struct, forbid_unknown_fields=True):
    """A file of features."""

    file: Literal["features.safetensors"]
    rows: tuple[Count, Count]
    bytes: Count
    sha256: Digest


class Journal(msgspec.Struct, kw_only=True):
    """What is on disk of a store that is being filled."""

    format: Literal[1]
    made_from: MadeFrom
    circumstances: dict[str, Any]
    block_rows: Count
    residual: float
    disagreements: list[Count]
    blocks: list[Digest]


class Manifest(Journal, kw_only=True):
    """A finished store."""

    n: Count
    shards: Annotated[list[Shard], msgspec.Meta(min_length=1, max_length=1)]


class DamagedStore(BadData):
    """A store that is not as it was written; the extraction makes it again."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a finished store was made from, and what it holds."""
    if not (folder / MANIFEST).is_file():
        unfinished = (folder / JOURNAL).is_file()
        why = "unfinished; run the extraction again to complete them" if unfinished else f"no {MANIFEST}"
        raise BadData(f"{folder}: no features there ({why})")
    return read_form(folder / MANIFEST, Manifest)


def read_form(path: Path, kind: type[Journal]) -> dict[str, Any]:
    """A manifest or a journal, which has the form it should have."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror})") from None
    try:
        parsed(content, kind, path)
    except BadData as error:
        raise DamagedStore(str(error)) from None
    return parsed(content, dict[str, Any], path)
