"""What can be chosen about a study: of each option its name, default, range and meaning, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from featgeom.errors import BadArgument

MANY = 10_000_000  # more of anything is a slip of the finger
SEEDS = 2**32 - 1


def checked_seed(seed: Any) -> int:
    """A seed of everything random: a whole number that every generator takes. Raises BadArgument.

    >>> checked_seed(-1)
    Traceback (most recent call last):
    featgeom.errors.BadArgument: seed: expected a whole number from 0 to 4,294,967,295, got -1
    """
    return checked_count("seed", seed, 0, SEEDS)


def checked_count(name: str, value: Any, least: int = 1, most: int = MANY) -> int:
    """A whole number in its range, or BadArgument with what would be right."""
    whole = not isinstance(value, bool) and hasattr(value, "__index__")
    if not whole or not least <= value <= most:
        said = str(value) if len(str(value)) <= 40 else f"{str(value)[:37]}..."
        raise BadArgument(f"{name}: expected a whole number from {least} to {most:,}, got {said}")
    return int(value)


@dataclass(frozen=True)
class Option:
    """What can be chosen about a study: a keyword in Python, a flag of its command.

    ``default`` is used where nothing is chosen; ``help`` says what it means in a line.
    """

    name: str
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The word of the command line: --train-samples for train_samples."""
        return "--" + self.name.replace("_", "-")

    def checked(self, value: Any) -> Any:
        """The value as the study takes it, or BadArgument with what would be right."""
        raise NotImplementedError


@dataclass(frozen=True)
class Count(Option):
    """A whole number of at least ``least``.

    >>> Count("samples", 4, "Samples.").checked(-3)
    Traceback (most recent call last):
    featgeom.errors.BadArgument: --samples: expected a whole number from 1 to 10,000,000, got -3
    """

    least: int = 1

    def checked(self, value: Any) -> int:
        """The number, in its range."""
        return checked_count(self.flag, value, self.least)


@dataclass(frozen=True)
class Switch(Option):
    """Yes or no; ``off`` is the flag that says no."""

    off: str = ""

    def checked(self, value: Any) -> bool:
        """True or False."""
        if value not in (True, False):
            raise BadArgument(f"{self.flag}: expected true or false, got {value}")
        return bool(value)


@dataclass(frozen=True)
class OneOf(Option):
    """One of some words.

    >>> OneOf("norm", "2", "The norm.", choices=("1", "2", "inf")).checked("3")
    Traceback (most recent call last):
    featgeom.errors.BadArgument: --norm: expected one of 1, 2, inf, got '3'
    """

    choices: tuple[str, ...] = ()

    def checked(self, value: Any) -> str:
        """The word, which may be given as the number that it names."""
        word = f"{value:g}" if isinstance(value, float) else str(value)
        if word not in self.choices:
            raise BadArgument(f"{self.flag}: expected one of {', '.join(self.choices)}, got {value!r}")
        return word


@dataclass(frozen=True)
class Several(Option):
    """Any number of values, each read by ``read``, which raises BadArgument; ``word`` names the flag."""

    read: Callable[[Any], Any] = str
    metavar: str = "NAME"
    word: str = ""

    @property
    def flag(self) -> str:
        """The word of the command line, which is given once a value."""
        return f"--{self.word}"

    def checked(self, value: Any) -> tuple[Any, ...]:
        """All values, read."""
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise BadArgument(f"{self.flag}: expected several values, got {value!r}")
        try:
            return tuple(self.read(one) for one in value)
        except BadArgument as error:
            raise BadArgument(f"{self.flag}: {error}") from None
