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
from featgeom.files import digest_of
from featgeom.models.own_files import own_file, own_files, packages

Made = TypeVar("Made")
_brought: dict[str, Path] = {}  # modules that users' files found beside them, and the folder
_ran: dict[str, set[Path]] = {}  # the user's own files that ran when a module did, by its name
_digests: dict[str, tuple[Path, str]] = {}  # the user's own modules: their files, and what those were
_as_run: dict[str, dict[str, str]] = {}  # what a module's own files were when it ran


def imported(file: Path, fingerprint: str) -> ModuleType:
    """The module of a file, whose content has this fingerprint. It may import its neighbours.

    It is run once, and again when one of the user's own files that it imports has changed.

    A file that imports relatively (``from .layers import Block``), or by the name of the package around it
    (``from nets.layers import Block`` in nets/net.py), is run as a part of that package, and so is the
    package's ``__init__.py``.

    Raises BadArgument, with the code's own words, where it fails or ends the program.
    """
    place = hashlib.sha256(str(file.resolve()).encode()).hexdigest()
    name = f"featgeom_user_{file.stem}_{fingerprint[:12]}_{place[:12]}"
    known = [module for key in (name, _below(name, file)) if (module := sys.modules.get(key))]
    if known and _as_run.get(name) == files_of(file, known[-1]):
        return known[-1]
    _forget(name, set())
    _ran[name] = set()
    module = _imported(file, name)
    _as_run[name] = files_of(file, module)
    return module


def files_of(file: Path, module: ModuleType) -> dict[str, str]:
    """SHA-256 of the user's own files that ran with a file, by their places beside it."""
    return own_files(file, _ran[_root(module)])


def _imported(file: Path, name: str) -> ModuleType:
    before = set(sys.modules)
    try:
        with _first_on_path(file.resolve().parent, name):
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
    home = packages(file)[0].parent if "." in module.__name__ else file.resolve().parent
    name = _root(module)

    @wraps(make)
    def made(*given: Any, **named: Any) -> Made:
        with _first_on_path(home, name):
            try:
                return make(*given, **named)
            finally:
                _as_run[name] = files_of(file, module)

    return made


def _asks_for_package(file: Path, error: BaseException) -> bool:
    """Whether a file that was run alone failed as it is part of a package."""
    around = packages(file)
    if not around or not isinstance(error, ImportError):
        return False
    return "relative import" in str(error) or (error.name or "").partition(".")[0] == around[0].name


def _as_part(name: str, file: Path, before: set[str]) -> ModuleType:
    top = packages(file)[0]
    try:
        with _first_on_path(top.parent, name):
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


def _below(name: str, file: Path) -> str:
    """What a file is called inside its package, when that is called ``name``."""
    inner = [folder.name for folder in packages(file)[1:]]
    return ".".join([name, *inner, *([] if file.stem == "__init__" else [file.stem])])


@contextmanager
def _first_on_path(folder: Path, name: str) -> Iterator[None]:
    """Let modules be found in a folder, for the file that runs as ``name``.

    Not those of their name that another file found elsewhere, nor any of a folder where one has changed since
    it ran: those beside it may hold what it was.
    """
    edited = {home for home in {*_brought.values()} if _is_edited(home)}
    for top in [
        top for top, home in _brought.items() if home in edited or (home != folder and _holds(folder, top))
    ]:
        _forget(top, set())
        del _brought[top]
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the code may have changed the path itself
            sys.path.remove(str(folder))
        new = set(sys.modules) - before
        _brought.update({top: folder for key in new if _holds(folder, top := key.partition(".")[0])})
        files = {key: path for key in new if (path := own_file(sys.modules[key]))}
        _ran[name].update(files.values())
        _digests.update({key: (path, digest_of(path)) for key, path in files.items() if path.is_file()})


def _is_edited(home: Path) -> bool:
    """Whether a file that was found in a folder is not what it was when it ran."""
    tops = {top for top, where in _brought.items() if where == home}
    ran = [_digests[key] for key in sys.modules if key.partition(".")[0] in tops and key in _digests]
    return any(not path.is_file() or digest_of(path) != digest for path, digest in ran)


def _root(module: ModuleType) -> str:
    """The name under which a user's file, or the package around it, was run."""
    return module.__name__.partition(".")[0]


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
