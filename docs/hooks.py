"""The reference page, made from docstrings when the site is built."""

import html
import inspect
from typing import Any

from mkdocs.structure.files import File


def on_files(files: Any, config: Any) -> Any:
    """Add api.md, which no one writes by hand."""
    files.append(File.generated(config, "api.md", content=reference()))
    return files


def reference() -> str:
    """Every public name with its signature and docstring."""
    import featgeom

    lines = ["# Reference", "", "Everything below is a name of `featgeom`: `import featgeom as fg`.", ""]
    for name in sorted(featgeom.__all__, key=str.lower):
        thing = getattr(featgeom, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        lines += entry(name, thing, "##")
        if inspect.isclass(thing):
            for part, method in vars(thing).items():
                call = getattr(method, "__func__", method)
                if not part.startswith("_") and inspect.isfunction(call):
                    lines += entry(f"{name}.{part}", call, "###")
    return "\n".join(lines)


class Written(str):
    """A type as it is written in the source, without quotes."""

    def __repr__(self) -> str:
        return str(self)


def signature(thing: Any) -> str:
    """How a thing is called, or nothing where that is not known."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""

    def written(annotation: Any) -> Any:
        return Written(annotation) if isinstance(annotation, str) else annotation

    parts = [
        p.replace(annotation=written(p.annotation)) for p in found.parameters.values() if p.name != "self"
    ]
    returned = inspect.Signature.empty if inspect.isclass(thing) else written(found.return_annotation)
    return str(found.replace(parameters=parts, return_annotation=returned))


def entry(name: str, thing: Any, level: str) -> list[str]:
    """One name: heading, signature, docstring as it stands in the source."""
    text = html.escape(f"{name}{signature(thing)}\n\n{inspect.getdoc(thing) or ''}".rstrip())
    return [f"{level} {name}", "", f"<pre>{text}</pre>".replace("\n\n", "\n&#8203;\n"), ""]
