"""The examples in docstrings, as code that a reader can copy."""

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Put every run of `>>>` lines, with what they print, into a fenced block."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called for everything that is read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring with its examples in fences: each runs from `>>>` to an empty line or the end."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if not inside and line.lstrip().startswith(">>>"):
            lines.append("```pycon")
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line.replace("<BLANKLINE>", "") if inside else line)
    return "\n".join([*lines, "```"] if inside else lines)
