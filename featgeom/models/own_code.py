"""A user's own Python file, run: alone, or as a part of the package that it lies in."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from featgeom.errors import BadArgument

Made = TypeVar("Made")
_brought: dict[str, Path] = {}  # modules that users' files found beside them, and the folder


def imported(file: Path, fingerprint: str) -> ModuleType:
    """The module of a file, whose content has this fingerprint; run once. It may import its neighbours.

    A file that imports relatively (``from .layers import Block``), or by the name of the package around it
    (``from nets.layers import Block`` in nets/net.py), is run as a part of that package, and so is the
    package's ``__init__.py``.

    Raises BadArgument, with the code's own words, where it fails or ends the program.
    """
    place = hashlib.sha256(str(file.resolve()).encode()).hexdigest()
    name = f"featgeom_user_{file.stem}_{fingerprint[:12]}_{place[:12]}"
    known = [module for key in (name, _below(name, file)) if (module := sys.modules.get(key))]
    if known:
        return known[-1]
    before = set(sys.modules)
    try:
        with _first_on_path(file.resolve().parent):
            return _run(name, file)
    except BaseException as error:
        _forget(name, before)
        if isinstance(error, KeyboardInterrupt):
            raise
        if _asks_for_package(file, error):
            return _as_part(name, file, before)
        raise _told(file, error) from error


def with_neighbours(file: Path, module: ModuleType, make: Callable[..., Made]) -> Callable[..., Made]:
    """What a file makes a network by, which may import the file's neighbours only when it is called."""
    home = _packages(file)[0].parent if "." in module.__name__ else file.resolve().parent

    @wraps(make)
    def made(*given: Any, **named: Any) -> Made:
        with _first_on_path(home):
            return make(*given, **named)

    return made


def _asks_for_package(file: Path, error: BaseException) -> bool:
    """Whether a file that was run alone failed as it is part of a package."""
    packages = _packages(file)
    if not packages or not isinstance(error, ImportError):
        return False
    return "relative import" in str(error) or (error.name or "").partition(".")[0] == packages[0].name


def _as_part(name: str, file: Path, before: set[str]) -> ModuleType:
    top = _packages(file)[0]
    try:
        with _first_on_path(top.parent):
            _run(name, top / "__init__.py", [str(top)])
            return importlib.import_module(_below(name, file))
    except BaseException as error:
        _forget(name, before)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _told(file, error) from error


def _run(name: str, file: Path, inside: list[str] | None = None) -> ModuleType:
    """The module of a file, run under a name; a package with the folders that it holds."""
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and the like look their module up
    spec.loader.exec_module(module)
    return module


def _packages(file: Path) -> list[Path]:
    """The folders around a file that are packages, the outermost first."""
    found: list[Path] = []
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        found.insert(0, folder)
        folder = folder.parent
    return found


def _below(name: str, file: Path) -> str:
    """What a file is called inside its package, when that is called ``name``."""
    inner = [folder.name for folder in _packages(file)[1:]]
    return ".".join([name, *inner, *([] if file.stem == "__init__" else [file.stem])])


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Let modules be found in a folder, and not those of their name that another file found elsewhere."""
    for top in [top for top, home in _brought.items() if home != folder and _holds(folder, top)]:
        for key in [key for key in sys.modules if key == top or key.startswith(f"{top}.")]:
            del sys.modules[key]
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the code may have changed the path itself
            sys.path.remove(str(folder))
        tops = {key.partition(".")[0] for key in set(sys.modules) - before}
        _brought.update({top: folder for top in tops if _holds(folder, top)})


def _holds(folder: Path, top: str) -> bool:
    """Whether a module of this name is found in a folder."""
    return (folder / f"{top}.py").is_file() or (folder / top).is_dir()


def _forget(name: str, before: set[str]) -> None:
    for key in set(sys.modules) - before:
        if key == name or key.startswith(f"{name}."):
            del sys.modules[key]


def _told(file: Path, error: BaseException) -> BadArgument:
    """What to raise for what the user's code raised."""
    if isinstance(error, SystemExit):
        return BadArgument(
            f"{file} ends the program as it is imported; does it read the command line? Put that under "
            "if __name__ == '__main__'"
        )
    words = str(error).strip().splitlines() or ["no message"]
    return BadArgument(f"{file} raised {type(error).__name__}: {words[0]}")
