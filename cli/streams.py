"""The standard streams: in any encoding, closed, or left by whoever read them."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata

PLAIN = {
    "‖": "||", "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "≤": "<=", "≥": ">=", "→": "->", "∈": "in",
    "∞": "inf", "√": "sqrt", "±": "+-", "½": "1/2", "…": "...", "’": "'", "“": '"', "”": '"', "≈": "~",
    "≠": "!=", "⟨": "<", "⟩": ">", "°": " deg", "ℓ": "l", "█": "#", "■": "#", "●": "*",
}  # fmt: skip


def plain_letters(error: UnicodeError) -> tuple[str, int]:
    """An error handler for codecs: letters that say the same, an escape where there are none.

    >>> "W·φ(x) ≤ ½, é, 猫".encode("ascii", "plain_letters")
    b'W*phi(x) <= 1/2, e, \\\\u732b'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    words = []
    for letter in error.object[error.start : error.end]:
        named = unicodedata.name(letter, "").partition(" LETTER ")
        greek = named[2].lower() if named[0].startswith("GREEK") and " " not in named[2] else ""
        base = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        words.append(
            PLAIN.get(letter) or greek or base or letter.encode("ascii", "backslashreplace").decode()
        )
    return "".join(words), error.end


codecs.register_error("plain_letters", plain_letters)


def survive_any_encoding() -> None:
    """From here on neither output stream fails on a letter that its encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain_letters")


def given_streams() -> bool:
    """Whether there is a standard output; the other two lead nowhere from here on where they are closed.

    A number that stays closed would be given to the next file that is opened, and what is meant for a
    stream would be written into it.
    """
    for number in (0, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the least number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    return sys.stdout is not None


def let_go() -> None:
    """Whatever is still to be written to either stream goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
