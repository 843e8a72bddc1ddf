"""The user's own files that a file imports: they are code of a network as much as the file that is named.

They are found by reading, so that what has changed is known before anything runs; what a file imports under
names that it makes up as it runs is added to them once it has run.
"""

from __future__ import annotations

import ast
import os
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import featgeom
from featgeom.files import digest_of

INSTALLED = {"site-packages", "dist-packages"}
_LIBRARY = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
_OURS = Path(featgeom.__file__).resolve().parent


def own_files(file: Path, ran: Iterable[Path] = ()) -> dict[str, str]:
    """SHA-256 of the user's own files that a file imports, by their places beside it; nothing is run.

    Files that it imports through others count, and so do those that ``ran`` when it did. Packages that are
    installed do not.
    """
    file = file.resolve()
    roots = [file.parent, *(folder.parent for folder in packages(file)[:1])]
    found: set[Path] = set()
    waiting = [file, *ran]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file() and _is_own(path):
            found.add(path)
            waiting.extend(_imported_by(path, roots))
    return {_place(path, file): digest_of(path) for path in sorted(found - {file})}


def own_file(module: ModuleType | None) -> Path | None:
    """The file of a module, where it is the user's own."""
    place = getattr(module, "__file__", None)
    path = Path(place).resolve() if isinstance(place, str) and place.endswith(".py") else None
    return path if path and _is_own(path) else None


def changed(there: Mapping[str, str] | None, here: Mapping[str, str] | None) -> list[str]:
    """The files that both records have, and that are not the same."""
    return [name for name, digest in (there or {}).items() if (here or {}).get(name, digest) != digest]


def as_recorded(here: dict[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a network as it would be ``there``, where no file of both records has changed.

    Records of older versions tell of no files, and names that code makes up may have been imported before.
    """
    if changed(there.get("arch_files"), here.get("arch_files")):
        return here
    said = {"arch_files": there["arch_files"]} if "arch_files" in there else {}
    return {**{key: value for key, value in here.items() if key != "arch_files"}, **said}


def changed_since(file: Path, said: Mapping[str, str]) -> list[str]:
    """What is not as when ``said`` was recorded, of the files that a file imports: changed, gone or new."""
    now = own_files(file, ((file.resolve().parent / place).resolve() for place in said))
    return sorted({*changed(said, now), *(said.keys() ^ now.keys())})


def packages(file: Path) -> list[Path]:
    """The folders around a file that are packages, the outermost first."""
    found: list[Path] = []
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        found.insert(0, folder)
        folder = folder.parent
    return found


def _place(path: Path, file: Path) -> str:
    try:
        return Path(os.path.relpath(path, file.parent)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def _is_own(path: Path) -> bool:
    within = path.parents
    return not INSTALLED.intersection(path.parts) and _OURS not in within and not {*_LIBRARY} & {*within}


def _imported_by(path: Path, roots: list[Path]) -> Iterator[Path]:
    """Files that a file may import by name from ``roots`` or relatively, and of packages ``__init__.py``."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # running it says so, if it is run
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _files_of(name.name.split("."), roots)
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                yield from (folder / "__init__.py" for folder in packages(path))
            above = [path.parents[node.level - 1]] if node.level else roots
            for name in node.names:
                yield from _files_of([*base, name.name], above)


def _files_of(names: list[str], roots: list[Path]) -> Iterator[Path]:
    """The files that a dotted name may stand for, and those of the packages on the way to it."""
    for root in roots:
        for count in range(1, len(names) + 1):
            place = root.joinpath(*names[:count])
            yield place / "__init__.py"
            yield place.with_name(f"{place.name}.py")
