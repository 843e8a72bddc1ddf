"""An interpreter of TorchScript's syntax trees over inert values: tensors, numbers, texts, lists, layers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from featgeom.errors import Unsupported
from featgeom.programs.operators import apply
from featgeom.programs.script_code import Code, qualified, refuse

STEPS = 3_000_000  # statements in one pass of a network
LONGEST = 1 << 16  # parts of a list or a text
CALLS = 150  # calls within calls
TYPES = (
    "Tensor",
    "List",
    "Dict",
    "Optional",
    "Tuple",
    "NoneType",
    "number",
    "str",
    "int",
    "float",
    "bool",
    "Any",
)


class Layer(Protocol):
    """An object of the archive, as the machine sees it."""

    kind: str

    def attribute(self, name: str) -> Any:
        """What the object holds under that name."""

    def __call__(self, *args: Any) -> Any:
        """Its forward pass, as a layer of torch."""


class Return(Exception):
    """The end of a function."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Refused(Exception):
    """The program itself raises an error."""


class Machine:
    """Runs functions of ``code``. ``constants`` are the archive's own tensors."""

    def __init__(self, code: Code, constants: tuple[Any, ...]) -> None:
        self.code = code
        self.constants = constants
        self.steps = 0
        self.depth = 0

    def method(self, layer: Layer, name: str, args: tuple[Any, ...], words: Mapping[str, Any]) -> Any:
        """A method of a layer's class."""
        found = self.code.classes.get(layer.kind)
        if found is None or name not in found.methods:
            raise Unsupported(f"its program calls '{name}' of {layer.kind}, which is not in the archive")
        return self.function(found.methods[name], (layer, *args), words)

    def function(self, tree: ast.FunctionDef, args: tuple[Any, ...], words: Mapping[str, Any]) -> Any:
        """A function called with these arguments."""
        names = [argument.arg for argument in tree.args.args]
        scope: dict[str, Any] = dict(zip(names, args))
        defaults = tree.args.defaults
        for name, default in zip(names[len(names) - len(defaults) :], defaults):
            if name not in scope and name not in words:
                scope[name] = self.value(default, {})
        scope.update(words)
        if len(args) > len(names) or not set(names) <= set(scope):
            raise Unsupported(f"its program calls '{tree.name}' with other arguments than it takes")
        self.depth += 1
        if self.depth > CALLS:
            raise Unsupported(f"its program calls itself more than {CALLS} deep")
        try:
            self.block(tree.body, scope)
        except Return as done:
            return done.value
        finally:
            self.depth -= 1
        return None

    def block(self, statements: list[ast.stmt], scope: dict[str, Any]) -> None:
        """Statements one after the other."""
        for statement in statements:
            self.steps += 1
            if self.steps > STEPS:
                raise Unsupported(f"its program runs more than {STEPS:,} statements on one batch")
            step = STATEMENTS.get(type(statement))
            if step is None:
                raise refuse(statement)
            step(self, statement, scope)

    def value(self, node: ast.expr, scope: dict[str, Any]) -> Any:
        """What an expression is."""
        evaluate = EXPRESSIONS.get(type(node))
        if evaluate is None:
            raise refuse(node)
        return evaluate(self, node, scope)


def _assign(machine: Machine, node: ast.Assign, scope: dict[str, Any]) -> None:
    value = machine.value(node.value, scope)
    for target in node.targets:
        _bind(machine, target, value, scope)


def _bind(machine: Machine, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        parts = list(value) if isinstance(value, list | tuple) else []
        if len(parts) != len(target.elts):
            raise Unsupported("its program takes a tuple of another length apart")
        for inner, part in zip(target.elts, parts):
            _bind(machine, inner, part, scope)
    elif isinstance(target, ast.Subscript):
        holder = machine.value(target.value, scope)
        if not isinstance(holder, list | dict):
            raise refuse(target)
        holder[machine.value(target.slice, scope)] = value
    else:
        raise Unsupported("its program changes its own layers while it runs")


def _annotated(machine: Machine, node: ast.AnnAssign, scope: dict[str, Any]) -> None:
    if node.value is not None:
        _bind(machine, node.target, machine.value(node.value, scope), scope)


def _if(machine: Machine, node: ast.If, scope: dict[str, Any]) -> None:
    machine.block(node.body if _true(machine.value(node.test, scope)) else node.orelse, scope)


def _true(value: Any) -> bool:
    return bool(value)


def _for(machine: Machine, node: ast.For, scope: dict[str, Any]) -> None:
    values = machine.value(node.iter, scope)
    if not isinstance(values, list | tuple | range | str | dict | Tensor):
        raise refuse(node)
    for value in values:
        _bind(machine, node.target, value, scope)
        machine.block(node.body, scope)


def _while(machine: Machine, node: ast.While, scope: dict[str, Any]) -> None:
    while _true(machine.value(node.test, scope)):
        machine.block(node.body, scope)
        machine.steps += 1
        if not node.body or machine.steps > STEPS:
            raise Unsupported("its program does not end")


def _expression(machine: Machine, node: ast.Expr, scope: dict[str, Any]) -> None:
    machine.value(node.value, scope)


def _return(machine: Machine, node: ast.Return, scope: dict[str, Any]) -> None:
    raise Return(None if node.value is None else machine.value(node.value, scope))


def _pass(machine: Machine, node: ast.Pass, scope: dict[str, Any]) -> None:
    """Nothing."""


STATEMENTS: dict[type[ast.stmt], Callable[[Machine, Any, dict[str, Any]], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.If: _if,
    ast.For: _for,
    ast.While: _while,
    ast.Expr: _expression,
    ast.Return: _return,
    ast.Pass: _pass,
}


def _name(machine: Machine, node: ast.Name, scope: dict[str, Any]) -> Any:
    if node.id in scope:
        return scope[node.id]
    if node.id in ("inf", "infinity"):
        return float("inf")
    if node.id == "nan":
        return float("nan")
    raise Unsupported(f"its program uses the unknown name '{node.id}'")


def _attribute(machine: Machine, node: ast.Attribute, scope: dict[str, Any]) -> Any:
    name = qualified(node)
    if name is not None:
        first, _, rest = name.partition(".")
        if first == "CONSTANTS" and rest[:1] == "c" and rest[1:].isdigit():
            return machine.constants[int(rest[1:])]
        if name in machine.code.functions:
            return Function(name)
        home, _, last = name.rpartition(".")
        if home in machine.code.classes and last in machine.code.classes[home].constants:  # of an Enum
            return machine.value(machine.code.classes[home].constants[last], {})
        if first not in scope:
            raise Unsupported(f"its program uses the unknown name '{name}'")
    return _held(machine, machine.value(node.value, scope), node.attr)


def _held(machine: Machine, holder: Any, name: str) -> Any:
    """An attribute of a layer, a class's constant, a property of a tensor."""
    if hasattr(holder, "kind") and hasattr(holder, "attribute"):
        try:
            return holder.attribute(name)
        except KeyError:
            found = machine.code.classes.get(holder.kind)
            if found is not None and name in found.constants:
                return machine.value(found.constants[name], {})
            raise Unsupported(
                f"its program asks {holder.kind} for '{name}', which it does not have"
            ) from None
    if isinstance(holder, Parts) and name in holder.names:
        return holder[holder.names.index(name)]
    if isinstance(holder, Tensor) and name in PROPERTIES:
        return PROPERTIES[name](holder)
    raise Unsupported(f"its program asks for '{name}' of a {type(holder).__name__}")


class Parts(tuple[Any, ...]):
    """A tuple whose parts have names."""

    names: list[str]


class Function:
    """A function of the archive, by name."""

    def __init__(self, name: str) -> None:
        self.name = name


def _call(machine: Machine, node: ast.Call, scope: dict[str, Any]) -> Any:
    called = node.func
    name = qualified(called)
    if name in FORMS:
        return FORMS[name](machine, node, scope)
    args = tuple(machine.value(part, scope) for part in node.args)
    words = {part.arg: machine.value(part.value, scope) for part in node.keywords if part.arg is not None}
    if name is not None and name.partition(".")[0] not in scope:
        return _named_call(machine, name, args, words)
    if isinstance(called, ast.Name) and isinstance(scope.get(called.id), Function):
        return _named_call(machine, scope[called.id].name, args, words)
    if isinstance(called, ast.Attribute):
        holder = machine.value(called.value, scope)
        if hasattr(holder, "kind"):
            if called.attr == "forward" and callable(holder) and not words:
                return holder(*args)
            return machine.method(holder, called.attr, args, words)
    raise refuse(node)


def _named_call(machine: Machine, name: str, args: tuple[Any, ...], words: dict[str, Any]) -> Any:
    if name in machine.code.functions:
        return machine.function(machine.code.functions[name], args, words)
    if name in machine.code.classes and machine.code.classes[name].fields:
        made = Parts(args)
        made.names = machine.code.classes[name].fields
        return made
    room, _, short = name.rpartition(".")
    if room in ("torch", "ops.aten", "ops.prim", ""):
        return builtin(short, args, words)
    raise Unsupported(f"its program calls '{name}', which is not run here")


def builtin(name: str, args: tuple[Any, ...], words: Mapping[str, Any]) -> Any:
    """A function of TorchScript itself: of the language where no tensor is in play, else an operator."""
    if name in LANGUAGE and (name in ANYWHERE or not any(isinstance(value, Tensor) for value in args)):
        return LANGUAGE[name](*args, **words) if name == "tensor" else LANGUAGE[name](*args)
    if name in ("to", "_to_copy"):
        args = tuple(value for value in args if not isinstance(value, torch.device))
    kept = {key: value for key, value in words.items() if key not in ("device", "pin_memory", "layout")}
    return apply(name, None, args, kept)


def _annotate(machine: Machine, node: ast.Call, scope: dict[str, Any]) -> Any:
    return machine.value(node.args[1], scope)


def _uninitialized(machine: Machine, node: ast.Call, scope: dict[str, Any]) -> Any:
    return None


def _getattr(machine: Machine, node: ast.Call, scope: dict[str, Any]) -> Any:
    name = node.args[1]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        raise refuse(node)
    return _held(machine, machine.value(node.args[0], scope), name.value)


def _isinstance(machine: Machine, node: ast.Call, scope: dict[str, Any]) -> bool:
    value, kinds = machine.value(node.args[0], scope), node.args[1]
    names = [qualified(kind) for kind in (kinds.elts if isinstance(kinds, ast.Tuple | ast.List) else [kinds])]
    tests: dict[str | None, bool] = {
        "Tensor": isinstance(value, Tensor), "int": type(value) is int, "float": isinstance(value, float),
        "bool": isinstance(value, bool), "str": isinstance(value, str), "NoneType": value is None,
        "list": isinstance(value, list), "tuple": isinstance(value, tuple),
    }  # fmt: skip
    if not set(names) <= set(tests):
        raise refuse(node)
    return any(tests[name] for name in names)


FORMS: dict[str | None, Callable[[Machine, ast.Call, dict[str, Any]], Any]] = {
    "annotate": _annotate,
    "unchecked_cast": _annotate,
    "uninitialized": _uninitialized,
    "getattr": _getattr,
    "isinstance": _isinstance,
}


def _raise(message: Any, *_: Any) -> None:
    raise Refused(str(message)[:200])


def _device(*_: Any) -> torch.device:
    return torch.device("cpu")


def _format(text: str, *values: Any) -> str:
    for value in values:
        text = text.replace("{}", str(value)[:200] if not isinstance(value, Tensor) else "a tensor", 1)
    return text


def _number(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _sliced(values: Any, start: Any = None, end: Any = None, step: Any = 1) -> Any:
    return values[start:end:step]


def _append(values: list[Any], value: Any) -> list[Any]:
    values.append(value)
    return values


def _set_item(values: list[Any], place: int, value: Any) -> list[Any]:
    values[place] = value
    return values


def _extend(values: list[Any], more: list[Any]) -> None:
    values.extend(more)


def _insert(values: list[Any], place: int, value: Any) -> None:
    values.insert(place, value)


def _bounded(compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Arithmetic of the language: whole numbers of 64 bits, lists and texts of ``LONGEST`` parts at most."""

    def computed(one: Any, other: Any, *_: Any) -> Any:
        result = compute(one, other)
        long = isinstance(result, list | str | tuple) and len(result) > LONGEST
        if long or (isinstance(result, int) and abs(result) >= 1 << 63):
            raise Unsupported("its program computes a number or a list beyond all bounds")
        return result

    return computed


def _times(one: Any, other: Any) -> Any:
    if isinstance(one, list | str | tuple) and len(one) * int(other) > LONGEST:
        raise Unsupported(f"its program makes a list of more than {LONGEST:,} parts")
    return one * other


def _listed(values: Any = ()) -> list[Any]:
    if len(values) > LONGEST:
        raise Unsupported(f"its program makes a list of more than {LONGEST:,} parts")
    return list(values)


PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "dtype": lambda t: t.dtype,
    "device": lambda t: t.device,
    "shape": lambda t: list(t.shape),
    "ndim": lambda t: t.ndim,
    "is_cuda": lambda t: False,
    "requires_grad": lambda t: True,
    "layout": lambda t: t.layout,
    "T": lambda t: t.T,
    "mT": lambda t: t.mT,
}
LANGUAGE: dict[str, Callable[..., Any]] = {
    **PROPERTIES,
    "RaiseException": _raise,
    "NumToTensor": _number,
    "TupleUnpack": lambda value: value,
    "__contains__": lambda values, value: value in values,
    "__getitem__": lambda values, place: values[place],
    "__is__": lambda a, b: a is b,
    "__isnot__": lambda a, b: a is not b,
    "__not__": lambda a: not a,
    "__and__": lambda a, b: a & b,
    "__or__": lambda a, b: a | b,
    "__range_length": lambda start, end, step: len(range(start, end, step)),
    "add": _bounded(operator.add),
    "_set_item": _set_item,
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "bool": bool,
    "Bool": bool,
    "ceil": lambda a: -int(-a // 1),
    "copy": lambda values: type(values)(values),
    "device": _device,
    "dim": lambda t: t.dim(),
    "type": lambda device: torch.device(device).type,
    "div": lambda a, b: a / b,
    "eq": operator.eq,
    "float": float,
    "Float": float,
    "FloatImplicit": float,
    "floor": lambda a: int(a // 1),
    "floordiv": lambda a, b: a // b,
    "format": _format,
    "ge": operator.ge,
    "gt": operator.gt,
    "int": int,
    "Int": int,
    "IntImplicit": int,
    "ScalarImplicit": lambda t: t.item(),
    "is_floating_point": lambda t: t.is_floating_point(),
    "is_grad_enabled": lambda: True,  # a program that asks shall take the way that has derivatives
    "is_scripting": lambda: True,
    "is_tracing": lambda: False,
    "is_nested": lambda t: False,
    "tensor": lambda value, **words: torch.tensor(value, dtype=words.get("dtype")),
    "is_autocast_enabled": lambda *_: False,
    "items": lambda values: list(values.items()),
    "keys": lambda values: list(values),
    "values": lambda values: list(values.values()),
    "le": operator.le,
    "len": len,
    "list": _listed,
    "lt": operator.lt,
    "max": lambda *values: max(*values),
    "min": lambda *values: min(*values),
    "mul": _bounded(_times),
    "ne": operator.ne,
    "neg": operator.neg,
    "numel": lambda t: t.numel(),
    "pow": _bounded(lambda a, b: a**b if abs(b) <= 64 else float(a) ** b),
    "range": range,
    "remainder": lambda a, b: a % b,
    "round": round,
    "size": lambda t, dim=None: list(t.size()) if dim is None else t.size(dim),
    "slice": _sliced,
    "sqrt": lambda a: a**0.5,
    "str": lambda value: str(value)[:200],
    "sub": _bounded(operator.sub),
    "unchecked_unwrap_optional": lambda value: value,
    "warn": lambda *_: None,
    "zip": lambda *values: list(zip(*map(_listed, values))),
    "enumerate": lambda values: list(enumerate(_listed(values))),
    "item": lambda t: t.item(),
}
WITH_TENSORS = """
NumToTensor __is__ __isnot__ __getitem__ append extend insert bool Bool dim float Float FloatImplicit format
int Int IntImplicit ScalarImplicit is_floating_point len numel size str unchecked_unwrap_optional item list
warn RaiseException dtype device shape ndim is_cuda requires_grad layout T mT TupleUnpack __contains__ zip
enumerate is_nested is_autocast_enabled _set_item
"""
ANYWHERE = frozenset(WITH_TENSORS.split())
INFIX: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv",
    ast.Mod: "remainder", ast.Pow: "pow", ast.MatMult: "matmul",
}  # fmt: skip
COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.Is: "__is__", ast.IsNot: "__isnot__",
}  # fmt: skip


def _binary(machine: Machine, node: ast.BinOp, scope: dict[str, Any]) -> Any:
    name = INFIX.get(type(node.op))
    if name is None:
        raise refuse(node)
    return builtin(name, (machine.value(node.left, scope), machine.value(node.right, scope)), {})


def _unary(machine: Machine, node: ast.UnaryOp, scope: dict[str, Any]) -> Any:
    value = machine.value(node.operand, scope)
    if isinstance(node.op, ast.USub):
        return -value
    if isinstance(node.op, ast.Not):
        return not value
    raise refuse(node)


def _compare(machine: Machine, node: ast.Compare, scope: dict[str, Any]) -> Any:
    name = COMPARED.get(type(node.ops[0])) if len(node.ops) == 1 else None
    if name is None:
        raise refuse(node)
    return builtin(name, (machine.value(node.left, scope), machine.value(node.comparators[0], scope)), {})


def _either(machine: Machine, node: ast.BoolOp, scope: dict[str, Any]) -> bool:
    decisive = isinstance(node.op, ast.Or)
    return (
        decisive
        if any(bool(machine.value(part, scope)) is decisive for part in node.values)
        else not decisive
    )


def _subscript(machine: Machine, node: ast.Subscript, scope: dict[str, Any]) -> Any:
    holder = machine.value(node.value, scope)
    if isinstance(node.slice, ast.Slice):
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        place: Any = slice(*[None if part is None else machine.value(part, scope) for part in bounds])
    else:
        place = machine.value(node.slice, scope)
    if not isinstance(holder, list | tuple | dict | str | Tensor):
        return holder.attribute(str(place)) if hasattr(holder, "attribute") else _no(node)
    return holder[place]


def _no(node: ast.AST) -> Any:
    raise refuse(node)


EXPRESSIONS: dict[type[ast.expr], Callable[[Machine, Any, dict[str, Any]], Any]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Constant: lambda machine, node, scope: node.value,
    ast.Tuple: lambda machine, node, scope: tuple(machine.value(part, scope) for part in node.elts),
    ast.List: lambda machine, node, scope: [machine.value(part, scope) for part in node.elts],
    ast.Dict: lambda machine, node, scope: {
        machine.value(key, scope): machine.value(value, scope)
        for key, value in zip(node.keys, node.values)
        if key is not None
    },
    ast.IfExp: lambda machine, node, scope: machine.value(
        node.body if _true(machine.value(node.test, scope)) else node.orelse, scope
    ),
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _either,
    ast.Subscript: _subscript,
}
