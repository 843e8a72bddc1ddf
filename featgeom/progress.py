"""How far a long question is: a bar at a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")
EVERY = 10.0  # seconds between two lines where there is no terminal
SOON = 2.0  # seconds after which a terminal shows what goes on
LINE = "{desc}: {n_fmt} of {total_fmt} ({percentage:.0f} %), {elapsed} gone, {remaining} left"


_going_on: list[object] = []  # what `doing` tells of, innermost last
_pass: list[tuple[int, int, float]] = []  # over something large: rows looked at, of how many, and its begin


class _Lines:
    """A stream on which every state of a bar is a line of its own."""

    last = 0.0  # when anything was said

    def write(self, text: str) -> None:
        """One state; clearing the bar says nothing."""
        if said := text.strip():
            print(said, file=sys.stderr)
            _Lines.last = monotonic()

    def flush(self) -> None:
        """Write what is waiting."""
        sys.stderr.flush()


def bar(items: Iterable[Any] | None = None, *, desc: str, disable: bool, **more: Any) -> Any:
    """A tqdm bar over ``items`` on standard error; without a terminal a line every ten seconds of it.

    >>> list(bar(range(3), desc="three", disable=True))
    [0, 1, 2]
    """
    from tqdm import tqdm

    if not sys.stderr.isatty():
        more |= {"file": _Lines(), "mininterval": EVERY, "maxinterval": EVERY, "delay": EVERY, "leave": False}
        more |= {"position": 0}  # none moves up above another
        more |= {"bar_format": LINE} if "total" in more or hasattr(items, "__len__") else {}
    return tqdm(items, desc=desc, disable=disable, **more)


@contextmanager
def doing(what: str, *, disable: bool) -> Iterator[None]:
    """Tell that ``what`` goes on and for how long: at a terminal after two seconds, else a line every ten.

    While something large is looked at, how far that is and the time left are told, too (`looked`). Without a
    terminal nothing is told while a `bar` or something within tells more.
    """
    if disable:
        yield
        return
    mine, over = object(), Event()
    shown = bar(
        desc=what, disable=False, bar_format="{desc}: {elapsed} gone{postfix}", delay=SOON, leave=False
    )
    telling = Thread(target=_tell, args=(shown, mine, over), daemon=True)
    _going_on.append(mine)
    telling.start()
    try:
        yield
    finally:
        _going_on.remove(mine)
        over.set()
        telling.join()
        shown.close()


def _tell(shown: Any, mine: object, over: Event) -> None:
    """Show a bar of `doing` anew from time to time, until it is over."""
    terminal, began = sys.stderr.isatty(), monotonic()
    while not over.wait(1.0 if terminal else max(EVERY, 0.05)):
        innermost = _going_on[-1:] == [mine]  # which may be over by now
        silent = not terminal and innermost and monotonic() - _Lines.last >= EVERY
        if silent or (terminal and monotonic() - began >= SOON):
            with suppress(OSError, ValueError):  # whoever reads it may be gone
                shown.set_postfix_str(_how_far(), refresh=False)
                shown.refresh()


def looked(done: int, total: int) -> None:
    """That ``done`` rows of something large, of ``total``, are looked at, one after the other."""
    began = monotonic()
    for before, of, since in _pass[:]:  # a copy: others may look at something at the same time
        began = since if before <= done and of == total else began
    _pass[:] = [(done, total, began)] if done < total else []


def _how_far() -> str:
    """How far a pass over something large is, where one goes on.

    >>> looked(0, 1000), looked(250, 1000)
    (None, None)
    >>> _how_far()
    'at 25 % of 1,000 rows, 00:00 left'
    >>> looked(1000, 1000)
    >>> _how_far()
    ''
    """
    from tqdm import tqdm

    if not (known := _pass[:]) or not known[0][0]:
        return ""
    done, total, began = known[0]
    left = (monotonic() - began) * (total - done) / done
    return f"at {100 * done / total:.0f} % of {total:,} rows, {tqdm.format_interval(left)} left"


def in_batches(
    ask: Callable[[slice], Result], count: int, size: int, what: str, progress: bool = False
) -> Result:
    """The results of ``ask`` for rows 0 to ``count``, ``size`` at a time, joined field by field.

    A result is a dataclass of arrays with one row a question; its ``stats`` are those of the first part.

    >>> from dataclasses import make_dataclass
    >>> Squares = make_dataclass("Squares", ["values"])
    >>> in_batches(lambda rows: Squares(np.arange(5)[rows] ** 2), 5, 2, "rows").values
    array([ 0,  1,  4,  9, 16])
    """
    starts = bar(range(0, count, size), desc=what, disable=not progress)
    return in_one([ask(slice(i, min(i + size, count))) for i in starts])


def in_one(parts: Sequence[Result]) -> Result:
    """Results of some rows each, joined as `in_batches` does."""
    names = [f.name for f in fields(parts[0]) if f.name != "stats"]  # type: ignore[arg-type]
    joined: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return replace(parts[0], **joined)  # type: ignore[type-var]
