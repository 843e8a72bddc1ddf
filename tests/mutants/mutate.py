"""Every small change of a file that a checker's clause may suffer, one at a time.

A mutant is known by its file, its function and the changed piece of code, so that it keeps its name when
lines move. What is changed: comparisons (made strict, or not, or reversed), `and` and `or`, one condition
of several left out, `not`, a guarded exit never taken, signs, sums for differences, greatest and least.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("exact", "certificates")
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
SUMS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}


@dataclass(frozen=True)
class Mutant:
    """One change: where it is (room/file.py: function), what was there and what is there now."""

    path: Path
    function: str
    before: str
    after: str
    safety: bool  # it takes away a clause, or a condition of one

    @property
    def file(self) -> str:
        """Its room and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.file} {self.function}: {self.before} → {self.after}"

    @property
    def source(self) -> str:
        """The whole file, changed."""
        tree = next(tree for one, tree in _changed(self.path) if one == self)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(path: Path) -> Iterator[Mutant]:
    """All mutants of a file, in the order of its lines; of two that read alike, the first."""
    seen = set()
    for one, _ in _changed(path):
        if one.name not in seen:
            seen.add(one.name)
            yield one


def _changed(path: Path) -> Iterator[tuple[Mutant, ast.Module]]:
    """Every mutant of a file, beside the code while the change is in place."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    for function, node in _parts(tree):
        for before, after, safety in _changes(node):
            yield Mutant(path, function, before, after, safety), tree
    assert ast.unparse(tree) == ast.unparse(ast.parse(text))


def _parts(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every piece of code inside a function, with the name of the function; not its docstring and types."""

    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list") or isinstance(
                node, ast.Raise | ast.Assert
            ):
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST):
                    continue
                inner = name
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    inner = f"{name}.{child.name}".lstrip(".")
                if name and child is not node:
                    yield name, child
                yield from walk(child, inner)

    return walk(tree, "")


def _changes(node: ast.AST) -> Iterator[tuple[str, str, bool]]:
    """Put each change of one piece of code in place, in turn, and take it back."""
    before = ast.unparse(node) if isinstance(node, ast.expr) else ""
    if isinstance(node, ast.If) and _leaves(node.body):
        kept, before = node.test, f"if {ast.unparse(node.test)}"
        node.test = ast.Constant(False)
        yield before, "never", True
        node.test = kept
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            if type(op) in COMPARED:
                node.ops[i] = COMPARED[type(op)]()
                yield before, ast.unparse(node), False
                node.ops[i] = op
    elif isinstance(node, ast.BoolOp):
        kept_op, values = node.op, node.values
        node.op = ast.Or() if isinstance(kept_op, ast.And) else ast.And()
        yield before, ast.unparse(node), False
        node.op = kept_op
        for i in range(len(values)):
            node.values = values[:i] + values[i + 1 :]
            yield before, ast.unparse(node), True
        node.values = values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        kept_operator = node.op
        node.op = ast.UAdd()
        if isinstance(kept_operator, ast.Not):
            inner = node.operand
            node.operand, node.op = ast.UnaryOp(ast.Not(), inner), ast.Not()
            yield before, ast.unparse(inner), True
            node.operand = inner
        else:
            yield before, ast.unparse(node), False
        node.op = kept_operator
    elif isinstance(node, ast.BinOp) and type(node.op) in SUMS and not isinstance(node.left, ast.List):
        kept_sum = node.op
        node.op = SUMS[type(kept_sum)]()
        yield before, ast.unparse(node), isinstance(kept_sum, ast.BitAnd)
        node.op = kept_sum
    elif isinstance(node, ast.AugAssign) and type(node.op) in SUMS:
        kept_sum, before = node.op, ast.unparse(node)
        node.op = SUMS[type(kept_sum)]()
        yield before, ast.unparse(node), isinstance(kept_sum, ast.BitAnd | ast.BitOr)
        node.op = kept_sum
    elif isinstance(node, ast.Call):
        called = node.func
        name = (
            called.id
            if isinstance(called, ast.Name)
            else called.attr
            if isinstance(called, ast.Attribute)
            else ""
        )
        if name in CALLS:
            node.func = copy.copy(called)
            setattr(node.func, "id" if isinstance(called, ast.Name) else "attr", CALLS[name])
            yield before, ast.unparse(node), False
            node.func = called


def _leaves(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)
