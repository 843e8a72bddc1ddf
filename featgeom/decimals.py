"""Bounds as people read them: with fewer digits, and never rounded inwards."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from numbers import Integral


def no_less(value: float, digits: int = 4) -> str:
    """An upper bound with so many digits: rounded up, so that read again as float64 it still is one.

    >>> no_less(0.12341), no_less(0.1234), no_less(1.2e-7, 1), no_less(float("inf")), no_less(2**53 + 1, 17)
    ('0.1235', '0.1234', '2e-07', 'inf', '9007199254740994')
    """
    return _rounded(value, digits, up=True)


def no_more(value: float, digits: int = 4) -> str:
    """A lower bound with so many digits: rounded down, so that read again as float64 it still is one.

    >>> no_more(0.12349), no_more(-1.00001, 3), no_more(99.99, 2)
    ('0.1234', '-1.01', '99')
    """
    return _rounded(value, digits, up=False)


def between(lower: float, upper: float, digits: int) -> str:
    """An interval in words, its ends rounded outwards.

    >>> between(1.23456, 1.23457, 4)
    'between 1.234 and 1.235'
    """
    return f"between {no_more(lower, digits)} and {no_less(upper, digits)}"


def bounded(lower: float, upper: float, digits: int = 4) -> str:
    """A number between two bounds: so many digits where both agree in them, else both, rounded outwards.

    >>> bounded(1.23401, 1.23402), bounded(1.2344, 1.2346), bounded(1.0, 1.5)
    ('1.234', '1.2344 to 1.2346', '1 to 1.5')
    """
    low, high = f"{lower:.{digits}g}", f"{upper:.{digits}g}"
    if low == high:
        return low
    apart = next((n for n in range(digits + 1, 17) if f"{lower:.{n}g}" != f"{upper:.{n}g}"), 17)
    return f"{no_more(lower, apart)} to {no_less(upper, apart)}"


def _rounded(number: float, digits: int, up: bool) -> str:
    value = _outwards(number, up)
    text = f"{value:.{digits}g}"
    if not math.isfinite(value) or (float(text) >= value if up else float(text) <= value):
        return text
    context = Context(prec=digits, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    text = f"{float(context.create_decimal_from_float(value)):.{digits}g}"
    return text if (float(text) >= value if up else float(text) <= value) else repr(value)


def _outwards(number: float, up: bool) -> float:
    """A number that may be a whole one of any size as float64, if need be the next one up or down."""
    exact = int(number) if isinstance(number, Integral) else number
    value = float(exact)
    if value < exact if up else value > exact:
        return math.nextafter(value, math.inf if up else -math.inf)
    return value


def exactly(value: float) -> str:
    """A number that is no bound, with as many digits as it takes to be that very number.

    >>> exactly(1.0), exactly(0.5), exactly(1.0000004), exactly(2**53 + 1)
    ('1', '0.5', '1.0000004', '9007199254740993')
    """
    exact = int(value) if isinstance(value, Integral) else float(value)
    text = f"{exact:g}"
    return text if float(text) == exact else repr(exact)
