"""Zip archives with declared limits: no part is unpacked beyond what its packed size allows."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from featgeom.errors import BadCheckpoint
from featgeom.reading.limits import check_unpacked


class Archive:
    """The parts of a zip file by name, each read whole and checked against its checksum."""

    def __init__(self, path: Path | io.BytesIO) -> None:
        try:
            self._opened = zipfile.ZipFile(path)
            members = self._opened.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BadCheckpoint(f"damaged or truncated zip archive ({error})") from None
        whole = len(path.getbuffer()) if isinstance(path, io.BytesIO) else path.stat().st_size
        self.sizes: dict[str, int] = {}
        for member in members:
            packed = min(member.compress_size, whole)
            check_unpacked(f"'{member.filename}'", member.file_size, packed)
            self.sizes[member.filename] = member.file_size
        check_unpacked("the archive", sum(self.sizes.values()), whole)

    def read(self, name: str) -> bytes:
        """One part, whole."""
        try:
            content = self._opened.read(name)
        except (zipfile.BadZipFile, OSError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
            raise BadCheckpoint(f"damaged or truncated ({str(error)[:120]})") from None
        except Exception as error:  # the decompressors each have their own
            raise BadCheckpoint(f"damaged ({type(error).__name__} in '{name}')") from None
        if len(content) != self.sizes[name]:
            raise BadCheckpoint(f"damaged or truncated ('{name}' is shorter than it says)")
        return content

    def within(self, name: str) -> Archive:
        """An archive that is a part of this one."""
        return Archive(io.BytesIO(self.read(name)))

    def folder_of(self, ending: str) -> str | None:
        """The folder within the archive that has a part of this name; the outermost, where several have."""
        found = [name[: -len(ending)] for name in self.sizes if name == ending or name.endswith("/" + ending)]
        return min(found, key=lambda folder: (folder.count("/"), folder), default=None)


def archive_in(path: Path) -> Archive | None:
    """The zip archive that a file is; None for another file, or a damaged one."""
    try:
        with open(path, "rb") as file:
            return Archive(path) if file.read(4) == b"PK\x03\x04" else None
    except (OSError, BadCheckpoint):
        return None
