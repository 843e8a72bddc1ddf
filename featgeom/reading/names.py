"""Every tensor in a nest of containers and inert objects, by one dotted name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from featgeom.errors import BadCheckpoint
from featgeom.reading.inert import Inert
from featgeom.reading.limits import DEPTH, NAMES
from featgeom.reading.meanings import as_stored
from featgeom.reading.stored import Stored

MODULE = ("_parameters", "_modules")  # the attributes by which a pickled network is known


@dataclass
class Named:
    """Tensors by dotted name; by the same name, the dictionary that holds each; and whole networks met.

    ``beside`` are the kinds of other objects that lie there, none of which was made.
    """

    tensors: dict[str, Stored] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    beside: dict[str, None] = field(default_factory=dict)


def name_tensors(tree: Any) -> Named:
    """All tensors of a tree. A dictionary's keys, a list's numbers and an object's attributes make the names.

    A pickled network gives its tensors the names of its own state dict. What contains itself is entered once;
    what lies more than a hundred containers deep is not looked for.

    >>> import torch
    >>> stored = Stored(torch.float32, (), lambda: torch.tensor(1.0))
    >>> list(name_tensors({"model": {"fc.weight": stored}, "history": [{"best": stored}]}).tensors)
    ['model.fc.weight', 'history.0.best']
    """
    found = Named()
    entered: set[int] = set()
    waiting: list[tuple[str, str, Any, int]] = [("", "", tree, 0)]
    while waiting:
        name, container, value, depth = waiting.pop()
        stored = as_stored(value)
        if stored is not None:
            found.tensors[name] = stored
            found.containers[name] = container
            if len(found.tensors) > NAMES:
                raise BadCheckpoint(f"more than {NAMES:,} tensors")
            continue
        if not isinstance(value, dict | list | tuple | Inert) or id(value) in entered or depth > DEPTH:
            continue
        entered.add(id(value))
        _note(found, name, value)
        parts = list(_parts(name, container, value, container in found.networks))
        waiting += [(*part, depth + 1) for part in reversed(parts)]
    return found


def _note(found: Named, name: str, value: Any) -> None:
    if isinstance(value, Inert):
        if is_network(value):
            found.networks[name] = value.name
        elif len(found.beside) < 20:
            found.beside[value.name] = None


def is_network(value: Any) -> bool:
    """Whether an inert object is a pickled torch module."""
    return isinstance(value, Inert) and all(isinstance(_content(value).get(key), dict) for key in MODULE)


def _content(value: Inert) -> dict[str, Any]:
    fields = value.fields()
    if (
        not fields and value.args and isinstance(value.args[0], dict)
    ):  # how a traced torch.fx module is pickled
        fields = {key: part for key, part in value.args[0].items() if isinstance(key, str)}
    return fields


def _parts(name: str, container: str, value: Any, within: bool) -> Iterator[tuple[str, str, Any]]:
    """What lies within, by name, with the container that it is in: for a network's layers, the network."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield _joined(name, key), name, part
    elif isinstance(value, list | tuple) and _are_pairs(value):
        for key, part in value:
            yield _joined(name, key), name, part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield _joined(name, index), name, part
    elif is_network(value):
        fields = _content(value)
        fleeting = fields.get("_non_persistent_buffers_set")
        unsaved = fleeting if isinstance(fleeting, set | frozenset) else set()
        home = container if within else name
        for group in ("_parameters", "_buffers", "_modules"):
            held = fields.get(group)
            for key, part in held.items() if isinstance(held, dict) else ():
                if not (group == "_buffers" and key in unsaved):
                    yield _joined(name, key), home, part
    else:
        for group in (value.state, value.args, value.items, value.entries):
            if group:
                yield name, container, group


def _are_pairs(values: Any) -> bool:
    """Whether a list is one of names with their tensors."""
    return bool(values) and all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], Stored)
        for pair in values
    )


def _joined(name: str, key: Any) -> str:
    text = (
        key
        if isinstance(key, str)
        else str(key)
        if isinstance(key, int | float | bool)
        else type(key).__name__
    )
    return f"{name}.{text}" if name else text
