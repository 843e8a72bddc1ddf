"""Ways in which a file of a run folder can be damaged, each a function of its bytes."""

import re


def flipped(content, rng):
    """One bit."""
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def cut(content, rng):
    """The end is missing."""
    return content[: int(rng.integers(len(content)))]


def longer(content, rng):
    """Something follows."""
    return content + bytes(rng.integers(0, 256, 1 + int(rng.integers(50)), dtype="uint8"))


def zeroed(content, rng):
    """A block that was never written."""
    place = int(rng.integers(len(content)))
    size = min(len(content) - place, 1 + int(rng.integers(512)))
    return content[:place] + b"\0" * size + content[place + size :]


def retyped(content, rng):
    """A digit is another digit."""
    digits = list(re.finditer(rb"[0-9]", content))
    if not digits:
        return flipped(content, rng)
    place = digits[int(rng.integers(len(digits)))].start()
    other = (content[place] - ord("0") + 1 + int(rng.integers(9))) % 10 + ord("0")
    return content[:place] + bytes([other]) + content[place + 1 :]


def renamed(content, rng):
    """A word in quotes has another letter."""
    words = list(re.finditer(rb'"[a-z_]{2,}"', content))
    if not words:
        return flipped(content, rng)
    place = words[int(rng.integers(len(words)))].start() + 1
    return content[:place] + (b"x" if content[place : place + 1] != b"x" else b"y") + content[place + 1 :]


def emptied(content, rng):
    """Nothing is left."""
    return b""


KINDS = {one.__name__: one for one in (flipped, cut, longer, zeroed, retyped, renamed, emptied)}
