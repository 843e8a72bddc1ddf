"""What a checkpoint may ask for, declared, so that memory is refused before it is taken."""

from __future__ import annotations

from featgeom.errors import BadCheckpoint

MEBIBYTE = 1 << 20
PICKLE_STEPS = 2_000_000  # instructions of one pickle: ten thousand tensors need a quarter of a million
NAMES = 1_000_000  # tensors of one file
DEPTH = 100  # containers within containers
SPREAD = 64 * MEBIBYTE  # what a tensor may take beyond the bytes that the file holds for it
UNPACKED = 64 * MEBIBYTE  # what a compressed part may take whatever its size,
RATIO = 20  # or how many times its packed size: weights hardly shrink
DIMENSIONS = 64


def check_spread(what: str, wanted: int, held: int) -> None:
    """Raise BadCheckpoint for a tensor that promises far more than the bytes that are there for it.

    >>> check_spread("a tensor", 4_000, 4)
    >>> check_spread("a tensor", 4 << 40, 4)
    Traceback (most recent call last):
    featgeom.errors.BadCheckpoint: a tensor promises 4,398,046,511,104 bytes and holds 4
    """
    if wanted > max(held, SPREAD):
        raise BadCheckpoint(f"{what} promises {wanted:,} bytes and holds {held:,}")


def check_unpacked(what: str, unpacked: int, packed: int) -> None:
    """Raise BadCheckpoint for a compressed part that would grow far beyond its size in the file."""
    if unpacked > max(RATIO * packed, UNPACKED):
        raise BadCheckpoint(f"{what} would unpack {packed:,} bytes to {unpacked:,}: refused")
