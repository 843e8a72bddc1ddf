"""What every result has: a few words that say what it holds, and intervals for values that are bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from featgeom.decimals import bounded, no_less
from featgeom.status import Stats, Status, tally


@dataclass(frozen=True, eq=False, repr=False)
class Interval:
    """What a value is proved (or, where estimated, said) to lie in: lower ≤ value ≤ upper.

    Both are numbers, or arrays of one shape with an entry a value.

    >>> Interval(0.25, 0.5), Interval(np.array([0.0, 1.0]), np.array([0.5, 1.0])).width
    (Interval(0.25 to 0.5), array([0.5, 0. ]))
    """

    lower: Any
    upper: Any

    @property
    def width(self) -> Any:
        """Upper less lower: how much is open."""
        return np.where(np.equal(self.lower, self.upper), 0.0, np.subtract(self.upper, self.lower))[()]

    def holds(self, value: Any) -> Any:
        """Whether a value lies in it."""
        return (np.less_equal(self.lower, value) & np.less_equal(value, self.upper))[()]

    def __repr__(self) -> str:
        return f"Interval({ranged(self)})"

    def __str__(self) -> str:
        return ranged(self)


class Result:
    """A result whose `repr` says in a line what it holds.

    ``bounded`` names its main value and the fields that hold the lower and the upper bound of it, ``shows``
    other values worth a word. Every result has a ``status``, a member of `Status` or an object array of
    members, and most have ``stats``.
    """

    bounded: ClassVar[tuple[str, str, str] | None] = None
    shows: ClassVar[tuple[str, ...]] = ()

    @property
    def interval(self) -> Interval:
        """What the main value is proved (or, where estimated, said) to lie in."""
        if self.bounded is None:
            raise AttributeError(f"{type(self).__name__} has no value between two bounds")
        _, lower, upper = self.bounded
        return Interval(getattr(self, lower), getattr(self, upper))

    def said(self) -> Iterator[str]:
        """The parts of the line."""
        status: Any = getattr(self, "status", None)
        if isinstance(status, np.ndarray):
            yield ", ".join(f"{count:,} {name}" for name, count in tally(status.ravel()).items()) or "none"
        elif status is not None:
            yield str(status)
        if self.bounded is not None:
            yield f"{self.bounded[0]} {self.interval}"
        for name in self.shows:
            yield f"{name} {ranged(getattr(self, name))}"
        stats: Any = getattr(self, "stats", None)
        if isinstance(stats, Stats):
            yield f"{stats.seconds:.2g} s"

    def __repr__(self) -> str:
        status: Any = getattr(self, "status", None)
        count = f" of {status.size:,}" if isinstance(status, np.ndarray) else ""
        return f"<{type(self).__name__}{count}: {'; '.join(self.said())}>"


def shortened(names: Sequence[str], most: int = 10) -> str:
    """Names in one line, the rest counted.

    >>> shortened(["cat", "dog", "deer"], 2)
    'cat, dog, and 1 more'
    """
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def ranged(value: Any) -> str:
    """A value in a few words: a number, or what an array or interval runs from and to.

    >>> ranged(0.25), ranged(np.array([1.0, np.inf, 3.0])), ranged(Interval(1.0, 1.0))
    ('0.25', '1 to 3 (1 infinite)', '1')
    """
    if value is None:
        return "none"
    if isinstance(value, Status):
        return value.name
    if isinstance(value, Interval):
        return _of_interval(value)
    if isinstance(value, (str, bool, np.bool_)):
        return str(value)
    array = np.asarray(value)
    if array.dtype == bool:
        return f"{int(array.sum()):,} of {array.size:,}"
    if array.ndim == 0:
        return f"{array[()]:,}" if array.dtype.kind in "iu" else f"{array[()]:.4g}"
    return _of_array(array)


def _of_array(array: NDArray[Any]) -> str:
    if array.dtype.kind not in "fiu":
        return f"{array.size:,} values"
    known = array[np.isfinite(array)]
    others = [(np.isinf(array).sum(), "infinite"), (np.isnan(array).sum(), "not known")]
    rest = ", ".join(f"{count:,} {word}" for count, word in others if count)
    low, high = (f"{known.min():.4g}", f"{known.max():.4g}") if known.size else ("", "")
    span = f"{low} to {high}" if low != high else low
    return " ".join(part for part in (span, f"({rest})" if rest else "") if part) or "no values"


def _of_interval(interval: Interval) -> str:
    lower, upper = np.asarray(interval.lower, float), np.asarray(interval.upper, float)
    if lower.ndim == 0:
        return bounded(float(lower), float(upper), 6)
    gap = np.asarray(interval.width)[np.isfinite(upper)]
    widest = f", known to {no_less(gap.max(), 2)}" if gap.size else ""
    return f"{_of_array(upper)}{widest}"
