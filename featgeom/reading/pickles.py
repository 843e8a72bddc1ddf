"""A machine for pickles that imports nothing, calls nothing and makes inert objects only."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from featgeom.errors import BadCheckpoint
from featgeom.reading.inert import Global, Inert
from featgeom.reading.limits import PICKLE_STEPS

Makers = Mapping[str, Callable[..., Any]]
MARK = object()
PLAIN = (str, int, float, complex, bytes, bool, type(None), Global, Inert)


def read_pickle(
    stream: Any,
    makers: Makers | None = None,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """The object that a pickle of any protocol describes; the stream is left behind it.

    ``stream`` has ``read``, ``readline`` and ``tell``.

    Every global becomes a `Global`, every call an `Inert`, but for the names in ``makers``, which are our own
    functions that make plain values of plain arguments. ``persistent`` says what an outside reference means.

    Raises BadCheckpoint for a pickle that is damaged, or longer than a checkpoint has reason to be.

    >>> import io, pickle
    >>> made = read_pickle(io.BytesIO(pickle.dumps({"a": [1, 2], "code": print})))
    >>> made
    {'a': [1, 2], 'code': Global(name='builtins.print')}
    """
    machine = _Machine(makers or {}, persistent)
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if steps > PICKLE_STEPS:
                raise BadCheckpoint(f"its pickle has more than {PICKLE_STEPS:,} instructions")
            step = STEPS.get(opcode.name)
            if step is None:
                raise BadCheckpoint(f"its pickle uses {opcode.name}, which no checkpoint has reason to")
            step(machine, argument)
        return machine.stack.pop()
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, AttributeError) as error:
        raise BadCheckpoint(f"its pickle is damaged or truncated ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


class _Machine:
    def __init__(self, makers: Makers, persistent: Callable[[Any], Any] | None) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.makers = makers
        self.persistent = persistent

    def since_mark(self) -> list[Any]:
        """What lies above the last mark, taken off with the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def make(self, what: Any, args: Any, words: Mapping[Any, Any] | None = None) -> Any:
        """What a call would make: a plain value where its meaning is known, an inert object otherwise."""
        arguments = args if isinstance(args, tuple) else (args,)
        if not isinstance(what, Global):
            name = f"a call of {what.name}" if isinstance(what, Inert) else "a call"
            return Inert(name, (what, *arguments))
        maker = self.makers.get(what.name)
        made = NotImplemented if maker is None or words else maker(*arguments)
        if made is NotImplemented:
            made = Inert(what.name, arguments)
            made.entries.update(words or {})
        return made

    def outside(self, reference: Any) -> Any:
        if self.persistent is None:
            raise BadCheckpoint("its pickle refers to something outside of the file")
        return self.persistent(reference)


def _key(value: Any) -> Any:
    """A dictionary key that cannot recurse, or something of its own in place of one that could."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple) and len(value) < 64 and all(isinstance(part, PLAIN) for part in value):
        return value
    return Inert("a key", (value,))


def _set_items(target: Any, pairs: list[Any]) -> None:
    store = target.entries if isinstance(target, Inert) else target
    if isinstance(store, dict):
        store.update((_key(key), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True))


def _append(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(values)
    elif isinstance(target, Inert):
        target.items.extend(values)


def _build(machine: _Machine, _: Any) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if isinstance(target, Inert):
        target.state = state


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        taken = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(taken)))

    return step


def _call(machine: _Machine, _: Any) -> None:
    args, what = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.make(what, args))


def _call_with_words(machine: _Machine, _: Any) -> None:
    words, args, what = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.make(what, args, {_key(k): v for k, v in words.items()}))


def _instance(machine: _Machine, name: str) -> None:
    args = tuple(machine.since_mark())
    machine.stack.append(machine.make(Global(name.replace(" ", ".")), args))


def _object(machine: _Machine, _: Any) -> None:
    what, *args = machine.since_mark()
    machine.stack.append(machine.make(what, tuple(args)))


def _stack_global(machine: _Machine, _: Any) -> None:
    attribute, module = machine.stack.pop(), machine.stack.pop()
    if not (isinstance(module, str) and isinstance(attribute, str)):
        raise ValueError("a global whose name is no text")
    machine.stack.append(Global(f"{module}.{attribute}"))


def _push_made(make: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make(machine))


def _remember(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _set_of(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    machine.stack[-1].update(_key(value) for value in values)


def _pop(machine: _Machine, _: Any) -> None:
    machine.stack.pop()


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.since_mark()


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _nothing(machine: _Machine, _: Any) -> None:
    """Framing, and the end."""


Step = Callable[[_Machine, Any], None]
LITERALS = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
)  # fmt: skip
STEPS: dict[str, Step] = {
    **dict.fromkeys(LITERALS, _push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _nothing),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.stack.append(m.memo[place])),
    "MEMOIZE": lambda m, _: _remember(m, len(m.memo)),
    "NONE": _push_made(lambda m: None),
    "NEWTRUE": _push_made(lambda m: True),
    "NEWFALSE": _push_made(lambda m: False),
    "MARK": _push_made(lambda m: MARK),
    "EMPTY_LIST": _push_made(lambda m: []),
    "EMPTY_DICT": _push_made(lambda m: {}),
    "EMPTY_SET": _push_made(lambda m: set()),
    "EMPTY_TUPLE": _push_made(lambda m: ()),
    "DUP": _push_made(lambda m: m.stack[-1]),
    "LIST": _push_made(lambda m: m.since_mark()),
    "TUPLE": _push_made(lambda m: tuple(m.since_mark())),
    "FROZENSET": _push_made(lambda m: frozenset(map(_key, m.since_mark()))),
    "DICT": lambda m, _: _new_dict(m),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "APPEND": lambda m, _: _append_one(m),
    "APPENDS": lambda m, _: _append_all(m),
    "SETITEM": lambda m, _: _set_one(m),
    "SETITEMS": lambda m, _: _set_all(m),
    "ADDITEMS": _set_of,
    "GLOBAL": lambda m, name: m.stack.append(Global(name.replace(" ", "."))),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "NEWOBJ_EX": _call_with_words,
    "INST": _instance,
    "OBJ": _object,
    "BUILD": _build,
    "PERSID": lambda m, reference: m.stack.append(m.outside(reference)),
    "BINPERSID": lambda m, _: m.stack.append(m.outside(m.stack.pop())),
}


def _new_dict(machine: _Machine) -> None:
    made: dict[Any, Any] = {}
    _set_items(made, machine.since_mark())
    machine.stack.append(made)


def _append_one(machine: _Machine) -> None:
    value = machine.stack.pop()
    _append(machine.stack[-1], [value])


def _append_all(machine: _Machine) -> None:
    values = machine.since_mark()
    _append(machine.stack[-1], values)


def _set_one(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_items(machine.stack[-1], [key, value])


def _set_all(machine: _Machine) -> None:
    pairs = machine.since_mark()
    _set_items(machine.stack[-1], pairs)
