"""Class names in any script: fonts for the letters that the default font lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from featgeom.remarks import caution

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def legible(figure: Figure) -> Iterator[None]:
    """While a figure is saved, its words are set in installed fonts that have their letters.

    Where no font has them, that is said once; the letters stay in SVG files, whose viewer may have a font.
    """
    from matplotlib.text import Text

    found: list[Text] = figure.findobj(Text)  # type: ignore[assignment]
    for text in found:
        lacking = frozenset(letter for letter in text.get_text() if letter not in _letters(_default()))
        if lacking - {"\n"}:
            text.set_fontfamily([*text.get_fontfamily(), *_fonts_with(lacking - {"\n"})])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def _default() -> str:
    from matplotlib import font_manager

    return str(font_manager.findfont(font_manager.FontProperties(family=["sans-serif"])))


@cache
def _letters(path: str) -> frozenset[str]:
    """The letters of a font file."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (RuntimeError, OSError, ValueError):
        return frozenset()


@cache
def _fonts_with(letters: frozenset[str]) -> tuple[str, ...]:
    """The names of as few installed fonts as it takes for these letters."""
    from matplotlib import font_manager

    left, chosen = set(letters), list[str]()
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.fname)):
        if not font.name.startswith("Last Resort") and left & _letters(font.fname):
            chosen.append(font.name)
            left -= _letters(font.fname)
        if not left:
            break
    if left:
        caution(
            f"no installed font has the letters {' '.join(sorted(left)[:10])}; pictures show boxes for them"
        )
    return tuple(chosen)
