"""Names of classes, files and runs are text: no letter in them steers a terminal, a table or a page."""

from __future__ import annotations

import re

# Control characters, what turns the direction of writing, separators of lines, halves of pairs.
STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str, lines: bool = False) -> str:
    r"""The text with steering characters written out; with ``lines``, line feeds stay what they are.

    >>> print(visible("cat\x1b[2J\nproved"))
    cat\x1b[2J\nproved
    """

    def written(found: re.Match[str]) -> str:
        letter = found.group()
        return letter if lines and letter == "\n" else letter.encode("unicode_escape").decode()

    return STEERING.sub(written, text)


def no_formula(text: str) -> str:
    """The text as a cell of a table that no spreadsheet computes: an apostrophe stands before what it would.

    >>> no_formula("=1+1"), no_formula("cat")
    ("'=1+1", 'cat')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def counted(number: int, thing: str) -> str:
    """So many things, in words that take an s for more than one and for none.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
