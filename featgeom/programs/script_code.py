"""The code of a TorchScript archive as syntax trees: read by Python's own parser, and never compiled."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from featgeom.errors import BadCheckpoint, Unsupported
from featgeom.reading.archives import Archive

LARGEST = 8 << 20  # bytes of code
DEEPEST = 200  # expressions within expressions


@dataclass(frozen=True)
class ScriptClass:
    """A class of the archive: its methods and its constants."""

    name: str
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)  # of a tuple whose parts have names


@dataclass(frozen=True)
class Code:
    """All classes and functions of an archive, by qualified name."""

    classes: dict[str, ScriptClass]
    functions: dict[str, ast.FunctionDef]


def read_code(archive: Archive, folder: str) -> Code:
    """The code of an archive whose parts lie in ``folder``. Raises BadCheckpoint where it is none."""
    start = f"{folder}code/"
    files = [name for name in archive.sizes if name.startswith(start) and name.endswith(".py")]
    if sum(archive.sizes[name] for name in files) > LARGEST:
        raise BadCheckpoint(f"more than {LARGEST:,} bytes of code")
    code = Code({}, {})
    for name in files:
        home = name[len(start) : -len(".py")].replace("/", ".")
        try:
            tree = ast.parse(_as_python(archive.read(name).decode("utf-8")))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BadCheckpoint(f"its code cannot be parsed ({str(error)[:100]})") from None
        for part in tree.body:
            if isinstance(part, ast.FunctionDef):
                code.functions[f"{home}.{part.name}"] = part
            elif isinstance(part, ast.ClassDef):
                code.classes[f"{home}.{part.name}"] = _class(f"{home}.{part.name}", part)
    return code


def _as_python(text: str) -> str:
    """TorchScript's own notation for numbers that Python cannot write."""
    return re.sub(r"\b(\d+)\.\.", r"\1.", text)


def _class(name: str, tree: ast.ClassDef) -> ScriptClass:
    made = ScriptClass(name)
    for part in tree.body:
        if isinstance(part, ast.FunctionDef):
            made.methods[part.name] = part
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            if part.value is not None:
                made.constants[part.target.id] = part.value
            elif _is_a(tree, "NamedTuple"):
                made.fields.append(part.target.id)
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name) and _is_a(tree, "Enum"):
            made.constants[part.targets[0].id] = part.value
    return made


def _is_a(tree: ast.ClassDef, base: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == base for node in tree.bases)


def qualified(node: ast.expr) -> str | None:
    """The dotted name that an expression is, or None.

    >>> qualified(ast.parse("a.b.c", mode="eval").body)
    'a.b.c'
    """
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def refuse(node: ast.AST) -> Unsupported:
    """The error for a piece of code of a kind that networks do not use."""
    return Unsupported(f"its program has a {type(node).__name__} of a kind that is not run here")
