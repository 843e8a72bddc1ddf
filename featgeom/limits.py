"""How much memory a file may ask for, which is decided before any of it is taken."""

from __future__ import annotations

import os
import re

from featgeom.errors import BadArgument, BadData

MOST = "FEATGEOM_MAX_MEMORY"
BUDGET = "FEATGEOM_MEMORY"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_chosen: list[int] = []
_budget: list[int] = []


def set_max_memory(size: str | int) -> None:
    """Let no file ask for more than ``size``: a number of bytes, or a text such as "8G".

    >>> set_max_memory("8 gigs")
    Traceback (most recent call last):
    featgeom.errors.BadArgument: memory: expected a size such as 8G or 500M, got '8 gigs'
    """
    _chosen[:] = [as_bytes(size)]


def as_bytes(size: str | int) -> int:
    """A size in bytes.

    >>> as_bytes("1.5K")
    1536
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([KMGT]?)i?B?", str(size).strip(), re.IGNORECASE)
    if not found or not float(found[1]):
        raise BadArgument(f"memory: expected a size such as 8G or 500M, got '{size}'")
    return int(float(found[1]) * UNITS[found[2].upper()])


def max_memory() -> int:
    """The limit in bytes: what was set, else the variable FEATGEOM_MAX_MEMORY, else this machine's memory."""
    if _chosen:
        return _chosen[0]
    if os.environ.get(MOST):
        return as_bytes(os.environ[MOST])
    return _machine()


def set_memory(size: str | int) -> None:
    """Let what is computed hold about ``size`` beside the interpreter: a number of bytes, or a text as "2G".

    What has to be held whole is: this decides what is read again instead, and how much is done at once.
    """
    _budget[:] = [as_bytes(size)]


def memory_budget() -> int:
    """How many bytes may be held: what was set, else FEATGEOM_MEMORY, else a quarter of the machine's memory.

    >>> memory_budget() >= 1 << 20
    True
    """
    given = os.environ.get(BUDGET)
    return max(1 << 20, _budget[0] if _budget else as_bytes(given) if given else _machine() // 4)


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 16 << 30


def require_memory(size: int, what: object) -> None:
    """Raise BadData where ``what`` would take more bytes than the limit.

    >>> require_memory(1 << 60, "evil.npz")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    featgeom.errors.BadData: ...
    """
    limit = max_memory()
    if size > limit:
        raise BadData(
            f"{what}: asks for {size:,} bytes of memory, more than the limit of {limit:,} (--max-memory)"
        )
