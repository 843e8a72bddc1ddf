"""What a user says about classes: a file that names the network's classes, or maps those of the images."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featgeom.errors import BadArgument

Given = str | Path | Mapping[Any, Any] | Sequence[str]


@dataclass(frozen=True)
class ClassMap:
    """Either ``names``, those of every class of the network in its order, or ``targets``: of each class of
    the images the network's class, by number or name."""

    names: tuple[str, ...] | None
    targets: dict[str, int | str] | None
    where: str


def read_class_map(given: Given) -> ClassMap:
    """A map of classes from a file or an object.

    A .json file holds {"cat": 3} or {"cat": "tabby cat"} (class of the images: class of the network),
    {"3": "tabby cat"} or {"3": ["n02123045", "tabby cat"]} (number: names of the network's class), or the
    list of the network's names. Any other is text: lines of NAME,CLASS or NAME tab CLASS, or the k-th line
    names the network's class k.

    >>> read_class_map({"cat": 3, "dog": "beagle"}).targets
    {'cat': 3, 'dog': 'beagle'}
    >>> read_class_map({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}).names
    ('n01440764, tench', 'n01443537, goldfish')
    """
    if not isinstance(given, str | Path):
        return _understood(given, "class map")
    path = Path(given).expanduser()
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"--class-map {path}: cannot be read ({error})") from None
    if path.suffix.lower() != ".json":
        return _understood(_lines(text, str(path)), str(path))
    try:
        return _understood(json.loads(text), str(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadArgument(f"--class-map {path}: not JSON ({error})") from None


def _lines(text: str, where: str) -> Mapping[str, str] | list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    tab = "\t" if any("\t" in line for line in lines) else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=tab, skipinitialspace=True)]
    if any(len(row) == 1 for row in rows):
        return [line.strip() for line in lines]  # names, some of them with commas
    if any(len(row) > 2 for row in rows):
        raise BadArgument(f"--class-map {where}: expected lines of NAME,CLASS or of one NAME")
    if len({row[0] for row in rows}) < len(rows):
        raise BadArgument(f"--class-map {where}: a name stands there twice")
    return dict(rows)  # type: ignore[arg-type]


def _understood(given: Any, where: str) -> ClassMap:
    if isinstance(given, Mapping) and given:
        keys, values = [str(key) for key in given], list(given.values())
        if keys == [str(place) for place in range(len(keys))] and not any(map(_is_number, values)):
            return ClassMap(tuple(map(_joined, values)), None, where)
        if all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
            targets = {key: int(v) if _is_number(v) else str(v) for key, v in zip(keys, values)}
            return ClassMap(None, targets, where)
    if isinstance(given, Sequence) and given and not isinstance(given, str):
        return ClassMap(tuple(_joined(name) for name in given), None, where)
    raise BadArgument(f"--class-map {where}: expected names of classes, or class: number or name")


def _joined(names: Any) -> str:
    return names if isinstance(names, str) else ", ".join(map(str, names))


def _is_number(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or str(value).isdecimal()
