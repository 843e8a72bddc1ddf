"""Many files of a run changed at once: all of them or, whatever happens meanwhile, none.

New files are written to a stage inside the folder; then one file, the list of moves, says that they are to
replace the old ones; then they are moved. Who finds such a list carries it out first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from featgeom.errors import BadData
from featgeom.files import json_bytes, read_document, write_whole
from featgeom.locks import LOCK, OWNER, owned
from featgeom.runs.index import INDEX, Index, Part, Place, Recorded, read_index, recorded

STAGE, MOVES = ".stage", "moves.json"
HIDDEN = {LOCK, OWNER, STAGE}
PATIENCE = 600.0  # seconds to wait for another process, which holds a run for a moment only
Read = TypeVar("Read")
Staged = Annotated[str, msgspec.Meta(pattern=r"\A\d+\Z")]


class Moves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a change that was decided consists of."""

    moves: dict[Staged, Place]
    gone: list[Place]


def commit(
    folder: Path, part: str, contents: Mapping[str, bytes | memoryview], of: str | None = None
) -> None:
    """Replace a part of a run by these files, and record them in the index.

    Files that the part had and has no longer are deleted. Raises BadData where another process keeps the
    folder, or nothing can be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with owned(folder, PATIENCE):
        carry_out(folder)
        index = index_or_none(folder) or Index()
        entry = Part({place: recorded(content) for place, content in contents.items()}, of)
        _carry(folder, index, part, entry, contents)


def register(folder: Path, part: str, files: Mapping[str, Recorded]) -> None:
    """Record files that are in the folder already as a part of the run."""
    with owned(folder, PATIENCE):
        carry_out(folder)
        _carry(folder, index_or_none(folder) or Index(), part, Part(dict(files)), {})


def _carry(
    folder: Path, index: Index, part: str, entry: Part, contents: Mapping[str, bytes | memoryview]
) -> None:
    stage = folder / STAGE
    before = set(index.parts[part].files) if part in index.parts else set()
    elsewhere = {place for name, other in index.parts.items() if name != part for place in other.files}
    changed = Index(parts=dict(sorted((index.parts | {part: entry}).items())))
    moves: dict[str, str] = {}
    gone = sorted(before - set(entry.files) - elsewhere)
    try:
        for number, (place, content) in enumerate([*contents.items(), (INDEX, changed.to_bytes())]):
            write_whole(stage / str(number), content, called=folder / place)
            moves[str(number)] = place
        msgspec.convert({"moves": moves, "gone": gone}, Moves)  # no name that leads out of the folder
        write_whole(stage / MOVES, json_bytes({"moves": moves, "gone": gone}))
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    carry_out(folder)


def carry_out(folder: Path) -> None:
    """Finish the change that was decided, if there is one, and clear what was not. Only for the owner."""
    stage = folder / STAGE
    if (stage / MOVES).exists():
        decided = read_document(stage / MOVES, Moves)
        for number, place in decided.moves.items():
            target = _inside(folder, place)
            if (stage / number).exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / number, target)
        for place in decided.gone:
            _inside(folder, place).unlink(missing_ok=True)
        (stage / MOVES).unlink()
    shutil.rmtree(stage, ignore_errors=True)


def _inside(folder: Path, place: str) -> Path:
    """The path of a file of the run. Raises BadData where a link leads out of its folder."""
    path = folder / place
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise BadData(f"{path.parent}: a link that leads out of the run; nothing is written there")
    return path


def index_or_none(folder: Path) -> Index | None:
    """The index of a folder, where it has a sound one."""
    try:
        return read_index(folder)
    except BadData:
        return None


def consistently(folder: Path, read: Callable[[], Read]) -> Read:
    """What ``read`` gives of a run that is not being changed meanwhile.

    Where it finds something wrong, another process may just be writing: it is asked again when that has
    ended. Raises what the second reading raises.
    """
    try:
        return read()
    except BadData:
        if not settled(folder):
            raise
    return read()


def settled(folder: Path) -> bool:
    """Wait for whoever writes, and finish what was decided; whether that could be done."""
    if not (folder / LOCK).exists():
        return False
    try:
        with owned(folder, PATIENCE):
            carry_out(folder)
    except BadData:
        return False
    return True
