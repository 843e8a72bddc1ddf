"""What stands for the classes, functions and objects that a pickle names: names and contents alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Global:
    """The name of a class or function. It is never looked up."""

    name: str


@dataclass(eq=False, repr=False)
class Inert:
    """What would have been made by calling ``name`` with ``args``, and what was to be put into it."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The attributes that the object was to have, as far as its state is a dictionary of them."""
        found: dict[str, Any] = {}
        parts = self.state if isinstance(self.state, tuple) else (self.state,)  # (__dict__, slots)
        for part in parts:
            if isinstance(part, dict):
                found |= {name: value for name, value in part.items() if isinstance(name, str)}
        return found
