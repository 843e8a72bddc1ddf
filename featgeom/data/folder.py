"""Image files in one folder a class, or in no such folders, as people keep them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from featgeom.data.decoding import decode
from featgeom.data.images import ImageSet
from featgeom.data.pictures import Picture, open_picture
from featgeom.errors import BadData
from featgeom.preprocess import Way
from featgeom.remarks import remark

ENDINGS = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
}  # fmt: skip
UNREAD = {
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".tga", ".psd", ".ico", ".exr", ".hdr",
    ".dng", ".cr2", ".nef", ".arw", ".raw",
}  # fmt: skip
SPLIT_NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation", "eval", "dev"),
}
SPLIT_ENDINGS = re.compile(r"[ _-]?(set|data|images|imgs)$")
ALL_SPLIT_NAMES = {name for names in SPLIT_NAMES.values() for name in names}
SYSTEM = {"__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
NO_CLASS = {
    "images", "image", "imgs", "img", "pictures", "photos", "all", "unknown", "unlabelled", "unlabeled",
}  # fmt: skip


def folder_splits(folder: Path) -> list[str]:
    """Which of train and test there are as subfolders; ["all"] where there are neither."""
    return list(Layout(folder).parts)


def read_folder(folder: Path, split: str, preprocess: Way | None = None) -> ImageSet:
    """FOLDER/CLASS/**/*.png or FOLDER/train/CLASS/**/*.png, sorted by name, of one size or brought to it.

    The classes are the folders, of all parts together, in the order of their names as text; a folder that is
    empty is a class without pictures. Where there are pictures but no folders of classes, the labels are
    unknown. One channel where every file is grey, else three. Passed over, with a remark: what is not a
    picture by its ending, hidden files and folders, those of an operating system, and pictures beside the
    folders of classes.

    Raises BadData where there are no pictures, and for pictures that cannot be read or are of two sizes.
    """
    layout = Layout(folder)
    part = layout.parts[split]
    files, labels = part.files(layout.classes)
    if not files:
        raise BadData(f"{part.root}: empty, no picture in it")
    for line in [*layout.remarks, *part.remarks(layout.classes)]:
        remark(line)
    pictures = [Picture(str(file), partial(open_picture, file)) for file in files]
    name = f"folder:{folder.resolve().name}"
    names = [file.relative_to(folder).as_posix() for file in files]
    pixels = decode(pictures, preprocess)
    return ImageSet(pixels, labels, layout.classes, name, split, by_name=True, files=names)


@dataclass(frozen=True)
class Part:
    """One part of the pictures: a folder, and what lies in it."""

    root: Path

    @cached_property
    def folders(self) -> dict[str, list[Path]]:
        """The folders of classes by name, with their pictures; folders that hold other things are none."""
        found = {place.name: sorted_pictures(place) for place in subfolders(self.root)}
        return {name: files for name, files in found.items() if files or _empty(self.root / name)}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none where one folder has a name that says nothing."""
        names = sorted(self.folders)
        return () if len(names) == 1 and names[0].casefold() in NO_CLASS else tuple(names)

    @cached_property
    def loose(self) -> list[Path]:
        """Pictures that lie in no folder of a class."""
        return sorted_pictures(self.root, deep=False)

    def files(self, classes: tuple[str, ...]) -> tuple[list[Path], list[int] | None]:
        """The pictures, and the places of their classes among ``classes``; None where they have none."""
        if not self.classes:
            return [*self.loose, *(file for files in self.folders.values() for file in files)], None
        named = [(file, classes.index(name)) for name in self.classes for file in self.folders[name]]
        return [file for file, _ in named], [label for _, label in named]

    def remarks(self, classes: tuple[str, ...]) -> Iterator[str]:
        """What one could have expected otherwise."""
        if not self.classes:
            yield f"{self.root}: no folders of classes, so the labels of these pictures are unknown"
        elif self.loose:
            yield f"{self.root}: passed over {_some(self.loose)}, which lie in no folder of a class"
        absent = [name for name in classes if self.classes and not self.folders.get(name)]
        if absent:
            yield f"{self.root}: no pictures of {', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}"
        deep = [name for name in self.classes for f in self.folders[name] if f.parent.name != name]
        if deep:
            yield f"{self.root}: {len(deep):,} pictures lie in subfolders of their class, and are read"
        taken = {file for files in (self.loose, *self.folders.values()) for file in files}
        others = [file for file in _walk(self.root, hidden=True) if file not in taken]
        unread = [file for file in others if file.suffix.lower() in UNREAD and not _ignored(file.name)]
        if unread:
            yield f"{self.root}: passed over {_some(unread)}, pictures of a kind that is not read"
        if others := [file for file in others if file not in unread]:
            yield f"{self.root}: passed over {_some(others)}, no pictures by their names"
        below = (Path(place, name) for place, folders, _ in os.walk(self.root) for name in folders)
        if loops := [place for place in below if _leads_back(place, self.root)]:
            yield f"{self.root}: passed over {_some(loops)}, links to a folder that they lie in"


class Layout:
    """How a folder of pictures is laid out: its parts, and the classes of all of them.

    Subfolders called train, test, val and so on are parts where nothing else holds pictures, or where two of
    them do; else they are classes. A folder that holds one folder alone, and that folders of classes, stands
    for it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadData(f"{folder}: no such folder")
        self.remarks: list[str] = []
        parts = self._split(folder)
        self.parts = {split: Part(self._unwrapped(place)) for split, place in parts.items()}
        self.classes = tuple(sorted({name for part in self.parts.values() for name in part.classes}))

    def _split(self, folder: Path) -> dict[str, Path]:
        folder = self._unwrapped(folder)
        places: dict[str, Path] = {}
        for place in subfolders(folder):
            if has_pictures(place):
                short = _split_name(place)
                places[place.name.casefold() if short in places else short] = place
        named = [[n for n in names if n in places] for names in SPLIT_NAMES.values()]
        known = {name for names in named for name in names}
        parts = {split: places[n[0]] for split, n in zip(SPLIT_NAMES, named, strict=True) if n}
        if not known or not (known == set(places) or len(parts) == 2):
            return {"all": folder}
        others = sorted(place.name for place in places.values() if place not in parts.values())
        if others:
            self.remarks.append(f"{folder}: passed over the folders {', '.join(others)} beside its parts")
        return parts

    def _unwrapped(self, folder: Path) -> Path:
        """The first folder below with parts or several folders of pictures, if single ones lead there."""
        place, inside = folder, subfolders(folder)
        while len(inside) == 1 and not sorted_pictures(place, deep=False):
            if _split_name(inside[0]) in ALL_SPLIT_NAMES:
                break
            place = inside[0]
            inside = [below for below in subfolders(place) if has_pictures(below)]
        else:
            if len(inside) < 2 or sorted_pictures(place, deep=False):
                return folder
        if place != folder:
            self.remarks.append(
                f"{folder}: the folders in {place.relative_to(folder)} are taken, the only ones"
            )
        return place


def subfolders(folder: Path) -> list[Path]:
    """Folders that may hold pictures, by name."""
    return sorted(place for place in folder.iterdir() if place.is_dir() and not _ignored(place.name))


def sorted_pictures(folder: Path, deep: bool = True) -> list[Path]:
    """The pictures by their endings, here and, if ``deep``, below, folder by folder."""
    files = _walk(folder) if deep else (f for f in sorted(folder.iterdir()) if f.is_file())
    return [f for f in files if f.suffix.lower() in ENDINGS and not _ignored(f.name)]


def has_pictures(folder: Path) -> bool:
    """Whether there is a picture somewhere in a folder."""
    return any(file.suffix.lower() in ENDINGS for file in _walk(folder))


def _walk(folder: Path, hidden: bool = False) -> Iterator[Path]:
    """All files below, links to folders followed once; with ``hidden``, those of the system, too.

    A link to a folder around it is not followed: what lies there is not below.
    """
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(f for f in folders if hidden or not _ignored(f))
        folders[:] = [name for name in folders if not _leads_back(Path(place, name), folder)]
        yield from (Path(place, file) for file in sorted(files) if real not in seen)
        seen.add(real)


def _leads_back(place: Path, root: Path) -> bool:
    """Whether this is a link to ``root`` or to a folder around it."""
    return place.is_symlink() and place.is_dir() and root.resolve().is_relative_to(place.resolve())


def _split_name(place: Path) -> str:
    """What a folder is called among parts: train for "Train", "train_set" and "train images"."""
    return SPLIT_ENDINGS.sub("", place.name.casefold())


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM


def _empty(folder: Path) -> bool:
    return not any(True for _ in _walk(folder, hidden=True))


def _some(files: list[Path]) -> str:
    """3 files (a.txt, b.txt, ...)."""
    names = ", ".join(file.name for file in files[:3]) + (", ..." if len(files) > 3 else "")
    return f"{len(files):,} file{'s' if len(files) > 1 else ''} ({names})"
