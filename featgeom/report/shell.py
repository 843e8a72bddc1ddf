"""What every page of ours is filled into: one file, its style and scripts inside it, under one policy."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def resource(name: str, room: str = "featgeom.report") -> str:
    """The text of a file that belongs to pages."""
    return files(room).joinpath(name).read_text("utf-8")


def filled(page: str, **values: Any) -> str:
    """A page (a jinja template, which may extend "shell" and include "view_element") with values in it.

    Whatever goes into it is escaped unless it says that it is safe; a value that is missing is an error. A
    page that extends the shell has a ``policy`` (see `content_policy`) and a ``style``.

    >>> filled("<p>{{ name }}</p>", name="<b>")
    '<p>&lt;b&gt;</p>'
    """
    from jinja2 import DictLoader, Environment, StrictUndefined

    parts = DictLoader({name: resource(f"{name}.html") for name in ("shell", "view_element")})
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=parts
    )
    return environment.from_string(page).render(**values)
