"""A network as a list of steps on named values, run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from featgeom.errors import FeatgeomError, Unsupported


@dataclass(frozen=True)
class Ref:
    """A reference to the value of that name."""

    name: str


@dataclass(frozen=True)
class Node:
    """One step: ``compute(*args, **words)``; ``results`` are the names of what it makes."""

    compute: Callable[..., Any]
    args: Sequence[Any]
    words: Mapping[str, Any]
    results: Sequence[Any]
    what: str


class Graph(nn.Module):
    """Runs ``nodes`` on a batch of images, which goes by the name ``image``.

    ``held`` are its tensors by name within the graph, and ``names`` how the network itself calls them.
    ``batch`` is the only size of batch that it takes, where there is one alone; ``channels`` those of its
    images, where they are known.
    """

    batch: int | None = None
    channels: int | None = None

    def __init__(
        self,
        image: str,
        nodes: Sequence[Node],
        outputs: Sequence[Any],
        held: Mapping[str, Tensor],
        names: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.image = image
        self.outputs = list(outputs)
        self.places: dict[str, str] = {}
        for index, (name, tensor) in enumerate(held.items()):
            place = names.get(name, name).replace(".", "_") or f"tensor_{index}"
            place = f"{place}_{index}" if hasattr(self, place) else place
            self.register_buffer(place, tensor)
            self.places[name] = place
        self.nodes = list(nodes)
        kept = set(names_in(outputs))
        last = {name: i for i, node in enumerate(self.nodes) for name in names_in([node.args, node.words])}
        self.done: list[list[str]] = [[] for _ in self.nodes]  # values that nothing needs after a step
        for name, index in last.items():
            if name not in kept:
                self.done[index].append(name)

    def forward(self, images: Tensor) -> Any:
        """The outputs of one batch: one tensor, or a tuple of several."""
        values: dict[str, Any] = {self.image: images}
        for index, node in enumerate(self.nodes):
            args = [self._value(part, values) for part in node.args]
            words = {key: self._value(part, values) for key, part in node.words.items()}
            try:
                made = node.compute(*args, **words)
            except FeatgeomError:
                raise
            except (TypeError, KeyError, IndexError, AttributeError, AssertionError) as error:
                said = (str(error).strip().splitlines() or [""])[0][:120]
                raise ValueError(f"its step '{node.what}' fails ({said})") from None
            _store(node, made, values)
            for name in self.done[index]:
                values.pop(name, None)
        made = tuple(self._value(part, values) for part in self.outputs)
        return made[0] if len(made) == 1 else made

    def _value(self, part: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(part, Ref):
            if part.name in values:
                return values[part.name]
            if part.name in self.places:
                return getattr(self, self.places[part.name])
            raise Unsupported(f"its program refers to '{part.name}', which nothing makes")
        if isinstance(part, list | tuple):
            return [self._value(one, values) for one in part]
        return part


def names_in(part: Any) -> list[str]:
    """The names of all references in nested lists and dictionaries."""
    if isinstance(part, Ref):
        return [part.name]
    if isinstance(part, Mapping):
        return [name for one in part.values() for name in names_in(one)]
    if isinstance(part, list | tuple):
        return [name for one in part for name in names_in(one)]
    return []


def _store(node: Node, made: Any, values: dict[str, Any]) -> None:
    results = list(node.results)
    if not results:
        return
    if len(results) == 1 and isinstance(results[0], list):
        results = results[0]
    elif len(results) == 1:
        made = [made]
    if not isinstance(made, list | tuple) or len(made) < len(results):
        raise Unsupported(f"its step '{node.what}' makes other results than it says")
    values.update((name, value) for name, value in zip(results, made) if name is not None)
