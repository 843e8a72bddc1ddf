"""What the site makes from the code: the reference page from the public names, tables from the catalogue."""

import inspect
from collections import defaultdict
from typing import Any

from mkdocs.structure.files import File

# Rooms in the order in which a reader meets them, with what they are about.
ROOMS = {
    "analysis": "A whole analysis",
    "models": "Networks",
    "data": "Images",
    "features": "Features",
    "head": "The head",
    "hulls": "Convex hulls",
    "regions": "Cells and guarantees",
    "boundaries": "Boundaries",
    "margins": "Margins and the last layer",
    "formulations": "Convex programs",
    "collapse": "Neural collapse",
    "pixels": "Back to pixels",
    "spaces": "Feature space against pixel space",
    "training": "Training",
    "answers": "Answers",
    "workers": "More than one process",
    "figures": "Pictures",
}


def on_files(files: Any, config: Any) -> Any:
    """Add api.md, which no one writes by hand."""
    files.append(File.generated(config, "api.md", content=reference()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of studies where a page asks for it."""
    return markdown.replace("{{ studies }}", studies())


def reference() -> str:
    """Every public name and every result that a public verb returns, by room."""
    rooms = defaultdict(list)
    for place in sorted(public_places(), key=str.lower):
        rooms[place.split(".")[1]].append(place)
    known = [*ROOMS, *sorted(set(rooms) - set(ROOMS))]
    lines = ["# Reference", "", "Public names are those of `featgeom`: `import featgeom as fg`.", ""]
    for room in known:
        if rooms[room]:
            lines += [f"## {ROOMS.get(room, room.capitalize())}", ""]
            lines += [line for place in rooms[room] for line in (f"::: {place}", "")]
    return "\n".join(lines)


def public_places() -> set[str]:
    """Where the public classes and functions are defined, and the results that their methods return."""
    import featgeom
    from featgeom.results import Result

    found = {getattr(featgeom, name) for name in featgeom.__all__ if not name.startswith("__")}
    found |= set(Result.__subclasses__())
    found |= {thing for thing in vars(featgeom.formulations).values() if inspect.isfunction(thing)}
    found = {thing for thing in found if inspect.isclass(thing) or inspect.isfunction(thing)}
    return {f"{thing.__module__}.{thing.__qualname__}" for thing in found}


def studies() -> str:
    """The catalogue as a table."""
    from featgeom.catalog import STUDIES

    rows = [f"| `{s.name}` | {s.question} | {options(s)} |" for s in STUDIES.values()]
    return "\n".join(["| study | question | options |", "|---|---|---|", *rows])


def options(study: Any) -> str:
    """The options of a study with their defaults."""
    return ", ".join(f"`{option.flag}` ({option.default})" for option in study.options) or "none"
